/** Proves that the archive is what its manifest says: every hash of every line and file, nothing missing, nothing extra. */

import { join } from 'node:path';
import type { ArchiveVerdict } from '../core/index.ts';
import { fileHash } from './archive-duckdb.ts';
import { filesOnDisk, indexName, isHot, jobOf } from './archive-files.ts';
import type { FileEntry } from './archive-manifest.ts';
import { type ChainVerdict, verifyChain } from './archive-manifest-file.ts';

export interface ArchiveProof extends ArchiveVerdict {
  readonly lines: number;
  /** Number and hash of the last line: noted elsewhere, it shows later that nothing before it was rewritten. */
  readonly head: string;
}

/** Faults to list; a wrong folder would otherwise fill the screen. */
const FAULTS_MAX = 1000;

/**
 * Reads everything.
 *
 * @param expect `number:hash` of a line, noted earlier
 */
export async function verifyArchive(
  dir: string,
  onProgress: (done: number, all: number) => void = () => undefined,
  expect?: string,
): Promise<ArchiveProof> {
  const chain = await verifyChain(dir, expect);
  const faults = [...chain.faults];
  const entries = [...chain.state.live.values()];
  const suspects: { file: string; fault: string }[] = [];
  for (const [done, entry] of entries.entries()) {
    onProgress(done, entries.length);
    const fault = await fileFault(dir, entry);
    if (fault !== null) suspects.push({ file: entry.file, fault });
  }
  onProgress(entries.length, entries.length);
  const extras = (await filesOnDisk(dir)).filter((name) => {
    const file = name.endsWith('.idx') ? name.slice(0, -4) : name;
    return !chain.state.live.has(file) && !chain.state.removed.has(file);
  });
  if (suspects.length > 0 || extras.length > 0) {
    // While a writer is at work, files come and go: only what the newest manifest still says counts.
    const { state } = await verifyChain(dir);
    for (const { file, fault } of suspects) if (state.live.has(file)) faults.push(fault);
    for (const name of extras) {
      if (!isComing(name, state) && !state.live.has(name.replace(/\.idx$/, ''))) {
        faults.push(`extra: ${name} is in no line of the manifest`);
      }
    }
  }
  return {
    ok: faults.length === 0,
    files: entries.length,
    events: entries.reduce((sum, entry) => sum + entry.rows, 0),
    faults: faults.slice(0, FAULTS_MAX),
    lines: chain.lines,
    head: `${chain.state.n}:${chain.state.hash}`,
  };
}

/** A file whose line is about to be written, or was not because of a crash: it holds nothing that is not elsewhere. */
function isComing(name: string, state: ChainVerdict['state']): boolean {
  const file = name.replace(/\.idx$/, '');
  return isHot(file) ? Number.parseInt(file.slice(file.indexOf('/') + 1), 10) > state.durable : jobOf(file) > state.job;
}

async function fileFault(dir: string, entry: FileEntry): Promise<string | null> {
  const main = await hashFault(join(dir, entry.file), entry.sha256);
  if (main !== null) return `${main}: ${entry.file}`;
  if (entry.index === undefined) return null;
  const side = await hashFault(join(dir, indexName(entry.file)), entry.index);
  return side === null ? null : `${side}: ${indexName(entry.file)}`;
}

async function hashFault(path: string, expected: string): Promise<'missing' | 'changed' | 'unreadable' | null> {
  try {
    return (await fileHash(path)).sha256 === expected ? null : 'changed';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'missing' : 'unreadable';
  }
}

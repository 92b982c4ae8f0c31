/**
 * The baseline on disk: one entry a line, sealed with a digest that is also in the audit log's chain. Whoever changes the
 * file and not the audit log is found out; the audit log proves itself.
 */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { audited, type Clock, type Store } from '../../core/index.ts';
import type { FileEntry } from './file-entry.ts';

const FILE = 'baseline.ndjson';
const KEY = 'files.baseline-digest';
const ENTRIES_MAX = 2_000_000;

export type Baseline = Map<string, FileEntry>;
export type Loaded = { readonly state: 'none' } | { readonly state: 'good' | 'tampered'; readonly entries: Baseline };

const folderOf = (dataDir: string): string => join(dataDir, 'files');

function isEntry(value: unknown): value is FileEntry {
  const one = value as Partial<FileEntry> | null;
  return typeof one === 'object' && one !== null && typeof one.path === 'string' && typeof one.hash === 'string';
}

/** Reads it and compares its digest with the one that the database holds. */
export async function readBaseline(dataDir: string, store: Store): Promise<Loaded> {
  const wanted = await store.values.get(KEY);
  const entries: Baseline = new Map();
  const digest = createHash('sha256');
  try {
    const lines = createInterface({ input: createReadStream(join(folderOf(dataDir), FILE)), crlfDelay: Infinity });
    for await (const line of lines) {
      digest.update(`${line}\n`);
      let value: unknown;
      try {
        value = JSON.parse(line);
      } catch {
        continue;
      }
      if (isEntry(value) && entries.size < ENTRIES_MAX) entries.set(value.path, value);
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return wanted === null ? { state: 'none' } : { state: 'tampered', entries };
  }
  return { state: digest.digest('hex') === wanted ? 'good' : 'tampered', entries };
}

/** Writes it whole, durable before its digest is: a crash in between shows as tampered only when the old file is gone. */
export async function writeBaseline(
  o: { dataDir: string; store: Store; clock: Clock },
  entries: Baseline,
  why: string | null,
): Promise<string> {
  const folder = folderOf(o.dataDir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, FILE);
  const digest = createHash('sha256');
  const file = await open(`${path}.tmp`, 'w', 0o600);
  try {
    let part = '';
    for (const entry of entries.values()) {
      part += `${JSON.stringify(entry)}\n`;
      if (part.length < 1024 * 1024) continue;
      digest.update(part);
      await file.write(part);
      part = '';
    }
    digest.update(part);
    await file.write(part);
    await file.sync();
  } finally {
    await file.close();
  }
  const hex = digest.digest('hex');
  await o.store.transaction(async (inside) => {
    await inside.values.set(KEY, hex);
    if (why !== null)
      await audited({ store: inside, clock: o.clock }, null, {
        action: 'files.baseline',
        target: `${entries.size} files`,
        detail: `${why} sha256 ${hex}`,
      });
    await rename(`${path}.tmp`, path);
  });
  return hex;
}

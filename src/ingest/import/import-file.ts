/** One-shot import into the stream of this process: importing twice adds nothing, and a broken-off import goes on. */

import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { AsepsisError, type Clock, LIMITS, type Store, type Stream } from '../../core/index.ts';
import { appendPatiently } from '../ingest-intake.ts';
import { shortKey } from '../ingest-key.ts';
import { createSources } from '../ingest-sources.ts';
import { contentHash, importBatches } from './import-batches.ts';

/** How many blocks lie between two notes of the progress; what comes after a note is known to the stream by its keys. */
const NOTE_BLOCKS = 64;

/**
 * Imports a file: any lines, NDJSON, a JSON array, Windows event XML or `journalctl -o json`; plain, gzip or zstd.
 *
 * @param o.source name of the source; the file's name when absent
 * @param o.onProgress bytes of the file read so far, and all
 * @returns what was added: nothing when the same content was imported into the same source before
 * @throws AsepsisError `INPUT_UNREADABLE`; what could be read before the fault is kept
 */
export async function importFile(o: {
  path: string;
  stream: Stream;
  store: Store;
  clock: Clock;
  source?: string;
  exercise: boolean;
  onProgress?: (bytes: number, all: number) => void;
}): Promise<{ records: number; blocks: number }> {
  const facts = await stat(o.path).catch(() => null);
  if (!facts?.isFile()) throw new AsepsisError('INPUT_UNREADABLE', `${o.path}: there is no such file.`);
  const ending = new AbortController();
  const sources = createSources({ ...o, signal: ending.signal, log: () => {} });
  try {
    const source = await sources.ensure('import', o.source ?? basename(o.path), { address: o.path.slice(0, 256) });
    const stem = `import@${shortKey(await contentHash(o.path), source)}`;
    const noted = Number(await o.store.values.get(stem)) || 0;
    let block = 0;
    const added = { records: 0, blocks: 0 };
    const batches = importBatches(o.path, {
      onBytes: (bytes) => o.onProgress?.(bytes, facts.size),
      onCut: () => sources.fault(source, `records longer than ${LIMITS.recordBytesMax / 1024} KiB were cut`, 1),
    });
    for await (const batch of batches) {
      const dedupe = `${stem}#${block++}`;
      if (block <= noted) continue;
      const { duplicate } = await appendPatiently(
        o.stream,
        { ...batch, source, receivedMs: o.clock.now(), peer: o.path.slice(0, 4096), exercise: o.exercise, dedupe },
        ending.signal,
      );
      if (!duplicate) {
        added.records += batch.ends.length;
        added.blocks++;
      }
      if (block % NOTE_BLOCKS === 0) await o.store.values.set(stem, String(block));
    }
    if (block > noted) await o.store.values.set(stem, String(block));
    return added;
  } finally {
    await sources.close();
    ending.abort();
  }
}

/** Side indexes in memory, the least recently used leave first. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { indexName } from './archive-files.ts';
import { decodeIndex, type SideIndex } from './archive-index.ts';
import type { FileEntry } from './archive-manifest.ts';

export interface IndexCache {
  /** Null for hot parts and where the index cannot be read: the file itself has to be asked. */
  get(entry: FileEntry): Promise<SideIndex | null>;
}

const BYTES_MAX = 64 * 1024 * 1024;

export function createIndexCache(dir: string): IndexCache {
  const kept = new Map<string, { index: SideIndex; bytes: number }>();
  let bytes = 0;
  return {
    async get(entry) {
      if (entry.index === undefined) return null;
      const known = kept.get(entry.file);
      if (known !== undefined) {
        kept.delete(entry.file);
        kept.set(entry.file, known);
        return known.index;
      }
      const read = await readFile(join(dir, indexName(entry.file))).catch(() => null);
      const index = read === null ? null : decodeIndex(read);
      if (read === null || index === null) return null;
      // A minute is a small array; its text is about as large as it is in memory.
      kept.set(entry.file, { index, bytes: read.length * 2 });
      bytes += read.length * 2;
      for (const [file, oldest] of kept) {
        if (bytes <= BYTES_MAX) break;
        kept.delete(file);
        bytes -= oldest.bytes;
      }
      return index;
    },
  };
}

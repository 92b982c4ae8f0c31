/** Side indexes in memory, the least recently used leave first; their large parts are read where they are needed. */

import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { indexName } from './archive-files.ts';
import { isGramsSize } from './archive-grams.ts';
import { decodeIndex, INDEX_START_BYTES, INDEXED_COLUMNS, type SideIndex } from './archive-index.ts';
import type { FileEntry } from './archive-manifest.ts';
import { bucketSpan, type Minutes, minutesIn } from './archive-postings.ts';

export interface IndexCache {
  /** Null for hot parts and where the index cannot be read: the file itself has to be asked. */
  get(entry: FileEntry): Promise<SideIndex | null>;
  /** The minutes of one value (in lower case) of an indexed column; null when the index does not say. */
  minutesOf(entry: FileEntry, column: string, value: string): Promise<Minutes | null>;
  /** The pieces of words in the file's raw records; null when the index does not say. */
  gramsOf(entry: FileEntry): Promise<Uint8Array | null>;
  /** The keys of observables in the file; null when the index does not say. */
  keysOf(entry: FileEntry): Promise<Uint8Array | null>;
}

const BYTES_MAX = 64 * 1024 * 1024;
/** More than a large file has of keys, and of postings in one bucket: bounds for bytes that make no sense. */
const KEYS_BYTES_MAX = 32 * 1024 * 1024;
const BUCKET_BYTES_MAX = 8 * 1024 * 1024;

async function readSome(handle: FileHandle, at: number, length: number): Promise<Buffer | null> {
  const bytes = Buffer.allocUnsafe(length);
  const { bytesRead } = await handle.read(bytes, 0, length, at);
  return bytesRead === length ? bytes : null;
}

async function readHead(handle: FileHandle): Promise<SideIndex | null> {
  let wanted = INDEX_START_BYTES;
  for (let tries = 0; tries < 6; tries++) {
    const bytes = Buffer.allocUnsafe(wanted);
    const { bytesRead } = await handle.read(bytes, 0, wanted, 0);
    const index = decodeIndex(bytes.subarray(0, bytesRead));
    if (typeof index !== 'number') return index;
    if (bytesRead < wanted) return null;
    wanted = index;
  }
  return null;
}

export function createIndexCache(dir: string): IndexCache {
  const kept = new Map<string, { index: SideIndex; bytes: number }>();
  let bytes = 0;

  const withFile = async <T>(entry: FileEntry, work: (handle: FileHandle) => Promise<T | null>): Promise<T | null> => {
    const handle = await open(join(dir, indexName(entry.file)), 'r').catch(() => null);
    if (handle === null) return null;
    try {
      return await work(handle);
    } catch {
      return null;
    } finally {
      await handle.close();
    }
  };

  const keep = (file: string, index: SideIndex): void => {
    // A minute is a small array; its text is about as large as it is in memory.
    const size = index.postingsAt * 2;
    kept.set(file, { index, bytes: size });
    bytes += size;
    for (const [name, oldest] of kept) {
      if (bytes <= BYTES_MAX) break;
      kept.delete(name);
      bytes -= oldest.bytes;
    }
  };

  const get = async (entry: FileEntry): Promise<SideIndex | null> => {
    if (entry.index === undefined) return null;
    const known = kept.get(entry.file);
    if (known !== undefined) {
      kept.delete(entry.file);
      kept.set(entry.file, known);
      return known.index;
    }
    const index = await withFile(entry, readHead);
    // Two that asked at the same time read it twice; it is counted once.
    if (index !== null && !kept.has(entry.file)) keep(entry.file, index);
    return index;
  };

  return {
    get,
    async minutesOf(entry, column, value) {
      const index = await get(entry);
      if (index === null || index.fanout === null || !index.posted.includes(column)) return null;
      const [from, to] = bucketSpan(index.fanout, column, value);
      const length = to - from;
      if (length === 0) return [];
      if (length < 0 || length > BUCKET_BYTES_MAX || index.postingsAt + to > index.gramsAt) return null;
      const bucket = await withFile(entry, (handle) => readSome(handle, index.postingsAt + from, length));
      return bucket === null ? null : minutesIn(bucket, INDEXED_COLUMNS.indexOf(column as never), value);
    },
    async gramsOf(entry) {
      const index = await get(entry);
      if (index === null || !isGramsSize(index.keysAt - index.gramsAt)) return null;
      return withFile(entry, (handle) => readSome(handle, index.gramsAt, index.keysAt - index.gramsAt));
    },
    async keysOf(entry) {
      const index = await get(entry);
      const length = index === null ? 0 : index.end - index.keysAt;
      if (index === null || length === 0 || length > KEYS_BYTES_MAX) return null;
      return withFile(entry, (handle) => readSome(handle, index.keysAt, length));
    },
  };
}

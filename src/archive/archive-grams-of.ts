/** The pieces of words in a part of the archive: out of its raw bytes while it is hot, out of its index afterwards. */

import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Duck, parquetTable } from './archive-duckdb.ts';
import { indexName, isHot } from './archive-files.ts';
import { createGrams, gramsAdd, gramsUnite, isGramsSize } from './archive-grams.ts';
import { decodeIndex } from './archive-index.ts';
import type { FileEntry } from './archive-manifest.ts';

const PIECE_BYTES = 1024 * 1024;

/** Answers for the parts of one job; each is read once. */
export function createGramsReader(duck: Duck, dir: string) {
  const known = new Map<string, Promise<Uint8Array>>();
  const gramsOf = (entry: FileEntry): Promise<Uint8Array> => {
    let grams = known.get(entry.file);
    if (grams === undefined) {
      grams = isHot(entry.file) ? ofHot(duck, dir, entry) : ofSealed(duck, dir, entry);
      known.set(entry.file, grams);
    }
    return grams;
  };
  return async (files: readonly FileEntry[]): Promise<Uint8Array> => {
    const all = createGrams();
    for (const entry of files) gramsUnite(all, await gramsOf(entry));
    return all;
  };
}

/** A hot part keeps raw records as they are, one after the other, in one page without compression (`archive-part.ts`). */
async function ofHot(duck: Duck, dir: string, entry: FileEntry): Promise<Uint8Array> {
  const path = join(dir, entry.file);
  const pages = await duck.rows(
    `SELECT data_page_offset, total_compressed_size, compression FROM parquet_metadata('${path.replaceAll("'", "''")}') WHERE path_in_schema = 'raw'`,
  );
  const grams = createGrams();
  const handle = await open(path, 'r');
  try {
    for (const [from, length, compression] of pages) {
      if (compression !== 'UNCOMPRESSED') return ofText(duck, path);
      let at = Number(from);
      const end = at + Number(length);
      const piece = Buffer.allocUnsafe(PIECE_BYTES);
      // Pieces of the file overlap by what a word's piece or one letter may need.
      while (at < end) {
        const { bytesRead } = await handle.read(piece, 0, Math.min(PIECE_BYTES, end - at), at);
        if (bytesRead === 0) return ofText(duck, path);
        gramsAdd(grams, piece.subarray(0, bytesRead));
        if (at + bytesRead >= end) break;
        at += Math.max(1, bytesRead - OVERLAP_BYTES);
      }
    }
  } finally {
    await handle.close();
  }
  return grams;
}

/** Four letters of at most three bytes each. */
const OVERLAP_BYTES = 16;

async function ofSealed(duck: Duck, dir: string, entry: FileEntry): Promise<Uint8Array> {
  const bytes = await readFile(join(dir, indexName(entry.file))).catch(() => null);
  const index = bytes === null ? null : decodeIndex(bytes);
  if (bytes !== null && index !== null && typeof index !== 'number') {
    const grams = bytes.subarray(index.gramsAt, index.keysAt);
    if (isGramsSize(grams.length)) return grams;
  }
  return ofText(duck, join(dir, entry.file));
}

/** An index of an earlier version, or none: out of the text itself. */
async function ofText(duck: Duck, path: string): Promise<Uint8Array> {
  const grams = createGrams();
  const result = await duck.connection.stream(`SELECT "raw" FROM ${parquetTable([path])}`);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return grams;
    for (const text of chunk.getColumnValues(0)) gramsAdd(grams, Buffer.from(String(text)));
  }
}

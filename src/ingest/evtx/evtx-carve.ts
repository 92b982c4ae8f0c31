/** Finds chunks and single records in any bytes: images, memory, files whose head is lost. */

import { Buffer } from 'node:buffer';
import type { DecodedEvent } from '../../core/index.ts';
import { u32 } from './evtx-bytes.ts';
import { type ChunkReader, readChunk } from './evtx-chunk.ts';
import {
  CHUNK_BYTES,
  CHUNK_SIGNATURE,
  RECORD_HEAD_BYTES,
  RECORDS_AT,
  readChunkHeader,
  recordBytes,
} from './evtx-layout.ts';
import { asBuffer, type Parts } from './evtx-parts.ts';
import { TOKEN } from './evtx-plan.ts';

const RECORD_SIGNATURE = '**\0\0';
/** Search goes on in pieces of this size; a chunk that begins in one is read when all its bytes are there. */
const WINDOW_BYTES = 16 * CHUNK_BYTES;

interface Carved {
  /** Bytes that are done with. */
  at: number;
}

export async function* carve(parts: Parts, to: ChunkReader): AsyncGenerator<DecodedEvent> {
  let held: Buffer[] = [];
  let length = 0;
  for await (const part of parts) {
    const bytes = asBuffer(part);
    held.push(bytes);
    length += bytes.length;
    if (length < WINDOW_BYTES) continue;
    const window = Buffer.concat(held);
    const done: Carved = { at: 0 };
    yield* carveWindow(window, false, to, done);
    const rest = window.subarray(done.at);
    held = [rest];
    length = rest.length;
  }
  yield* carveWindow(Buffer.concat(held), true, to, { at: 0 });
}

/** Reads on until nothing is left, or, before the last window, until a chunk could go on in the next one. */
function* carveWindow(bytes: Buffer, last: boolean, to: ChunkReader, done: Carved): Generator<DecodedEvent> {
  const stop = last ? bytes.length : bytes.length - CHUNK_BYTES;
  let chunkAt = -2;
  let recordAt = -2;
  while (done.at < stop) {
    const at = done.at;
    if (chunkAt !== -1 && chunkAt < at) chunkAt = bytes.indexOf(CHUNK_SIGNATURE, at, 'latin1');
    if (recordAt !== -1 && recordAt < at) recordAt = bytes.indexOf(RECORD_SIGNATURE, at, 'latin1');
    const isChunk = chunkAt >= 0 && (recordAt < 0 || chunkAt < recordAt);
    const next = isChunk ? chunkAt : recordAt;
    if (next < 0 || next >= stop) {
      done.at = stop;
      return;
    }
    if (isChunk) {
      // Another chunk may begin before this one should end: then this one was written over.
      const end = nextChunk(bytes, next + 8, next + CHUNK_BYTES);
      const chunk = bytes.subarray(next, end);
      yield* readChunk(chunk, readChunkHeader(chunk), 'all', to);
      done.at = end;
    } else yield* looseRecords(bytes, next, to, done);
  }
}

/** Where the next chunk begins in [at, end), else the end; the search itself stops there. */
function nextChunk(bytes: Buffer, at: number, end: number): number {
  const found = bytes.subarray(at, end).indexOf(CHUNK_SIGNATURE, 0, 'latin1');
  return found < 0 ? Math.min(bytes.length, end) : at + found;
}

/**
 * Records without their chunk's head. Places in them count from where the chunk began, which the first record tells that
 * brings its own template: the template's place is stated, and it stands there.
 */
function* looseRecords(bytes: Buffer, at: number, to: ChunkReader, done: Carved): Generator<DecodedEvent> {
  const size = recordBytes(bytes, at);
  done.at = at + 1;
  if (size === 0) return;
  const base = chunkStart(bytes, at);
  if (base === null) {
    to.counts.damagedRecords++;
    done.at = at + size;
    return;
  }
  const end = nextChunk(bytes, at, base + CHUNK_BYTES);
  const chunk = base >= 0 ? bytes.subarray(base, end) : Buffer.concat([Buffer.alloc(-base), bytes.subarray(0, end)]);
  yield* readChunk(chunk, null, 'all', to, at - base);
  done.at = end;
}

/** Where the chunk of the record at `at` began, possibly before the bytes at hand; null when the record does not tell. */
function chunkStart(bytes: Buffer, at: number): number | null {
  const instance = at + RECORD_HEAD_BYTES + 4;
  const definition = instance + 10;
  if (bytes[instance] !== TOKEN.template || bytes[instance - 4] !== TOKEN.fragment) return null;
  const stated = u32(bytes, instance + 6);
  const inline = u32(bytes, instance + 2) === u32(bytes, definition + 4) && bytes[definition + 24] === TOKEN.fragment;
  const inChunk = at - definition + stated;
  return inline && stated < CHUNK_BYTES && inChunk >= RECORDS_AT ? definition - stated : null;
}

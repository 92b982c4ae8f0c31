/** Event logs chunk by chunk in bounded memory: from a path, from bytes, or from a stream such as an unpacked archive. */

import { Buffer } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { AsepsisError, type DecodedEvent, type SourceId } from '../../core/index.ts';
import { carve } from './evtx-carve.ts';
import { type ChunkReader, type EvtxCounts, readChunk } from './evtx-chunk.ts';
import { createEventMaker } from './evtx-event.ts';
import { CHUNK_BYTES, FILE_HEADER_BYTES, readChunkHeader, readFileHeader } from './evtx-layout.ts';
import { asBuffer, type Parts } from './evtx-parts.ts';
import { createRecordReader } from './evtx-record.ts';

export interface EvtxOptions {
  readonly source?: SourceId;
  readonly receivedMs?: number;
  readonly exercise?: boolean;
  /** Looks for chunks and records in any bytes, such as a disk image or memory, instead of reading an event log. */
  readonly carve?: boolean;
}

export interface EvtxEvents extends AsyncIterable<DecodedEvent> {
  /** Counted while reading. */
  readonly counts: Readonly<EvtxCounts>;
}

const SOURCE = `src_${'0'.repeat(26)}` as SourceId;
const READ_BYTES = 16 * CHUNK_BYTES;

/**
 * The events of an event log (`.evtx`), in the order in which they stand in the file. Damage never ends the reading: what is
 * not whole is counted and the next record is read.
 * @param input a path, the bytes, or a stream of them
 * @throws AsepsisError INPUT_UNREADABLE when a path cannot be read; nothing whatever the bytes are
 */
export function readEvtx(input: string | Uint8Array | AsyncIterable<unknown>, o: EvtxOptions = {}): EvtxEvents {
  const counts: EvtxCounts = {
    chunks: 0,
    damagedChunks: 0,
    records: 0,
    damagedRecords: 0,
    dirty: false,
    damagedHeader: false,
  };
  const to: ChunkReader = {
    reader: createRecordReader(),
    maker: createEventMaker(o.source ?? SOURCE, o.receivedMs ?? Date.now(), o.exercise === true),
    counts,
  };
  const parts = typeof input === 'string' ? fileParts(input) : input instanceof Uint8Array ? [input] : input;
  return { counts, [Symbol.asyncIterator]: () => (o.carve ? carve(parts, to) : chunks(parts, to)) };
}

async function* fileParts(path: string): AsyncGenerator<unknown> {
  try {
    yield* createReadStream(path, { highWaterMark: READ_BYTES });
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`, { cause: error });
  }
}

/** Cuts the parts into the file's head and its chunks; the last one may be torn. */
async function* chunks(parts: Parts, to: ChunkReader): AsyncGenerator<DecodedEvent> {
  let rest: Buffer = Buffer.alloc(0);
  let started = false;
  for await (const part of parts) {
    rest = rest.length === 0 ? asBuffer(part) : Buffer.concat([rest, asBuffer(part)]);
    let at = 0;
    if (!started) {
      if (rest.length < CHUNK_BYTES) continue;
      started = true;
      at = readHead(rest, to.counts);
    }
    for (; at + CHUNK_BYTES <= rest.length; at += CHUNK_BYTES) {
      // Not `yield*`: over a plain generator it takes more turns of the microtask queue for each event.
      for (const event of oneChunk(rest.subarray(at, at + CHUNK_BYTES), to)) yield event;
    }
    rest = rest.subarray(at);
  }
  if (!started) rest = rest.subarray(readHead(rest, to.counts));
  for (let at = 0; at < rest.length; at += CHUNK_BYTES) yield* oneChunk(rest.subarray(at, at + CHUNK_BYTES), to);
}

/** Where the first chunk begins. A file without its head may begin with a chunk. */
function readHead(bytes: Buffer, counts: EvtxCounts): number {
  const header = readFileHeader(bytes);
  if (header === null) {
    counts.damagedHeader = true;
    return readChunkHeader(bytes) === null ? Math.min(4096, bytes.length) : 0;
  }
  counts.dirty = header.dirty;
  counts.damagedHeader = !header.sound;
  return Math.min(Math.max(header.blockBytes, FILE_HEADER_BYTES), bytes.length);
}

const NOTHING = Buffer.alloc(CHUNK_BYTES);

function* oneChunk(bytes: Buffer, to: ChunkReader): Generator<DecodedEvent> {
  // Windows makes files longer than it needs: a chunk of zeros is room.
  if (bytes.equals(bytes.length === CHUNK_BYTES ? NOTHING : NOTHING.subarray(0, bytes.length))) return;
  yield* readChunk(bytes, readChunkHeader(bytes), to.counts.dirty ? 'newer' : 'none', to);
}

/** Reads one file as events for the command line: Windows event logs and lines of any known form, plain, gzip, zstd or zip. */

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AsepsisError, type DecodedEvent, type SourceId } from './core/index.ts';
import { createDecoder } from './ingest/decode/index.ts';
import { readEvtx } from './ingest/evtx/index.ts';
import { recordBatches } from './ingest/index.ts';
import { isZip, zipEntries } from './main-decode-zip.ts';

const SOURCE = `src_${'0'.repeat(26)}` as SourceId;
const READ_BYTES = 256 * 1024;
const EVTX_SIGNATURE = 'ElfFile\0';

export interface DecodeOptions {
  /** Looks for Windows event records in any bytes, such as a disk image. */
  readonly carve?: boolean;
  /** Hears what could not be read. */
  readonly say?: (sentence: string) => void;
  /** Bytes to read, of a file that is neither compressed nor an event log; the whole file else. */
  readonly range?: { readonly from: number; readonly to: number };
}

/** Events of `path` in order; `seq` and `index` tell where in the file they were. */
export async function* decodeFile(path: string, o: DecodeOptions = {}): AsyncGenerator<DecodedEvent> {
  if (o.range !== undefined) {
    yield* decodeText(await opened(path, { start: o.range.from, end: o.range.to - 1 }), path, o.say);
  } else if (await isZip(path)) {
    for await (const entry of zipEntries(path, o.say)) yield* decodeParts(entry.parts, `${path}: ${entry.name}`, o);
  } else yield* decodeParts(await opened(path), path, o);
}

async function* decodeParts(
  parts: AsyncIterable<unknown>,
  path: string,
  o: DecodeOptions,
): AsyncGenerator<DecodedEvent> {
  const { head, all } = await unpacked(parts);
  if (o.carve !== true && head.toString('latin1', 0, EVTX_SIGNATURE.length) !== EVTX_SIGNATURE) {
    yield* decodeText(all, path, o.say);
    return;
  }
  const events = readEvtx(all, { carve: o.carve === true });
  yield* events;
  const { damagedRecords, damagedChunks, dirty } = events.counts;
  if (damagedRecords > 0 || damagedChunks > 0)
    o.say?.(
      `${path}: ${damagedRecords} records and ${damagedChunks} chunks are damaged${dirty ? '; Windows had not closed the file' : ''}.`,
    );
}

/** Text in any form that an import takes too: lines, JSON arrays and objects, event XML; UTF-8 or UTF-16. */
async function* decodeText(
  parts: AsyncIterable<unknown>,
  path: string,
  say: DecodeOptions['say'],
): AsyncGenerator<DecodedEvent> {
  const decoder = createDecoder({});
  const receivedMs = Date.now();
  let seq = 0;
  const batches = recordBatches(parts as AsyncIterable<Buffer>);
  try {
    let batch = await batches.next();
    for (; !batch.done; batch = await batches.next())
      // One after the other, so that hardly any outlives the next.
      yield* decoder.events({ ...batch.value, seq: ++seq, source: SOURCE, receivedMs, peer: path, exercise: false });
    if (batch.value !== null) say?.(`${path}: ${batch.value}; what comes before was read.`);
  } finally {
    await batches.return(null);
  }
}

/** The file's bytes as the parts it is read in; a file that cannot be opened is said to be so before anything is read. */
async function opened(path: string, range: { start?: number; end?: number } = {}): Promise<AsyncIterable<unknown>> {
  try {
    const file = await open(path, 'r');
    await file.close();
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`, { cause: error });
  }
  return createReadStream(path, { highWaterMark: READ_BYTES, ...range });
}

const SIGNATURE_BYTES = 8;

/** The first bytes, and all of them again as parts. */
async function peek(parts: AsyncIterable<unknown>): Promise<{ head: Buffer; all: AsyncIterable<unknown> }> {
  const iterator = parts[Symbol.asyncIterator]();
  let head: Buffer = Buffer.alloc(0);
  while (head.length < SIGNATURE_BYTES) {
    const { value, done } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? (value as Buffer) : Buffer.concat([head, value as Buffer]);
  }
  async function* all(): AsyncGenerator<unknown> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head, all: all() };
}

/** RFC 1952 section 2.3.1; RFC 8878 section 3.1.1. */
async function unpacked(parts: AsyncIterable<unknown>): Promise<{ head: Buffer; all: AsyncIterable<unknown> }> {
  const found = await peek(parts);
  if (found.head.length < 4) return found;
  const through =
    found.head.readUInt16BE(0) === 0x1f8b
      ? createGunzip()
      : found.head.readUInt32LE(0) === 0xfd2fb528
        ? createZstdDecompress()
        : null;
  return through === null ? found : peek(pipeline(Readable.from(found.all), through, () => {}));
}

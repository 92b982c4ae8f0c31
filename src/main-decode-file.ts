/** Reads one file as events for the command line: Windows event logs and lines of any known form, plain, gzip, zstd or zip. */

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AsepsisError, type DecodedEvent, LIMITS, type SourceId } from './core/index.ts';
import { createDecoder } from './ingest/decode/index.ts';
import { readEvtx } from './ingest/evtx/index.ts';
import { isZip, zipEntries } from './main-decode-zip.ts';

const SOURCE = `src_${'0'.repeat(26)}` as SourceId;
const NEWLINE = 10;
const READ_BYTES = 256 * 1024;
const EVTX_SIGNATURE = 'ElfFile\0';

export interface DecodeOptions {
  /** Looks for Windows event records in any bytes, such as a disk image. */
  readonly carve?: boolean;
  /** Hears what could not be read. */
  readonly say?: (sentence: string) => void;
}

/** Events of `path` in order; `seq` and `index` tell where in the file they were. */
export async function* decodeFile(path: string, o: DecodeOptions = {}): AsyncGenerator<DecodedEvent> {
  if (await isZip(path)) {
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
    yield* decodeText(all, path);
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

/** Lines of any known form. */
async function* decodeText(parts: AsyncIterable<unknown>, path: string): AsyncGenerator<DecodedEvent> {
  const decoder = createDecoder({});
  const receivedMs = Date.now();
  let seq = 0;
  const decode = (data: Buffer, ends: number[]) =>
    decoder.decode({
      seq: ++seq,
      source: SOURCE,
      receivedMs,
      hint: 'line',
      peer: path,
      exercise: false,
      data,
      ends: Uint32Array.from(ends),
    });
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of parts) {
    const data = rest.length === 0 ? (chunk as Buffer) : Buffer.concat([rest, chunk as Buffer]);
    const lines: Buffer[] = [];
    let start = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, start)) {
      if (end > start) lines.push(data.subarray(start, end));
      start = end + 1;
    }
    rest = data.subarray(start);
    // A line without an end is cut: the record limit holds for files as well.
    if (rest.length > LIMITS.recordBytesMax) {
      lines.push(rest.subarray(0, LIMITS.recordBytesMax));
      rest = Buffer.alloc(0);
    }
    for (let from = 0; from < lines.length; from += LIMITS.blockRecordsMax)
      yield* decodeLines(lines.slice(from, from + LIMITS.blockRecordsMax), decode);
  }
  if (rest.length > 0) yield* decode(rest, [rest.length]);
}

function decodeLines(
  lines: readonly Buffer[],
  decode: (data: Buffer, ends: number[]) => DecodedEvent[],
): DecodedEvent[] {
  let length = 0;
  const ends = lines.map((line) => {
    length += line.length;
    return length;
  });
  return decode(Buffer.concat(lines), ends);
}

/** The file's bytes as the parts it is read in; a file that cannot be opened is said to be so before anything is read. */
async function opened(path: string): Promise<AsyncIterable<unknown>> {
  try {
    const file = await open(path, 'r');
    await file.close();
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`, { cause: error });
  }
  return createReadStream(path, { highWaterMark: READ_BYTES });
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

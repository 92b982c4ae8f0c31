/** Reads one file as events for the command line: lines of any known form, plain, gzip or zstd, in bounded memory. */

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AsepsisError, type DecodedEvent, LIMITS, type SourceId } from './core/index.ts';
import { createDecoder } from './ingest/decode/index.ts';

const SOURCE = `src_${'0'.repeat(26)}` as SourceId;
const NEWLINE = 10;

/** Events of `path` in order; `seq` and `index` tell where in the file they were. */
export async function* decodeFile(path: string): AsyncGenerator<DecodedEvent> {
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
  for await (const chunk of await contents(path)) {
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

async function contents(path: string): Promise<AsyncIterable<unknown>> {
  const head = Buffer.alloc(4);
  try {
    const file = await open(path, 'r');
    await file.read(head, 0, 4, 0);
    await file.close();
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`, { cause: error });
  }
  const raw = createReadStream(path, { highWaterMark: 256 * 1024 });
  // RFC 1952 section 2.3.1; RFC 8878 section 3.1.1.
  const through =
    head.readUInt16BE(0) === 0x1f8b
      ? createGunzip()
      : head.readUInt32LE(0) === 0xfd2fb528
        ? createZstdDecompress()
        : null;
  if (through === null) return raw;
  return pipeline(raw, through, () => {});
}

/** A file of evidence as batches of records: compression, encoding and shape are found by looking; cuts never change. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { AsepsisError, type RecordHint } from '../../core/index.ts';
import { BULK_BYTES, createGather } from '../ingest-gather.ts';
import { type SplitSink, type Splitter, splitEventXml, splitJson, splitLines } from '../ingest-split.ts';

export interface ImportBatch {
  readonly hint: RecordHint;
  readonly data: Uint8Array;
  readonly ends: Uint32Array;
}

const CHUNK_BYTES = 256 * 1024;
const HEAD_BYTES = 64 * 1024;

/** SHA-256 over the file's bytes as they are, in hexadecimal. */
export async function contentHash(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function magicOf(path: string): Promise<string> {
  const file = await open(path, 'r');
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(8), 0, 8, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await file.close();
  }
}

/** Formats that are not records of text, and how to make them so. */
const NOT_TEXT: readonly (readonly [string, string])[] = [
  ['ElfFile\0', 'it is a binary Windows event log; write it as XML with `wevtutil qe FILE /lf /f:xml`'],
  ['\xd4\xc3\xb2\xa1', 'it is a network capture'],
  ['\n\r\r\n', 'it is a network capture'],
  ['LPKSHHRH', 'it is a binary journal; write it as JSON with `journalctl -o json --file FILE`'],
  ['BZh', 'it is compressed with bzip2'],
  ['\xfd7zXZ\0', 'it is compressed with xz'],
  ['PK\x03\x04', 'it is a zip archive'],
];

function decompressed(raw: Readable, magic: string): AsyncIterable<Buffer> {
  if (magic.startsWith('\x1f\x8b')) return pipeline(raw, createGunzip(), () => {});
  if (magic.startsWith('\x28\xb5\x2f\xfd')) return pipeline(raw, createZstdDecompress(), () => {});
  return raw;
}

/** UTF-16 as Windows tools write it becomes UTF-8; a byte order mark goes. */
async function* asUtf8(chunks: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let decoder: TextDecoder | null | undefined;
  for await (const chunk of chunks) {
    let bytes = chunk;
    if (decoder === undefined) {
      const mark = chunk.toString('latin1', 0, 3);
      decoder = mark.startsWith('\xff\xfe')
        ? new TextDecoder('utf-16le')
        : mark.startsWith('\xfe\xff')
          ? new TextDecoder('utf-16be')
          : null;
      if (mark === '\xef\xbb\xbf') bytes = chunk.subarray(3);
    }
    yield decoder ? Buffer.from(decoder.decode(bytes, { stream: true })) : bytes;
  }
  if (decoder) yield Buffer.from(decoder.decode());
}

/** What the beginning looks like: the hint and the way to take the rest apart. */
function shapeOf(head: Buffer): { hint: RecordHint; make: (sink: SplitSink) => Splitter } {
  const text = head.toString('latin1', 0, HEAD_BYTES).trimStart();
  if (text.startsWith('[')) {
    // A line such as `[Mon May 04 …] [error]` is no array.
    return /^\[\s*[[{"\]]/.test(text) ? { hint: 'json', make: splitJson } : { hint: 'line', make: splitLines };
  }
  if (text.startsWith('{')) {
    const line = (text.split('\n', 1)[0] as string).trimEnd();
    const hint = text.includes('"__REALTIME_TIMESTAMP"') ? 'journal' : 'json';
    return { hint, make: line.endsWith('}') ? splitLines : splitJson };
  }
  if (/^(?:<\?xml|<Events?[\s>])/.test(text) && text.includes('<Event'))
    return { hint: 'windows-xml', make: splitEventXml };
  return { hint: 'line', make: splitLines };
}

/**
 * Text of any shape (UTF-8 or UTF-16) as batches of records. Answers what was unfinished at the end, null when nothing.
 *
 * @param o.onChunk after each part of the input
 * @param o.onCut a record was cut to the limit
 */
export async function* recordBatches(
  parts: AsyncIterable<Buffer>,
  o: { onChunk?: () => void; onCut?: () => void } = {},
): AsyncGenerator<ImportBatch, string | null> {
  let ready: ImportBatch[] = [];
  let hint: RecordHint = 'line';
  let splitter: Splitter | null = null;
  let fault: { readonly error: unknown } | null = null;
  const gather = createGather(BULK_BYTES, (data, ends) => ready.push({ hint, data, ends }));
  const sink: SplitSink = { record: (bytes, start, end) => gather.add(bytes, start, end), cut: () => o.onCut?.() };
  try {
    for await (const chunk of asUtf8(parts)) {
      if (splitter === null) {
        const shape = shapeOf(chunk);
        hint = shape.hint;
        splitter = shape.make(sink);
      }
      splitter.push(chunk);
      o.onChunk?.();
      yield* ready;
      ready = [];
    }
  } catch (error) {
    fault = { error };
  }
  const end = splitter?.end() ?? null;
  gather.flush();
  yield* ready;
  if (fault !== null) throw fault.error;
  return end;
}

/**
 * @param o.onBytes how many bytes of the file (as it lies on disk) have been read
 * @param o.onCut a record was cut to the limit
 * @throws AsepsisError `INPUT_UNREADABLE`, after the batches of what could be read
 */
export async function* importBatches(
  path: string,
  o: { onBytes?: (bytes: number) => void; onCut?: () => void } = {},
): AsyncGenerator<ImportBatch> {
  const unreadable = (what: string, cause?: unknown) =>
    new AsepsisError('INPUT_UNREADABLE', `${path}: ${what}.`, { cause });
  const magic = await magicOf(path).catch((cause: NodeJS.ErrnoException) => {
    throw unreadable(cause.code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${cause.code})`, cause);
  });
  const known = NOT_TEXT.find(([start]) => magic.startsWith(start));
  if (known) throw unreadable(known[1]);
  const raw = createReadStream(path, { highWaterMark: CHUNK_BYTES });
  let end: string | null;
  try {
    end = yield* recordBatches(decompressed(raw, magic), {
      onChunk: () => o.onBytes?.(raw.bytesRead),
      ...(o.onCut === undefined ? {} : { onCut: o.onCut }),
    });
  } catch (fault) {
    throw unreadable('it is damaged; what comes before the damage was taken', fault);
  } finally {
    raw.destroy();
  }
  if (end !== null) throw unreadable(`${end}; what comes before was taken`);
}

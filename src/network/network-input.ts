/** Where captures come from: files, compressed files, a pipe; read in large pieces, and a damaged end keeps what came before. */

import { createReadStream } from 'node:fs';
import { pipeline, type Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { AsepsisError } from '../core/index.ts';
import { type CaptureEnd, createCaptureReader, type PacketSink } from './network-capture.ts';

const PIECE_BYTES = 1 << 20;

/** Reads one capture to its end. `-` is standard input. */
export async function readCapture(
  path: string,
  sink: PacketSink,
  o: { stdin?: Readable; onProgress?: (bytes: number) => void } = {},
): Promise<CaptureEnd & { bytes: number }> {
  const input = path === '-' ? (o.stdin ?? process.stdin) : createReadStream(path, { highWaterMark: PIECE_BYTES });
  const reader = createCaptureReader(sink);
  let bytes = 0;
  let fault: string | null = null;
  try {
    for await (const piece of unpacked(input)) {
      bytes += piece.length;
      reader.push(piece);
      o.onProgress?.(bytes);
    }
  } catch (error) {
    const code = (error as { code?: string }).code ?? '';
    if (!code.startsWith('Z_')) throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`);
    fault = 'is damaged where it is compressed; what came before was read';
  }
  const end = reader.end();
  return { ...end, fault: fault ?? end.fault, bytes };
}

/** The pieces of a stream, through gunzip when it begins as gzip does (RFC 1952 section 2.3.1). */
async function* unpacked(input: Readable): AsyncIterable<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const next = await pieces.next();
    if (next.done === true) break;
    head = head.length === 0 ? next.value : Buffer.concat([head, next.value]);
  }
  const all = (async function* () {
    if (head.length > 0) yield head;
    for (;;) {
      const next = await pieces.next();
      if (next.done === true) return;
      yield next.value;
    }
  })();
  if (head[0] !== 0x1f || head[1] !== 0x8b) {
    yield* all;
    return;
  }
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES, finishFlush: constants.Z_SYNC_FLUSH });
  pipeline(all, gunzip, () => undefined);
  for await (const piece of gunzip) yield piece as Uint8Array;
}

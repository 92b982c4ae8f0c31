/** Where captures come from: files, compressed files, a pipe; read in large pieces, and a damaged end keeps what came before. */

import { open } from 'node:fs/promises';
import { pipeline, type Readable } from 'node:stream';
import { constants, createGunzip } from 'node:zlib';
import { AsepsisError } from '../core/index.ts';
import { type CaptureEnd, createCaptureReader, type PacketSink, type Pieces } from './network-capture.ts';

const PIECE_BYTES = 1 << 19;

/** Reads one capture to its end. `-` is standard input. */
export async function readCapture(
  path: string,
  sink: PacketSink,
  o: { stdin?: Readable; onProgress?: (bytes: number) => void; label?: string; pieces?: Pieces } = {},
): Promise<CaptureEnd & { bytes: number }> {
  const input: AsyncIterable<Uint8Array> = path === '-' ? (o.stdin ?? process.stdin) : piecesOf(path, o.pieces);
  const reader = createCaptureReader(sink, o.pieces);
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
    if (!code.startsWith('Z_')) {
      // Where the fault is kept, the name must not be: a label and the system's word for it say enough.
      const why = o.label === undefined ? `${path}: ${(error as Error).message}.` : `${o.label}: ${code || 'a fault'}.`;
      throw new AsepsisError('INPUT_UNREADABLE', why);
    }
    fault = 'is damaged where it is compressed; what came before was read';
  }
  const end = reader.end();
  return { ...end, fault: fault ?? end.fault, bytes };
}

/** A file in pieces, the next one being read meanwhile. Each piece is gone when the one after it is asked for. */
async function* piecesOf(path: string, shared?: Pieces): AsyncIterable<Uint8Array> {
  const file = await open(path);
  if (shared !== undefined) {
    try {
      for (;;) {
        const room = shared.room();
        const { bytesRead } = await file.read(room, 0, room.length, null);
        if (bytesRead === 0) return;
        yield room.subarray(0, bytesRead);
      }
    } finally {
      await file.close();
    }
  }
  const places = [new Uint8Array(PIECE_BYTES), new Uint8Array(PIECE_BYTES)] as const;
  let next = file.read(places[0], 0, PIECE_BYTES, null);
  try {
    for (let turn = 0; ; turn ^= 1) {
      const { bytesRead } = await next;
      if (bytesRead === 0) return;
      next = file.read(places[turn === 0 ? 1 : 0], 0, PIECE_BYTES, null);
      yield (turn === 0 ? places[0] : places[1]).subarray(0, bytesRead);
    }
  } finally {
    await next.catch(() => undefined);
    await file.close();
  }
}

/** The pieces of a stream, through gunzip when it begins as gzip does (RFC 1952 section 2.3.1). */
async function* unpacked(input: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  const pieces = input[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array(0);
  while (head.length < 2) {
    const next = await pieces.next();
    if (next.done === true) break;
    head = head.length === 0 && next.value.length > 1 ? next.value : Buffer.concat([head, next.value]);
  }
  const packed = head[0] === 0x1f && head[1] === 0x8b;
  const all = (async function* () {
    // What is unpacked waits in a queue; plain pieces are read at once.
    try {
      if (head.length > 0) yield packed ? head.slice() : head;
      for (;;) {
        const next = await pieces.next();
        if (next.done === true) return;
        yield packed ? next.value.slice() : next.value;
      }
    } finally {
      await pieces.return?.();
    }
  })();
  if (!packed) {
    yield* all;
    return;
  }
  const gunzip = createGunzip({ chunkSize: PIECE_BYTES, finishFlush: constants.Z_SYNC_FLUSH });
  pipeline(all, gunzip, () => undefined);
  for await (const piece of gunzip) yield piece as Uint8Array;
}

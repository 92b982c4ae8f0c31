/** The engine's memory on disk: one file, replaced as a whole, that says up to which block it is true. */

import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { syncFolder } from '../core/index.ts';

const MAGIC = 'ASEPSTA1';
const HEAD_BYTES = 8 + 8 + 32;

/** Bytes that are digested before others get their turn. */
const TURN_BYTES = 4 * 1024 * 1024;

async function digestOf(head: Uint8Array, pieces: readonly Uint8Array[]): Promise<Buffer> {
  const digest = createHash('sha256').update(head);
  let since = 0;
  for (const piece of pieces) {
    digest.update(piece);
    since += piece.length;
    if (since < TURN_BYTES) continue;
    since = 0;
    await nextTurn();
  }
  return digest.digest();
}

/** Writes the state so that after a crash either the old or the new one is there, whole. */
export async function writeState(file: string, seq: number, pieces: readonly Uint8Array[]): Promise<void> {
  const head = Buffer.alloc(HEAD_BYTES);
  head.write(MAGIC, 0, 'latin1');
  head.writeBigUInt64LE(BigInt(seq), 8);
  (await digestOf(head.subarray(8, 16), pieces)).copy(head, 16);
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w', 0o600);
  try {
    await handle.writeFile(whole(head, pieces));
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
  await syncFolder(dirname(file));
}

function* whole(head: Uint8Array, pieces: readonly Uint8Array[]): Generator<Uint8Array> {
  yield head;
  yield* pieces;
}

/** The state and its block, or null when there is none or it is damaged (the engine then starts without memory). */
export async function readState(file: string): Promise<{ seq: number; state: Uint8Array } | null> {
  const bytes = await readFile(file).catch(() => null);
  if (!bytes || bytes.length < HEAD_BYTES || bytes.toString('latin1', 0, 8) !== MAGIC) return null;
  const state = bytes.subarray(HEAD_BYTES);
  const digest = createHash('sha256').update(bytes.subarray(8, 16)).update(state).digest();
  if (!digest.equals(bytes.subarray(16, HEAD_BYTES))) return null;
  return { seq: Number(bytes.readBigUInt64LE(8)), state };
}

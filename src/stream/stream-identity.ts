/** Who a stream is: eight characters for its event ids, and the secret words that mark its records. */

import { randomBytes } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, syncFolder } from '../core/index.ts';
import type { LogKey } from './stream-record.ts';
import { listSegments } from './stream-segment.ts';

const FILE = 'stream.json';
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export interface StreamIdentity {
  readonly streamId: string;
  readonly key: LogKey;
}

function word(value: unknown): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0 || (value as number) > 0xffffffff)
    throw new TypeError('word');
  return value as number;
}

/** The stored identity; null when the folder has none yet. */
export async function readIdentity(dir: string): Promise<StreamIdentity | null> {
  let text: string;
  try {
    text = await readFile(join(dir, FILE), 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  try {
    const { stream_id, mark, salt } = JSON.parse(text) as Record<string, unknown>;
    if (typeof stream_id !== 'string' || !/^[0-9a-z]{8}$/.test(stream_id)) throw new TypeError('stream_id');
    return { streamId: stream_id, key: { mark: word(mark), salt: word(salt) } };
  } catch (error) {
    throw new AsepsisError('STREAM_CORRUPT', `${join(dir, FILE)} is damaged; restore it from a backup.`, {
      cause: error,
    });
  }
}

/** The stored identity, or a new one, durable before anything is written under it. */
export async function ensureIdentity(dir: string): Promise<StreamIdentity> {
  const stored = await readIdentity(dir);
  if (stored !== null) return stored;
  if ((await listSegments(dir)).length > 0) {
    throw new AsepsisError(
      'STREAM_CORRUPT',
      `${join(dir, FILE)} is missing beside its segments; restore it from a backup.`,
    );
  }
  const random = randomBytes(16);
  const streamId = Array.from(random.subarray(8), (byte) => ALPHABET.charAt(byte & 31)).join('');
  const key = { mark: random.readUInt32LE(0), salt: random.readUInt32LE(4) };
  const path = join(dir, FILE);
  const handle = await open(`${path}.tmp`, 'w', 0o600);
  try {
    await handle.writeFile(`${JSON.stringify({ stream_id: streamId, ...key })}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(`${path}.tmp`, path);
  await syncFolder(dir);
  return { streamId, key };
}

/** Bodies that are too large for the memory: each in a file of its own until it was read, bounded. */

import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { AsepsisError } from '../core/index.ts';

/** Emptied when `serve` starts: what a crash left half written. */
export const arrivingFolder = (dataDir: string) => join(dataDir, 'patching', 'arriving');

export async function arrivingPath(dataDir: string): Promise<string> {
  const folder = arrivingFolder(dataDir);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return join(folder, randomBytes(12).toString('hex'));
}

/** @throws BAD_REQUEST when there is no body, TOO_LARGE */
export async function saveBody(body: unknown, path: string, megabytesMax: number): Promise<void> {
  const empty = () => new AsepsisError('BAD_REQUEST', 'The body is empty.');
  if (typeof body !== 'object' || body === null || !('pipe' in body)) throw empty();
  let bytes = 0;
  const bounded = async function* (chunks: AsyncIterable<Buffer>) {
    for await (const chunk of chunks) {
      bytes += chunk.length;
      if (bytes > megabytesMax * 1048576) throw new AsepsisError('TOO_LARGE', `It may have ${megabytesMax} MiB.`);
      yield chunk;
    }
  };
  await pipeline(body as Readable, bounded, createWriteStream(path, { mode: 0o600 }));
  if (bytes === 0) throw empty();
}

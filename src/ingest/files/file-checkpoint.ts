/** Where a follower was: one small JSON file, replaced as a whole and durable before it counts. */

import { open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ensureFolder, syncFolder } from '../../core/index.ts';

/** One file that is being read, wherever it was moved to. */
export interface FileState {
  /** Names this life of the file: the first part of every block's key. */
  readonly id: string;
  readonly dev: string;
  readonly ino: string;
  readonly path: string;
  readonly offset: number;
  /** SHA-256 over the first `fingerprintBytes` bytes. */
  readonly fingerprint: string;
  readonly fingerprintBytes: number;
  readonly source: string;
}

/** The stored value; null when there is none or it is not readable (then reading starts anew). */
export async function readCheckpoint<T>(path: string): Promise<T | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return null;
  }
}

/** Replaces it: written beside, synced, renamed, and the folder synced (rename(2), fsync(2)). */
export async function writeCheckpoint(path: string, value: object): Promise<void> {
  await ensureFolder(dirname(path), 0o750);
  const beside = `${path}.new`;
  const file = await open(beside, 'w', 0o640);
  try {
    await file.writeFile(JSON.stringify(value));
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  await syncFolder(dirname(path));
}

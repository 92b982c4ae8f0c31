/** Which file is which: device and inode, a fingerprint of the beginning, and the copy that a rotation left. */

import { createHash } from 'node:crypto';
import { type FileHandle, glob, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, extname, join } from 'node:path';
import type { FileState } from './file-checkpoint.ts';

export const FINGERPRINT_BYTES = 1024;
/** Files that one pattern follows; a pattern that matches more is wrong. */
export const FILES_MAX = 512;
const SIBLINGS_MAX = 4096;
const COMPRESSED = /\.(?:gz|bz2|xz|zst|lz4|zip|Z)$/;

export interface FileFacts {
  readonly dev: string;
  readonly ino: string;
  readonly size: number;
  readonly mtimeNs: bigint;
  readonly links: number;
}

export async function factsOf(handle: FileHandle): Promise<FileFacts> {
  const { dev, ino, size, mtimeNs, nlink } = await handle.stat({ bigint: true });
  return { dev: String(dev), ino: String(ino), size: Number(size), mtimeNs, links: Number(nlink) };
}

export const keyOf = (file: { dev: string; ino: string }): string => `${file.dev}:${file.ino}`;

/** Reads as much of the range as there is. */
export async function readRange(handle: FileHandle, from: number, bytes: Buffer): Promise<Buffer> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await handle.read(bytes, filled, bytes.length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

export async function fingerprintOf(handle: FileHandle, length: number): Promise<string> {
  const bytes = await readRange(handle, 0, Buffer.alloc(length));
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

/** Whether the file behind the handle begins as the remembered one did, and is at least as long as what was read. */
export async function isSame(handle: FileHandle, size: number, state: FileState): Promise<boolean> {
  if (size < state.offset || size < state.fingerprintBytes) return false;
  return state.fingerprintBytes === 0 || (await fingerprintOf(handle, state.fingerprintBytes)) === state.fingerprint;
}

const isGlob = (pattern: string): boolean => /[*?[\]{}]/.test(pattern);

/** The files that a path or pattern names now, without compressed ones, by inode. */
export async function filesMatching(pattern: string): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const take = async (path: string) => {
    const facts = await stat(path, { bigint: true }).catch(() => null);
    if (facts?.isFile()) found.set(`${facts.dev}:${facts.ino}`, path);
  };
  if (!isGlob(pattern)) {
    await take(pattern);
    return found;
  }
  for await (const path of glob(pattern)) {
    if (!COMPRESSED.test(path)) await take(path);
    if (found.size >= FILES_MAX) break;
  }
  return found;
}

/** The folder that a watch on the pattern must look at. */
export function watchedFolder(pattern: string): string {
  let folder = dirname(pattern);
  while (isGlob(folder)) folder = dirname(folder);
  return folder;
}

/** What a rotation calls its files: the same stem before the first dot or the date. */
function isSiblingName(original: string, name: string): boolean {
  const stem = basename(original).split('.', 1)[0] as string;
  return stem.length > 0 && basename(name).startsWith(stem) && !COMPRESSED.test(name);
}

/** What rotations append or insert: a number or a date. */
const TURN = /^[.-][0-9][0-9._-]{0,31}$/;

/** Whether `name` can only be an earlier turn of `original`: `app.log.1`, `app.log-20260101`, `app-2026-01-01.log`. */
export function isEarlierTurn(original: string, name: string): boolean {
  const base = basename(original);
  if (name.startsWith(base)) return TURN.test(name.slice(base.length));
  const ending = extname(base);
  const stem = base.slice(0, base.length - ending.length);
  if (ending === '' || !name.startsWith(stem) || !name.endsWith(ending)) return false;
  return TURN.test(name.slice(stem.length, name.length - ending.length));
}

/** Turns of `path` that were written after `sinceNs`: what came and was rotated away while nobody looked. */
export async function turnsSince(path: string, sinceNs: bigint): Promise<string[]> {
  const names = await readdir(dirname(path)).catch(() => []);
  const found: string[] = [];
  for (const name of names.filter((entry) => isEarlierTurn(path, entry)).slice(0, FILES_MAX)) {
    const turn = join(dirname(path), name);
    const facts = await stat(turn, { bigint: true }).catch(() => null);
    if (facts?.isFile() && facts.mtimeNs >= sinceNs) found.push(turn);
  }
  return found;
}

/**
 * Among the files beside `path` with a related name, the first that `fits`; its handle is open.
 * That is where a rename took a file, or where copytruncate copied it.
 */
export async function findSibling(
  path: string,
  fits: (handle: FileHandle, facts: FileFacts) => Promise<boolean>,
): Promise<{ handle: FileHandle; facts: FileFacts; path: string } | null> {
  const names = await readdir(dirname(path)).catch(() => []);
  const related = names.filter((name) => isSiblingName(path, name)).slice(0, SIBLINGS_MAX);
  for (const name of related) {
    const sibling = join(dirname(path), name);
    const handle = await open(sibling, 'r').catch(() => null);
    if (!handle) continue;
    const facts = await factsOf(handle).catch(() => null);
    if (facts && (await fits(handle, facts).catch(() => false))) return { handle, facts, path: sibling };
    await handle.close();
  }
  return null;
}

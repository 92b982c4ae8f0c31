/** Looks at files: bounded walk, streamed hash, head for the entropy, extended attributes through getfattr when it is there. */

import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { lstat, open, opendir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { runProgram } from '../detection-run.ts';
import { type FileEntry, looksSame } from './file-entry.ts';

/** Depth below a watched path; links are never followed. */
const DEPTH_MAX = 32;
/** Larger files are hashed at their head, middle and tail, and their size: reading a disk image each round helps nobody. */
const WHOLE_BYTES_MAX = 256 * 1024 * 1024;
const SAMPLE_BYTES = 1024 * 1024;
export const HEAD_BYTES = 4096;

type Seen = Omit<FileEntry, 'hash' | 'xattr'>;

function seenOf(path: string, stats: Stats): Seen {
  return {
    path,
    type: stats.isFile() ? 'file' : stats.isDirectory() ? 'folder' : stats.isSymbolicLink() ? 'link' : 'other',
    size: stats.isDirectory() ? 0 : stats.size,
    mtimeMs: Math.trunc(stats.mtimeMs),
    ctimeMs: Math.trunc(stats.ctimeMs),
    inode: stats.ino,
    mode: stats.mode & 0o7777,
    uid: stats.uid,
    gid: stats.gid,
  };
}

/** Never blocks on a pipe and never follows a link that was put in the file's place meanwhile. */
const OPEN_FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

async function hashOf(path: string): Promise<string> {
  const file = await open(path, OPEN_FLAGS);
  try {
    const { size } = await file.stat();
    const hash = createHash('sha256');
    const buffer = Buffer.alloc(Math.min(SAMPLE_BYTES, Math.max(1, size)));
    const read = async (from: number, to: number): Promise<void> => {
      for (let at = from; at < to; ) {
        const { bytesRead } = await file.read(buffer, 0, Math.min(buffer.length, to - at), at);
        if (bytesRead === 0) return;
        hash.update(buffer.subarray(0, bytesRead));
        at += bytesRead;
      }
    };
    if (size <= WHOLE_BYTES_MAX) await read(0, size);
    else {
      const middle = Math.floor(size / 2);
      hash.update(`sampled ${size}`);
      for (const at of [0, middle, size - SAMPLE_BYTES]) await read(at, at + SAMPLE_BYTES);
    }
    return hash.digest('hex');
  } finally {
    await file.close();
  }
}

/** At most `max` bytes of the file's beginning; null when it cannot be read. */
export async function headOf(path: string, max = HEAD_BYTES): Promise<Buffer | null> {
  try {
    const file = await open(path, OPEN_FLAGS);
    try {
      const buffer = Buffer.alloc(max);
      const { bytesRead } = await file.read(buffer, 0, max, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch {
    return null;
  }
}

/**
 * The file now; null when it is not there.
 *
 * @param known the last look: what has not changed since is not read again. Null reads in any case.
 */
export async function lookAt(path: string, known: FileEntry | null): Promise<FileEntry | null> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null) return null;
  const seen = seenOf(path, stats);
  if (known !== null && looksSame(known, seen)) return known;
  const hash =
    seen.type === 'file'
      ? await hashOf(path).catch(() => '')
      : seen.type === 'link'
        ? createHash('sha256')
            .update(await readlink(path).catch(() => ''))
            .digest('hex')
        : '';
  return { ...seen, hash, xattr: known?.xattr ?? '' };
}

/** Paths in and below `roots`, parents first; `onFull` hears when there are more than `max`. */
export async function* walk(
  roots: readonly string[],
  excluded: (path: string) => boolean,
  max: number,
  onFull: () => void,
): AsyncGenerator<string> {
  let count = 0;
  const waiting = roots.map((path) => ({ path, depth: 0 })).reverse();
  while (waiting.length > 0) {
    const { path, depth } = waiting.pop() as { path: string; depth: number };
    if (excluded(path)) continue;
    if (++count > max) return onFull();
    yield path;
    const stats = await lstat(path).catch(() => null);
    if (!stats?.isDirectory() || depth >= DEPTH_MAX) continue;
    const names: string[] = [];
    const folder = await opendir(path).catch(() => null);
    if (folder === null) continue;
    for await (const entry of folder) {
      names.push(entry.name);
      if (count + names.length > max) break;
    }
    for (const name of names.sort((a, b) => (a < b ? 1 : -1)))
      waiting.push({ path: join(path, name), depth: depth + 1 });
  }
}

const XATTR_PATHS = 500;
let getfattr: boolean | null = null;

/** Digest of each path's extended attributes (capabilities, ACL, SELinux); without getfattr, none. */
export async function attributesOf(paths: readonly string[]): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  for (let at = 0; at < paths.length && getfattr !== false; at += XATTR_PATHS) {
    const part = paths.slice(at, at + XATTR_PATHS);
    const ran = await runProgram(
      ['getfattr', '-h', '-d', '-m', '-', '-e', 'hex', '--absolute-names', '--', ...part],
      '',
      20_000,
    );
    getfattr = ran.code !== null;
    for (const block of ran.stdout.split('\n\n')) {
      const lines = block.split('\n').filter((line) => line !== '');
      const head = lines.find((line) => line.startsWith('# file: '));
      const values = lines.filter((line) => !line.startsWith('#')).sort();
      if (head && values.length > 0)
        found.set(
          head.slice('# file: '.length),
          createHash('sha256').update(values.join('\n')).digest('hex').slice(0, 32),
        );
    }
  }
  return found;
}

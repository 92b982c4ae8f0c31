/** The archive on disk: names of folders and files, durable writes, and what the operating system's errors mean. */

import { createHash } from 'node:crypto';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, moveDurably } from '../core/index.ts';
import type { FileEntry } from './archive-manifest.ts';

/** Folders inside the archive folder. `tmp` holds what is not finished and is emptied whenever a writer opens. */
export const FOLDER = { manifest: 'manifest', hot: 'hot', tmp: 'tmp' } as const;
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
/** Where events of too many different days to have a file each are put together. */
const MIXED_FOLDER = 'day=mixed/hour=mixed';

export const isHot = (file: string): boolean => file.startsWith(`${FOLDER.hot}/`);
export const isPacked = (file: string): boolean => file.includes('/packed-');
export const indexName = (file: string): string => `${file}.idx`;

export function hotName(seq: readonly [number, number], number: number): string {
  return `${FOLDER.hot}/${seq[0]}-${seq[1]}-${number}.parquet`;
}

/** Lowest sequence number that a hot part's name says. */
export const hotSeq = (file: string): number => Number.parseInt(file.slice(FOLDER.hot.length + 1), 10);

/** What one sealed file's events have in common: an hour or a day of event time (numbered since 1970), or nothing. */
export type Slot = { readonly unit: 'hour' | 'day'; readonly number: number } | null;

export const SLOT_MS = { hour: HOUR_MS, day: DAY_MS } as const;

export function slotFolder(slot: Slot): string {
  if (slot === null) return MIXED_FOLDER;
  const text = new Date(slot.number * SLOT_MS[slot.unit]).toISOString();
  return `day=${text.slice(0, 10)}/hour=${slot.unit === 'day' ? 'all' : text.slice(11, 13)}`;
}

export const folderOf = (file: string): string => file.slice(0, file.lastIndexOf('/'));

/** When the time that a folder stands for is over, Unix milliseconds; null for mixed events and hot parts. */
export function folderEndMs(folder: string): number | null {
  const match = /^day=(\d{4}-\d\d-\d\d)\/hour=(\d\d|all)$/.exec(folder);
  if (match === null) return null;
  const hour = match[2] as string;
  return hour === 'all'
    ? Date.parse(`${match[1]}T00:00:00.000Z`) + DAY_MS
    : Date.parse(`${match[1]}T${hour}:00:00.000Z`) + HOUR_MS;
}

/** Number of the job that made a file which is not a hot part; NaN for other names. */
export const jobOf = (file: string): number => Number.parseInt(/-(\d+)\.parquet$/.exec(file)?.[1] ?? '', 10);

/** Paths of all Parquet and index files below the archive folder, with `/`. */
export async function filesOnDisk(dir: string): Promise<string[]> {
  const found: string[] = [];
  for (const top of await readdir(dir, { withFileTypes: true }).catch(() => [])) {
    if (!top.isDirectory() || (top.name !== FOLDER.hot && !top.name.startsWith('day='))) continue;
    for (const item of await readdir(join(dir, top.name), { withFileTypes: true, recursive: true })) {
      if (item.isFile())
        found.push(
          join(item.parentPath, item.name)
            .slice(dir.length + 1)
            .replaceAll('\\', '/'),
        );
    }
  }
  return found;
}

/** Writes a file that is there wholly or not at all; its size and hash. */
export async function writeDurably(
  dir: string,
  file: string,
  pieces: readonly Uint8Array[],
): Promise<Pick<FileEntry, 'bytes' | 'sha256'>> {
  const hash = createHash('sha256');
  let bytes = 0;
  for (const piece of pieces) {
    hash.update(piece);
    bytes += piece.length;
  }
  const temporary = join(dir, FOLDER.tmp, file.replaceAll('/', '_'));
  const handle = await open(temporary, 'w');
  try {
    await writeAll(handle, pieces, bytes);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await moveDurably(temporary, join(dir, file));
  return { bytes, sha256: hash.digest('hex') };
}

async function writeAll(
  handle: Awaited<ReturnType<typeof open>>,
  pieces: readonly Uint8Array[],
  bytes: number,
): Promise<void> {
  // A system call takes at most 1024 pieces (IOV_MAX); a short write is what a full disk does.
  let written = 0;
  for (let i = 0; i < pieces.length; i += 512) {
    written += (await handle.writev(pieces.slice(i, i + 512) as Uint8Array[])).bytesWritten;
  }
  if (written !== bytes) throw Object.assign(new Error('short write'), { code: 'ENOSPC' });
}

/** The operational error behind an error of the file system. */
export function diskError(error: unknown, what: string): AsepsisError {
  if (error instanceof AsepsisError) return error;
  const code = (error as NodeJS.ErrnoException | null)?.code;
  const detail = `${what}: ${error instanceof Error ? error.message : String(error)}.`;
  if (code === 'ENOSPC' || code === 'EDQUOT') return new AsepsisError('DISK_FULL', detail, { cause: error });
  if (code === 'EROFS' || code === 'EACCES' || code === 'EPERM') {
    return new AsepsisError('DATA_READ_ONLY', detail, { cause: error });
  }
  return new AsepsisError('INTERNAL', detail, { cause: error });
}

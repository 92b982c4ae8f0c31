/** Files and folders that are still there after the power was cut: a file's own fsync does not make its name durable (fsync(2)). */

import { randomBytes } from 'node:crypto';
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, statSync } from 'node:fs';
import { mkdir, open, rename, stat } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';

/** Windows cannot open a folder for that, and need not. */
const FOLDERS_SYNC = process.platform !== 'win32';

/** Makes a creation, rename or removal in the folder durable. */
export async function syncFolder(path: string): Promise<void> {
  if (!FOLDERS_SYNC) return;
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Each folder in which a name is new when `path` was made down from `first`. */
function* parentsOfNew(first: string, path: string): Generator<string> {
  const top = dirname(resolve(first));
  for (let folder = dirname(resolve(path)); ; folder = dirname(folder)) {
    yield folder;
    if (folder === top || folder === dirname(folder)) return;
  }
}

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException | null)?.code;

/**
 * Makes the folder and what is missing above it; the topmost that was made, or undefined. Not Node's own `recursive`: it
 * never ends where the system answers ENOENT for a folder that cannot be, such as one in /proc.
 */
async function makeFolders(path: string, mode: number | undefined): Promise<string | undefined> {
  const make = () => mkdir(path, mode === undefined ? {} : { mode });
  try {
    await make();
    return path;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(path)).isDirectory()) return undefined;
    const above = dirname(path);
    if (codeOf(error) !== 'ENOENT' || above === path || (await stat(above).catch(() => null)) !== null) throw error;
    const first = await makeFolders(above, mode);
    await make();
    return first ?? path;
  }
}

/** The same for code that cannot wait. */
function makeFoldersSync(path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, { mode });
    return path;
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && statSync(path).isDirectory()) return undefined;
    const above = dirname(path);
    if (codeOf(error) !== 'ENOENT' || above === path || existsSync(above)) throw error;
    const first = makeFoldersSync(above, mode);
    mkdirSync(path, { mode });
    return first ?? path;
  }
}

/** The folder with all above it, their names durable; nothing when it is there. */
export async function ensureFolder(path: string, mode?: number): Promise<void> {
  const first = await makeFolders(resolve(path), mode);
  if (first === undefined) return;
  for (const folder of parentsOfNew(first, path)) await syncFolder(folder);
}

/** Moves a finished and synchronised file into its place, durably. */
export async function moveDurably(from: string, to: string): Promise<void> {
  await ensureFolder(dirname(to));
  await rename(from, to);
  await syncFolder(dirname(to));
}

/** The same as `ensureFolder`, and an empty file with this mode in it where there is none, for code that cannot wait. */
export function ensureFileSync(path: string, folderMode: number, fileMode: number): void {
  const folder = dirname(path);
  const first = makeFoldersSync(resolve(folder), folderMode);
  closeSync(openSync(path, 'a', fileMode));
  chmodSync(path, fileMode);
  if (!FOLDERS_SYNC) return;
  const folders = [folder, ...(first === undefined ? [] : parentsOfNew(first, folder))];
  for (const one of folders) {
    const fd = openSync(one, 'r');
    try {
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  }
}

/** Whole or not at all, and there after a power cut: written beside, synced, then renamed. */
export async function writeWhole(path: string, text: string, mode: number): Promise<void> {
  const beside = `${path}.${randomBytes(4).toString('hex')}.new`;
  const file = await open(beside, 'wx', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  await syncFolder(dirname(path));
}

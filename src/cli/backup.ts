/** Backup and restore: a folder with everything an installation knows, each file with its digest; works while it runs. */

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { AsepsisError, type Clock, rfc3339, type Store } from '../core/index.ts';

const INDEX = 'BACKUP.json';
const FORMAT = 1;

/**
 * What is copied, in this order. A consumer's position is copied before what it stands for, and the database after the
 * rules' memory: whatever happens in between is then repeated after a restore, and repeating has no second effect.
 */
const PARTS = [
  'stream/consumers',
  'followers',
  'engine.state',
  'archive',
  'stream',
  'keys',
  'tls',
  'rules',
  'asepsis.yaml',
] as const;
const DATABASE = 'asepsis.db';
/** Never copied: locks and half-written files of the running process, and backups themselves. */
const SKIPPED = /(^|\/)(lock|tmp\/.*)$|\.(lock|partial|tmp|db-wal|db-shm)$/;

export interface BackupIndex {
  readonly format: number;
  readonly made: string;
  readonly store: 'sqlite' | 'postgres';
  readonly note: string;
  readonly files: readonly { path: string; bytes: number; sha256: string }[];
}

/** Writes a backup of `dataDir` into the new folder `target`. */
export async function backup(o: {
  dataDir: string;
  target: string;
  store: Store;
  clock: Clock;
  onProgress: (sentence: string) => void;
}): Promise<BackupIndex> {
  await mkdir(dirname(o.target), { recursive: true });
  await mkdir(o.target, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
    throw new AsepsisError(
      'BAD_REQUEST',
      `${o.target} ${error.code === 'EEXIST' ? 'exists already; name a new folder' : `cannot be made: ${error.message}`}.`,
    );
  });
  const done = new Set<string>();
  const files: BackupIndex['files'][number][] = [];
  const take = async (path: string) => {
    const name = relative(o.dataDir, path);
    if (done.has(name) || SKIPPED.test(name)) return;
    const copy = join(o.target, name);
    await mkdir(dirname(copy), { recursive: true, mode: 0o700 });
    try {
      await copyFile(path, copy);
    } catch (error) {
      // Compaction and retention remove files while we walk: what replaced them is copied by the second pass.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
      throw error;
    }
    done.add(name);
    o.onProgress(`${done.size} files copied`);
  };
  for (const part of PARTS) for (const path of await walk(join(o.dataDir, part))) await take(path);
  for (const path of await walk(join(o.dataDir, 'archive'))) await take(path);
  const { how } = await o.store.backup(join(o.target, DATABASE));
  if (o.store.kind === 'sqlite') done.add(DATABASE);
  for (const name of [...done].sort()) {
    const path = join(o.target, name);
    files.push({ path: name, bytes: (await stat(path)).size, sha256: await sha256(path) });
  }
  const index: BackupIndex = { format: FORMAT, made: rfc3339(o.clock.now()), store: o.store.kind, note: how, files };
  await writeFile(join(o.target, INDEX), `${JSON.stringify(index, null, 1)}\n`, { mode: 0o600 });
  return index;
}

/** Checks every digest first, then copies into `dataDir`, which must be empty or absent: nothing is ever overwritten. */
export async function restore(o: {
  source: string;
  dataDir: string;
  onProgress: (sentence: string) => void;
}): Promise<BackupIndex> {
  const index = await readIndex(o.source);
  const existing = await readdir(o.dataDir).catch(() => []);
  if (existing.length > 0)
    throw new AsepsisError(
      'BAD_REQUEST',
      `${o.dataDir} is not empty. Restore into a new folder and name it with --data.`,
    );
  for (const [i, file] of index.files.entries()) {
    o.onProgress(`Checking ${i + 1} of ${index.files.length}`);
    if (file.path.split('/').includes('..') || file.path.startsWith('/'))
      throw new AsepsisError('INPUT_UNREADABLE', `${file.path} leads out of the backup.`);
    const digest = await sha256(join(o.source, file.path)).catch(() => null);
    if (digest !== file.sha256)
      throw new AsepsisError(
        'INPUT_UNREADABLE',
        `${join(o.source, file.path)} is ${digest === null ? 'missing' : 'not what was backed up'}. Nothing was restored.`,
      );
  }
  // Into a folder beside it first: an interrupted restore never looks like an installation.
  const partial = `${o.dataDir}.restoring`;
  await rm(partial, { recursive: true, force: true });
  await mkdir(partial, { recursive: true, mode: 0o700 });
  for (const [i, file] of index.files.entries()) {
    o.onProgress(`Restoring ${i + 1} of ${index.files.length}`);
    const path = join(partial, file.path);
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await copyFile(join(o.source, file.path), path);
  }
  await rm(o.dataDir, { recursive: true, force: true });
  await rename(partial, o.dataDir);
  return index;
}

async function readIndex(source: string): Promise<BackupIndex> {
  const text = await readFile(join(source, INDEX), 'utf8').catch(() => null);
  if (text === null)
    throw new AsepsisError(
      'INPUT_UNREADABLE',
      `${source} holds no ${INDEX}: it is not a backup, or one that was interrupted.`,
    );
  let index: BackupIndex;
  try {
    index = JSON.parse(text) as BackupIndex;
  } catch {
    throw new AsepsisError('INPUT_UNREADABLE', `${join(source, INDEX)} is not JSON.`);
  }
  if (index.format !== FORMAT || !Array.isArray(index.files))
    throw new AsepsisError('STORE_NEWER', `${source} has format ${index.format}; this version reads ${FORMAT}.`);
  return index;
}

async function walk(path: string): Promise<string[]> {
  const stats = await stat(path).catch(() => null);
  if (!stats) return [];
  if (stats.isFile()) return [path];
  const names = (await readdir(path, { withFileTypes: true })).sort((a, b) => (a.name < b.name ? -1 : 1));
  const files: string[] = [];
  for (const entry of names) {
    if (entry.isDirectory()) files.push(...(await walk(join(path, entry.name))));
    else if (entry.isFile()) files.push(join(path, entry.name));
  }
  return files;
}

async function sha256(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

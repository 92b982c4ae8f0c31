/** Copies of the data: a consistent file next to a running system, readable by its owner only. */

import { once } from 'node:events';
import { closeSync, fsyncSync, mkdirSync, openSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Kysely, sql } from 'kysely';
import { AsepsisError, type Clock, rfc3339 } from '../core/index.ts';
import { storeError } from './store-errors.ts';
import type { Tables } from './store-tables.ts';

/** While the system runs: readers and writers go on, and the copy shows one moment. */
export async function backupSqlite(from: string, to: string): Promise<{ how: string }> {
  reserve(to);
  const worker = new Worker(new URL('./store-backup-worker.ts', import.meta.url), { workerData: { from, to } });
  try {
    await once(worker, 'exit');
  } catch (error) {
    throw storeError(error);
  }
  flush(to);
  return { how: `A complete copy of the database was written to ${to}.` };
}

/** Before a migration, when nothing else runs yet. */
export async function backupBefore(
  version: number,
  o: { dataDir: string; db: Kysely<Tables>; clock: Clock },
): Promise<string> {
  const time = rfc3339(o.clock.now()).replaceAll(/[:.]/g, '-');
  const path = join(o.dataDir, 'backups', `before-v${version}-${time}.db`);
  reserve(path);
  await sql`vacuum into ${path}`.execute(o.db);
  flush(path);
  return path;
}

/** How to copy a PostgreSQL database; without the password, since this ends up in a terminal or a log. */
export function backupPostgres(url: string, to: string): { how: string } {
  return { how: `Run: pg_dump --format=custom --file='${to}' '${withoutPassword(url)}'` };
}

function withoutPassword(url: string): string {
  try {
    const parsed = new URL(url);
    parsed.password = '';
    parsed.searchParams.delete('password');
    return parsed.toString();
  } catch {
    return 'postgres://…';
  }
}

/** VACUUM INTO takes an empty file that is there, and this one is not readable by others from its first byte on. */
function reserve(path: string): void {
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'wx', 0o600));
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new AsepsisError('CONFLICT', `${path} is there already.`, { cause });
    }
    throw fileError(cause, path);
  }
}

function flush(path: string): void {
  for (const one of [path, dirname(path)]) {
    const file = openSync(one, 'r');
    fsyncSync(file);
    closeSync(file);
  }
}

export function fileError(cause: unknown, path: string): unknown {
  const { code } = cause as NodeJS.ErrnoException;
  if (code === 'ENOSPC') return new AsepsisError('DISK_FULL', `${path} cannot be written.`, { cause });
  return new AsepsisError('DATA_READ_ONLY', `${path} cannot be written (${code ?? 'unknown reason'}).`, { cause });
}

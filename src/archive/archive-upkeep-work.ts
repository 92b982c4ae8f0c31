/** Makes Parquet files by hour out of hot parts, and large files out of small ones, with DuckDB. */

import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { moveDurably } from '../core/index.ts';
import { type Duck, fileHash, parquetTable, timestamp } from './archive-duckdb.ts';
import { FOLDER, indexName, SLOT_MS, slotFolder, writeDurably } from './archive-files.ts';
import { createGramsReader } from './archive-grams-of.ts';
import { sha256 } from './archive-index.ts';
import { indexFile } from './archive-index-build.ts';
import type { FileEntry } from './archive-manifest.ts';

export interface UpkeepTask {
  readonly dir: string;
  readonly kind: 'seal' | 'compact';
  /** Its number: in the names of what it makes. */
  readonly job: number;
  /** Where a merged file goes. */
  readonly folder: string;
  readonly files: readonly FileEntry[];
}

/** Hours or days that get a file of their own in one job; hostile clocks could name any number of them. */
const SLOTS_MAX = 48;
/** Level 6 takes half as long again as 3 and saves a twelfth; 9 twice as long for a sixth. */
const ZSTD_LEVEL = { seal: 3, compact: 6 } as const;
/**
 * A search for a rare value reads whole row groups, so an hour is cut into several; each costs room in the footer and
 * in the dictionaries, so a large file has larger ones.
 */
const GROUPS_WANTED = 12;
const GROUP_ROWS = { min: 16_384, max: 122_880, step: 2048 } as const;

interface Work {
  readonly duck: Duck;
  readonly task: UpkeepTask;
  readonly gramsOf: (files: readonly FileEntry[]) => Promise<Uint8Array>;
}

export async function runUpkeep(duck: Duck, task: UpkeepTask): Promise<FileEntry[]> {
  const made: FileEntry[] = [];
  const work: Work = { duck, task, gramsOf: createGramsReader(duck, task.dir) };
  try {
    if (task.kind === 'compact') made.push(await makeFile(work, task.folder, '', task.files));
    else await sealByTime(work, made);
    const before = task.files.reduce((sum, entry) => sum + entry.rows, 0);
    const after = made.reduce((sum, entry) => sum + entry.rows, 0);
    if (before !== after) throw new Error(`${task.kind} made ${after} events out of ${before}`);
    return made;
  } catch (error) {
    // No line of the manifest will ever name them.
    for (const { file } of made) {
      await rm(join(task.dir, file), { force: true });
      await rm(join(task.dir, indexName(file)), { force: true });
    }
    throw error;
  }
}

const slotSql = (unit: 'hour' | 'day'): string => `floor(epoch_ms("time") / ${SLOT_MS[unit]}.0)::BIGINT`;

/** By hour; by day where that would be too many files, as when months of old logs are imported. */
async function sealByTime(work: Work, made: FileEntry[]): Promise<void> {
  const { duck, task } = work;
  const table = parquetTable(task.files.map((entry) => join(task.dir, entry.file)));
  const slots = async (by: 'hour' | 'day'): Promise<number[]> => {
    const sql = `SELECT ${slotSql(by)} AS slot, count(*) AS c FROM ${table} GROUP BY slot ORDER BY c DESC, slot`;
    return (await duck.rows(sql)).map((row) => Number(row[0]));
  };
  const hours = await slots('hour');
  const unit = hours.length > SLOTS_MAX ? 'day' : 'hour';
  const numbers = unit === 'hour' ? hours : await slots('day');
  const own = numbers.slice(0, SLOTS_MAX);
  for (const number of own) {
    const from = number * SLOT_MS[unit];
    const to = from + SLOT_MS[unit];
    const files = task.files.filter((entry) => entry.time[0] < to && entry.time[1] >= from);
    const within = `WHERE "time" >= ${timestamp(from)} AND "time" < ${timestamp(to)}`;
    const where = numbers.length === 1 ? '' : within;
    made.push(await makeFile(work, slotFolder({ unit, number }), where, files));
  }
  if (numbers.length > own.length) {
    const where = `WHERE ${slotSql(unit)} NOT IN (${own.join(', ')})`;
    made.push(await makeFile(work, slotFolder(null), where, task.files));
  }
}

async function makeFile(work: Work, folder: string, where: string, from: readonly FileEntry[]): Promise<FileEntry> {
  const { duck, task } = work;
  const file = `${folder}/${task.kind === 'seal' ? 'sealed' : 'packed'}-${task.job}.parquet`;
  const temporary = join(task.dir, FOLDER.tmp, file.replaceAll('/', '_'));
  await mkdir(join(task.dir, FOLDER.tmp), { recursive: true });
  const table = parquetTable(from.map((entry) => join(task.dir, entry.file)));
  await duck.rows(
    `COPY (SELECT * FROM ${table} ${where}) TO '${temporary.replaceAll("'", "''")}' (FORMAT parquet, ` +
      `COMPRESSION zstd, COMPRESSION_LEVEL ${ZSTD_LEVEL[task.kind]}, PARQUET_VERSION v2, ROW_GROUP_SIZE ${groupRows(from)}, ` +
      `ROW_GROUP_SIZE_BYTES '16MB', WRITE_BLOOM_FILTER false)`,
  );
  const { span, index } = await indexFile(duck, temporary, await work.gramsOf(from));
  await synchronise(temporary);
  const { sha256: hash, bytes } = await fileHash(temporary);
  await moveDurably(temporary, join(task.dir, file));
  await writeDurably(task.dir, indexName(file), [index]);
  return { file, ...span, bytes, sha256: hash, index: sha256(index) };
}

function groupRows(from: readonly FileEntry[]): number {
  const rows = from.reduce((sum, entry) => sum + entry.rows, 0);
  const wanted = Math.ceil(rows / GROUPS_WANTED / GROUP_ROWS.step) * GROUP_ROWS.step;
  return Math.max(GROUP_ROWS.min, Math.min(GROUP_ROWS.max, wanted));
}

async function synchronise(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Makes Parquet files by hour out of hot parts, and large files out of small ones, with DuckDB. */

import { mkdir, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type Duck, fileHash, parquetTable, timestamp } from './archive-duckdb.ts';
import { FOLDER, indexName, moveDurably, SLOT_MS, slotFolder, writeDurably } from './archive-files.ts';
import {
  bloomAdd,
  createBloom,
  encodeIndex,
  INDEXED_COLUMNS,
  MINUTES_MAX,
  SAME_MAX,
  type SideIndex,
  sha256,
} from './archive-index.ts';
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
/** Files of at most this many events are indexed in one pass. */
const SMALL_ROWS = 200_000;
/** Level 9 takes a third more time than 3 and saves an eighth; it is paid once for each event. */
const ZSTD_LEVEL = { seal: 3, compact: 9 } as const;

export async function runUpkeep(duck: Duck, task: UpkeepTask): Promise<FileEntry[]> {
  const made: FileEntry[] = [];
  try {
    if (task.kind === 'compact') made.push(await makeFile(duck, task, task.folder, '', task.files));
    else await sealByTime(duck, task, made);
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
async function sealByTime(duck: Duck, task: UpkeepTask, made: FileEntry[]): Promise<void> {
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
    made.push(await makeFile(duck, task, slotFolder({ unit, number }), where, files));
  }
  if (numbers.length > own.length) {
    const where = `WHERE ${slotSql(unit)} NOT IN (${own.join(', ')})`;
    made.push(await makeFile(duck, task, slotFolder(null), where, task.files));
  }
}

async function makeFile(
  duck: Duck,
  task: UpkeepTask,
  folder: string,
  where: string,
  from: readonly FileEntry[],
): Promise<FileEntry> {
  const file = `${folder}/${task.kind === 'seal' ? 'sealed' : 'packed'}-${task.job}.parquet`;
  const temporary = join(task.dir, FOLDER.tmp, file.replaceAll('/', '_'));
  await mkdir(join(task.dir, FOLDER.tmp), { recursive: true });
  const table = parquetTable(from.map((entry) => join(task.dir, entry.file)));
  await duck.rows(
    `COPY (SELECT * FROM ${table} ${where}) TO '${temporary.replaceAll("'", "''")}' (FORMAT parquet, ` +
      `COMPRESSION zstd, COMPRESSION_LEVEL ${ZSTD_LEVEL[task.kind]}, PARQUET_VERSION v2, ROW_GROUP_SIZE 122880, ` +
      `ROW_GROUP_SIZE_BYTES '16MB', WRITE_BLOOM_FILTER false)`,
  );
  const made = parquetTable([temporary]);
  const [span] = await duck.rows(
    `SELECT count(*), epoch_ms(min("time")), epoch_ms(max("time")), min(seq), max(seq) FROM ${made}`,
  );
  const [rows, timeMin, timeMax, seqMin, seqMax] = (span ?? []).map(Number) as [number, number, number, number, number];
  const index = await sideIndex(duck, made, rows);
  await synchronise(temporary);
  const { sha256: hash, bytes } = await fileHash(temporary);
  const encoded = encodeIndex(index);
  await moveDurably(temporary, join(task.dir, file));
  await writeDurably(task.dir, indexName(file), [encoded]);
  return { file, rows, bytes, sha256: hash, time: [timeMin, timeMax], seq: [seqMin, seqMax], index: sha256(encoded) };
}

async function synchronise(path: string): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** The different values of each indexed column, in lower case. */
async function distinctValues(duck: Duck, table: string, rows: number): Promise<Map<string, string[]>> {
  const list = (column: string) => `coalesce(list(DISTINCT lower("${column}")), [])`;
  const values = new Map<string, string[]>();
  // One pass over a small file is quicker; of a large one, one column at a time fits into memory.
  const passes = rows <= SMALL_ROWS ? [INDEXED_COLUMNS] : INDEXED_COLUMNS.map((column) => [column]);
  for (const columns of passes) {
    const lists = columns.map((column) => `to_json(${list(column)})::VARCHAR`).join(', ');
    const [row] = await duck.rows(`SELECT ${lists} FROM ${table}`);
    for (const [i, column] of columns.entries()) {
      const texts = JSON.parse(String(row?.[i] ?? '[]')) as (string | null)[];
      values.set(
        column,
        texts.filter((text) => text !== null),
      );
    }
  }
  return values;
}

async function sideIndex(duck: Duck, table: string, rows: number): Promise<SideIndex> {
  const values = await distinctValues(duck, table, rows);
  const count = [...values.values()].reduce((sum, texts) => sum + texts.length, 0);
  const bloom = createBloom(count);
  for (const [column, texts] of values) {
    for (const text of texts) bloomAdd(bloom, column, text);
  }
  const minutes = await duck.rows(
    `SELECT floor(epoch_ms("time") / 60000.0)::BIGINT AS m, count(*) FROM ${table} GROUP BY m ORDER BY m LIMIT ${MINUTES_MAX + 1}`,
  );
  const same = await duck.rows(
    `SELECT DISTINCT fields_same FROM ${table} WHERE fields_same IS NOT NULL LIMIT ${SAME_MAX + 1}`,
  );
  return {
    minutes: minutes.length > MINUTES_MAX ? null : minutes.map((row) => [Number(row[0]), Number(row[1])] as const),
    same: same.length > SAME_MAX ? null : same.map((row) => String(row[0])).sort(),
    bloom,
  };
}

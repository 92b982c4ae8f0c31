/** The archive part by part: distinct values of a column, which values a part may hold, events of a part in order of time. */

import { join } from 'node:path';
import { type ArchiveParts, type EventRecord, type PartCondition, parseEventId } from '../core/index.ts';
import { MINUTE_MS } from './archive-candidates.ts';
import { timestamp } from './archive-duckdb.ts';
import { bloomHas, INDEXED_COLUMNS } from './archive-index.ts';
import { keysAmong } from './archive-keys.ts';
import type { FileEntry } from './archive-manifest.ts';
import { recordOf } from './archive-rows.ts';
import { type ArchiveView, selectList, tableOf } from './archive-search.ts';

const INDEXED = new Set<string>(INDEXED_COLUMNS);
const OLDEST_FIRST = '"time", seq, idx';
const BATCH_MAX = 20_000;
/** Values that are looked up one by one; more are left to DuckDB. */
const LOOKUPS_MAX = 32;

/** The same table, which also says in which file a row stands. */
const named = (view: ArchiveView, files: readonly FileEntry[]): string =>
  tableOf(view, files).replace('hive_partitioning = false', 'hive_partitioning = false, filename = true');

/** Timestamps beyond this do not fit into microseconds that a number can hold. */
const TIME_MS_MAX = 8.64e12;
const clampTime = (ms: number): number => Math.max(-TIME_MS_MAX, Math.min(TIME_MS_MAX, Math.trunc(ms)));

type WithView = <T>(work: (view: ArchiveView) => Promise<T>) => Promise<T>;

/** The condition in SQL; every text is a bound parameter. */
function compile(condition: PartCondition, values: (string | number)[]): string {
  const bind = (value: string): string => `$${values.push(value)}`;
  switch (condition.t) {
    case 'and':
    case 'or': {
      const parts = condition.of.map((one) => compile(one, values));
      if (parts.length === 0) return condition.t === 'and' ? 'true' : 'false';
      return `(${parts.join(condition.t === 'and' ? ' AND ' : ' OR ')})`;
    }
    case 'raw': {
      const texts = condition.texts.map((text) => `contains(lower("raw"), ${bind(text.toLowerCase())})`);
      return `("raw" = '' OR ${texts.join(' OR ')})`;
    }
    case 'contains': {
      const texts = condition.texts.map(
        (text) => `contains(lower("${condition.column}"), ${bind(text.toLowerCase())})`,
      );
      return texts.length === 0 ? 'false' : `(${texts.join(' OR ')})`;
    }
    case 'column':
      if (condition.values.length === 0) return 'false';
      return `"${condition.column}" IN (${condition.values.map(bind).join(', ')})`;
  }
}

const columnSql = (name: string): string =>
  name === 'message' ? 'coalesce("message", substr("raw", "message_at" + 1))' : `"${name}"`;

/** The minutes in which the side index has events of the condition; null when it does not say. */
async function minutesOf(view: ArchiveView, entry: FileEntry, condition: PartCondition): Promise<number[] | null> {
  if (condition.t === 'or') {
    const all: number[] = [];
    for (const one of condition.of) {
      const some = await minutesOf(view, entry, one);
      if (some === null) return null;
      all.push(...some);
    }
    return all;
  }
  if (condition.t !== 'column' || !INDEXED.has(condition.column) || condition.values.length > LOOKUPS_MAX) return null;
  const all: number[] = [];
  for (const value of condition.values) {
    const minutes = await view.indexes.minutesOf(entry, condition.column, value.toLowerCase());
    if (minutes === null) return null;
    for (const [minute] of minutes) all.push(minute);
  }
  return all;
}

export function createArchiveParts(streamId: string, withView: WithView): ArchiveParts {
  const partOf = (view: ArchiveView, id: string): FileEntry | undefined =>
    view.files.find((entry) => entry.file === id);
  /** The files of the parts; null when one of them is gone. */
  const entriesOf = (view: ArchiveView, ids: readonly string[]): FileEntry[] | null => {
    const entries = ids.flatMap((id) => partOf(view, id) ?? []);
    return entries.length === ids.length ? entries : null;
  };
  return {
    list: (fromMs, toMs) =>
      withView(async (view) =>
        view.files
          .filter((entry) => entry.time[1] >= fromMs && entry.time[0] < toMs)
          .sort((a, b) => a.time[0] - b.time[0])
          .map((entry) => ({ id: entry.file, rows: entry.rows, timeMs: entry.time })),
      ),
    held: (part, column, values) =>
      withView(async (view) => {
        const entry = partOf(view, part);
        if (entry === undefined || !INDEXED.has(column)) return values;
        const index = await view.indexes.get(entry);
        return index === null ? values : values.filter((value) => bloomHas(index.bloom, column, value.toLowerCase()));
      }),
    among: (part, keys) =>
      withView(async (view) => {
        const entry = partOf(view, part);
        const bytes = entry === undefined ? null : await view.indexes.keysOf(entry);
        return bytes === null ? null : keysAmong(bytes, keys);
      }),
    distinct: (parts, column, limit, signal) =>
      withView(async (view) => {
        const entries = entriesOf(view, parts);
        if (entries === null) return null;
        const sql = `SELECT DISTINCT ${columnSql(column)}::VARCHAR AS v FROM ${tableOf(view, entries)} WHERE v IS NOT NULL LIMIT ${Math.trunc(limit)}`;
        return (await view.pool.rows(sql, [], signal)).map((row) => String(row[0]));
      }),
    events: (parts, condition, range, signal) =>
      withView(async (view): Promise<EventRecord[] | null> => {
        const entries = entriesOf(view, parts);
        if (entries === null) return null;
        const values: (string | number)[] = [];
        const wheres = [
          `"time" >= ${timestamp(clampTime(range.fromMs))}`,
          `"time" < ${timestamp(clampTime(range.toMs))}`,
          ...(condition === null ? [] : [compile(condition, values)]),
        ];
        const after = range.after === undefined ? null : parseEventId(range.after);
        if (after !== null) {
          const place = `(SELECT "time" FROM ${tableOf(view, entries)} WHERE seq = ${after.seq} AND idx = ${after.index} LIMIT 1)`;
          wheres.push(`("time", seq, idx) > (${place}, ${after.seq}, ${after.index})`);
        }
        const limit = Math.max(1, Math.min(BATCH_MAX, Math.trunc(range.limit)));
        let files = entries;
        const [only] = entries.length === 1 ? entries : [];
        const known = only && condition ? await minutesOf(view, only, condition) : null;
        if (known !== null) {
          if (known.length === 0) return [];
          const times = known.map((minute) => minute * MINUTE_MS);
          wheres.push(
            `"time" >= ${timestamp(clampTime(times.reduce((a, b) => Math.min(a, b))))}`,
            `"time" < ${timestamp(clampTime(times.reduce((a, b) => Math.max(a, b)) + MINUTE_MS))}`,
          );
        } else if (condition !== null) {
          // Mostly little matches: in which files and when is asked of the condition's columns alone.
          const sql = `SELECT filename, epoch_us(min("time")), epoch_us(max("time")) FROM ${named(view, entries)} WHERE ${wheres.join(' AND ')} GROUP BY filename`;
          const found = await view.pool.rows(sql, values, signal);
          if (found.length === 0) return [];
          const names = new Set(found.map((row) => String(row[0])));
          files = entries.filter((entry) => names.has(join(view.dir, entry.file)));
          const [from, to] = [found.map((row) => Number(row[1])), found.map((row) => Number(row[2]))];
          wheres.push(
            `"time" >= make_timestamp(${Math.min(...from)}::BIGINT)`,
            `"time" <= make_timestamp(${Math.max(...to)}::BIGINT)`,
          );
        }
        const ordered = `WHERE ${wheres.join(' AND ')} ORDER BY ${OLDEST_FIRST} LIMIT ${limit}`;
        const sql = `SELECT ${await selectList(view, files)} FROM ${tableOf(view, files)} ${ordered}`;
        return (await view.pool.rows(sql, values, signal)).map((row) => recordOf(streamId, row));
      }),
  };
}

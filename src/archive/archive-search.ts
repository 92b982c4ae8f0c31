/** Searches file by file, newest first, and stops as soon as nothing older can come before what it has. */

import { join } from 'node:path';
import type { DuckDBValue } from '@duckdb/node-api';
import { type EventRecord, LIMITS, type SearchRequest } from '../core/index.ts';
import { parquetTable, timestamp } from './archive-duckdb.ts';
import { SAME_MAX } from './archive-index.ts';
import type { IndexCache } from './archive-index-cache.ts';
import type { FileEntry } from './archive-manifest.ts';
import type { QueryPool } from './archive-pool.ts';
import type { Query } from './archive-query.ts';
import { type Condition, compileQuery, mayMatch, originalFields, usesIndex } from './archive-query-sql.ts';
import {
  afterSql,
  comparePlaces,
  decodeCursor,
  encodeCursor,
  NEWEST_FIRST,
  placeOf,
  type RowPlace,
  recordOf,
  SELECT_LIST,
} from './archive-rows.ts';

export interface ArchiveView {
  readonly dir: string;
  readonly streamId: string;
  readonly pool: QueryPool;
  readonly indexes: IndexCache;
  readonly files: readonly FileEntry[];
}

/** Timestamps beyond this do not fit into microseconds that a number can hold. */
const TIME_MS_MAX = 8.64e12;
/** Events looked at by the first query and by the largest one; doubling in between. */
const ROWS_FIRST = 200_000;
const ROWS_LAST = 8_000_000;
const FILES_MAX = 64;

export const clampTime = (ms: number): number => Math.max(-TIME_MS_MAX, Math.min(TIME_MS_MAX, Math.trunc(ms)));

export const tableOf = (view: ArchiveView, files: readonly FileEntry[]): string =>
  parquetTable(files.map((entry) => join(view.dir, entry.file)));

/** Files that a search has to open, in the order of their newest event. */
export async function* relevantFiles(
  view: ArchiveView,
  query: Query,
  fromMs: number,
  toMs: number,
): AsyncGenerator<FileEntry> {
  const within = view.files.filter((entry) => entry.time[1] >= fromMs && entry.time[0] < toMs);
  within.sort((a, b) => b.time[1] - a.time[1]);
  const indexed = usesIndex(query);
  for (const entry of within) {
    const index = indexed ? await view.indexes.get(entry) : null;
    if (index === null || mayMatch(query, index.bloom)) yield entry;
  }
}

/** How original fields of these files were folded, as far as the query asks for any. */
async function foldings(view: ArchiveView, query: Query, files: readonly FileEntry[], signal?: AbortSignal) {
  const same = new Set<string>();
  const unknown: FileEntry[] = [];
  const names = originalFields(query);
  if (names.length === 0) return [];
  for (const entry of files) {
    const index = await view.indexes.get(entry);
    if (index === null || index.same === null) unknown.push(entry);
    else for (const text of index.same) same.add(text);
  }
  if (unknown.length > 0) {
    // A source can make any number of combinations, but only so many are asked for here: those with the query's names.
    const having = names.map((_, i) => `contains(concat(';', fields_same), $${i + 1})`).join(' OR ');
    const sql = `SELECT DISTINCT fields_same FROM ${tableOf(view, unknown)} WHERE ${having} LIMIT ${SAME_MAX * 16}`;
    const rows = await view.pool.rows(
      sql,
      names.map((name) => `;${name}`),
      signal,
    );
    for (const row of rows) same.add(String(row[0]));
  }
  return [...same];
}

export async function conditionFor(
  view: ArchiveView,
  query: Query,
  files: readonly FileEntry[],
  signal?: AbortSignal,
): Promise<Condition> {
  return compileQuery(query, await foldings(view, query, files, signal));
}

interface Found {
  readonly place: RowPlace;
  readonly row: DuckDBValue[];
}

export async function searchFiles(
  view: ArchiveView,
  query: Query,
  request: SearchRequest,
  signal?: AbortSignal,
): Promise<{ items: EventRecord[]; next: string | null }> {
  const limit = Math.max(1, Math.min(LIMITS.pageRowsMax, Math.trunc(request.limit)));
  const fromMs = clampTime(request.fromMs);
  const after = request.after === undefined ? null : decodeCursor(request.after);
  const toMs = Math.min(clampTime(request.toMs), after === null ? Infinity : after.timeMs + 1);
  let found: Found[] = [];

  const ask = async (files: readonly FileEntry[]): Promise<void> => {
    const condition = await conditionFor(view, query, files, signal);
    const wheres = [`"time" >= ${timestamp(fromMs)}`, `"time" < ${timestamp(toMs)}`];
    const last = found[limit];
    // Later queries need only what comes before the page's end so far.
    if (last !== undefined) wheres.push(`"time" >= ${timestamp(last.place.timeMs)}`);
    if (after !== null) wheres.push(afterSql(after, timestamp));
    wheres.push(condition.sql);
    const sql = `SELECT ${SELECT_LIST} FROM ${tableOf(view, files)} WHERE ${wheres.join(' AND ')} ORDER BY ${NEWEST_FIRST} LIMIT ${limit + 1}`;
    const rows = await view.pool.rows(sql, condition.values, signal);
    found.push(...rows.map((row) => ({ place: placeOf(row), row })));
    found = found.sort((a, b) => comparePlaces(a.place, b.place)).slice(0, limit + 1);
  };

  let batch: FileEntry[] = [];
  let rows = 0;
  let budget = ROWS_FIRST;
  for await (const entry of relevantFiles(view, query, fromMs, toMs)) {
    const last = found[limit];
    if (last !== undefined && last.place.timeMs > entry.time[1]) break;
    if (batch.length > 0 && (rows + entry.rows > budget || batch.length >= FILES_MAX)) {
      await ask(batch);
      batch = [];
      rows = 0;
      budget = Math.min(ROWS_LAST, budget * 2);
      const end = found[limit];
      if (end !== undefined && end.place.timeMs > entry.time[1]) break;
    }
    batch.push(entry);
    rows += entry.rows;
  }
  if (batch.length > 0) await ask(batch);
  const page = found.slice(0, limit);
  const end = page.at(-1);
  return {
    items: page.map(({ row }) => recordOf(view.streamId, row)),
    next: found.length > limit && end !== undefined ? encodeCursor(end.place) : null,
  };
}

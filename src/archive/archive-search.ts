/** Searches file by file, newest first, and stops as soon as nothing older can come before what it has. */

import { join } from 'node:path';
import type { DuckDBValue } from '@duckdb/node-api';
import { type EventRecord, LIMITS, type SearchRequest } from '../core/index.ts';
import { type Candidate, candidates, MINUTE_MS, wholeMinutes } from './archive-candidates.ts';
import { clampTime, parquetTable, timestamp } from './archive-duckdb.ts';
import { SAME_MAX } from './archive-index.ts';
import type { IndexCache } from './archive-index-cache.ts';
import type { FileEntry } from './archive-manifest.ts';
import type { QueryPool } from './archive-pool.ts';
import type { Query } from './archive-query.ts';
import { type Condition, compileQuery, originalFields } from './archive-query-sql.ts';
import {
  afterSql,
  comparePlaces,
  decodeCursor,
  encodeCursor,
  NEWEST_FIRST,
  placeOf,
  type RowPlace,
  recordOf,
  selectOf,
} from './archive-rows.ts';

export interface ArchiveView {
  readonly dir: string;
  readonly streamId: string;
  readonly pool: QueryPool;
  readonly indexes: IndexCache;
  readonly files: readonly FileEntry[];
}

/** Events looked at by the first query and by the largest one; doubling in between. */
const ROWS_FIRST = 200_000;
const ROWS_LAST = 8_000_000;
/** Files of one query: bounds its plan. A page of a value that occurs once in each file needs about as many. */
const FILES_MAX = 128;

export const tableOf = (view: ArchiveView, files: readonly FileEntry[]): string =>
  parquetTable(files.map((entry) => join(view.dir, entry.file)));

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

/** The columns that a search reads: a column that none of the files has a value in is not asked for. */
export async function selectList(view: ArchiveView, files: readonly FileEntry[]): Promise<string> {
  const present = new Set<string>();
  for (const entry of files) {
    const columns = (await view.indexes.get(entry))?.columns ?? null;
    if (columns === null) return selectOf(null);
    for (const column of columns) present.add(column);
  }
  return selectOf(present);
}

interface Span {
  readonly fromMs: number;
  readonly toMs: number;
}

/**
 * Time at or after which these files alone have the events that are wanted, as far as their indexes know; the start of
 * the search otherwise. Row groups before it are not read.
 */
function enoughSince(batch: readonly Candidate[], span: Span, wanted: number): number {
  const minutes = batch.flatMap((candidate) => wholeMinutes(candidate, span.fromMs, span.toMs));
  minutes.sort((a, b) => b[0] - a[0]);
  let count = 0;
  for (const [minute, events] of minutes) {
    count += events;
    if (count >= wanted) return minute * MINUTE_MS;
  }
  return span.fromMs;
}

/** Collects files until they are worth a query: enough events for certain, or as many as may be looked through. */
function createBatch(span: Span) {
  let files: Candidate[] = [];
  let rows = 0;
  let sure = 0;
  let budget = ROWS_FIRST;
  return {
    get files(): readonly Candidate[] {
      return files;
    },
    /** Is it full before this one, when so many events are still wanted? */
    full(next: Candidate, wanted: number): boolean {
      if (files.length === 0) return false;
      if (sure >= wanted || files.length >= FILES_MAX) return true;
      return next.known?.exact !== true && rows + next.entry.rows > budget;
    },
    add(candidate: Candidate): void {
      files.push(candidate);
      // Of these, only what matches has to be read.
      if (candidate.known?.exact !== true) rows += candidate.entry.rows;
      for (const [, count] of wholeMinutes(candidate, span.fromMs, span.toMs)) sure += count;
    },
    next(): void {
      files = [];
      rows = 0;
      sure = 0;
      budget = Math.min(ROWS_LAST, budget * 2);
    },
  };
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
  // The page before may have ended within a millisecond; its events are left out by their place.
  const toMs = Math.min(clampTime(request.toMs), after === null ? Infinity : after.timeMs + 1);
  const span = { fromMs, toMs: after === null ? toMs : Math.min(toMs, after.timeMs) };
  let found: Found[] = [];

  const ask = async (files: readonly Candidate[]): Promise<void> => {
    const entries = files.map((candidate) => candidate.entry);
    const condition = await conditionFor(view, query, entries, signal);
    // A whole page of this batch alone: what was found before may be older than any of it.
    const since = enoughSince(files, span, limit + 1);
    const wheres = [`"time" >= ${timestamp(since)}`, `"time" < ${timestamp(toMs)}`];
    const last = found[limit];
    // Later queries need only what comes before the page's end so far.
    if (last !== undefined) wheres.push(`"time" >= ${timestamp(last.place.timeMs)}`);
    if (after !== null) wheres.push(afterSql(after, timestamp));
    wheres.push(condition.sql);
    const list = await selectList(view, entries);
    const sql = `SELECT ${list} FROM ${tableOf(view, entries)} WHERE ${wheres.join(' AND ')} ORDER BY ${NEWEST_FIRST} LIMIT ${limit + 1}`;
    const rows = await view.pool.rows(sql, condition.values, signal);
    found.push(...rows.map((row) => ({ place: placeOf(row), row })));
    found = found.sort((a, b) => comparePlaces(a.place, b.place)).slice(0, limit + 1);
  };

  const batch = createBatch(span);
  const done = (next: Candidate): boolean => {
    const last = found[limit];
    return last !== undefined && last.place.timeMs > next.entry.time[1];
  };
  for await (const candidate of candidates(view, query, fromMs, toMs)) {
    if (done(candidate)) break;
    if (batch.full(candidate, limit + 1 - found.length)) {
      await ask(batch.files);
      batch.next();
      if (done(candidate)) break;
    }
    batch.add(candidate);
  }
  if (batch.files.length > 0) await ask(batch.files);
  const page = found.slice(0, limit);
  const end = page.at(-1);
  return {
    items: page.map(({ row }) => recordOf(view.streamId, row)),
    next: found.length > limit && end !== undefined ? encodeCursor(end.place) : null,
  };
}

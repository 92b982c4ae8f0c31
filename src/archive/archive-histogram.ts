/** Counts events by time: from the manifest and the side indexes where they say enough, from the files otherwise. */

import { AsepsisError, type HistogramBucket, type SearchRequest } from '../core/index.ts';
import { type Candidate, candidates, MINUTE_MS } from './archive-candidates.ts';
import { clampTime, timestamp } from './archive-duckdb.ts';
import type { FileEntry } from './archive-manifest.ts';
import type { Query } from './archive-query.ts';
import { type ArchiveView, conditionFor, tableOf } from './archive-search.ts';

/** Up to this many buckets, empty ones are listed too; a chart has no more columns. */
const FILLED_MAX = 2000;
const BUCKETS_MAX = 50_000;
/** Files in one query: bounds its plan, not its result. */
const FILES_MAX = 512;

export async function countByTime(
  view: ArchiveView,
  query: Query,
  request: Omit<SearchRequest, 'limit' | 'after'>,
  bucketMs: number,
  signal?: AbortSignal,
): Promise<HistogramBucket[]> {
  if (!Number.isInteger(bucketMs) || bucketMs < 1) throw new AsepsisError('BAD_REQUEST', 'A bucket is at least 1 ms.');
  const fromMs = clampTime(request.fromMs);
  const toMs = clampTime(request.toMs);
  const counts = new Map<number, number>();
  const add = (timeMs: number, count: number) => {
    const start = Math.floor(timeMs / bucketMs) * bucketMs;
    counts.set(start, (counts.get(start) ?? 0) + count);
    if (counts.size > BUCKETS_MAX)
      throw new AsepsisError('BAD_REQUEST', 'So many buckets are of no use; make them longer.');
  };
  const opened: FileEntry[] = [];
  for await (const candidate of candidates(view, query, fromMs, toMs)) {
    const counted = await countKnown(view, query, candidate, { fromMs, toMs, bucketMs, add });
    if (!counted) opened.push(candidate.entry);
  }
  for (let i = 0; i < opened.length; i += FILES_MAX) {
    const files = opened.slice(i, i + FILES_MAX);
    const condition = await conditionFor(view, query, files, signal);
    const sql =
      `SELECT floor(epoch_ms("time") / ${bucketMs}.0)::BIGINT AS b, count(*) FROM ${tableOf(view, files)} ` +
      `WHERE "time" >= ${timestamp(fromMs)} AND "time" < ${timestamp(toMs)} AND ${condition.sql} GROUP BY b`;
    for (const row of await view.pool.rows(sql, condition.values, signal))
      add(Number(row[0]) * bucketMs, Number(row[1]));
  }
  return listed(counts, fromMs, toMs, bucketMs);
}

interface Counting {
  readonly fromMs: number;
  readonly toMs: number;
  readonly bucketMs: number;
  readonly add: (timeMs: number, count: number) => void;
}

/** Counts a file without opening it; false when neither manifest nor index can say. */
async function countKnown(view: ArchiveView, query: Query, candidate: Candidate, o: Counting): Promise<boolean> {
  const { entry, known } = candidate;
  const [first, last] = entry.time;
  const inside = first >= o.fromMs && last < o.toMs;
  if (query.kind === 'all' && inside && Math.floor(first / o.bucketMs) === Math.floor(last / o.bucketMs)) {
    o.add(first, entry.rows);
    return true;
  }
  const aligned = (ms: number) => ms % MINUTE_MS === 0;
  if (o.bucketMs % MINUTE_MS !== 0 || !(inside || (aligned(o.fromMs) && aligned(o.toMs)))) return false;
  const minutes = query.kind === 'all' ? (await view.indexes.get(entry))?.minutes : known?.exact ? known.minutes : null;
  if (minutes === null || minutes === undefined) return false;
  for (const [minute, count] of minutes) {
    const timeMs = minute * MINUTE_MS;
    if (inside || (timeMs >= o.fromMs && timeMs < o.toMs)) o.add(timeMs, count);
  }
  return true;
}

function listed(
  counts: ReadonlyMap<number, number>,
  fromMs: number,
  toMs: number,
  bucketMs: number,
): HistogramBucket[] {
  const first = Math.floor(fromMs / bucketMs) * bucketMs;
  if ((toMs - first) / bucketMs > FILLED_MAX) {
    return [...counts].sort((a, b) => a[0] - b[0]).map(([startMs, count]) => ({ startMs, count }));
  }
  const buckets: HistogramBucket[] = [];
  for (let startMs = first; startMs < toMs; startMs += bucketMs)
    buckets.push({ startMs, count: counts.get(startMs) ?? 0 });
  return buckets;
}

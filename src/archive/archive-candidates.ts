/** Which files a query has to open, and what their side indexes know of its events before any is opened. */

import { clampTime } from './archive-duckdb.ts';
import { gramsMayHave } from './archive-grams.ts';
import type { FileEntry } from './archive-manifest.ts';
import type { Query } from './archive-query.ts';
import { hasText, indexedValue, mayHaveText, mayMatch, usesIndex } from './archive-query-sql.ts';
import type { ArchiveView } from './archive-search.ts';

export const MINUTE_MS = 60_000;

/** Minutes and events in them: at most so many match; `exact`: precisely so many. */
export interface Known {
  readonly minutes: ReadonlyMap<number, number>;
  readonly exact: boolean;
}

export interface Candidate {
  readonly entry: FileEntry;
  readonly known: Known | null;
}

/** Files asked at the same time: their indexes may have to come from the disk. */
const AT_ONCE = 16;
/** Parts of a query that are looked up in one file; the rest is left to DuckDB. */
const LOOKUPS_MAX = 32;

/** Files that may have events of the query, in the order of their newest event. */
export async function* candidates(
  view: ArchiveView,
  query: Query,
  from: number,
  to: number,
): AsyncGenerator<Candidate> {
  const fromMs = clampTime(from);
  const toMs = clampTime(to);
  const within = view.files.filter((entry) => entry.time[1] >= fromMs && entry.time[0] < toMs);
  within.sort((a, b) => b.time[1] - a.time[1]);
  const look = { indexed: usesIndex(query), text: hasText(query) };
  if (!look.indexed && !look.text) {
    for (const entry of within) yield { entry, known: null };
    return;
  }
  for (let i = 0; i < within.length; i += AT_ONCE) {
    const some = within.slice(i, i + AT_ONCE);
    const looked = await Promise.all(some.map((entry) => lookAt(view, query, entry, look, fromMs, toMs)));
    for (const candidate of looked) if (candidate !== null) yield candidate;
  }
}

async function lookAt(
  view: ArchiveView,
  query: Query,
  entry: FileEntry,
  look: { indexed: boolean; text: boolean },
  fromMs: number,
  toMs: number,
): Promise<Candidate | null> {
  let known: Known | null = null;
  if (look.indexed) {
    const index = await view.indexes.get(entry);
    if (index === null) return { entry, known };
    if (!mayMatch(query, index.bloom)) return null;
    known = await knownOf(view, query, entry, { left: LOOKUPS_MAX });
    if (known !== null && !anyWithin(known, fromMs, toMs)) return null;
  }
  if (look.text) {
    const grams = await view.indexes.gramsOf(entry);
    if (grams !== null && !mayHaveText(query, (text) => gramsMayHave(grams, text))) return null;
  }
  return { entry, known };
}

function anyWithin({ minutes }: Known, fromMs: number, toMs: number): boolean {
  for (const minute of minutes.keys()) if ((minute + 1) * MINUTE_MS > fromMs && minute * MINUTE_MS < toMs) return true;
  return false;
}

/** What the postings of one file say about a query; null: nothing. */
async function knownOf(
  view: ArchiveView,
  query: Query,
  entry: FileEntry,
  budget: { left: number },
): Promise<Known | null> {
  if (query.kind === 'field') {
    const value = indexedValue(query);
    if (value === null || budget.left <= 0) return null;
    budget.left -= 1;
    const minutes = await view.indexes.minutesOf(entry, query.name, value);
    return minutes === null ? null : { minutes: new Map(minutes), exact: true };
  }
  if (query.kind !== 'and' && query.kind !== 'or') return null;
  let all: Known | null = null;
  for (const item of query.items) {
    const one = await knownOf(view, item, entry, budget);
    if (one === null && query.kind === 'or') return null;
    if (one === null) continue;
    if (all === null) all = { minutes: one.minutes, exact: false };
    else all = query.kind === 'and' ? both(all, one) : either(all, one);
  }
  return all;
}

function both(a: Known, b: Known): Known {
  const minutes = new Map<number, number>();
  for (const [minute, count] of a.minutes) {
    const other = b.minutes.get(minute);
    if (other !== undefined) minutes.set(minute, Math.min(count, other));
  }
  return { minutes, exact: false };
}

function either(a: Known, b: Known): Known {
  const minutes = new Map(a.minutes);
  for (const [minute, count] of b.minutes) minutes.set(minute, (minutes.get(minute) ?? 0) + count);
  return { minutes, exact: false };
}

/** Minutes wholly inside a span, newest first, with their exact counts; empty where nothing exact is known. */
export function wholeMinutes({ known }: Candidate, fromMs: number, toMs: number): [number, number][] {
  if (known === null || !known.exact) return [];
  return [...known.minutes]
    .filter(([minute]) => minute * MINUTE_MS >= fromMs && (minute + 1) * MINUTE_MS <= toMs)
    .sort((a, b) => b[0] - a[0]);
}

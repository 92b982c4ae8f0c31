/** The indicators of an installation: imported, listed and removed as a whole list, one writer at a time. */

import { AsepsisError } from '../../core/index.ts';
import { createAllowList } from './indicator-allow.ts';
import {
  indicatorFile,
  indicatorStamp,
  readIndicators,
  type StoredIndicators,
  writeIndicators,
} from './indicator-file.ts';
import { type ImportOptions, type ImportResult, type IndicatorRecord, importIndicators } from './indicator-import.ts';
import type { IndicatorHit } from './indicator-set.ts';
import type { IndicatorType } from './indicator-value.ts';

/** Indicators kept at once; memory and file grow by some 60 bytes each. */
const INDICATORS_MAX = 5_000_000;
const PATTERNS_MAX = 1000;

export interface ImportSummary {
  readonly read: number;
  readonly added: number;
  readonly renewed: number;
  readonly patterns: number;
  /** Left out, as they stand in every log: value and why. */
  readonly allowed: readonly { value: string; reason: string }[];
  readonly allowedCount: number;
  readonly refused: ImportResult['refused'];
  readonly refusedCount: number;
  readonly total: number;
}

export interface IndicatorFilter {
  readonly type?: IndicatorType;
  readonly source?: string;
  readonly text?: string;
}

const keyOf = (record: { type: string; value: string; source: string }): string =>
  `${record.type}\0${record.value}\0${record.source}`;

const queues = new Map<string, Promise<unknown>>();
/** Changes of one file after each other, also from several requests. */
function queued<T>(file: string, work: () => Promise<T>): Promise<T> {
  const run = (queues.get(file) ?? Promise.resolve()).then(work, work);
  queues.set(
    file,
    run.catch(() => {}),
  );
  return run;
}

async function load(
  file: string,
): Promise<{ records: Map<string, IndicatorRecord>; patterns: ImportResult['patterns'] }> {
  const { set, patterns } = await readIndicators(file);
  const records = new Map<string, IndicatorRecord>();
  for (let i = 0; i < set.size; i++) {
    const { type, value, source, confidence, untilMs } = set.at(i);
    records.set(keyOf({ type, value, source }), { type, value, source, confidence, untilMs });
  }
  return { records, patterns };
}

/** Of the same value the more confident first: lookups take the first. */
const ordered = (records: Iterable<IndicatorRecord>): IndicatorRecord[] =>
  [...records].sort((a, b) => b.confidence - a.confidence);

/** @param own addresses, networks and names that never become indicators */
export function importList(
  o: { dataDir: string; own: readonly string[]; nowMs: number },
  content: string,
  options: ImportOptions,
): Promise<ImportSummary> {
  const file = indicatorFile(o.dataDir);
  return queued(file, async () => {
    const found = importIndicators(content, options);
    const allow = createAllowList(o.own);
    const { records, patterns } = await load(file);
    for (const [key, { untilMs }] of records) if (untilMs !== null && untilMs <= o.nowMs) records.delete(key);
    const allowed: { value: string; reason: string }[] = [];
    let allowedCount = 0;
    let added = 0;
    let renewed = 0;
    for (const record of found.records) {
      const reason = allow(record);
      if (reason !== null) {
        allowedCount++;
        if (allowed.length < 50) allowed.push({ value: record.value, reason });
        continue;
      }
      const key = keyOf(record);
      if (records.has(key)) renewed++;
      else added++;
      records.set(key, record);
    }
    if (records.size > INDICATORS_MAX)
      throw new AsepsisError('BAD_REQUEST', `More than ${INDICATORS_MAX} indicators: remove a list first.`);
    const kept = new Map([...patterns, ...found.patterns].map((one) => [`${one.source}\0${one.pattern}`, one]));
    if (kept.size > PATTERNS_MAX)
      throw new AsepsisError('BAD_REQUEST', `More than ${PATTERNS_MAX} patterns: remove a list first.`);
    await writeIndicators(file, ordered(records.values()), [...kept.values()]);
    return {
      read: found.records.length + found.patterns.length,
      added,
      renewed,
      patterns: found.patterns.length,
      allowed,
      allowedCount,
      refused: found.refused,
      refusedCount: found.refusedCount,
      total: records.size + kept.size,
    };
  });
}

/** Removes one value, or a whole list by its source; answers how many went. */
export function removeIndicators(
  dataDir: string,
  what: { readonly value?: string; readonly source?: string },
): Promise<number> {
  const file = indicatorFile(dataDir);
  return queued(file, async () => {
    const { records, patterns } = await load(file);
    const gone = (one: { value?: string; source: string }): boolean =>
      (what.value === undefined || one.value === what.value) &&
      (what.source === undefined || one.source === what.source);
    const left = [...records.values()].filter((record) => !gone(record));
    const patternsLeft = what.value === undefined ? patterns.filter((one) => !gone(one)) : patterns;
    const removed = records.size - left.length + patterns.length - patternsLeft.length;
    if (removed > 0) await writeIndicators(file, ordered(left), patternsLeft);
    return removed;
  });
}

export interface IndicatorPage {
  readonly items: readonly IndicatorHit[];
  readonly next: string | null;
  readonly total: number;
  readonly sources: readonly { source: string; count: number; patterns: number }[];
}

interface Kept {
  readonly stamp: string | null;
  readonly stored: StoredIndicators;
  readonly sources: IndicatorPage['sources'];
}

/** The file as it was read last: a page of a million must not be read from disk for each look. */
const kept = new Map<string, Kept>();

async function keptOf(file: string): Promise<Kept> {
  const stamp = await indicatorStamp(file);
  const known = kept.get(file);
  if (known !== undefined && known.stamp === stamp) return known;
  const stored = await readIndicators(file);
  const counts = new Map<string, { source: string; count: number; patterns: number }>();
  const countOf = (source: string) => {
    const one = counts.get(source) ?? { source, count: 0, patterns: 0 };
    counts.set(source, one);
    return one;
  };
  for (let i = 0; i < stored.set.size; i++) countOf(stored.set.sourceOf(i)).count++;
  for (const { source } of stored.patterns) countOf(source).patterns++;
  const fresh = { stamp, stored, sources: [...counts.values()] };
  kept.set(file, fresh);
  return fresh;
}

/** A page of indicators; the cursor is a position. */
export async function listIndicators(
  dataDir: string,
  filter: IndicatorFilter,
  page: { limit: number; after?: string },
): Promise<IndicatorPage> {
  const { stored, sources } = await keptOf(indicatorFile(dataDir));
  const { set, patterns } = stored;
  const from = Number(page.after ?? 0);
  if (!Number.isSafeInteger(from) || from < 0)
    throw new AsepsisError('BAD_REQUEST', 'The cursor is not one of this list.');
  const text = filter.text?.toLowerCase();
  const items: IndicatorHit[] = [];
  let next: string | null = null;
  for (let i = from; i < set.size && next === null; i++) {
    const one = set.at(i);
    if (filter.type !== undefined && one.type !== filter.type) continue;
    if (filter.source !== undefined && one.source !== filter.source) continue;
    if (text !== undefined && !one.value.includes(text)) continue;
    if (items.length >= page.limit) next = String(i);
    else items.push(one);
  }
  return { items, next, total: set.size + patterns.length, sources };
}

/**
 * Looks back: rules over the archive, part by part. Distinct values of columns are tested, not rows, and only parts with a
 * value that matters are opened; what was done is answered after each part, so that a hunt goes on after a break.
 */

import type { Alert, ArchivePart, ArchiveParts, DecodedEvent, EventId } from '../core/index.ts';
import { createEngine, type Engine } from './detection-engine.ts';
import { conditionOfAny, decodedOf, isNever } from './detection-hunt-plan.ts';
import type { Rule } from './detection-rule.ts';

export interface HuntProgress {
  parts: number;
  partsDone: number;
  /** Parts that were not opened, as nothing in them could match. */
  partsSkipped: number;
  /** Events in the parts that are done. */
  rows: number;
  valuesTested: number;
  eventsRead: number;
  alerts: number;
}

export interface HuntOptions {
  readonly fromMs: number;
  readonly toMs: number;
  /** Also texts that have no column of their own: every record is read then. */
  readonly deep: boolean;
  readonly streamId: string;
  /** Parts that an earlier run finished. */
  readonly done: ReadonlySet<string>;
  readonly signal: AbortSignal;
  /** Rows that are looked at together; two million by default. */
  readonly batchRows?: number;
  /** Takes alerts, already marked as retrospective; durable when it resolves. */
  readonly onAlerts: (alerts: readonly Alert[]) => Promise<void>;
  readonly onParts: (
    parts: readonly string[],
    progress: Readonly<HuntProgress>,
    state: Uint8Array | null,
  ) => Promise<void>;
}

/** Different values of one column of one part: beyond it the part's rows are read instead. */
export const DISTINCT_MAX = 2_000_000;
const EVENTS_PER_ASK = 5000;
/** Rows and files that are looked at together: bounds the memory of their distinct values. */
const BATCH_ROWS_MAX = 2_000_000;
const BATCH_PARTS_MAX = 64;
/** Looks for parts that upkeep made meanwhile. */
const ROUNDS_MAX = 5;
/** How late an event may be in parts that overlap in time. */
const LATENESS_MS = 3_600_000;

export const newProgress = (): HuntProgress => ({
  parts: 0,
  partsDone: 0,
  partsSkipped: 0,
  rows: 0,
  valuesTested: 0,
  eventsRead: 0,
  alerts: 0,
});

const retrospective = (alert: Alert): Alert => ({ ...alert, retrospective: true });

export async function* eventsOf(
  parts: ArchiveParts,
  ids: readonly string[],
  condition: Parameters<ArchiveParts['events']>[1],
  o: HuntOptions,
  most: number,
): AsyncGenerator<DecodedEvent> {
  let after: EventId | undefined;
  for (let left = most; left > 0; ) {
    const limit = Math.min(EVENTS_PER_ASK, left);
    const range = { fromMs: o.fromMs, toMs: o.toMs, limit, ...(after === undefined ? {} : { after }) };
    const page = await parts.events(ids, condition, range, o.signal);
    if (page === null) throw new PartGone();
    for (const record of page) yield decodedOf(record);
    left -= page.length;
    after = page.at(-1)?.id;
    if (page.length < limit) return;
  }
}

/** Upkeep merged a part away meanwhile: what it held stands in another one. */
export class PartGone extends Error {}

/** Parts that are looked at together: a query costs as much for one small file as for many. */
function batches(list: readonly ArchivePart[], rowsMax: number): ArchivePart[][] {
  const out: ArchivePart[][] = [];
  let rows = rowsMax;
  for (const part of list) {
    const last = out.at(-1);
    if (last === undefined || rows + part.rows > rowsMax || last.length >= BATCH_PARTS_MAX) {
      out.push([part]);
      rows = part.rows;
    } else {
      last.push(part);
      rows += part.rows;
    }
  }
  return out;
}

/**
 * Does the work for all parts that are not done, in their order; parts that were merged away meanwhile are done in what they
 * became, as alerts of the same events are the same.
 */
export async function overParts(
  parts: ArchiveParts,
  o: HuntOptions,
  newestFirst: boolean,
  progress: HuntProgress,
  work: (batch: readonly ArchivePart[]) => Promise<void>,
  state: () => Uint8Array | null,
): Promise<void> {
  const done = new Set(o.done);
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const all = await parts.list(o.fromMs, o.toMs);
    const left = all.filter(({ id }) => !done.has(id));
    if (round === 0) {
      progress.parts = all.length;
      progress.partsDone = all.length - left.length;
      progress.rows = all.reduce((sum, { id, rows }) => sum + (done.has(id) ? rows : 0), 0);
    } else if (left.length === 0) return;
    else progress.parts += left.length;
    for (const batch of batches(newestFirst ? left.toReversed() : left, o.batchRows ?? BATCH_ROWS_MAX)) {
      o.signal.throwIfAborted();
      try {
        await work(batch);
      } catch (error) {
        if (!(error instanceof PartGone)) throw error;
        progress.parts -= batch.length;
        continue;
      }
      for (const part of batch) {
        done.add(part.id);
        progress.partsDone++;
        progress.rows += part.rows;
      }
      await o.onParts(
        batch.map(({ id }) => id),
        progress,
        state(),
      );
    }
  }
}

/** Rules over the archive, the oldest part first, as correlations count forward in time. */
export async function huntRules(
  parts: ArchiveParts,
  rules: readonly Rule[],
  o: HuntOptions & { readonly state: Uint8Array | null },
): Promise<HuntProgress> {
  const open = (state: Uint8Array | null): Engine => {
    const made = createEngine(rules, { streamId: o.streamId, latenessMs: LATENESS_MS });
    if (state !== null) made.restore(state);
    return made;
  };
  let engine = open(o.state);
  const exprs = rules.flatMap((rule) => (rule.kind === 'detection' ? [rule.expr] : []));
  const counts = rules.some((rule) => rule.kind === 'correlation');
  const progress = newProgress();
  const say = async (alerts: readonly Alert[]): Promise<void> => {
    if (alerts.length === 0) return;
    progress.alerts += alerts.length;
    await o.onAlerts(alerts.map(retrospective));
  };
  const conditionIn = (ids: readonly string[]) =>
    conditionOfAny(exprs, async (column) => {
      const values = await parts.distinct(ids, column, DISTINCT_MAX, o.signal);
      if (values === null) throw new PartGone();
      progress.valuesTested += values.length;
      return values.length < DISTINCT_MAX ? values : null;
    });

  const look = async (batch: readonly ArchivePart[]): Promise<void> => {
    const ids = batch.map(({ id }) => id);
    const condition = await conditionIn(ids);
    if (isNever(condition)) {
      progress.partsSkipped += batch.length;
      return;
    }
    const before = counts ? engine.snapshot() : null;
    let waiting: Alert[] = [];
    try {
      for await (const event of eventsOf(parts, ids, condition, o, Number.POSITIVE_INFINITY)) {
        progress.eventsRead++;
        const raised = engine.feed(event);
        if (raised.length > 0) waiting.push(...raised);
        if (waiting.length < 500) continue;
        await say(waiting);
        waiting = [];
      }
    } catch (error) {
      // What was counted of a part that is gone comes again with the part that it became.
      if (error instanceof PartGone) engine = open(before);
      throw error;
    }
    await say(waiting);
  };
  await overParts(parts, o, false, progress, look, () => (counts ? engine.snapshot() : null));
  await say(engine.finish());
  return progress;
}

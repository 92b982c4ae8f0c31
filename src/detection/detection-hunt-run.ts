/**
 * Looks back: indicators and rules over the archive, part by part. Distinct values of columns are tested, not rows, and only
 * parts with a value that matters are opened; what was done is answered after each part, so that a hunt goes on after a break.
 */

import type { Alert, ArchivePart, ArchiveParts, DecodedEvent, EventId, NormalisedColumn } from '../core/index.ts';
import { createEngine, type Engine } from './detection-engine.ts';
import { columnsOf, conditionOf, decodedOf, isNever } from './detection-hunt-plan.ts';
import type { DetectionRule, Rule } from './detection-rule.ts';
import type { StoredIndicators } from './indicators/indicator-file.ts';
import { createFinder } from './indicators/indicator-match.ts';
import { indicatorAlert, saidOf } from './indicators/indicator-watch.ts';

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
const DISTINCT_MAX = 2_000_000;
const EVENTS_PER_ASK = 5000;
/** Rows and files that are looked at together: bounds the memory of their distinct values. */
const BATCH_ROWS_MAX = 2_000_000;
const BATCH_PARTS_MAX = 64;
/** Looks for parts that upkeep made meanwhile. */
const ROUNDS_MAX = 5;
/** Events that are made into alerts for the same values of one part: alerts of one hour and host are one anyway. */
const EVENTS_OF_VALUES_MAX = 20_000;
/** How late an event may be in parts that overlap in time. */
const LATENESS_MS = 3_600_000;
const SLOT_MS = 3_600_000;
const VALUES_ASKED_MAX = 2000;
/** With more indicators than this, asking side indexes for each costs more than the distinct values. */
const EXACT_MAX = 20_000;

const newProgress = (): HuntProgress => ({
  parts: 0,
  partsDone: 0,
  partsSkipped: 0,
  rows: 0,
  valuesTested: 0,
  eventsRead: 0,
  alerts: 0,
});

/** Columns in which each kind of indicator can stand. */
const COLUMNS = {
  address: ['src_ip', 'dst_ip'],
  cidr: ['src_ip', 'dst_ip'],
  domain: ['domain', 'src_host', 'dst_host', 'url', 'command_line'],
  url: ['url', 'command_line'],
  hash: ['hash'],
  email: ['user', 'target_user'],
} as const satisfies Record<string, readonly NormalisedColumn[]>;

/**
 * Columns to look at, each with the values that are asked for as they are: IPv4 addresses have one spelling. Null: distinct
 * values have to be read, as networks, names with subdomains and digests inside longer texts are not found by equality.
 */
function columnsAsked(stored: StoredIndicators): Map<NormalisedColumn, readonly string[] | null> {
  const out = new Map<NormalisedColumn, readonly string[] | null>();
  const { set } = stored;
  const plain = set.counts.cidr === 0 && !set.hasV6 && set.counts.address <= EXACT_MAX;
  const addresses: string[] = [];
  for (let i = 0; plain && i < set.size; i++) {
    const { type, value } = set.at(i);
    if (type === 'address') addresses.push(value);
  }
  for (const [type, columns] of Object.entries(COLUMNS) as [keyof typeof COLUMNS, readonly NormalisedColumn[]][]) {
    if (set.counts[type] === 0) continue;
    for (const column of columns) out.set(column, type === 'address' && plain ? addresses : null);
  }
  return out;
}

const retrospective = (alert: Alert): Alert => ({ ...alert, retrospective: true });

async function* eventsOf(
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
class PartGone extends Error {}

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
async function overParts(
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

/** Indicators over the archive, the newest part first: what is recent matters most. */
export async function huntIndicators(
  parts: ArchiveParts,
  stored: StoredIndicators,
  o: HuntOptions,
): Promise<HuntProgress> {
  const finder = createFinder(stored.set);
  const progress = newProgress();
  const asked = columnsAsked(stored);
  const paths = new Set<string>();
  for (let i = 0; i < stored.set.size; i++) {
    const { type, value } = stored.set.at(i);
    if (type === 'url') paths.add(value.slice(value.indexOf('/')).toLowerCase());
  }

  const matching = async (ids: readonly string[], column: NormalisedColumn, nowMs: number): Promise<string[]> => {
    const values = await parts.distinct(ids, column, DISTINCT_MAX, o.signal);
    if (values === null) throw new PartGone();
    progress.valuesTested += values.length;
    return values.filter(
      (value) =>
        finder.findInText(value, column, nowMs).length > 0 ||
        (column === 'url' &&
          (paths.has(value.toLowerCase()) || paths.has((value.split('?')[0] as string).toLowerCase()))),
    );
  };
  /** The values of a column that matter in a batch, and the parts that may hold them. */
  const wantedIn = async (
    batch: readonly ArchivePart[],
    column: NormalisedColumn,
    values: readonly string[] | null,
  ): Promise<{ ids: string[]; wanted: readonly string[] }> => {
    const all = batch.map(({ id }) => id);
    if (values === null) return { ids: all, wanted: await matching(all, column, batch[0]?.timeMs[1] ?? 0) };
    const wanted = new Set<string>();
    const ids: string[] = [];
    for (const id of all) {
      const held = await parts.held(id, column, values);
      for (const value of held) wanted.add(value);
      if (held.length > 0) ids.push(id);
    }
    return { ids, wanted: [...wanted] };
  };
  const alertsOf = function* (event: DecodedEvent): Generator<Alert> {
    progress.eventsRead++;
    for (const found of finder.find(event)) {
      const said = saidOf(stored.set.at(found.index), found);
      yield indicatorAlert(said, event, { streamId: o.streamId, retrospective: true, slotMs: SLOT_MS });
    }
  };

  const look = async (batch: readonly ArchivePart[]): Promise<void> => {
    const seen = new Map<string, Alert>();
    const opened = new Set<string>();
    const take = async (ids: readonly string[], condition: Parameters<ArchiveParts['events']>[1], most: number) => {
      for await (const event of eventsOf(parts, ids, condition, o, most))
        for (const alert of alertsOf(event)) if (!seen.has(alert.id)) seen.set(alert.id, alert);
    };
    const all = batch.map(({ id }) => id);
    if (o.deep) await take(all, null, Number.POSITIVE_INFINITY);
    // Two columns at once: the archive answers on as many threads.
    const work = o.deep ? [] : [...asked];
    const next = async (): Promise<void> => {
      for (let one = work.pop(); one !== undefined; one = work.pop()) {
        const [column, values] = one;
        const { ids, wanted } = await wantedIn(batch, column, values);
        for (const id of ids) opened.add(id);
        for (let i = 0; i < wanted.length; i += VALUES_ASKED_MAX)
          await take(ids, { t: 'column', column, values: wanted.slice(i, i + VALUES_ASKED_MAX) }, EVENTS_OF_VALUES_MAX);
      }
    };
    const ended = await Promise.allSettled([next(), next()]);
    for (const one of ended) if (one.status === 'rejected') throw one.reason;
    if (!o.deep) progress.partsSkipped += batch.length - opened.size;
    if (seen.size > 0) await o.onAlerts([...seen.values()]);
    progress.alerts += seen.size;
  };
  await overParts(parts, o, true, progress, look, () => null);
  return progress;
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
  const detections = rules.filter((rule): rule is DetectionRule => rule.kind === 'detection');
  const counts = rules.some((rule) => rule.kind === 'correlation');
  const columns = [...new Set(detections.flatMap((rule) => columnsOf(rule.expr)))];
  const progress = newProgress();
  const say = async (alerts: readonly Alert[]): Promise<void> => {
    if (alerts.length === 0) return;
    progress.alerts += alerts.length;
    await o.onAlerts(alerts.map(retrospective));
  };
  const conditionIn = async (ids: readonly string[]) => {
    const distinct = new Map<NormalisedColumn, readonly string[] | null>();
    for (const column of columns) {
      const values = await parts.distinct(ids, column, DISTINCT_MAX, o.signal);
      if (values === null) throw new PartGone();
      progress.valuesTested += values.length;
      distinct.set(column, values.length < DISTINCT_MAX ? values : null);
    }
    const conditions = detections.map((rule) => conditionOf(rule.expr, distinct));
    if (conditions.includes(null)) return null;
    return { t: 'or', of: conditions.filter((one) => one !== null) } as const;
  };

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

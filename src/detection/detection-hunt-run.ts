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
  /** Takes alerts, already marked as retrospective; durable when it resolves. */
  readonly onAlerts: (alerts: readonly Alert[]) => Promise<void>;
  readonly onPart: (part: string, progress: Readonly<HuntProgress>, state: Uint8Array | null) => Promise<void>;
}

/** Different values of one column of one part: beyond it the part's rows are read instead. */
const DISTINCT_MAX = 2_000_000;
const EVENTS_PER_ASK = 5000;
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
  part: string,
  condition: Parameters<ArchiveParts['events']>[1],
  o: HuntOptions,
  most: number,
): AsyncGenerator<DecodedEvent> {
  let after: EventId | undefined;
  for (let left = most; left > 0; ) {
    const limit = Math.min(EVENTS_PER_ASK, left);
    const range = { fromMs: o.fromMs, toMs: o.toMs, limit, ...(after === undefined ? {} : { after }) };
    const page = await parts.events(part, condition, range, o.signal);
    if (page === null) return;
    for (const record of page) yield decodedOf(record);
    left -= page.length;
    after = page.at(-1)?.id;
    if (page.length < limit) return;
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
  const list = [...(await parts.list(o.fromMs, o.toMs))].reverse();
  progress.parts = list.length;

  const matching = async (part: ArchivePart, column: NormalisedColumn): Promise<string[] | null> => {
    const values = await parts.distinct(part.id, column, DISTINCT_MAX, o.signal);
    if (values === null) return null;
    progress.valuesTested += values.length;
    return values.filter(
      (value) =>
        finder.findInText(value, column, part.timeMs[1]).length > 0 ||
        (column === 'url' &&
          (paths.has(value.toLowerCase()) || paths.has((value.split('?')[0] as string).toLowerCase()))),
    );
  };
  const alertsOf = function* (event: DecodedEvent): Generator<Alert> {
    progress.eventsRead++;
    for (const found of finder.find(event)) {
      const said = saidOf(stored.set.at(found.index), found);
      yield indicatorAlert(said, event, { streamId: o.streamId, retrospective: true, slotMs: SLOT_MS });
    }
  };

  for (const part of list) {
    o.signal.throwIfAborted();
    if (!o.done.has(part.id)) {
      const seen = new Map<string, Alert>();
      let opened = o.deep;
      if (o.deep) {
        for await (const event of eventsOf(parts, part.id, null, o, Number.POSITIVE_INFINITY))
          for (const alert of alertsOf(event)) if (!seen.has(alert.id)) seen.set(alert.id, alert);
      }
      // Two columns at once: the archive answers on as many threads.
      const work = o.deep ? [] : [...asked];
      const next = async (): Promise<void> => {
        for (let one = work.pop(); one !== undefined; one = work.pop()) {
          const [column, values] = one;
          const wanted = values === null ? await matching(part, column) : await parts.held(part.id, column, values);
          if (values === null || (wanted?.length ?? 0) > 0) opened = true;
          for (let i = 0; wanted !== null && i < wanted.length; i += VALUES_ASKED_MAX) {
            const condition = { t: 'column', column, values: wanted.slice(i, i + VALUES_ASKED_MAX) } as const;
            for await (const event of eventsOf(parts, part.id, condition, o, EVENTS_OF_VALUES_MAX))
              for (const alert of alertsOf(event)) if (!seen.has(alert.id)) seen.set(alert.id, alert);
          }
        }
      };
      await Promise.all([next(), next()]);
      if (!opened) progress.partsSkipped++;
      if (seen.size > 0) await o.onAlerts([...seen.values()]);
      progress.alerts += seen.size;
    }
    progress.partsDone++;
    progress.rows += part.rows;
    await o.onPart(part.id, progress, null);
  }
  return progress;
}

/** Rules over the archive, the oldest part first, as correlations count forward in time. */
export async function huntRules(
  parts: ArchiveParts,
  rules: readonly Rule[],
  o: HuntOptions & { readonly state: Uint8Array | null },
): Promise<HuntProgress> {
  const engine: Engine = createEngine(rules, { streamId: o.streamId, latenessMs: LATENESS_MS });
  if (o.state !== null) engine.restore(o.state);
  const detections = rules.filter((rule): rule is DetectionRule => rule.kind === 'detection');
  const counts = rules.some((rule) => rule.kind === 'correlation');
  const columns = [...new Set(detections.flatMap((rule) => columnsOf(rule.expr)))];
  const progress = newProgress();
  const list = await parts.list(o.fromMs, o.toMs);
  progress.parts = list.length;

  const say = async (alerts: readonly Alert[]): Promise<void> => {
    if (alerts.length === 0) return;
    progress.alerts += alerts.length;
    await o.onAlerts(alerts.map(retrospective));
  };
  const conditionIn = async (part: ArchivePart) => {
    const distinct = new Map<NormalisedColumn, readonly string[] | null>();
    for (const column of columns) {
      const values = await parts.distinct(part.id, column, DISTINCT_MAX, o.signal);
      progress.valuesTested += values?.length ?? 0;
      distinct.set(column, values !== null && values.length < DISTINCT_MAX ? values : null);
    }
    const conditions = detections.map((rule) => conditionOf(rule.expr, distinct));
    if (conditions.includes(null)) return null;
    return { t: 'or', of: conditions.filter((one) => one !== null) } as const;
  };

  for (const part of list) {
    o.signal.throwIfAborted();
    if (!o.done.has(part.id)) {
      const condition = await conditionIn(part);
      if (isNever(condition)) progress.partsSkipped++;
      else {
        let waiting: Alert[] = [];
        for await (const event of eventsOf(parts, part.id, condition, o, Number.POSITIVE_INFINITY)) {
          progress.eventsRead++;
          const raised = engine.feed(event);
          if (raised.length > 0) waiting.push(...raised);
          if (waiting.length >= 500) {
            await say(waiting);
            waiting = [];
          }
        }
        await say(waiting);
      }
    }
    progress.partsDone++;
    progress.rows += part.rows;
    await o.onPart(part.id, progress, counts ? engine.snapshot() : null);
  }
  await say(engine.finish());
  return progress;
}

/**
 * Indicators and patterns over the archive, the newest part first. Side indexes say which indicators a part may hold, and
 * only those are looked for in it; parts without such an index are asked for the distinct values of their columns.
 */

import type { Alert, ArchivePart, ArchiveParts, DecodedEvent, NormalisedColumn, PartCondition } from '../core/index.ts';
import { conditionOfIndicators, INDICATOR_COLUMNS, planKeys } from './detection-hunt-keys.ts';
import { conditionOfAny, isNever } from './detection-hunt-plan.ts';
import {
  DISTINCT_MAX,
  eventsOf,
  type HuntOptions,
  type HuntProgress,
  newProgress,
  overParts,
  PartGone,
} from './detection-hunt-run.ts';
import { evaluatePlain } from './detection-plain.ts';
import type { StoredIndicators } from './indicators/indicator-file.ts';
import { createFinder } from './indicators/indicator-match.ts';
import { indicatorAlert, readPatterns, saidOf, saidOfPattern } from './indicators/indicator-watch.ts';

const SLOT_MS = 3_600_000;
const VALUES_ASKED_MAX = 2000;
/** Events that are made into alerts for the same question to one part: alerts of one hour and host are one anyway. */
const EVENTS_OF_VALUES_MAX = 20_000;
/** With more in one part than this, testing its distinct values is cheaper. */
const INDICATORS_ASKED_MAX = 200;
/** Parts that are looked at at once: two ask the archive, while the indexes of others are read. */
const AT_ONCE = 4;

/** Does the work for each item, some at a time; the first fault ends it. */
async function each<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items].reverse();
  const next = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await work(item);
  };
  const ended = await Promise.allSettled(Array.from({ length: atOnce }, next));
  for (const one of ended) if (one.status === 'rejected') throw one.reason;
}

/** What a hunt over some parts has found so far. */
interface Haul {
  readonly seen: Map<string, Alert>;
  readonly opened: Set<string>;
}

export async function huntIndicators(
  parts: ArchiveParts,
  stored: StoredIndicators,
  o: HuntOptions,
): Promise<HuntProgress> {
  const { set } = stored;
  const finder = createFinder(set);
  const plan = planKeys(set);
  const patterns = readPatterns(stored.patterns);
  const progress = newProgress();
  const columns = [
    ...new Set(
      (Object.keys(INDICATOR_COLUMNS) as (keyof typeof INDICATOR_COLUMNS)[]).flatMap((type) =>
        set.counts[type] > 0 ? [...INDICATOR_COLUMNS[type]] : [],
      ),
    ),
  ];
  const paths = new Set<string>();
  for (let i = 0; i < set.size; i++) {
    const { type, value } = set.at(i);
    if (type === 'url') paths.add(value.slice(value.indexOf('/')).toLowerCase());
  }

  const alertsOf = function* (event: DecodedEvent): Generator<Alert> {
    progress.eventsRead++;
    const how = { streamId: o.streamId, retrospective: true, slotMs: SLOT_MS };
    for (const found of finder.find(event)) yield indicatorAlert(saidOf(set.at(found.index), found), event, how);
    for (const { one, expr } of patterns) {
      if (one.untilMs !== null && one.untilMs <= event.receivedMs) continue;
      if (evaluatePlain(expr, event, true)) yield indicatorAlert(saidOfPattern(one), event, how);
    }
  };
  /** Answers how many events were read. */
  const take = async (haul: Haul, ids: readonly string[], condition: PartCondition | null, most: number) => {
    let read = 0;
    for (const id of ids) haul.opened.add(id);
    for await (const event of eventsOf(parts, ids, condition, o, most)) {
      read++;
      for (const alert of alertsOf(event)) if (!haul.seen.has(alert.id)) haul.seen.set(alert.id, alert);
    }
    return read;
  };

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
  /** Tests the distinct values of columns, then reads the events that have one that matters. */
  const testValues = (haul: Haul, batch: readonly ArchivePart[], some: readonly NormalisedColumn[]) =>
    each(some, AT_ONCE, async (column) => {
      const ids = batch.map(({ id }) => id);
      const wanted = await matching(ids, column, batch[0]?.timeMs[1] ?? 0);
      for (let i = 0; i < wanted.length; i += VALUES_ASKED_MAX) {
        const values = wanted.slice(i, i + VALUES_ASKED_MAX);
        await take(haul, ids, { t: 'column', column, values }, EVENTS_OF_VALUES_MAX);
      }
    });

  /** Looks for certain indicators in one part. */
  const lookFor = async (haul: Haul, part: ArchivePart, indexes: readonly number[]): Promise<void> => {
    if (indexes.length > INDICATORS_ASKED_MAX) return testValues(haul, [part], columns);
    const condition = conditionOfIndicators(set, indexes);
    if (condition === null) {
      const asked = new Set(indexes.flatMap((index) => [...INDICATOR_COLUMNS[set.at(index).type]]));
      return testValues(haul, [part], [...asked]);
    }
    const read = await take(haul, [part.id], condition, EVENTS_OF_VALUES_MAX);
    // One that is everywhere must not hide the others.
    if (read < EVENTS_OF_VALUES_MAX || indexes.length === 1) return;
    for (const index of indexes) await take(haul, [part.id], conditionOfIndicators(set, [index]), EVENTS_OF_VALUES_MAX);
  };

  const lookForValues = async (haul: Haul, batch: readonly ArchivePart[]): Promise<void> => {
    const unknown: ArchivePart[] = [];
    await each(batch, AT_ONCE, async (part) => {
      o.signal.throwIfAborted();
      const among = await parts.among(part.id, plan.keys);
      if (among === null) {
        unknown.push(part);
        return;
      }
      progress.valuesTested += among.count;
      const indexes = plan.indicators(among.held);
      if (indexes.length > 0) await lookFor(haul, part, indexes);
    });
    if (unknown.length > 0) await testValues(haul, unknown, columns);
  };

  const lookForPatterns = async (haul: Haul, batch: readonly ArchivePart[]): Promise<void> => {
    const ids = batch.map(({ id }) => id);
    const exprs = patterns.map(({ expr }) => expr);
    const condition = await conditionOfAny(exprs, async (column) => {
      const values = await parts.distinct(ids, column, DISTINCT_MAX, o.signal);
      if (values === null) throw new PartGone();
      progress.valuesTested += values.length;
      return values.length < DISTINCT_MAX ? values : null;
    });
    if (!isNever(condition)) await take(haul, ids, condition, Number.POSITIVE_INFINITY);
  };

  const look = async (batch: readonly ArchivePart[]): Promise<void> => {
    const haul: Haul = { seen: new Map(), opened: new Set() };
    if (o.deep)
      await take(
        haul,
        batch.map(({ id }) => id),
        null,
        Number.POSITIVE_INFINITY,
      );
    else {
      if (set.size > 0) await lookForValues(haul, batch);
      if (patterns.length > 0) await lookForPatterns(haul, batch);
    }
    progress.partsSkipped += batch.length - haul.opened.size;
    if (haul.seen.size > 0) await o.onAlerts([...haul.seen.values()]);
    progress.alerts += haul.seen.size;
  };
  await overParts(parts, o, true, progress, look, () => null);
  return progress;
}

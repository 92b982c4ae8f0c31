/** Decides whether a group's events reach a correlation's number inside one sliding window of event time. */

import { detached, type Group, insertRef, type Ref } from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { Bounds, CorrelationRule } from './detection-rule.ts';

/** References kept of a value_count's group as evidence. */
export const REFS_KEPT = 64;

/** A window that reached its number: its events, oldest first, and the number. */
export interface Reached {
  readonly refs: readonly Ref[];
  readonly number: number;
}

export type WindowRule = Pick<CorrelationRule, 'type' | 'timespanMs' | 'bounds' | 'percentile'> & {
  /** How many rules the correlation looks at. */
  readonly members: number;
  /** The count from which the bounds hold. */
  readonly need: number;
};

/** The count from which the bounds hold. */
export function needed(bounds: Bounds): number {
  return Math.ceil(
    Math.max(1, bounds.gte ?? 0, bounds.gt === undefined ? 0 : Math.floor(bounds.gt) + 1, bounds.eq ?? 0),
  );
}

export function withinBounds(bounds: Bounds, n: number): boolean {
  return (
    (bounds.gte === undefined || n >= bounds.gte) &&
    (bounds.gt === undefined || n > bounds.gt) &&
    (bounds.lte === undefined || n <= bounds.lte) &&
    (bounds.lt === undefined || n < bounds.lt) &&
    (bounds.eq === undefined || n === bounds.eq) &&
    (bounds.neq === undefined || n !== bounds.neq)
  );
}

function trim(group: Group, rule: WindowRule, keep: number): void {
  const horizon = group.maxMs - rule.timespanMs - LIMIT.latenessMs;
  const { refs } = group;
  let drop = Math.max(0, refs.length - keep);
  while (drop < refs.length && (refs[drop] as Ref).ms <= horizon) drop++;
  if (drop === 1) refs.shift();
  else if (drop > 0) refs.splice(0, drop);
}

/** Some window that holds the event at `at` holds enough events. In order that is one comparison. */
function eventCount(group: Group, rule: WindowRule, at: number): Reached | null {
  const need = rule.need;
  const { refs } = group;
  const last = Math.min(at, refs.length - need);
  for (let first = Math.max(0, at - need + 1); first <= last; first++) {
    const end = refs[first + need - 1] as Ref;
    if (end.ms - (refs[first] as Ref).ms >= rule.timespanMs) continue;
    return withinBounds(rule.bounds, need) ? { refs: refs.slice(first, first + need), number: need } : null;
  }
  return null;
}

/** Exact: every value has its latest time, and what left the window is forgotten before counting. */
function valueCount(group: Group, rule: WindowRule): Reached | null {
  const need = rule.need;
  const { distinct } = group;
  if (distinct === null || distinct.size < need) return null;
  const from = group.maxMs - rule.timespanMs;
  for (const [value, ms] of distinct) if (ms <= from) distinct.delete(value);
  const number = distinct.size;
  if (number < need || !withinBounds(rule.bounds, number)) return null;
  return { refs: group.refs.filter((ref) => ref.ms > from), number };
}

function rememberValue(group: Group, value: string, ms: number, rule: WindowRule): void {
  group.distinct ??= new Map();
  const { distinct } = group;
  const known = distinct.get(value);
  if (known !== undefined) distinct.delete(value);
  else if (distinct.size >= Math.max(REFS_KEPT, 2 * rule.need)) {
    distinct.delete(distinct.keys().next().value as string);
  }
  distinct.set(detached(value), Math.max(known ?? Number.NEGATIVE_INFINITY, ms));
}

function numbers(group: Group, rule: WindowRule, at: number): Reached | null {
  const end = (group.refs[at] as Ref).ms;
  const refs = group.refs.filter((ref) => ref.ms <= end && ref.ms > end - rule.timespanMs);
  const list = refs.map((ref) => ref.extra).sort((a, b) => a - b);
  const sum = list.reduce((total, n) => total + n, 0);
  const rank = (percent: number) => list[Math.max(0, Math.ceil((percent / 100) * list.length) - 1)] as number;
  const number =
    rule.type === 'value_sum'
      ? sum
      : rule.type === 'value_avg'
        ? sum / list.length
        : rank(rule.type === 'value_median' ? 50 : rule.percentile);
  return withinBounds(rule.bounds, number) ? { refs, number } : null;
}

/** Every rule (or as many as the bounds ask for) has an event in one window around the event at `at`. */
function temporal(group: Group, rule: WindowRule, at: number): Reached | null {
  const { refs } = group;
  const middle = (refs[at] as Ref).ms;
  const need = Math.min(rule.members, rule.need);
  for (let end = at; end < refs.length && (refs[end] as Ref).ms - middle < rule.timespanMs; end++) {
    const endMs = (refs[end] as Ref).ms;
    const latest = new Map<number, Ref>();
    for (const ref of refs) if (ref.ms <= endMs && ref.ms > endMs - rule.timespanMs) latest.set(ref.extra, ref);
    if (latest.size >= need) return { refs: [...latest.values()].sort((a, b) => a.ms - b.ms), number: latest.size };
  }
  return null;
}

/** A chain of events in the order of the rules: from each possible end back over the latest earlier event of each rule. */
function ordered(group: Group, rule: WindowRule, at: number): Reached | null {
  const { refs } = group;
  for (let end = at; end < refs.length; end++) {
    const last = refs[end] as Ref;
    if (last.extra !== rule.members - 1) continue;
    const chain: Ref[] = [last];
    let wanted = rule.members - 2;
    for (let i = end - 1; i >= 0 && wanted >= 0; i--) {
      const ref = refs[i] as Ref;
      if (ref.ms <= last.ms - rule.timespanMs) break;
      if (ref.extra !== wanted) continue;
      chain.unshift(ref);
      wanted--;
    }
    if (wanted < 0) return { refs: chain, number: chain.length };
  }
  return null;
}

/** Of each rule only the newest events matter; a busy rule must not push out the events of a rare one. */
function keepNewestOfEach(group: Group, extra: number, most: number): void {
  let have = 0;
  for (const ref of group.refs) if (ref.extra === extra) have++;
  if (have <= most) return;
  group.refs.splice(
    group.refs.findIndex((ref) => ref.extra === extra),
    1,
  );
}

/**
 * Takes one event into the group and answers the window that it completed, if any. Late events count at their own time
 * as long as they are inside the timespan and the lateness; the caller drops older ones.
 *
 * @param value the distinct value of a value_count; null for other types
 */
export function takeEvent(group: Group, rule: WindowRule, ref: Ref, value: string | null): Reached | null {
  if (ref.ms - group.maxMs >= rule.timespanMs) group.since = 0;
  if (ref.ms > group.maxMs) group.maxMs = ref.ms;
  group.since++;
  switch (rule.type) {
    case 'event_count': {
      trim(group, rule, 2 * rule.need + 32);
      const at = insertRef(group.refs, ref);
      return ref.ms < group.quietUntilMs ? null : eventCount(group, rule, at);
    }
    case 'value_count': {
      trim(group, rule, REFS_KEPT);
      insertRef(group.refs, ref);
      rememberValue(group, value as string, ref.ms, rule);
      return ref.ms < group.quietUntilMs ? null : valueCount(group, rule);
    }
    case 'temporal':
    case 'temporal_ordered': {
      trim(group, rule, LIMIT.groupEntriesMax);
      insertRef(group.refs, ref);
      keepNewestOfEach(group, ref.extra, 8);
      const at = group.refs.indexOf(ref);
      if (at < 0 || ref.ms < group.quietUntilMs) return null;
      return rule.type === 'temporal' ? temporal(group, rule, at) : ordered(group, rule, at);
    }
    default: {
      trim(group, rule, LIMIT.groupEntriesMax);
      const at = insertRef(group.refs, ref);
      return ref.ms < group.quietUntilMs ? null : numbers(group, rule, at);
    }
  }
}

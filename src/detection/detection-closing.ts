/**
 * Windows that are judged once they are over: averages, percentiles, upper bounds ("at most 3"), tumbling windows and
 * sessions. What a late event could still change is not judged before the watermark has passed.
 */

import { type Group, lowerBound, moreOf, msAt, STRIDE, valueAt } from './detection-group.ts';
import type { CorrelationRule } from './detection-rule.ts';
import { REFS_KEPT, type Reached, refs, type WindowRule, withinBounds } from './detection-window.ts';

/** `anchored`: begins with the first event that is in no earlier window. */
export type WindowKind = 'sliding' | 'anchored' | 'tumbling' | 'session';

/** Whether more events can only make the rule truer: then it need not wait until the window is over. */
export function onlyRises(rule: Pick<CorrelationRule, 'type' | 'bounds'>): boolean {
  if (rule.type === 'temporal_ordered') return true;
  const { bounds, type } = rule;
  const rises = type === 'event_count' || type === 'value_count' || type === 'value_sum' || type === 'temporal';
  const lowerOnly =
    bounds.lt === undefined && bounds.lte === undefined && bounds.eq === undefined && bounds.neq === undefined;
  return rises && lowerOnly;
}

/** When the group's first open window is over; null when it has no event. */
export function firstClose(group: Group, rule: WindowRule, kind: WindowKind): number | null {
  return group.log.length === 0 ? null : bordersOf(group.log, rule, kind).closeMs;
}

/** The first window of a log: how many events it holds, where it begins, and when nothing can join it any more. */
function bordersOf(log: readonly number[], rule: WindowRule, kind: WindowKind) {
  const { timespanMs } = rule;
  const startMs = msAt(log, 0);
  if (kind !== 'session') {
    const from = kind === 'tumbling' ? Math.floor(startMs / timespanMs) * timespanMs : startMs;
    return { count: lowerBound(log, from + timespanMs), startMs: from, closeMs: from + timespanMs };
  }
  let count = 1;
  while (count * STRIDE < log.length && msAt(log, count) - msAt(log, count - 1) < timespanMs) count++;
  return { count, startMs, closeMs: msAt(log, count - 1) + timespanMs };
}

function numberOf(log: readonly number[], count: number, rule: WindowRule): number {
  if (rule.type === 'event_count') return count;
  const values = Array.from({ length: count }, (_, i) => valueAt(log, i));
  if (rule.type === 'value_count' || rule.type === 'temporal') return new Set(values).size / rule.rate;
  if (rule.type === 'value_sum') return values.reduce((sum, n) => sum + n, 0);
  if (rule.type === 'value_avg') return values.reduce((sum, n) => sum + n, 0) / count;
  values.sort((a, b) => a - b);
  const percent = rule.type === 'value_median' ? 50 : rule.percentile;
  // The nearest rank (the smallest value that at least so many percent do not exceed), as databases' percentile_disc.
  return values[Math.max(0, Math.ceil((percent / 100) * count) - 1)] as number;
}

export interface Closed {
  readonly reached: Reached;
  readonly endMs: number;
}

/** Judges and forgets the group's windows that are over at `watermarkMs`; answers those within the bounds. */
export function closeWindows(group: Group, rule: WindowRule, kind: WindowKind, watermarkMs: number): Closed[] {
  const out: Closed[] = [];
  const more = moreOf(group);
  while (group.log.length > 0) {
    const { count, closeMs } = bordersOf(group.log, rule, kind);
    if (closeMs > watermarkMs) break;
    const number = numberOf(group.log, count, rule);
    if (withinBounds(rule.bounds, number)) {
      const from = Math.max(0, count - REFS_KEPT);
      const reached = { refs: refs(group.log, from, count), number, errorPercent: more.thinned > 0 ? 100 : 0 };
      out.push({ reached, endMs: msAt(group.log, count - 1) });
    }
    more.closedMs = kind === 'session' ? msAt(group.log, count - 1) : closeMs - 1;
    more.thinned = 0;
    group.log = group.log.slice(count * STRIDE);
  }
  return out;
}

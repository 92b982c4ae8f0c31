/**
 * Decides at which event times a group's windows reach a correlation's number. Each kind is a small machine that is fed
 * the group's events in order of time: one step an event while they come in order, fed anew when one came late.
 */

import {
  type Group,
  insertEvent,
  latestMs,
  lengthOf,
  lowerBound,
  MEMBERS_MAX,
  memberAt,
  moreOf,
  msAt,
  type Ref,
  refAt,
  STRIDE,
  trimLog,
  valueAt,
} from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { Bounds, CorrelationRule } from './detection-rule.ts';

/** A window that reached its number: its events, oldest first, and the number. */
export interface Reached {
  readonly refs: readonly Ref[];
  readonly number: number;
  /** Standard error of the number in percent where it is an estimate; 0 where it is exact. */
  readonly errorPercent: number;
}

export type WindowRule = Pick<CorrelationRule, 'type' | 'timespanMs' | 'bounds' | 'percentile'> & {
  /** How many rules the correlation looks at. */
  readonly members: number;
  /** The count from which the bounds hold. */
  readonly need: number;
  /** Share of distinct values that is kept, 1 or a power of two below. */
  readonly rate: number;
};

/** References kept as evidence. */
export const REFS_KEPT = 64;
/** Groups up to this many events are looked through whole; larger ones keep their machine between events. */
const SMALL = 16;

/** The count from which the bounds hold. */
export function needed(bounds: Bounds): number {
  return Math.ceil(
    Math.max(1, bounds.gte ?? 0, bounds.gt === undefined ? 0 : Math.floor(bounds.gt) + 1, bounds.eq ?? 0),
  );
}

/**
 * Distinct values are counted exactly up to `distinctExactMax`. Beyond, the values whose keyed hash falls below the rate
 * are counted and the rest is scaled (adaptive sampling after Wegman, Flajolet 1990): the error is that of the square
 * root of what is kept, and as the same values are kept whatever the order of arrival, so is the count.
 */
export function sampleRate(type: CorrelationRule['type'], need: number): number {
  let rate = 1;
  while (type === 'value_count' && need * rate > LIMIT.distinctExactMax) rate /= 2;
  return rate;
}

export const errorPercentOf = (rule: WindowRule, number: number): number =>
  rule.rate === 1 ? 0 : Math.round(1000 * Math.sqrt((1 - rule.rate) / (number * rule.rate))) / 10;

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

/** Fed with the events of a log in order; says whether a window that ends with this event reached the number. */
interface Machine {
  (log: readonly number[], i: number): boolean;
  /** True when an event that came late changes nothing of what the machine knows for windows that end later than all. */
  readonly unmoved?: (ms: number, value: number, member: number) => boolean;
  /** True when an event that came late cannot follow anything: what it would follow never came, or is over. */
  readonly closedTo?: (ms: number, member: number) => boolean;
}

function countMachine(rule: WindowRule): Machine {
  const { need, timespanMs } = rule;
  return (log, i) => i >= need - 1 && msAt(log, i) - msAt(log, i - need + 1) < timespanMs;
}

function distinctMachine(rule: WindowRule): Machine {
  const recent = new Map<number, number>();
  const wanted = Math.ceil(rule.need * rule.rate);
  const step = (log: readonly number[], i: number): boolean => {
    const ms = msAt(log, i);
    const value = valueAt(log, i);
    recent.delete(value);
    recent.set(value, ms);
    // The map is in order of the latest time: what is over stands in front.
    for (const [old, at] of recent) {
      if (at > ms - rule.timespanMs) break;
      recent.delete(old);
    }
    return recent.size >= wanted;
  };
  return Object.assign(step, { unmoved: (ms: number, value: number) => (recent.get(value) ?? -Infinity) >= ms });
}

function sumMachine(rule: WindowRule): Machine {
  let head = -1;
  let sum = 0;
  return (log, i) => {
    if (head < 0) head = i;
    sum += valueAt(log, i);
    const ms = msAt(log, i);
    while (msAt(log, head) <= ms - rule.timespanMs) sum -= valueAt(log, head++);
    return withinBounds(rule.bounds, sum);
  };
}

/** The latest beginning of a chain that reached each rule: a later one can only be better. */
function orderedMachine(rule: WindowRule): Machine {
  const starts = new Float64Array(rule.members).fill(Number.NEGATIVE_INFINITY);
  const step = (log: readonly number[], i: number): boolean => {
    const ms = msAt(log, i);
    const member = memberAt(log, i);
    if (member === 0) {
      starts[0] = ms;
      return rule.members === 1;
    }
    const start = starts[member - 1] as number;
    if (start <= ms - rule.timespanMs) return false;
    if (start > (starts[member] as number)) starts[member] = start;
    return member === rule.members - 1;
  };
  // Nothing follows the last rule, and beginnings only ever become later: one that is over now was not open then.
  const closedTo = (ms: number, member: number): boolean =>
    member > 0 && (starts[member - 1] as number) <= ms - rule.timespanMs;
  const unmoved = (ms: number, _value: number, member: number): boolean =>
    (member > 0 && member === rule.members - 1) || closedTo(ms, member);
  return Object.assign(step, { unmoved, closedTo });
}

export function createMachine(rule: WindowRule): Machine {
  switch (rule.type) {
    case 'value_count':
    case 'temporal':
      return distinctMachine(rule);
    case 'value_sum':
      return sumMachine(rule);
    case 'temporal_ordered':
      return orderedMachine(rule);
    default:
      return countMachine(rule);
  }
}

/** Distinct values among the last events of a small log, without making anything. */
function distinctInSmall(log: readonly number[], n: number, afterMs: number): number {
  let distinct = 0;
  for (let i = n - 1; i >= 0 && msAt(log, i) > afterMs; i--) {
    let again = false;
    for (let k = i + 1; k < n && !again; k++) again = valueAt(log, k) === valueAt(log, i);
    if (!again) distinct++;
  }
  return distinct;
}

/** Whether the newest event of the log completes a window. */
export function newestIsHot(group: Group, rule: WindowRule): boolean {
  const { log } = group;
  const n = lengthOf(group);
  if (rule.type === 'event_count') return countMachine(rule)(log, n - 1);
  if (n <= SMALL) {
    const distinct = rule.type === 'value_count' || rule.type === 'temporal';
    if (distinct)
      return distinctInSmall(log, n, msAt(log, n - 1) - rule.timespanMs) >= Math.ceil(rule.need * rule.rate);
    return replay(log, 0, createMachine(rule), () => {});
  }
  const more = moreOf(group);
  if (more.state !== null) return (more.state as Machine)(log, n - 1);
  const machine = createMachine(rule);
  more.state = machine;
  return replay(log, 0, machine, () => {});
}

function replay(log: readonly number[], from: number, machine: Machine, onHot: (i: number) => void): boolean {
  let hot = false;
  for (let i = from; i < log.length / STRIDE; i++) {
    hot = machine(log, i);
    if (hot) onHot(i);
  }
  return hot;
}

/** Times in [fromMs, toMs) at which a window is reached, ascending. */
export function hotTimes(group: Group, rule: WindowRule, fromMs: number, toMs: number): number[] {
  const { log } = group;
  const out: number[] = [];
  const machine = createMachine(rule);
  const last = lowerBound(log, toMs);
  for (let i = lowerBound(log, fromMs - rule.timespanMs); i < last; i++) {
    const hot = machine(log, i);
    const ms = msAt(log, i);
    if (hot && ms >= fromMs && ms !== out[out.length - 1]) out.push(ms);
  }
  return out;
}

/**
 * False when an event that came late, and is in the log already, can have completed no window that was not complete
 * without it. Late events are every tenth where several senders share a group: looking at the whole log for each of them
 * would cost with the length of the window.
 */
export function lateMayMatter(
  group: Group,
  rule: WindowRule,
  { ms, value, place }: { ms: number; value: number; place: number },
): boolean {
  const { log } = group;
  const n = lengthOf(group);
  if (n <= SMALL) return true;
  const at = lowerBound(log, ms);
  if (rule.type === 'event_count') {
    let ties = at;
    while (ties < n && msAt(log, ties) === ms) ties++;
    const count = countMachine(rule);
    for (let i = at; i < Math.min(n, ties + rule.need); i++) if (count(log, i)) return true;
    return false;
  }
  if (rule.type === 'temporal_ordered') {
    const machine = group.more === null ? null : (group.more.state as Machine | null);
    return machine?.closedTo?.(ms, place % MEMBERS_MAX) !== true;
  }
  if (rule.type !== 'value_count' && rule.type !== 'temporal') return true;
  // A window may end with the late event itself. It holds what the one before it held; that one reached nothing where no
  // alert is near, and so does it.
  if (group.more?.alerts.some((alertMs) => alertMs > ms - 2 * rule.timespanMs)) return true;
  // Where the same value stands before and after it less than a timespan apart, every window has it anyway.
  let before = Number.NEGATIVE_INFINITY;
  let after = msAt(log, n - 1) + 1;
  let same = 0;
  for (let i = at; i < n; i++) {
    if (valueAt(log, i) !== value) continue;
    if (++same === 2) {
      if (msAt(log, i) === ms) return false;
      after = msAt(log, i);
      break;
    }
  }
  for (let i = at - 1; i >= 0 && msAt(log, i) > ms - rule.timespanMs; i--) {
    if (valueAt(log, i) !== value) continue;
    before = msAt(log, i);
    break;
  }
  return after > before + rule.timespanMs;
}

/** Adds an event to the group's log; answers whether it came in order. */
export function addEvent(
  group: Group,
  rule: WindowRule,
  event: { ms: number; value: number; seq: number; place: number },
  latenessMs: number,
): boolean {
  const before = group.log.length;
  trimLog(group, latestMs(group) - rule.timespanMs - latenessMs);
  const max = logMax(rule);
  if (group.log.length / STRIDE >= max) thin(group, rule, max);
  const inOrder = insertEvent(group, event.ms, event.value, event.seq, event.place);
  if (group.more !== null && (!inOrder || group.log.length <= before)) {
    const machine = group.more.state as Machine | null;
    const kept =
      group.log.length > before && machine?.unmoved?.(event.ms, event.value, event.place % MEMBERS_MAX) === true;
    // Machines know places in the log: they start anew when something moved that they know.
    if (!kept) group.more.state = null;
  }
  return inOrder;
}

const logMax = (rule: WindowRule): number => Math.max(LIMIT.groupEntriesMax, 4 * Math.ceil(rule.need * rule.rate));

/**
 * Makes room in a full log without changing what can be counted: of a sixteenth of the timespan a count needs no more
 * events than it asks for, at either end, and a value no more than its first and last. What is still too much leaves, the
 * oldest first.
 */
function thin(group: Group, rule: WindowRule, max: number): void {
  const { log } = group;
  const cellMs = Math.max(1, rule.timespanMs / 16);
  const n = log.length / STRIDE;
  const counted = rule.type === 'event_count';
  const sums = rule.type === 'value_sum';
  const keep = counted ? rule.need : rule.type === 'temporal_ordered' ? 8 : 1;
  const seenFrom = (order: readonly number[], kept: Uint8Array): void => {
    let cell = Number.NaN;
    let inCell = new Map<number, number>();
    for (const i of order) {
      const at = Math.floor(msAt(log, i) / cellMs);
      if (at !== cell) {
        cell = at;
        inCell = new Map();
      }
      const key = counted ? 0 : rule.type === 'temporal_ordered' ? memberAt(log, i) : valueAt(log, i);
      const times = inCell.get(key) ?? 0;
      inCell.set(key, times + 1);
      if (times < keep) kept[i] = 1;
    }
  };
  const kept = new Uint8Array(n).fill(sums ? 1 : 0);
  if (!sums) {
    const order = Array.from({ length: n }, (_, i) => i);
    seenFrom(order, kept);
    seenFrom(order.reverse(), kept);
  }
  let left = kept.reduce((sum, one) => sum + one, 0);
  for (let i = 0; i < n && left > (max * 3) / 4; i++) {
    left -= kept[i] as number;
    kept[i] = 0;
  }
  const thinner: number[] = [];
  for (let i = 0; i < n; i++) {
    if (kept[i] === 1) thinner.push(...log.slice(i * STRIDE, (i + 1) * STRIDE));
  }
  const more = moreOf(group);
  more.thinned += n - left;
  more.state = null;
  group.log = thinner;
}

/** The window that ends at `ms`: its evidence and its number. */
export function reachedAt(group: Group, rule: WindowRule, ms: number): Reached {
  const { log } = group;
  const end = lowerBound(log, ms + 1);
  if (rule.type === 'temporal_ordered') return chainAt(log, rule, end);
  if (rule.type === 'event_count') {
    // Of several events at this time the first that completes a window: the same whatever came after.
    let last = lowerBound(log, ms);
    while (last < end - 1 && !countMachine(rule)(log, last)) last++;
    const first = Math.max(0, last - rule.need + 1);
    return { refs: refs(log, first, last + 1), number: last - first + 1, errorPercent: 0 };
  }
  const first = lowerBound(log, ms - rule.timespanMs + 1);
  if (rule.type === 'value_sum') {
    let sum = 0;
    for (let i = first; i < end; i++) sum += valueAt(log, i);
    return { refs: refs(log, Math.max(first, end - REFS_KEPT), end), number: sum, errorPercent: 0 };
  }
  const latest = new Map<number, number>();
  for (let i = first; i < end; i++) latest.set(valueAt(log, i), i);
  const places = [...latest.values()].sort((a, b) => a - b).slice(-REFS_KEPT);
  const number = Math.round(latest.size / rule.rate);
  return { refs: places.map((i) => refAt(log, i)), number, errorPercent: errorPercentOf(rule, number) };
}

export function refs(log: readonly number[], from: number, to: number): Ref[] {
  const out: Ref[] = [];
  for (let i = from; i < Math.min(to, from + REFS_KEPT); i++) out.push(refAt(log, i));
  return out;
}

/** From the first possible end back over the latest earlier event of each rule. */
function chainAt(log: readonly number[], rule: WindowRule, end: number): Reached {
  for (let last = lowerBound(log, msAt(log, end - 1)); last < end; last++) {
    if (memberAt(log, last) !== rule.members - 1) continue;
    const chain = [refAt(log, last)];
    let wanted = rule.members - 2;
    for (let i = last - 1; i >= 0 && wanted >= 0; i--) {
      if (msAt(log, i) <= msAt(log, last) - rule.timespanMs) break;
      if (memberAt(log, i) !== wanted) continue;
      chain.unshift(refAt(log, i));
      wanted--;
    }
    if (wanted < 0) return { refs: chain, number: chain.length, errorPercent: 0 };
  }
  return { refs: refs(log, end - 1, end), number: rule.members, errorPercent: 0 };
}

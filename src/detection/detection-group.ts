/**
 * What a correlation remembers of one group, and the bounded table of groups. Hot path: a million groups have to fit into
 * 500 MB, so a group's events are plain numbers in one array and everything that few groups need is made when they do
 * (`bench/bench-correlate.ts`: `bytes_group`).
 */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';

/** Numbers of one event in a group's log: event time, value, block of the stream, place in the block with the rule. */
export const STRIDE = 4;
export const MEMBERS_MAX = 64;

/** A position in the stream with its time: enough to name the event again. */
export interface Ref {
  readonly ms: number;
  readonly seq: number;
  readonly index: number;
}

/** What only groups have that alerted, grew or got late events. */
export interface GroupMore {
  /** Event times of the alerts that still silence something, ascending. */
  alerts: number[];
  /** From this time on late events may have changed which alerts there should have been; null when none did. */
  dirtyMs: number | null;
  /** The last alert that nothing late can change any more. */
  anchorMs: number;
  /** Events left out of the log since the last alert, because it was full. */
  thinned: number;
  /** What the kind of correlation keeps between events that come in order; null: made anew from the log. */
  state: unknown;
  /** Time until which windows are closed, or the first event time of a group that learns. */
  closedMs: number;
  /** When the clock has to look at this group; null when it does not. */
  dueMs: number | null;
  /** How often the same silence was reported. */
  repeats: number;
  /** Hash of a value → last event time; texts of those not yet judged. */
  values: Map<number, number> | null;
  texts: Map<number, string> | null;
}

export interface Group {
  /** Values of the group-by fields as they were first written, joined with NUL. */
  readonly label: string;
  /** Events ascending by time, `STRIDE` numbers each. */
  log: number[];
  /** Names that took part, each with its kind as first letter; null before the first. */
  seen: string[] | null;
  /** Arrival of the last event in seconds since `EPOCH_SEC`: idle is judged by our clock, not by the events'. */
  touchedSec: number;
  /** Number of the last snapshot that has it, or that began before it was there. */
  savedIn: number;
  more: GroupMore | null;
}

/** 2020-01-01: keeps seconds within the small integers of the engine that runs us. */
const EPOCH_SEC = 1_577_836_800;
export const toSec = (ms: number): number => Math.floor(ms / 1000) - EPOCH_SEC;

/**
 * A copy that stands alone: a name cut out of a record would keep the whole block of records in memory for as long as
 * the group lives.
 */
export const detached = (text: string): string => ` ${text}`.slice(1);

export function newGroup(label: string, nowMs: number): Group {
  return { label, log: [], seen: null, touchedSec: toSec(nowMs), savedIn: 0, more: null };
}

export function moreOf(group: Group): GroupMore {
  group.more ??= {
    alerts: [],
    dirtyMs: null,
    anchorMs: Number.NEGATIVE_INFINITY,
    thinned: 0,
    state: null,
    closedMs: Number.NEGATIVE_INFINITY,
    dueMs: null,
    repeats: 0,
    values: null,
    texts: null,
  };
  return group.more;
}

export const lengthOf = (group: Group): number => group.log.length / STRIDE;
export const msAt = (log: readonly number[], i: number): number => log[i * STRIDE] as number;
export const valueAt = (log: readonly number[], i: number): number => log[i * STRIDE + 1] as number;
export const memberAt = (log: readonly number[], i: number): number => (log[i * STRIDE + 3] as number) % MEMBERS_MAX;
export const placeOf = (index: number, member: number): number => index * MEMBERS_MAX + member;
export const refAt = (log: readonly number[], i: number): Ref => ({
  ms: log[i * STRIDE] as number,
  seq: log[i * STRIDE + 2] as number,
  index: Math.floor((log[i * STRIDE + 3] as number) / MEMBERS_MAX),
});
export const latestMs = (group: Group): number =>
  group.log.length === 0 ? Number.NEGATIVE_INFINITY : (group.log[group.log.length - STRIDE] as number);

/** First event at or after `ms`. */
export function lowerBound(log: readonly number[], ms: number): number {
  let low = 0;
  let high = log.length / STRIDE;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (msAt(log, middle) < ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Events of a group up to which its array is made to measure; a growing array of the engine reserves seventeen places. */
const MEASURED = 6;

/** Puts an event where its time belongs; answers whether that was the end, as it almost always is. */
export function insertEvent(group: Group, ms: number, value: number, seq: number, place: number): boolean {
  const { log } = group;
  const n = log.length / STRIDE;
  if (n === 0 || !comesBefore(ms, seq, place, log, n - 1)) {
    if (n < MEASURED) group.log = log.concat(ms, value, seq, place);
    else log.push(ms, value, seq, place);
    return true;
  }
  let at = lowerBound(log, ms);
  while (at < n && !comesBefore(ms, seq, place, log, at)) at++;
  log.splice(at * STRIDE, 0, ms, value, seq, place);
  return false;
}

function comesBefore(ms: number, seq: number, place: number, log: readonly number[], i: number): boolean {
  const at = i * STRIDE;
  if (ms !== log[at]) return ms < (log[at] as number);
  if (seq !== log[at + 2]) return seq < (log[at + 2] as number);
  return place < (log[at + 3] as number);
}

/** Forgets events up to and including `ms`, once they are half of the log: so each is moved once. */
export function trimLog(group: Group, ms: number): void {
  const { log } = group;
  if (log.length <= STRIDE || (log[0] as number) > ms) return;
  const drop = Math.min(lowerBound(log, ms + 1), log.length / STRIDE - 1);
  if (drop * 2 * STRIDE < log.length) return;
  if (log.length / STRIDE - drop <= MEASURED) group.log = log.slice(drop * STRIDE);
  else log.splice(0, drop * STRIDE);
}

/** Few hosts and accounts are in many groups: one copy of each name serves all. Bounded; starts anew when full. */
const names = new Map<string, string>();
const NAMES_MAX = 65_536;

export type WitnessKind = 'a' | 'u' | 'h';

/** Remembers that a name took part; beyond the limit it is not kept. */
export function witness(group: Group, kind: WitnessKind, name: string | undefined): void {
  if (name === undefined || name === '' || (group.seen?.length ?? 0) >= LIMIT.groupEntitiesMax) return;
  const { seen } = group;
  if (seen !== null) {
    for (const one of seen) if (one.length === name.length + 1 && one[0] === kind && one.endsWith(name)) return;
  }
  const text = kind + name;
  let kept = names.get(text);
  if (kept === undefined) {
    if (names.size >= NAMES_MAX) names.clear();
    kept = detached(text);
    names.set(kept, kept);
  }
  group.seen = seen === null ? [kept] : seen.concat(kept);
}

export const witnesses = (group: Group, kind: WitnessKind): string[] =>
  (group.seen ?? []).filter((one) => one[0] === kind).map((one) => one.slice(1));

/** What a group costs in memory, roughly: measured with the benchmark, rounded up. */
export function groupBytes(key: string, group: Group): number {
  const { log, seen, more } = group;
  const shared = key === group.label ? 0 : group.label.length;
  return (
    190 +
    key.length +
    shared +
    log.length * 8 +
    (seen === null ? 0 : 40 + seen.length * 24) +
    moreBytes(more, log.length)
  );
}

function moreBytes(more: GroupMore | null, numbers: number): number {
  if (more === null) return 0;
  // A machine that counts distinct values has at most one entry an event.
  const state = more.state === null ? 0 : numbers * 12;
  return 280 + state + more.alerts.length * 8 + (more.values?.size ?? 0) * 48 + (more.texts?.size ?? 0) * 96;
}

/** A snapshot that is being taken while events come. */
export interface GroupWatcher {
  readonly number: number;
  /** Comes before anything in the group changes. */
  before(key: string, group: Group): void;
}

export interface GroupTable {
  readonly size: number;
  readonly bytes: number;
  readonly evicted: number;
  get(key: string): Group | undefined;
  set(key: string, group: Group): void;
  delete(key: string): void;
  /** Says that a group grew or shrank by so much. */
  grew(bytes: number): void;
  entries(): IterableIterator<[string, Group]>;
  watch(watcher: GroupWatcher | null): void;
  /** Forgets groups that `over` says are over, a bounded number at a time. */
  sweep(over: (group: Group) => boolean): void;
  /** Makes room by forgetting the groups that are idle for longest among the oldest; answers whether there was one. */
  evict(): boolean;
}

export function createGroupTable(groupsMax: number): GroupTable {
  const groups = new Map<string, Group>();
  let evicted = 0;
  let bytes = 0;
  let hand: IterableIterator<[string, Group]> | null = null;
  let watcher: GroupWatcher | null = null;

  const remove = (key: string): void => {
    const group = groups.get(key);
    if (!group) return;
    watcher?.before(key, group);
    bytes -= groupBytes(key, group);
    groups.delete(key);
  };
  const evict = (): boolean => {
    let victim: string | null = null;
    let idle = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const [key, group] of groups) {
      if (group.touchedSec < idle) {
        idle = group.touchedSec;
        victim = key;
      }
      if (++looked >= 32) break;
    }
    if (victim === null) return false;
    remove(victim);
    evicted++;
    return true;
  };

  return {
    get size() {
      return groups.size;
    },
    get bytes() {
      return bytes;
    },
    get evicted() {
      return evicted;
    },
    // Whoever asks for a group changes it.
    get: (key) => {
      const group = groups.get(key);
      if (watcher !== null && group !== undefined) watcher.before(key, group);
      return group;
    },
    set: (key, group) => {
      remove(key);
      if (groups.size >= groupsMax) evict();
      if (watcher !== null) group.savedIn = watcher.number;
      groups.set(key, group);
      bytes += groupBytes(key, group);
    },
    delete: remove,
    grew: (by) => {
      bytes += by;
    },
    entries: () => groups.entries(),
    watch: (next) => {
      watcher = next;
    },
    sweep: (over) => {
      hand ??= groups.entries();
      for (let i = 0; i < LIMIT.sweepGroupsPerTick; i++) {
        const step = hand.next();
        if (step.done) {
          hand = null;
          return;
        }
        if (over(step.value[1])) remove(step.value[0]);
      }
    },
    evict,
  };
}

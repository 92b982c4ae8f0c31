/** What a correlation remembers of one group, and the bounded table of groups. */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';

/** A position in the stream with its time: enough to name the event again. */
export interface Ref {
  readonly ms: number;
  readonly seq: number;
  readonly index: number;
  /** Position of the rule in the correlation, or the number of a value_… type. */
  readonly extra: number;
}

/** Who or what took part, and when last. */
export interface Witness {
  readonly kind: 'address' | 'account' | 'host';
  readonly name: string;
  ms: number;
}

export interface Group {
  /** Values of the group-by fields as they were first written, for people. */
  readonly values: readonly string[];
  /** Latest event time, Unix milliseconds. */
  maxMs: number;
  /** Arrival of the last event: what is idle is judged by our clock, not by the events'. */
  touchedMs: number;
  /** No further alert before this event time. */
  quietUntilMs: number;
  /** Events since the last alert. */
  since: number;
  /** Ascending by time, then by position in the stream. */
  readonly refs: Ref[];
  /** Distinct values → latest time, for value_count; made when first needed, as most groups never do. */
  distinct: Map<string, number> | null;
  readonly seen: Witness[];
}

export function newGroup(values: readonly string[], nowMs: number): Group {
  return {
    values,
    maxMs: Number.NEGATIVE_INFINITY,
    touchedMs: nowMs,
    quietUntilMs: Number.NEGATIVE_INFINITY,
    since: 0,
    refs: [],
    distinct: null,
    seen: [],
  };
}

/** Starts counting again after an alert. */
export function rearm(group: Group, quietUntilMs: number): void {
  group.quietUntilMs = quietUntilMs;
  group.since = 0;
  group.refs.length = 0;
  group.distinct?.clear();
  group.seen.length = 0;
}

/**
 * A copy that stands alone: a name cut out of a record would keep the whole block of records in memory for as long as
 * the group lives.
 */
export const detached = (text: string): string => ` ${text}`.slice(1);

/** Remembers that a name took part; beyond the limit only known ones are renewed. */
export function witness(group: Group, kind: Witness['kind'], name: string | undefined, ms: number): void {
  if (name === undefined || name === '') return;
  const { seen } = group;
  for (let i = 0; i < seen.length; i++) {
    const one = seen[i] as Witness;
    if (one.kind === kind && one.name === name) {
      if (ms > one.ms) one.ms = ms;
      return;
    }
  }
  if (seen.length < LIMIT.groupEntitiesMax) seen.push({ kind, name: detached(name), ms });
}

const before = (a: Ref, b: Ref): boolean =>
  a.ms !== b.ms ? a.ms < b.ms : a.seq !== b.seq ? a.seq < b.seq : a.index < b.index;

/** Puts a reference where its time belongs; answers the place. Almost always that is the end. */
export function insertRef(refs: Ref[], ref: Ref): number {
  let at = refs.length;
  while (at > 0 && before(ref, refs[at - 1] as Ref)) at--;
  if (at === refs.length) refs.push(ref);
  else refs.splice(at, 0, ref);
  return at;
}

export interface GroupTable {
  readonly size: number;
  readonly evicted: number;
  get(key: string): Group | undefined;
  set(key: string, group: Group): void;
  entries(): IterableIterator<[string, Group]>;
  /** Forgets groups without events since `beforeMs`, a bounded number at a time. */
  sweep(beforeMs: number): void;
}

export function createGroupTable(groupsMax: number): GroupTable {
  const groups = new Map<string, Group>();
  let evicted = 0;
  let hand: IterableIterator<[string, Group]> | null = null;

  /** Of the oldest made, the one that is idle for longest. */
  const evict = (): void => {
    let victim: string | null = null;
    let idle = Number.POSITIVE_INFINITY;
    let looked = 0;
    for (const [key, group] of groups) {
      if (group.touchedMs < idle) {
        idle = group.touchedMs;
        victim = key;
      }
      if (++looked >= 32) break;
    }
    if (victim === null) return;
    groups.delete(victim);
    evicted++;
  };

  return {
    get size() {
      return groups.size;
    },
    get evicted() {
      return evicted;
    },
    get: (key) => groups.get(key),
    set: (key, group) => {
      if (groups.size >= groupsMax && !groups.has(key)) evict();
      groups.set(key, group);
    },
    entries: () => groups.entries(),
    sweep: (beforeMs) => {
      hand ??= groups.entries();
      for (let i = 0; i < LIMIT.sweepGroupsPerTick; i++) {
        const step = hand.next();
        if (step.done) {
          hand = null;
          return;
        }
        if (step.value[1].touchedMs < beforeMs) groups.delete(step.value[0]);
      }
    },
  };
}

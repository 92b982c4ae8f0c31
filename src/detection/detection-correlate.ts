/** Correlations in event time: finds the group of an event, counts it there, and says when a window reached its number. */

import type { DecodedEvent } from '../core/index.ts';
import { fieldReader, type ReadField, toText } from './detection-fields.ts';
import {
  createGroupTable,
  detached,
  type Group,
  type GroupTable,
  newGroup,
  rearm,
  type Witness,
  witness,
} from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { CorrelationRule, Rule } from './detection-rule.ts';
import { needed, REFS_KEPT, type Reached, takeEvent, type WindowRule } from './detection-window.ts';

/** A window that became an alert, with what took part in it. */
export interface Fired {
  readonly rule: CorrelationRule;
  /** Group-by field → value. */
  readonly group: Readonly<Record<string, string>>;
  readonly reached: Reached;
  /** Events since the last alert of this group. */
  readonly count: number;
  readonly addresses: readonly string[];
  readonly accounts: readonly string[];
  readonly hosts: readonly string[];
  readonly key: string;
}

export interface Correlator {
  readonly rule: CorrelationRule;
  readonly table: GroupTable;
  readonly late: () => number;
  /**
   * @param member position of the rule that matched, in the correlation's list
   * @param normFirst how that rule reads bare column names
   */
  take(event: DecodedEvent, member: number, normFirst: boolean): Fired | null;
  /** Forgets groups that saw nothing for longer than anything could still count. */
  sweep(nowMs: number): void;
}

/** The field that a name of the correlation means in one of its rules. */
function aliased(rule: CorrelationRule, name: string, member: Rule): string {
  const alias = rule.aliases[name];
  return alias?.[member.name ?? ''] ?? alias?.[member.id] ?? name;
}

function scalarOf(event: DecodedEvent, read: ReadField): string | null {
  const text = toText(read(event));
  return typeof text === 'string' || text === null ? text : (text[0] ?? null);
}

/** Names seen inside the window. */
function recent(group: Group, kind: Witness['kind'], from: number): string[] {
  return group.seen.filter((one) => one.kind === kind && one.ms >= from).map((one) => one.name);
}

/** How many events the alert speaks for: the window's, or all since the last alert while the attack goes on. */
function countOf(rule: CorrelationRule, group: Group, reached: Reached, ms: number): number {
  const inWindow = rule.type === 'event_count' ? reached.number : reached.refs.length;
  const continues = ms - group.quietUntilMs < rule.timespanMs;
  return Math.max(1, continues || inWindow >= REFS_KEPT ? Math.max(group.since, inWindow) : inWindow);
}

function fire(rule: CorrelationRule, group: Group, key: string, reached: Reached, ms: number): Fired {
  const from = Math.min(...reached.refs.map((ref) => ref.ms));
  return {
    rule,
    group: Object.fromEntries(rule.groupBy.map((name, i) => [name, group.values[i] as string])),
    reached,
    count: countOf(rule, group, reached, ms),
    addresses: recent(group, 'address', from),
    accounts: recent(group, 'account', from),
    hosts: recent(group, 'host', from),
    key,
  };
}

/**
 * Makes group keys; correlations with the same group-by share one, because an event that many of them count is keyed
 * once. The key also tells exercises from the real thing.
 */
export interface KeyMaker {
  /** The group-by values, or null when the event lacks one: it belongs to no group. */
  readonly values: (event: DecodedEvent) => readonly string[] | null;
  readonly key: (event: DecodedEvent) => string;
}

function valuesOf(event: DecodedEvent, readers: readonly ReadField[]): string[] | null {
  const out: string[] = [];
  for (let i = 0; i < readers.length; i++) {
    const value = scalarOf(event, readers[i] as ReadField);
    if (value === null || value === '' || value === '-') return null;
    out.push(value);
  }
  return out;
}

function createKeyMaker(readers: readonly ReadField[]): KeyMaker {
  let last: DecodedEvent | null = null;
  let values: string[] | null = null;
  let key = '';
  const look = (event: DecodedEvent): void => {
    if (event === last) return;
    last = event;
    values = valuesOf(event, readers);
    if (values)
      key =
        `${event.exercise ? 'x' : ''}\0${values.length === 1 ? (values[0] as string) : values.join('\0')}`.toLowerCase();
  };
  return {
    values: (event) => {
      look(event);
      return values;
    },
    key: (event) => {
      look(event);
      return key;
    },
  };
}

export type KeyMakers = Map<string, KeyMaker>;

function keyMakersOf(
  rule: CorrelationRule,
  members: readonly Rule[],
  normFirst: boolean,
  shared: KeyMakers,
): KeyMaker[] {
  return members.map((member) => {
    const names = rule.groupBy.map((name) => aliased(rule, name, member));
    const id = `${normFirst}\0${names.join('\0')}`;
    const known = shared.get(id) ?? createKeyMaker(names.map((name) => fieldReader(name, normFirst)));
    shared.set(id, known);
    return known;
  });
}

/** Events of later rules of a chain that arrived before the first one's: looked at again when that comes late. */
const EARLY_KEPT = 256;

/**
 * @param members the rules that the correlation looks at, resolved, in its order
 * @param shared key makers of the engine, so that correlations share them
 */
export function createCorrelator(rule: CorrelationRule, members: readonly Rule[], shared: KeyMakers): Correlator {
  const table = createGroupTable(LIMIT.groupsMax);
  const window: WindowRule = { ...rule, members: members.length, need: needed(rule.bounds) };
  const makers = [false, true].map((norm) => keyMakersOf(rule, members, norm, shared));
  const valueReaders = [false, true].map((norm) =>
    members.map((member) => rule.fields.map((name) => fieldReader(aliased(rule, name, member), norm))),
  );
  const counts = rule.type === 'value_count';
  const sums = rule.type.startsWith('value_') && !counts;
  const chain = rule.type === 'temporal_ordered';
  const early: { event: DecodedEvent; member: number; normFirst: boolean }[] = [];
  let earlyAt = 0;
  let late = 0;

  const keepEarly = (event: DecodedEvent, member: number, normFirst: boolean): void => {
    early[earlyAt] = { event, member, normFirst };
    earlyAt = (earlyAt + 1) % EARLY_KEPT;
  };

  const open = (key: string, values: readonly string[], event: DecodedEvent): Group => {
    const group = newGroup(values.map(detached), event.receivedMs);
    table.set(detached(key), group);
    return group;
  };

  const count = (group: Group, key: string, event: DecodedEvent, member: number, normFirst: boolean): Fired | null => {
    let value: string | null = null;
    if (counts || sums) {
      const found = valuesOf(event, valueReaders[normFirst ? 1 : 0]?.[member] as ReadField[]);
      if (!found) return null;
      value = (found.length === 1 ? (found[0] as string) : found.join('\0')).toLowerCase();
    }
    const extra = sums ? Number(value) : member;
    if (!Number.isFinite(extra)) return null;
    // A clock that is ahead, or a forged time, must not keep a group quiet for longer than the lateness.
    const ms = Math.min(event.timeMs, event.receivedMs + LIMIT.latenessMs);
    if (ms <= group.maxMs - rule.timespanMs - LIMIT.latenessMs) {
      late++;
      return null;
    }
    group.touchedMs = event.receivedMs;
    const { norm } = event;
    witness(group, 'address', norm.src_ip, ms);
    witness(group, 'account', norm.user, ms);
    witness(group, 'host', norm.host, ms);
    const reached = takeEvent(group, window, { ms, seq: event.seq, index: event.index, extra }, value);
    if (!reached) return null;
    const fired = fire(rule, group, key, reached, ms);
    rearm(group, ms + rule.timespanMs);
    return fired;
  };

  return {
    rule,
    table,
    late: () => late,
    take: (event, member, normFirst) => {
      // A chain begins with its first rule. Groups for what only may follow would be most of the log-ins of a day.
      const opens = !chain || member === 0;
      if (!opens && table.size === 0) {
        keepEarly(event, member, normFirst);
        return null;
      }
      const maker = makers[normFirst ? 1 : 0]?.[member] as KeyMaker;
      const values = maker.values(event);
      if (!values) return null;
      const key = maker.key(event);
      let group = table.get(key);
      if (!group) {
        if (!opens) {
          keepEarly(event, member, normFirst);
          return null;
        }
        group = open(key, values, event);
      }
      let fired = count(group, key, event, member, normFirst);
      if (!chain || member !== 0) return fired;
      for (const one of early) {
        if (fired || event.receivedMs - one.event.receivedMs > LIMIT.latenessMs) continue;
        const other = makers[one.normFirst ? 1 : 0]?.[one.member] as KeyMaker;
        if (other.values(one.event) && other.key(one.event) === key) {
          fired = count(group, key, one.event, one.member, one.normFirst);
        }
      }
      return fired;
    },
    sweep: (nowMs) => table.sweep(nowMs - rule.timespanMs - LIMIT.latenessMs),
  };
}

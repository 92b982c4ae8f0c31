/** Correlations in event time: finds the group of an event, counts it there, and says when a window reached its number. */

import type { DecodedEvent } from '../core/index.ts';
import { fieldReader, type ReadField, toText } from './detection-fields.ts';
import { createGroupTable, type Group, type GroupTable, newGroup, rearm, witness } from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { CorrelationRule, Rule } from './detection-rule.ts';
import { REFS_KEPT, type Reached, takeEvent, type WindowRule } from './detection-window.ts';

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

function readersOf(rule: CorrelationRule, names: readonly string[], member: Rule, normFirst: boolean): ReadField[] {
  return names.map((name) => {
    const alias = rule.aliases[name];
    return fieldReader(alias?.[member.name ?? ''] ?? alias?.[member.id] ?? name, normFirst);
  });
}

function scalarOf(event: DecodedEvent, read: ReadField): string | null {
  const text = toText(read(event));
  return typeof text === 'string' || text === null ? text : (text[0] ?? null);
}

/** Names seen inside the window, the latest last. */
function recent(seen: ReadonlyMap<string, number>, from: number): string[] {
  return [...seen].filter(([, ms]) => ms >= from).map(([name]) => name);
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
    addresses: recent(group.addresses, from),
    accounts: recent(group.accounts, from),
    hosts: recent(group.hosts, from),
    key,
  };
}

/** @param members the rules that the correlation looks at, resolved, in its order */
export function createCorrelator(rule: CorrelationRule, members: readonly Rule[]): Correlator {
  const table = createGroupTable(LIMIT.groupsMax);
  const window: WindowRule = { ...rule, members: members.length };
  const groupReaders = [false, true].map((norm) =>
    members.map((member) => readersOf(rule, rule.groupBy, member, norm)),
  );
  const valueReaders = [false, true].map((norm) => members.map((member) => readersOf(rule, rule.fields, member, norm)));
  const counts = rule.type === 'value_count';
  const sums = rule.type.startsWith('value_') && !counts;
  let late = 0;

  /** The group-by values; null when the event lacks one: it belongs to no group. */
  const valuesOf = (event: DecodedEvent, readers: readonly ReadField[]): string[] | null => {
    const out: string[] = [];
    for (const read of readers) {
      const value = scalarOf(event, read);
      if (value === null || value === '' || value === '-') return null;
      out.push(value);
    }
    return out;
  };

  return {
    rule,
    table,
    late: () => late,
    take: (event, member, normFirst) => {
      const norm = normFirst ? 1 : 0;
      const values = valuesOf(event, groupReaders[norm]?.[member] as ReadField[]);
      if (!values) return null;
      let value: string | null = null;
      if (rule.fields.length > 0 && (counts || sums)) {
        const found = valuesOf(event, valueReaders[norm]?.[member] as ReadField[]);
        if (!found) return null;
        value = found.length === 1 ? (found[0] as string).toLowerCase() : found.join('\0').toLowerCase();
      }
      const number = sums ? Number(value) : member;
      if (!Number.isFinite(number)) return null;
      const key =
        (event.exercise ? 'x\0' : '\0') +
        (values.length === 1 ? (values[0] as string) : values.join('\0')).toLowerCase();
      let group = table.get(key);
      if (!group) {
        group = newGroup(values, event.receivedMs);
        table.set(key, group);
      }
      // A clock that is ahead, or a forged time, must not keep a group quiet for longer than the lateness.
      const ms = Math.min(event.timeMs, event.receivedMs + LIMIT.latenessMs);
      if (ms <= group.maxMs - rule.timespanMs - LIMIT.latenessMs) {
        late++;
        return null;
      }
      group.touchedMs = event.receivedMs;
      witness(group.addresses, event.norm.src_ip, ms);
      witness(group.accounts, event.norm.user, ms);
      witness(group.hosts, event.norm.host, ms);
      const reached = takeEvent(group, window, { ms, seq: event.seq, index: event.index, extra: number }, value);
      if (!reached) return null;
      const fired = fire(rule, group, key, reached, ms);
      rearm(group, ms + rule.timespanMs);
      return fired;
    },
    sweep: (nowMs) => table.sweep(nowMs - rule.timespanMs - LIMIT.latenessMs),
  };
}

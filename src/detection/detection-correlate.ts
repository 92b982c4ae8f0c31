/**
 * Correlations in event time. What only rises is said at once, when a window reaches its number; an alert speaks for one
 * timespan of its group. An event that came late may show that the alerts should have been others: then, once the
 * watermark has passed, those that nothing speaks for yet are added. So any order of arrival within the lateness gives
 * the same number of alerts, each for the same timespan (`detection-order.test.ts`). Everything else waits for the
 * watermark.
 */

import { createHash } from 'node:crypto';
import type { DecodedEvent } from '../core/index.ts';
import { closeWindows, firstClose, onlyRises, type WindowKind } from './detection-closing.ts';
import { createDueList } from './detection-due.ts';
import { judgeValues, silences, takeValue } from './detection-expect.ts';
import type { FollowLogs } from './detection-follow.ts';
import { createFollowing } from './detection-following.ts';
import {
  createGroupTable,
  detached,
  type Group,
  type GroupMore,
  type GroupTable,
  groupBytes,
  insertEvent,
  latestMs,
  lengthOf,
  lowerBound,
  moreOf,
  newGroup,
  placeOf,
  toSec,
  witness,
  witnesses,
} from './detection-group.ts';
import { type HashKey, hashText, shareOf } from './detection-hash.ts';
import {
  isExerciseKey,
  joinedValues,
  type KeyMaker,
  type KeyMakers,
  keyMakersOf,
  keyOf,
  valueReaders,
} from './detection-key.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { CorrelationRule, Rule } from './detection-rule.ts';
import {
  addEvent,
  hotTimes,
  lateMayMatter,
  needed,
  newestIsHot,
  type Reached,
  reachedAt,
  sampleRate,
  type WindowRule,
} from './detection-window.ts';

/** A window that became an alert, with what took part in it. */
export interface Fired {
  readonly rule: CorrelationRule;
  /** Group-by field → value. */
  readonly group: Readonly<Record<string, string>>;
  readonly reached: Reached;
  /** Event time of the alert. */
  readonly ms: number;
  /** Events since the last alert of this group. */
  readonly count: number;
  readonly addresses: readonly string[];
  readonly accounts: readonly string[];
  readonly hosts: readonly string[];
  readonly key: string;
  readonly exercise: boolean;
  /** Said with the alert: what is missing since when, which value is new. */
  readonly note: string | null;
}

export interface Correlator {
  readonly rule: CorrelationRule;
  readonly members: readonly Rule[];
  readonly table: GroupTable;
  /** Digest over what its memory means: memory of the same shape goes on after the rule was changed. */
  readonly shape: string;
  readonly late: () => number;
  /** Watermark from which `advance` has something to do. */
  readonly nextDueMs: number;
  /**
   * @param ms the event's time, held back where its clock is ahead
   * @param member position of the rule that matched, in the correlation's list
   * @param normFirst how that rule reads bare column names
   */
  take(event: DecodedEvent, ms: number, member: number, normFirst: boolean, watermarkMs: number): readonly Fired[];
  /** Judges what the watermark has passed. */
  advance(watermarkMs: number): readonly Fired[];
  /** Judges everything, because no event will come any more; silences stay what they are. */
  close(): readonly Fired[];
  /** Forgets groups that saw nothing for longer than anything could still count. */
  sweep(nowMs: number): void;
  /** After state was read: what the clock has to look at. */
  reschedule(): void;
}

/** Alerts before `ms` silence nothing any more; the last one stays for the count since then. */
function forgetAlerts(more: GroupMore, ms: number): void {
  while (more.alerts.length > 1 && (more.alerts[0] as number) < ms) more.alerts.shift();
}

export type Mode = 'eager' | 'closing' | 'missing' | 'first-seen';
const NOTHING: readonly Fired[] = Object.freeze([]);

/** How a correlation is judged. */
export function modeOf(rule: CorrelationRule): Mode {
  if (rule.learnMs !== null) return 'first-seen';
  const { lt, lte, eq } = rule.bounds;
  const none = rule.type === 'event_count' && ((lt !== undefined && lt <= 1) || lte === 0 || eq === 0);
  if (none) return 'missing';
  return rule.window === 'sliding' && onlyRises(rule) ? 'eager' : 'closing';
}

/**
 * @param members the rules that the correlation looks at, resolved, in its order
 * @param shared key makers of the engine, so that correlations share them
 */
export function createCorrelator(
  rule: CorrelationRule,
  members: readonly Rule[],
  shared: KeyMakers,
  o: { latenessMs: number; hash: HashKey; followers: FollowLogs },
): Correlator {
  const table = createGroupTable(LIMIT.groupsMax);
  const need = needed(rule.bounds);
  const window: WindowRule = { ...rule, members: members.length, need, rate: sampleRate(rule.type, need) };
  const kind: WindowKind = rule.window === 'sliding' ? 'anchored' : rule.window;
  const mode = modeOf(rule);
  const makers = [false, true].map((norm) => keyMakersOf(rule, members, norm, shared));
  const readers = valueReaders(rule, members);
  const shape = createHash('sha256')
    .update(JSON.stringify([rule.type, rule.groupBy, rule.fields, rule.aliases, mode, kind, window.rate]))
    .digest('hex')
    .slice(0, 24);
  const due = createDueList();
  const { latenessMs } = o;
  const { timespanMs } = rule;
  const hashed = rule.type === 'value_count';
  const numbers = rule.type.startsWith('value_') && !hashed;
  const follow = rule.type === 'temporal_ordered' ? createFollowing(rule, members, makers, o) : null;
  let late = 0;
  let armedMs: number | null = null;

  const fire = (group: Group, key: string, reached: Reached, ms: number, count: number, note: string | null): Fired => {
    const values = group.label.split('\0');
    const fired = {
      rule,
      group: Object.fromEntries(rule.groupBy.map((name, i) => [name, values[i] ?? ''])),
      reached,
      ms,
      count: Math.max(1, count),
      addresses: witnesses(group, 'a'),
      accounts: witnesses(group, 'u'),
      hosts: witnesses(group, 'h'),
      key,
      exercise: isExerciseKey(key),
      note,
    };
    // Who was last seen is what the next report of the same silence is about.
    if (mode !== 'missing') group.seen = null;
    return fired;
  };

  const schedule = (group: Group, key: string, ms: number): void => {
    const more = moreOf(group);
    if (ms === Number.POSITIVE_INFINITY || (more.dueMs !== null && more.dueMs <= ms)) return;
    more.dueMs = ms;
    due.put(ms, key);
  };

  /** How many events the alert speaks for: all since the last one, as far as the log reaches. */
  const countSince = (group: Group, reached: Reached, ms: number): number => {
    const previous = group.more?.alerts.findLast((at) => at < ms) ?? Number.NEGATIVE_INFINITY;
    const goesOn = ms - previous < 2 * timespanMs;
    const from = Math.max(ms - timespanMs, goesOn ? previous : Number.NEGATIVE_INFINITY);
    const counted = lowerBound(group.log, ms + 1) - lowerBound(group.log, (goesOn ? previous : from) + 1);
    return Math.max(
      rule.type === 'event_count' ? reached.number : reached.refs.length,
      counted + (group.more?.thinned ?? 0),
    );
  };

  const alert = (group: Group, key: string, ms: number): Fired => {
    const reached = reachedAt(group, window, ms);
    const count = countSince(group, reached, ms);
    const more = moreOf(group);
    more.alerts.push(ms);
    more.alerts.sort((a, b) => a - b);
    more.thinned = 0;
    return fire(group, key, reached, ms, count, null);
  };

  const silenced = (group: Group, ms: number): boolean =>
    group.more?.alerts.some((at) => Math.abs(ms - at) < timespanMs) ?? false;

  /** An alert speaks for all that a late event could complete, and it will be judged again anyway. */
  const known = (group: Group, ms: number): boolean => {
    const { more } = group;
    if (more === null || more.dirtyMs === null || more.dirtyMs > ms) return false;
    const lastMs = Math.min(latestMs(group), ms + timespanMs);
    return more.alerts.some((at) => Math.abs(ms - at) < timespanMs && Math.abs(lastMs - at) < timespanMs);
  };

  /** Adds the alerts that are certain now and for which none speaks yet. */
  const settle = (group: Group, key: string, untilMs: number, out: Fired[]): void => {
    const more = moreOf(group);
    if (more.dirtyMs === null || untilMs < more.dirtyMs) return;
    for (const ms of hotTimes(group, window, Math.max(more.dirtyMs, more.anchorMs + timespanMs), untilMs + 1)) {
      if (ms < more.anchorMs + timespanMs) continue;
      more.anchorMs = ms;
      if (!more.alerts.some((at) => at >= ms && at < ms + timespanMs)) out.push(alert(group, key, ms));
    }
    more.dirtyMs = untilMs + 1;
    if (untilMs >= latestMs(group)) {
      // Everything is known: from here on each alert is where it belongs.
      more.dirtyMs = null;
      more.dueMs = null;
      more.alerts = more.anchorMs === Number.NEGATIVE_INFINITY ? [] : [more.anchorMs];
    } else {
      more.dueMs = null;
      schedule(group, key, Math.min(latestMs(group), untilMs + timespanMs / 8));
    }
  };

  const takeEager = (
    group: Group,
    key: string,
    entry: Parameters<typeof addEvent>[2],
    watermarkMs: number,
  ): readonly Fired[] => {
    const out: Fired[] = [];
    const { ms } = entry;
    const sureMs = Math.max(watermarkMs, ms - latenessMs, latestMs(group) - latenessMs);
    // Before the log is cut to what the new event leaves of it.
    if (group.more !== null && (group.more.dueMs ?? Number.POSITIVE_INFINITY) <= sureMs)
      settle(group, key, sureMs, out);
    const inOrder = addEvent(group, window, entry, latenessMs + timespanMs / 8);
    if (inOrder) {
      if (newestIsHot(group, window) && !silenced(group, ms)) out.push(alert(group, key, ms));
    } else if (!known(group, ms) && lateMayMatter(group, window, entry)) {
      const hot = hotTimes(group, window, ms, ms + timespanMs);
      if (hot.length > 0) {
        const more = moreOf(group);
        if (more.dirtyMs === null) {
          more.anchorMs = more.alerts.findLast((at) => at < ms) ?? Number.NEGATIVE_INFINITY;
          more.dirtyMs = ms;
        }
        more.dirtyMs = Math.min(more.dirtyMs, ms);
        for (const at of hot) if (!silenced(group, at)) out.push(alert(group, key, at));
        schedule(group, key, Math.min(latestMs(group), more.dirtyMs + timespanMs / 8));
      }
    }
    if (group.more !== null)
      forgetAlerts(
        group.more,
        Math.min(latestMs(group) - 2 * timespanMs - latenessMs, (group.more.dirtyMs ?? Infinity) - timespanMs),
      );
    return out.length === 0 ? NOTHING : out;
  };

  const takeClosing = (
    group: Group,
    key: string,
    entry: Parameters<typeof addEvent>[2],
    watermarkMs: number,
  ): readonly Fired[] => {
    const more = moreOf(group);
    if (entry.ms <= more.closedMs) {
      late++;
      return NOTHING;
    }
    if (lengthOf(group) >= LIMIT.groupEntriesMax) more.thinned++;
    else insertEvent(group, entry.ms, entry.value, entry.seq, entry.place);
    const closeMs = firstClose(group, window, kind) as number;
    if (closeMs > watermarkMs || more.dueMs === null) schedule(group, key, closeMs);
    return NOTHING;
  };

  const open = (label: string, key: string, nowMs: number): Group => {
    const own = detached(key);
    const group = newGroup(key === label ? own : detached(label), nowMs);
    table.set(own, group);
    return group;
  };

  const countedOf = (
    event: DecodedEvent,
    member: number,
    normFirst: boolean,
  ): { value: number; text: string } | null => {
    if (!hashed && !numbers) return { value: member, text: '' };
    const text = joinedValues(event, readers[normFirst ? 1 : 0]?.[member] ?? []);
    if (text === null) return null;
    const value = numbers ? Number(text) : hashText(o.hash, text.toLowerCase());
    if (!Number.isFinite(value) || (hashed && window.rate < 1 && shareOf(value) >= window.rate)) return null;
    return { value, text };
  };

  const advance = (watermarkMs: number): readonly Fired[] => {
    if (mode === 'missing' && rule.groupBy.length === 0 && table.size === 0 && Number.isFinite(watermarkMs)) {
      // Nothing came yet at all: the silence counts from now.
      armedMs ??= watermarkMs;
      const group = open('', keyOf('', false), watermarkMs);
      moreOf(group).closedMs = armedMs;
      schedule(group, '', armedMs + timespanMs);
    }
    const out: Fired[] = [];
    for (let key = due.take(watermarkMs); key !== null; key = due.take(watermarkMs)) {
      const group = table.get(key);
      if (!group || group.more?.dueMs == null || group.more.dueMs > watermarkMs) continue;
      const before = groupBytes(key, group);
      group.more.dueMs = null;
      if (mode === 'eager') settle(group, key, Math.max(watermarkMs, latestMs(group) - latenessMs), out);
      else if (mode === 'closing') {
        for (const { reached, endMs } of closeWindows(group, window, kind, watermarkMs))
          out.push(fire(group, key, reached, endMs, reached.refs.length, null));
        const closeMs = firstClose(group, window, kind);
        if (closeMs !== null) schedule(group, key, closeMs);
      } else if (mode === 'missing') {
        const { said, nextMs, over } = silences(group, timespanMs, watermarkMs, null);
        for (const one of said) out.push(fire(group, key, one.reached, one.ms, 1, one.note));
        if (over) {
          table.delete(key);
          continue;
        }
        schedule(group, key, nextMs);
      } else {
        for (const one of judgeValues(group, timespanMs, rule.learnMs ?? 0, watermarkMs))
          out.push(fire(group, key, one.reached, one.ms, 1, one.note));
        if (lengthOf(group) > 0) schedule(group, key, (group.log[0] as number) + 1);
      }
      table.grew(groupBytes(key, group) - before);
    }
    return out.length === 0 ? NOTHING : out;
  };

  return {
    rule,
    members,
    table,
    shape,
    late: () => late,
    get nextDueMs() {
      return mode === 'missing' && rule.groupBy.length === 0 && table.size === 0
        ? Number.NEGATIVE_INFINITY
        : due.nextMs;
    },
    take: (event, ms, member, normFirst, watermarkMs) => {
      const maker = makers[normFirst ? 1 : 0]?.[member] as KeyMaker;
      const label = maker.label(event);
      if (label === null) return NOTHING;
      const found = countedOf(event, member, normFirst);
      if (found === null) return NOTHING;
      const key = maker.key(event);
      let group = table.get(key);
      const opens = group === undefined;
      if (group === undefined) {
        if (follow !== null && member > 0) {
          follow.keep(event, ms, member, normFirst);
          return NOTHING;
        }
        group = open(label, key, event.receivedMs);
      } else if (mode !== 'closing' && ms <= latestMs(group) - timespanMs - latenessMs) {
        late++;
        return NOTHING;
      }
      const before = groupBytes(key, group);
      // What only follows keeps no chain alive that has long been over.
      if (follow === null || member === 0) group.touchedSec = toSec(event.receivedMs);
      if (opens) follow?.recall(group, key, ms);
      const { norm } = event;
      if (latestMs(group) < ms - timespanMs) group.seen = null;
      witness(group, 'a', norm.src_ip);
      witness(group, 'u', norm.user);
      witness(group, 'h', norm.host);
      const entry = { ms, value: found.value, seq: event.seq, place: placeOf(event.index, member) };
      let out = NOTHING;
      if (mode === 'eager') out = takeEager(group, key, entry, watermarkMs);
      else if (mode === 'closing') out = takeClosing(group, key, entry, watermarkMs);
      else if (mode === 'missing') {
        const judged = silences(group, timespanMs, watermarkMs, entry);
        out = judged.said.map((one) => fire(group as Group, key, one.reached, one.ms, 1, one.note));
        schedule(group, key, judged.nextMs);
      } else schedule(group, key, takeValue(group, entry, found.text, timespanMs));
      if (out.length > 0) group.touchedSec = toSec(event.receivedMs);
      table.grew(groupBytes(key, group) - before);
      return out;
    },
    advance,
    close: () => (mode === 'missing' ? NOTHING : advance(Number.POSITIVE_INFINITY)),
    sweep: (nowMs) => {
      const span = mode === 'missing' ? Number.POSITIVE_INFINITY : timespanMs + timespanMs / 8;
      const beforeSec = toSec(Math.max(0, nowMs - span - latenessMs));
      table.sweep((group) => group.touchedSec < beforeSec && group.more?.dueMs == null);
    },
    reschedule: () => {
      for (const [key, group] of table.entries()) if (group.more?.dueMs != null) due.put(group.more.dueMs, key);
    },
  };
}

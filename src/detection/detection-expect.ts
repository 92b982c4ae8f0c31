/** What should have come and did not, and what came for the first time: both are judged when the watermark has passed. */

import { type Group, insertEvent, lengthOf, moreOf, msAt, refAt, STRIDE, valueAt } from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { Reached } from './detection-window.ts';

export interface Said {
  readonly reached: Reached;
  readonly ms: number;
  readonly note: string;
}

interface Entry {
  readonly ms: number;
  readonly value: number;
  readonly seq: number;
  readonly place: number;
}

const clock = (ms: number): string => `${new Date(ms).toISOString().slice(0, 19)}Z`;

/**
 * Silences that are over the timespan and certain, as the watermark has passed them. Each is said again after another
 * timespan, a few times, then given up.
 *
 * @param entry an event that just came; null when only time went on
 */
export function silences(
  group: Group,
  timespanMs: number,
  watermarkMs: number,
  entry: Entry | null,
): { said: Said[]; nextMs: number; over: boolean } {
  const more = moreOf(group);
  const said: Said[] = [];
  if (entry !== null && entry.ms > more.closedMs) {
    insertEvent(group, entry.ms, entry.value, entry.seq, entry.place);
  }
  let over = false;
  for (;;) {
    takeSigns(group, timespanMs, watermarkMs);
    if (more.closedMs === Number.NEGATIVE_INFINITY || more.closedMs + timespanMs > watermarkMs) break;
    more.closedMs += timespanMs;
    more.repeats++;
    const last = group.log.length > 0 && msAt(group.log, 0) < more.closedMs ? refAt(group.log, 0) : null;
    const since = more.closedMs - timespanMs * more.repeats;
    const note = last === null ? `nothing came since ${clock(since)}` : `the last came at ${clock(last.ms)}`;
    said.push({
      reached: { refs: last === null ? [] : [last], number: 0, errorPercent: 0 },
      ms: more.closedMs,
      note,
    });
    over = more.repeats >= LIMIT.silenceRepeatsMax && lengthOf(group) <= 1;
    // Without a group it is the rule itself that waits: that goes on for ever.
    if (over && group.label !== '') break;
    if (said.length >= LIMIT.silenceRepeatsMax && lengthOf(group) <= 1)
      more.closedMs = Math.max(more.closedMs, watermarkMs);
  }
  // Before the watermark has reached the first event, an earlier one may come.
  const fromMs = more.closedMs === Number.NEGATIVE_INFINITY ? msAt(group.log, 0) - timespanMs : more.closedMs;
  return { said, nextMs: fromMs + timespanMs, over: over && group.label !== '' };
}

/** Moves the beginning of the silence to the latest event that surely ended it; only that one is kept of what is before. */
function takeSigns(group: Group, timespanMs: number, watermarkMs: number): void {
  const more = moreOf(group);
  let last = -1;
  for (let i = 0; i < lengthOf(group); i++) {
    const ms = msAt(group.log, i);
    if (ms > watermarkMs || (more.closedMs !== Number.NEGATIVE_INFINITY && ms > more.closedMs + timespanMs)) break;
    if (ms >= more.closedMs) {
      more.closedMs = ms;
      more.repeats = 0;
    }
    last = i;
  }
  if (last > 0) group.log = group.log.slice(last * STRIDE);
}

/** Keeps a value until it can be judged; answers when that is. */
export function takeValue(group: Group, entry: Entry, text: string, timespanMs: number): number {
  const more = moreOf(group);
  more.values ??= new Map();
  more.texts ??= new Map();
  if (more.closedMs === Number.NEGATIVE_INFINITY || entry.ms < more.closedMs) more.closedMs = entry.ms;
  const known = more.values.get(entry.value);
  // Known shortly before: nothing that comes late can make it new, so only its time is news.
  if (known !== undefined && entry.ms >= known && entry.ms - known < timespanMs) {
    renew(more.values, entry.value, entry.ms);
    return lengthOf(group) > 0 ? (group.log[0] as number) + 1 : Number.POSITIVE_INFINITY;
  }
  if (lengthOf(group) < LIMIT.groupEntriesMax) {
    insertEvent(group, entry.ms, entry.value, entry.seq, entry.place);
    if (!more.texts.has(entry.value)) more.texts.set(entry.value, text.slice(0, 80).replaceAll('\0', ', '));
  }
  return (group.log[0] as number) + 1;
}

function renew(values: Map<number, number>, value: number, ms: number): void {
  values.delete(value);
  if (values.size >= LIMIT.groupEntriesMax) values.delete(values.keys().next().value as number);
  values.set(value, ms);
}

/** Values that were not there for a timespan, in a group that has learnt for long enough. */
export function judgeValues(group: Group, timespanMs: number, learnMs: number, watermarkMs: number): Said[] {
  const more = moreOf(group);
  const said: Said[] = [];
  more.values ??= new Map();
  let done = 0;
  for (; done < lengthOf(group) && msAt(group.log, done) < watermarkMs; done++) {
    const ms = msAt(group.log, done);
    const value = valueAt(group.log, done);
    const known = more.values.get(value);
    const fresh = known === undefined || ms - known >= timespanMs;
    if (fresh && ms - more.closedMs >= learnMs) {
      const text = more.texts?.get(value) ?? '';
      const note = known === undefined ? `${text} is new` : `${text} was not seen since ${clock(known)}`;
      said.push({ reached: { refs: [refAt(group.log, done)], number: 1, errorPercent: 0 }, ms, note });
    }
    renew(more.values, value, Math.max(ms, known ?? ms));
  }
  if (done > 0) group.log = group.log.slice(done * STRIDE);
  if (group.log.length === 0) more.texts?.clear();
  return said;
}

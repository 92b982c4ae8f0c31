/** Times for people: relative at a glance, local and UTC on demand, machine-readable in the markup. */

import { useSyncExternalStore } from 'react';
import { texts } from './texts.ts';

const local = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });
const localDay = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium' });
const localMonthYear = new Intl.DateTimeFormat('en-GB', { month: 'long', year: 'numeric' });
const localClock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const TICK_MS = 10_000;

let nowMs = Date.now();
const listeners = new Set<() => void>();
let timer: ReturnType<typeof setInterval> | undefined;

/** One clock for the whole page, so that a hundred relative times cost one timer. */
function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    nowMs = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size === 0) {
      clearInterval(timer);
      timer = undefined;
    }
  };
}

/** Unix milliseconds, anew every ten seconds. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => nowMs);
}

/** Seconds as the two words that people say: "14 minutes", "3 hours". */
export function duration(seconds: number): string {
  const abs = Math.max(0, Math.round(seconds));
  if (abs < 60) return texts.time.seconds(abs);
  if (abs < 2 * 3600) return texts.time.minutes(Math.round(abs / 60));
  if (abs < 48 * 3600) return texts.time.hours(Math.round(abs / 3600));
  return texts.time.days(Math.round(abs / 86_400));
}

export function relative(at: string, now: number): string {
  const seconds = (now - Date.parse(at)) / 1000;
  if (Number.isNaN(seconds)) return at;
  if (Math.abs(seconds) < 5) return texts.time.now;
  return seconds >= 0 ? texts.time.ago(duration(seconds)) : texts.time.in(duration(-seconds));
}

export const utc = (at: string): string => `${at.slice(0, 19).replace('T', ' ')} UTC`;
export const localTime = (at: string): string => local.format(new Date(at));
export const localMonth = (at: string): string => localMonthYear.format(new Date(at));
export const localDate = (at: string): string => localDay.format(new Date(at));
const both = (at: string): string => texts.time.both(localTime(at), utc(new Date(at).toISOString()));

/** "14 minutes ago", with the moment on hover. */
export function Ago({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={both(at)}>
      {relative(at, now)}
    </time>
  );
}

/** The moment itself, with how long ago: for details, where there is room. */
export function Moment({ at }: { at: string }) {
  const now = useNow();
  return (
    <time dateTime={at} title={utc(new Date(at).toISOString())}>
      {localTime(at)} <span className="dim">({relative(at, now)})</span>
    </time>
  );
}

/** Local clock time with milliseconds, the day in front when it is not today: for rows of events. */
export function Clock({ at }: { at: string }) {
  const date = new Date(at);
  const today = date.toDateString() === new Date().toDateString();
  const ms = String(date.getMilliseconds()).padStart(3, '0');
  return (
    <time dateTime={at} title={both(at)} className="mono">
      {today ? '' : `${localDay.format(date)} `}
      {localClock.format(date)}.{ms}
    </time>
  );
}

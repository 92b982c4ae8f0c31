/** Ranges of versions as intervals, and what OSV events say in them; an answer that a range does not give is unknown. */

import { compareVersions, VERSION_CHARS_MAX, type VersionScheme } from './versions/index.ts';

export interface Interval {
  /** null: from the first version on. */
  readonly from: string | null;
  readonly fromInclusive: boolean;
  /** null: no end is known. */
  readonly to: string | null;
  readonly toInclusive: boolean;
  /** `to` is a version that repairs it, not merely the last one known to be affected. */
  readonly fixed: boolean;
}

export interface VersionRange {
  readonly scheme: VersionScheme;
  readonly intervals: readonly Interval[];
  /** Versions that are affected by name, beside the intervals. */
  readonly exact: readonly string[];
  readonly except: readonly string[];
}

export const EVERY_VERSION: Interval = { from: null, fromInclusive: true, to: null, toInclusive: false, fixed: false };

export type RangeAnswer =
  | { readonly affected: true; readonly fixed: string | null }
  | { readonly affected: false }
  | { readonly affected: 'unknown' };

/** Whether a version is in a range, and the nearest version that repairs it where the range names one. */
export function inRange(range: VersionRange, version: string): RangeAnswer {
  if (version === '' || version.length > VERSION_CHARS_MAX) return { affected: 'unknown' };
  const order = (other: string) => compareVersions(range.scheme, version, other);
  if (range.except.some((other) => order(other) === 0)) return { affected: false };
  for (const interval of range.intervals)
    if (holds(interval, order)) return { affected: true, fixed: interval.fixed ? interval.to : null };
  if (!range.exact.some((other) => order(other) === 0)) return { affected: false };
  return { affected: true, fixed: nextFix(range, version) };
}

function holds(interval: Interval, order: (other: string) => number): boolean {
  if (interval.from !== null) {
    const low = order(interval.from);
    if (low < 0 || (low === 0 && !interval.fromInclusive)) return false;
  }
  if (interval.to === null) return true;
  const high = order(interval.to);
  return high < 0 || (high === 0 && interval.toInclusive);
}

function nextFix(range: VersionRange, version: string): string | null {
  let best: string | null = null;
  for (const { fixed, to } of range.intervals) {
    if (!fixed || to === null || compareVersions(range.scheme, to, version) <= 0) continue;
    if (best === null || compareVersions(range.scheme, to, best) < 0) best = to;
  }
  return best;
}

type OsvEvent = { readonly kind: 'introduced' | 'fixed' | 'last_affected' | 'limit'; readonly version: string };

/** Events of one OSV range (OSV schema, "affected[].ranges[].events fields"); null when they cannot be read. */
export function osvIntervals(scheme: VersionScheme, events: readonly unknown[]): Interval[] | null {
  const read: OsvEvent[] = [];
  for (const event of events) {
    const one = readEvent(event);
    if (one === null) return null;
    read.push(one);
  }
  const limits = read.filter((event) => event.kind === 'limit' && event.version !== '*');
  const sorted = read.filter((event) => event.kind !== 'limit').sort((a, b) => compareEvents(scheme, a, b));
  if (!sorted.some((event) => event.kind === 'introduced')) return null;
  const found: Interval[] = [];
  let open: string | null | undefined;
  for (const { kind, version } of sorted) {
    if (kind === 'introduced') {
      if (open === undefined) open = version === '0' ? null : version;
    } else if (open !== undefined) {
      found.push({
        from: open,
        fromInclusive: true,
        to: version,
        toInclusive: kind !== 'fixed',
        fixed: kind === 'fixed',
      });
      open = undefined;
    }
  }
  if (open !== undefined) found.push({ ...EVERY_VERSION, from: open });
  return limits.length === 0
    ? found
    : found.flatMap((interval) => limits.flatMap((limit) => cut(scheme, interval, limit.version)));
}

// "0" comes before every version, whatever the scheme says of it.
function compareEvents(scheme: VersionScheme, a: OsvEvent, b: OsvEvent): number {
  if (a.version === '0' || b.version === '0') return Number(b.version === '0') - Number(a.version === '0');
  return compareVersions(scheme, a.version, b.version);
}

function cut(scheme: VersionScheme, interval: Interval, limit: string): Interval[] {
  if (interval.from !== null && compareVersions(scheme, interval.from, limit) >= 0) return [];
  if (interval.to !== null && compareVersions(scheme, interval.to, limit) <= 0) return [interval];
  return [{ ...interval, to: limit, toInclusive: false, fixed: false }];
}

function readEvent(event: unknown): OsvEvent | null {
  if (typeof event !== 'object' || event === null) return null;
  for (const kind of ['introduced', 'fixed', 'last_affected', 'limit'] as const) {
    const version = (event as Record<string, unknown>)[kind];
    if (typeof version === 'string' && version !== '' && version.length <= VERSION_CHARS_MAX) return { kind, version };
  }
  return null;
}

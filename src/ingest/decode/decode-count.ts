/** What was decoded for each source since it was last asked: events, bytes, formats, faults. */

import { rfc3339, type SourceCount, type SourceId } from '../../core/index.ts';

/** Formats and sources are few; more of them than this is somebody playing, and the rest is counted as one. */
const FORMATS_MAX = 256;

export interface SourceTally {
  events: number;
  bytes: number;
  notUnderstood: number;
  dropped: number;
  lastMs: number;
  readonly formats: Map<string, number>;
  readonly faults: Map<string, { count: number; lastMs: number }>;
}

export interface Tallies {
  of(source: SourceId): SourceTally;
  take(): SourceCount[];
}

export function createTallies(): Tallies {
  let tallies = new Map<SourceId, SourceTally>();
  return {
    of(source) {
      let tally = tallies.get(source);
      if (!tally) {
        tally = { events: 0, bytes: 0, notUnderstood: 0, dropped: 0, lastMs: 0, formats: new Map(), faults: new Map() };
        tallies.set(source, tally);
      }
      return tally;
    },
    take() {
      const counts = [...tallies].map(
        ([id, tally]): SourceCount => ({
          id,
          events: tally.events,
          bytes: tally.bytes,
          notUnderstood: tally.notUnderstood,
          dropped: tally.dropped,
          lastSeen: tally.lastMs > 0 ? rfc3339(tally.lastMs) : null,
          formats: Object.fromEntries(tally.formats),
          faults: [...tally.faults].map(([what, fault]) => ({ what, count: fault.count, last: rfc3339(fault.lastMs) })),
        }),
      );
      tallies = new Map();
      return counts;
    },
  };
}

export function countFormat(tally: SourceTally, format: string, by: number): void {
  const known = tally.formats.get(format);
  if (known !== undefined) tally.formats.set(format, known + by);
  else tally.formats.set(tally.formats.size < FORMATS_MAX ? format : 'more', by);
}

export function countFault(tally: SourceTally, what: string, atMs: number): void {
  const fault = tally.faults.get(what);
  if (fault) {
    fault.count++;
    fault.lastMs = atMs;
  } else tally.faults.set(what, { count: 1, lastMs: atMs });
}

/** Which dedupe keys were written lately: two generations, so that the window never falls below what the port promises. */

import type { Clock } from '../core/index.ts';

export const DEDUPE_BLOCKS = 100_000;
export const DEDUPE_MS = 120_000;
/** Keys of one generation at most, whatever the rate: about 150 MB for both; beyond it the window gets shorter. */
const GENERATION_KEYS_MAX = 500_000;

export interface DedupeWindow {
  find(key: string): number | undefined;
  /** Called for every durable block in order, with its key when it has one. */
  note(seq: number, key: string | undefined): void;
}

export function createDedupe(clock: Clock): DedupeWindow {
  let current = new Map<string, number>();
  let previous = new Map<string, number>();
  let sinceSeq = 0;
  let sinceMs = clock.now();
  return {
    find: (key) => current.get(key) ?? previous.get(key),
    note(seq, key) {
      const nowMs = clock.now();
      const old = seq - sinceSeq >= DEDUPE_BLOCKS && nowMs - sinceMs >= DEDUPE_MS;
      if (old || current.size >= GENERATION_KEYS_MAX) {
        previous = current;
        current = new Map();
        sinceSeq = seq;
        sinceMs = nowMs;
      }
      if (key !== undefined) current.set(key, seq);
    },
  };
}

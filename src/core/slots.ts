/** Bounds expensive work: a few at once, some that wait, and everybody else is told to come again. */

import { AsepsisError } from './errors.ts';

/** @param full the sentence for who finds no room even to wait (`BUSY`) */
export function createSlots(o: { parallelMax: number; waitingMax: number; full: string; retryAfterSec: number }) {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= o.parallelMax) {
      if (waiting.length >= o.waitingMax) throw new AsepsisError('BUSY', o.full, { retryAfterSec: o.retryAfterSec });
      // The one that ends hands its slot over, so `running` stays as it is.
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running++;
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}

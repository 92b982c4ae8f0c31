/** A token bucket that allows debt: a batch passes while nothing is owed, and what it was too large by delays the next. */

export interface Bucket {
  /** Takes `count` now, whether or not they are there. */
  take(count: number, nowMs: number): void;
  /** Milliseconds until nothing is owed any more; 0 when the next batch may pass. */
  waitMs(nowMs: number): number;
}

/** @param perSec events a second; as many as one second's worth may come at once */
export function createBucket(perSec: number, nowMs: number): Bucket {
  let level = perSec;
  let at = nowMs;
  const refill = (now: number) => {
    // A clock that was set back must not lock a source out.
    level = Math.min(perSec, level + (Math.max(0, now - at) * perSec) / 1000);
    at = now;
  };
  return {
    take(count, now) {
      refill(now);
      level -= count;
    },
    waitMs(now) {
      refill(now);
      return level >= 0 ? 0 : Math.ceil((-level * 1000) / perSec);
    },
  };
}

/** What the clock has to look at and when: a binary heap of keys by time. */

export interface DueList {
  readonly nextMs: number;
  put(ms: number, key: string): void;
  /** The earliest key that is due at `ms`, or null. */
  take(ms: number): string | null;
}

export function createDueList(): DueList {
  const times: number[] = [];
  const keys: string[] = [];
  const swap = (a: number, b: number): void => {
    const ms = times[a] as number;
    const key = keys[a] as string;
    times[a] = times[b] as number;
    keys[a] = keys[b] as string;
    times[b] = ms;
    keys[b] = key;
  };
  const later = (a: number, b: number): boolean => (times[a] as number) > (times[b] as number);
  return {
    get nextMs() {
      return times[0] ?? Number.POSITIVE_INFINITY;
    },
    put: (ms, key) => {
      let at = times.push(ms) - 1;
      keys.push(key);
      while (at > 0 && later((at - 1) >> 1, at)) {
        swap((at - 1) >> 1, at);
        at = (at - 1) >> 1;
      }
    },
    take: (ms) => {
      if (times.length === 0 || (times[0] as number) > ms) return null;
      const key = keys[0] as string;
      swap(0, times.length - 1);
      times.pop();
      keys.pop();
      for (let at = 0; ; ) {
        let least = at;
        for (const child of [2 * at + 1, 2 * at + 2]) if (child < times.length && later(least, child)) least = child;
        if (least === at) return key;
        swap(at, least);
        at = least;
      }
    },
  };
}

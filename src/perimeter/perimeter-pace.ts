/** Holds a rate: gives out starts evenly, makes up for late timers, and never bursts more than 50 ms of work, so that no second is over by more than 5 %. */

export interface Pacer {
  /** Calls back when it is this one's turn. */
  take(start: () => void): void;
  /** Turns of this pacer become this much slower (1 is the agreed rate). */
  slow(factor: number): void;
  readonly given: number;
}

const BURST_MS = 50;

/**
 * @param perSec turns a second
 * @param now monotonic milliseconds
 * @param later runs a function after so many milliseconds
 */
export function createPacer(perSec: number, now: () => number, later: (work: () => void, ms: number) => void): Pacer {
  const queue: (() => void)[] = [];
  let head = 0;
  let factor = 1;
  /** When the next turn is due. */
  let due = now();
  let armed = false;
  let given = 0;
  let running = false;
  const run = () => {
    if (running) return;
    running = true;
    const gap = (1000 / perSec) * factor;
    // Idle time gives no credit beyond one burst: the rate holds over every window, not only on average.
    due = Math.max(due, now() - BURST_MS);
    while (head < queue.length && due <= now()) {
      const start = queue[head++] as () => void;
      due += gap;
      given++;
      start();
    }
    if (head > 4096 || head === queue.length) {
      queue.splice(0, head);
      head = 0;
    }
    running = false;
    if (queue.length > head) arm();
  };
  const turn = () => {
    armed = false;
    run();
  };
  const arm = () => {
    if (armed) return;
    armed = true;
    later(turn, Math.max(0, Math.min(due - now(), 1000)));
  };
  return {
    take: (start) => {
      queue.push(start);
      if (!armed) run();
    },
    slow: (next) => {
      factor = next;
    },
    get given() {
      return given;
    },
  };
}

/**
 * Holds a rate: gives out starts evenly, and never bursts more than 25 ms of work, so that no second is over by more
 * than 5 %. What a busy machine kept it from giving is made up slowly: the rate holds on average too.
 */

export interface Pacer {
  /** Calls back when it is this one's turn. */
  take(start: () => void): void;
  /** Turns of this pacer become this much slower (1 is the agreed rate). */
  slow(factor: number): void;
  /** Nobody waits any more: for when nothing may leave, and whoever waits is to hear it at once. */
  release(): void;
  readonly given: number;
}

const BURST_MS = 25;
/** While something is owed, turns come this much closer together; with the burst no second is over by more than 5 %. */
const MAKE_UP = 0.975;
/** More than this is never owed: a machine that slept does not hurry for minutes. */
const OWED_MS_MAX = 5000;

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
  let released = false;
  /** Milliseconds that turns waited for this process, and not for their time. */
  let owed = 0;
  const run = (late: boolean) => {
    if (running) return;
    running = true;
    const gap = (1000 / perSec) * factor;
    // Idle time gives no credit beyond one burst: the rate holds over every window, not only on average.
    const earliest = now() - BURST_MS;
    if (due < earliest) {
      if (late) owed = Math.min(OWED_MS_MAX, owed + earliest - due);
      due = earliest;
    }
    while (head < queue.length && due <= now()) {
      const start = queue[head++] as () => void;
      const made = Math.min(owed, gap * (1 - MAKE_UP));
      owed -= made;
      due += gap - made;
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
    run(true);
  };
  const arm = () => {
    if (armed) return;
    armed = true;
    later(turn, Math.max(0, Math.min(due - now(), 1000)));
  };
  return {
    take: (start) => {
      if (released) return start();
      queue.push(start);
      if (!armed) run(false);
    },
    slow: (next) => {
      factor = next;
    },
    release: () => {
      released = true;
      for (const start of queue.splice(0).slice(head)) start();
      head = 0;
    },
    get given() {
      return given;
    },
  };
}

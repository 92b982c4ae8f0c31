/** Between listeners and the stream: how much is in flight, waiting when the stream is busy or stopped, order within a source. */

import { setTimeout as sleep } from 'node:timers/promises';
import { type AppendResult, AsepsisError, type Block, type ErrorCode, type Stream } from '../core/index.ts';

/** What passes by itself: nothing was written, and the same block may be given again. */
const PASSING: readonly ErrorCode[] = ['BUSY', 'DISK_FULL', 'DATA_READ_ONLY'];

const isPassing = (error: unknown): boolean => error instanceof AsepsisError && PASSING.includes(error.code);

const RETRY_FIRST_MS = 20;
const RETRY_LAST_MS = 2000;

/** How many bytes are held in memory and not yet durable, against one limit. */
export interface Budget {
  readonly used: number;
  readonly full: boolean;
  take(bytes: number): void;
  give(bytes: number): void;
  /** Resolves when the budget is no longer full. */
  room(): Promise<void>;
}

export function createBudget(bytesMax: number): Budget {
  let used = 0;
  let waiting: (() => void)[] = [];
  return {
    get used() {
      return used;
    },
    get full() {
      return used >= bytesMax;
    },
    take(bytes) {
      used += bytes;
    },
    give(bytes) {
      used -= bytes;
      // Half empty before anybody goes on, so that sockets are not paused and resumed for each block.
      if (used > bytesMax / 2 || waiting.length === 0) return;
      const now = waiting;
      waiting = [];
      for (const go of now) go();
    },
    room() {
      return used < bytesMax ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

/**
 * Appends one block, waiting as long as the stream refuses with one of `passing`; rejects with the refusal when `signal`
 * aborts, and with any other fault at once.
 */
export async function appendPatiently(
  stream: Stream,
  block: Block,
  signal: AbortSignal,
  passing: readonly ErrorCode[] = PASSING,
): Promise<AppendResult> {
  for (let waitMs = RETRY_FIRST_MS; ; waitMs = Math.min(waitMs * 2, RETRY_LAST_MS)) {
    try {
      return await stream.append(block);
    } catch (error) {
      if (signal.aborted || !(error instanceof AsepsisError) || !passing.includes(error.code)) throw error;
      await sleep(waitMs, undefined, { signal }).catch(() => {
        throw error;
      });
    }
  }
}

export interface Lane {
  push(block: Block): void;
  /** Bytes pushed and not yet durable. */
  readonly bytes: number;
  /** Resolves when everything pushed is durable, or given up because of `lost`. */
  drained(): Promise<void>;
}

/**
 * Appends the blocks of one sender in their order, several in flight. When the stream refuses, nothing new is issued
 * until what was refused has been given again, one by one; a fault that does not pass loses the block and says so.
 */
export function createLane(o: {
  stream: Stream;
  budget: Budget;
  depth: number;
  lost: (block: Block, error: unknown) => void;
  onRoom?: () => void;
  signal: AbortSignal;
}): Lane {
  let queue: Block[] = [];
  let refused: { order: number; block: Block }[] = [];
  let flying = 0;
  let depth = o.depth;
  let order = 0;
  let bytes = 0;
  let waitMs = RETRY_FIRST_MS;
  let resting = false;
  const waiting: (() => void)[] = [];

  const done = (block: Block) => {
    bytes -= block.data.length;
    o.budget.give(block.data.length);
    o.onRoom?.();
    if (bytes > 0) return;
    for (const go of waiting.splice(0)) go();
  };
  const rest = () => {
    queue = [...refused.sort((a, b) => a.order - b.order).map((entry) => entry.block), ...queue];
    refused = [];
    if (o.signal.aborted) {
      for (const block of queue.splice(0)) {
        o.lost(block, o.signal.reason);
        done(block);
      }
      return;
    }
    resting = true;
    depth = 1;
    setTimeout(() => {
      resting = false;
      pump();
    }, waitMs);
    waitMs = Math.min(waitMs * 2, RETRY_LAST_MS);
  };
  const issue = async (block: Block, mine: number) => {
    try {
      await o.stream.append(block);
      depth = o.depth;
      waitMs = RETRY_FIRST_MS;
      done(block);
    } catch (error) {
      if (isPassing(error)) {
        refused.push({ order: mine, block });
      } else {
        o.lost(block, error);
        done(block);
      }
    } finally {
      flying--;
      if (refused.length === 0) pump();
      else if (flying === 0) rest();
    }
  };
  const pump = () => {
    while (!resting && refused.length === 0 && flying < depth && queue.length > 0) {
      flying++;
      void issue(queue.shift() as Block, order++);
    }
  };
  return {
    push(block) {
      bytes += block.data.length;
      o.budget.take(block.data.length);
      queue.push(block);
      pump();
    },
    get bytes() {
      return bytes;
    },
    drained() {
      return bytes === 0 ? Promise.resolve() : new Promise((resolve) => waiting.push(resolve));
    },
  };
}

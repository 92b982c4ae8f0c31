/** Gives pieces to threads and hands on what they say in the order of the pieces, whoever is first. */

import { Worker } from 'node:worker_threads';
import type { LoadOptions } from './detection-load.ts';
import type { Piece, PieceReport, PrintOptions } from './detection-part.ts';

/** What a thread is started with; everything is plain data. */
export interface ThreadSetup {
  readonly folders: readonly string[];
  readonly loading: LoadOptions;
  readonly carve: boolean;
  readonly print: PrintOptions;
}

export type FromThread =
  | { readonly type: 'ready' }
  | { readonly type: 'report'; readonly index: number; readonly report: PieceReport }
  | { readonly type: 'say'; readonly sentence: string }
  | { readonly type: 'done'; readonly index: number; readonly error: string | null }
  | { readonly type: 'ended'; readonly quarantined: readonly { rule: string; reason: string }[] };

export type ToThread = { readonly type: 'piece'; readonly piece: Piece } | { readonly type: 'end' };

export interface PieceEvents {
  /** Reports of one piece after the other, in order. */
  readonly onReport: (piece: Piece, report: PieceReport) => void;
  readonly onSay: (sentence: string) => void;
  /** A piece could not be read to its end; throwing ends everything. */
  readonly onFault: (piece: Piece, message: string) => void;
  readonly onProgress: (done: number, events: number) => void;
}

/** Pieces that may be read ahead of the one whose turn it is: bounds what waits to be said. */
const AHEAD_MAX = 64;

/** Keeps what comes too early until its turn. */
export function createOrder(pieces: readonly Piece[], onReport: PieceEvents['onReport']) {
  const waiting = new Map<number, PieceReport[]>();
  const finished = new Set<number>();
  let turn = 0;
  const advance = (): void => {
    for (;;) {
      const piece = pieces[turn];
      if (!piece) return;
      for (const report of waiting.get(turn) ?? []) onReport(piece, report);
      waiting.delete(turn);
      if (!finished.delete(turn)) return;
      turn++;
    }
  };
  return {
    get turn() {
      return turn;
    },
    report: (index: number, report: PieceReport): void => {
      const list = waiting.get(index);
      if (list) list.push(report);
      else waiting.set(index, [report]);
      if (index === turn) advance();
    },
    finish: (index: number): void => {
      finished.add(index);
      if (index === turn) advance();
    },
  };
}

/** @returns rules that failed in any thread */
export async function runThreads(
  pieces: readonly Piece[],
  o: { script: URL; threads: number; setup: ThreadSetup; events: PieceEvents },
): Promise<readonly { rule: string; reason: string }[]> {
  const order = createOrder(pieces, o.events.onReport);
  const quarantined = new Map<string, string>();
  let next = 0;
  let done = 0;
  let events = 0;
  const idle = new Set<Worker>();
  const workers: Worker[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();

  const give = (): void => {
    for (const worker of idle) {
      const piece = pieces[next];
      if (piece && next - order.turn >= AHEAD_MAX) return;
      idle.delete(worker);
      worker.postMessage((piece ? { type: 'piece', piece } : { type: 'end' }) satisfies ToThread);
      if (piece) next++;
    }
  };
  const hear = (worker: Worker, message: FromThread): void => {
    if (message.type === 'ready') idle.add(worker);
    else if (message.type === 'report') {
      events += message.report.events;
      order.report(message.index, message.report);
    } else if (message.type === 'say') o.events.onSay(message.sentence);
    else if (message.type === 'done') {
      if (message.error !== null) o.events.onFault(pieces[message.index] as Piece, message.error);
      order.finish(message.index);
      done++;
      idle.add(worker);
    } else for (const { rule, reason } of message.quarantined) quarantined.set(rule, reason);
    o.events.onProgress(done, events);
    give();
  };

  let running = 0;
  for (let i = 0; i < Math.min(o.threads, pieces.length); i++) {
    const worker = new Worker(o.script, { workerData: o.setup });
    workers.push(worker);
    running++;
    worker.on('message', (message: FromThread) => {
      try {
        hear(worker, message);
      } catch (error) {
        reject(error as Error);
      }
    });
    worker.on('error', reject);
    worker.on('exit', () => {
      if (--running === 0) resolve();
    });
  }
  try {
    await promise;
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return [...quarantined].map(([rule, reason]) => ({ rule, reason }));
}

/** The times of an event decide when it counts; of two at the same time the one that was read first. */
export const inTime = <T extends { readonly timeMs: number; readonly seq: number }>(events: T[]): T[] =>
  events.sort((a, b) => a.timeMs - b.timeMs || a.seq - b.seq);

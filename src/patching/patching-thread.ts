/**
 * The workbench in a thread of its own. It starts with the first piece of work and ends when nothing was asked for a while,
 * which gives the memory of the feeds back; when it dies, what was asked of it fails and the next piece starts another one.
 */

import { parentPort, Worker, workerData } from 'node:worker_threads';
import { AsepsisError, type Clock, type Config, ERRORS, type ErrorCode, type Store } from '../core/index.ts';
import { createWorkbench, type Progress, WORK_NAMES, type Workbench, type WorkName } from './patching-workbench.ts';

const IDLE_MS_MAX = 10 * 60_000;
const LOOK_EVERY_MS = 60_000;

export interface ThreadSetup {
  readonly dataDir: string;
  readonly config: Config;
  readonly exercise: boolean;
}
interface Ask {
  readonly call: number;
  readonly work: WorkName;
  readonly argument: object;
}
type Answer =
  | { readonly call: number; readonly progress: string }
  | { readonly call: number; readonly result: unknown }
  | { readonly call: number; readonly code: string | null; readonly message: string };

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
  readonly progress: Progress | undefined;
}

export interface ThreadedWorkbench extends Workbench {
  /** Ends the thread; what was being done fails, and nothing that counts is half done. */
  close(): Promise<void>;
}

export function openThread(script: URL, setup: ThreadSetup): ThreadedWorkbench {
  const waiting = new Map<number, Waiting>();
  let worker: Worker | null = null;
  let calls = 0;
  let closed = false;
  let usedMs = Date.now();
  const idle = setInterval(() => {
    if (waiting.size === 0 && Date.now() - usedMs > IDLE_MS_MAX) void worker?.terminate();
  }, LOOK_EVERY_MS).unref();

  const failAll = (why: string) => {
    for (const one of waiting.values()) one.reject(new AsepsisError('INTERNAL', why));
    waiting.clear();
  };
  const start = (): Worker => {
    const made = new Worker(script, { workerData: setup });
    let failure = 'The thread of patching ended.';
    made.on('error', (error) => {
      failure = `The thread of patching ended: ${error instanceof Error ? error.message : String(error)}`;
    });
    made.on('exit', () => {
      if (worker === made) worker = null;
      failAll(failure);
    });
    made.on('message', (answer: Answer) => {
      const one = waiting.get(answer.call);
      if (one === undefined) return;
      if ('progress' in answer) return one.progress?.(answer.progress);
      waiting.delete(answer.call);
      usedMs = Date.now();
      if ('result' in answer) one.resolve(answer.result);
      else one.reject(errorOf(answer.code, answer.message));
    });
    return made;
  };
  const ask = (work: WorkName, argument: object, progress?: Progress): Promise<unknown> => {
    if (closed) return Promise.reject(new AsepsisError('INTERNAL', 'Asepsis is ending.'));
    worker ??= start();
    const call = ++calls;
    usedMs = Date.now();
    const done = new Promise<unknown>((resolve, reject) => waiting.set(call, { resolve, reject, progress }));
    worker.postMessage({ call, work, argument } satisfies Ask);
    return done;
  };
  const bench = Object.fromEntries(
    WORK_NAMES.map((work) => [work, (argument: object, progress?: Progress) => ask(work, argument, progress)]),
  ) as unknown as Workbench;
  return {
    ...bench,
    async close() {
      closed = true;
      clearInterval(idle);
      await worker?.terminate();
    },
  };
}

function errorOf(code: string | null, message: string): Error {
  return code !== null && Object.hasOwn(ERRORS, code)
    ? new AsepsisError(code as ErrorCode, message)
    : new Error(message);
}

/** The other side: called by the thread's script, which opens the store that it gets. */
export function serveThread(open: (setup: ThreadSetup) => Promise<{ store: Store; clock: Clock }>): void {
  const port = parentPort;
  if (port === null) throw new Error('This runs as a worker thread.');
  const setup = workerData as ThreadSetup;
  const ready = open(setup).then(({ store, clock }) => createWorkbench({ ...setup, store, clock }));
  const reply = (answer: Answer) => port.postMessage(answer);
  // A fault while opening is the answer to each question.
  ready.catch(() => undefined);
  port.on('message', ({ call, work, argument }: Ask) => {
    const run = async () => {
      const bench = await ready;
      const perform = bench[work] as (o: object, progress: Progress) => Promise<unknown>;
      return perform(argument, (progress) => reply({ call, progress }));
    };
    run().then(
      (result) => reply({ call, result }),
      (error: unknown) =>
        reply({
          call,
          code: error instanceof AsepsisError ? error.code : null,
          message: error instanceof Error ? error.message : String(error),
        }),
    );
  });
}

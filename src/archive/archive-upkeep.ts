/** The upkeep's thread seen from the writer: started with the first job, one job at a time, stopped cleanly. */

import { Worker } from 'node:worker_threads';
import { AsepsisError } from '../core/index.ts';
import type { FileEntry } from './archive-manifest.ts';
import type { UpkeepTask } from './archive-upkeep-work.ts';
import type { UpkeepAnswer, UpkeepRequest } from './archive-upkeep-worker.ts';

export interface Upkeep {
  /** Runs one job; the files that it made, in their places and durable. */
  run(task: UpkeepTask): Promise<readonly FileEntry[]>;
  /** Breaks off what runs (it leaves nothing that counts) and ends the thread. */
  close(): Promise<void>;
}

export function createUpkeep(): Upkeep {
  let worker: Worker | null = null;
  let closed = false;
  const start = (): Worker => {
    const made = new Worker(new URL('./archive-upkeep-worker.ts', import.meta.url), {
      resourceLimits: { maxYoungGenerationSizeMb: 8 },
    });
    made.once('exit', () => {
      if (worker === made) worker = null;
    });
    // Ends with the process even when nobody closes the writer.
    made.unref();
    return made;
  };
  const stopped = () => new AsepsisError('INTERNAL', 'The upkeep of the archive was stopped.');
  return {
    run(task) {
      if (closed) return Promise.reject(stopped());
      worker ??= start();
      const current = worker;
      return new Promise((resolve, reject) => {
        const settle = (act: () => void) => {
          current.off('message', onMessage);
          current.off('error', onError);
          current.off('exit', onExit);
          act();
        };
        const onMessage = (answer: UpkeepAnswer) =>
          settle(() => {
            if (answer.ok) resolve(answer.made);
            else reject(Object.assign(new Error(answer.reason), { code: answer.code }));
          });
        const onError = (error: Error) => settle(() => reject(error));
        const onExit = () => settle(() => reject(stopped()));
        current.on('message', onMessage);
        current.on('error', onError);
        current.on('exit', onExit);
        current.postMessage({ kind: 'run', task } satisfies UpkeepRequest);
      });
    },
    async close() {
      closed = true;
      const current = worker;
      if (current === null) return;
      const exited = new Promise<void>((resolve) => current.once('exit', () => resolve()));
      current.ref();
      current.postMessage({ kind: 'stop' } satisfies UpkeepRequest);
      await exited;
    },
  };
}

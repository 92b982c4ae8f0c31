/** The upkeep's own thread: DuckDB, hashes and indexes, one job at a time, so that the writer's thread never waits. */

import { join } from 'node:path';
import { parentPort } from 'node:worker_threads';
import { type Duck, type DuckInstance, openDuck } from './archive-duckdb.ts';
import { FOLDER } from './archive-files.ts';
import type { FileEntry } from './archive-manifest.ts';
import { runUpkeep, type UpkeepTask } from './archive-upkeep-work.ts';

export type UpkeepRequest = { readonly kind: 'stop' } | { readonly kind: 'run'; readonly task: UpkeepTask };
export type UpkeepAnswer =
  | { readonly ok: true; readonly made: readonly FileEntry[] }
  | { readonly ok: false; readonly reason: string; readonly code: string };

const port = parentPort;
if (port === null) throw new Error('This file runs as a worker thread.');

let duck: Duck | null = null;
let running: Promise<void> = Promise.resolve();

/** DuckDB is opened for each job: closing it gives its memory back, and opening takes a few milliseconds. */
async function run(task: UpkeepTask): Promise<UpkeepAnswer> {
  let instance: DuckInstance | null = null;
  try {
    instance = await openDuck({ threads: 1, memoryMb: 128, temporary: join(task.dir, FOLDER.tmp, 'duckdb') });
    duck = await instance.connect();
    return { ok: true, made: await runUpkeep(duck, task) };
  } catch (error) {
    const code = (error as NodeJS.ErrnoException | null)?.code ?? '';
    return { ok: false, reason: error instanceof Error ? error.message : String(error), code };
  } finally {
    duck?.close();
    duck = null;
    instance?.close();
  }
}

async function stop(): Promise<void> {
  duck?.connection.interrupt();
  await running;
  port?.close();
}

port.on('message', (request: UpkeepRequest) => {
  if (request.kind === 'stop') {
    void stop();
    return;
  }
  running = run(request.task).then((answer) => port.postMessage(answer));
});

/** The main thread's side of the pipeline: starts the thread, stores what it asks to store, and starts it again if it dies. */

import { Worker } from 'node:worker_threads';
import type { Alert, SourceCount, SourceId } from '../core/index.ts';
import type { LiveStats } from '../detection/index.ts';
import type {
  FromPipeline,
  PipelineProgress,
  PipelineSetup,
  RefusedRule,
  RuleSummary,
  Sighting,
  ToPipeline,
} from './pipeline-messages.ts';

/** Waits between two starts after a failure, and the longest of them. */
const RESTART_FIRST_MS = 250;
const RESTART_MAX_MS = 15_000;

export interface PipelineHostParts {
  readonly setup: () => Promise<PipelineSetup>;
  readonly storeAlerts: (alerts: readonly Alert[]) => Promise<void>;
  readonly storeCounts: (seq: number, counts: readonly SourceCount[], sightings: readonly Sighting[]) => Promise<void>;
  readonly onProgress: (progress: PipelineProgress) => void;
  readonly onEngine: (stats: LiveStats) => void;
  /** Rules were read again while it runs. */
  readonly onRules: (rules: readonly RuleSummary[], refused: readonly RefusedRule[]) => void;
  readonly onReady: (rules: readonly RuleSummary[], refused: readonly RefusedRule[], note: string | null) => void;
  readonly onAlarm: (what: 'archive' | 'log', sentence: string | null) => void;
  readonly onFailure: (sentence: string) => void;
}

export interface PipelineHost {
  setZones(zones: Readonly<Record<SourceId, string>>): void;
  /** Tells the rules' engine that people changed something. */
  look(): void;
  /** Lets the thread finish what it has, makes it durable, and ends it. */
  stop(): Promise<void>;
}

/** Resolves when the thread runs for the first time; rejects when it cannot even start. */
export async function startPipeline(parts: PipelineHostParts): Promise<PipelineHost> {
  let worker: Worker | null = null;
  let stopping = false;
  let ended: Promise<void> = Promise.resolve();
  let waitMs = RESTART_FIRST_MS;
  let timer: NodeJS.Timeout | undefined;

  const answer = (to: Worker, call: number, work: Promise<void>) => {
    const reply = (error: string | null) => to.postMessage({ type: 'done', call, error } satisfies ToPipeline);
    work.then(
      () => reply(null),
      (error: unknown) => reply(error instanceof Error ? error.message : String(error)),
    );
  };
  const start = async (): Promise<void> => {
    const setup = await parts.setup();
    const current = new Worker(new URL('./pipeline-worker.ts', import.meta.url), { workerData: setup });
    worker = current;
    const ready = Promise.withResolvers<void>();
    ended = new Promise((resolve) => {
      current.once('exit', () => resolve());
    });
    let failure: Error | null = null;
    current.on('error', (error) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    current.on('exit', (code) => {
      worker = null;
      const error = failure ?? new Error(`The pipeline ended by itself (exit ${code}).`);
      ready.reject(error);
      if (stopping) return;
      parts.onFailure(`The pipeline stopped and starts again in ${waitMs} ms: ${error.message}`);
      timer = setTimeout(() => {
        start().catch((again: unknown) => parts.onFailure(String(again)));
      }, waitMs);
      waitMs = Math.min(RESTART_MAX_MS, waitMs * 2);
    });
    current.on('message', (message: FromPipeline) => {
      if (message.type === 'ready') {
        parts.onReady(message.rules, message.refused, message.note);
        ready.resolve();
      } else if (message.type === 'progress') {
        if (message.progress.ackedSeq > 0) waitMs = RESTART_FIRST_MS;
        parts.onProgress(message.progress);
      } else if (message.type === 'engine') parts.onEngine(message.stats);
      else if (message.type === 'rules') parts.onRules(message.rules, message.refused);
      else if (message.type === 'alarm') parts.onAlarm(message.what, message.sentence);
      else if (message.type === 'alerts') answer(current, message.call, parts.storeAlerts(message.alerts));
      else if (message.type === 'counts')
        answer(current, message.call, parts.storeCounts(message.seq, message.counts, message.sightings));
    });
    await ready.promise;
  };

  try {
    await start();
  } catch (error) {
    stopping = true;
    clearTimeout(timer);
    throw error;
  }
  return {
    setZones: (zones) => worker?.postMessage({ type: 'zones', zones } satisfies ToPipeline),
    look: () => worker?.postMessage({ type: 'look' } satisfies ToPipeline),
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      worker?.postMessage({ type: 'stop' } satisfies ToPipeline);
      await ended;
    },
  };
}

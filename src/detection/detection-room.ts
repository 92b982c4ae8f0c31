/** Detection as a room: its round over this machine, how far the recommendation is true, and what it does while it serves. */

import { join } from 'node:path';
import type { Clock, Room, Store } from '../core/index.ts';
import { detectionCoverage } from './detection-coverage.ts';
import { huntRoutes } from './detection-hunt-routes.ts';
import { createHunts, type Hunts } from './detection-hunt-service.ts';
import type { LiveStats } from './detection-live.ts';
import { type LoadedRules, loadRules } from './detection-load.ts';
import { detectionRound } from './detection-round.ts';
import { ruleRoutes } from './detection-routes.ts';
import { startFileIntegrity } from './files/index.ts';
import { type ResponseWorker, responseRoutes, startResponseWorker } from './responses/index.ts';

const RULES_KEPT_MS = 30_000;

/** The engine as the desk sees it: what it knows of itself, and the word that something changed. */
export interface LiveBridge {
  stats(): LiveStats | null;
  look(): void;
  streamId(): Promise<string>;
}

export function createDetection(o: {
  store: Store;
  clock: Clock;
  engine: LiveBridge;
  /** The rules that come along. */
  ownRules: string;
}): Room {
  let worker: ResponseWorker | null = null;
  let hunts: Hunts | null = null;
  let kept: { rules: Promise<LoadedRules>; ms: number } | null = null;
  /** Read again at most every few seconds: the folders hold thousands of files. */
  const rulesOf = (folders: readonly string[]): Promise<LoadedRules> => {
    const now = o.clock.now();
    if (kept === null || now - kept.ms > RULES_KEPT_MS) kept = { rules: loadRules(folders), ms: now };
    return kept.rules;
  };
  return {
    name: 'detection',
    round: detectionRound,
    coverage: () => detectionCoverage(o.store, o.clock),
    routes: async (app, services) => {
      responseRoutes(app, services, () => worker);
      ruleRoutes(app, services, {
        engine: o.engine,
        streamId: () => o.engine.streamId(),
        rules: () => rulesOf([o.ownRules, join(services.dataDir, 'rules'), ...services.config.rules.folders]),
      });
      const streamId = await o.engine.streamId();
      hunts = createHunts(services, streamId);
      huntRoutes(app, services, { engine: o.engine, hunts: () => hunts as Hunts });
    },
    start: async (services) => {
      await hunts?.resume();
      const responses = startResponseWorker(services);
      worker = responses;
      const files = await startFileIntegrity(services).catch((error: unknown) => {
        services.alarm('files', `Watched files cannot be looked after: ${String(error)}`);
        return null;
      });
      return async () => {
        await hunts?.close();
        await files?.stop();
        await responses.stop();
      };
    },
  };
}

/** Detection as a room: its round over this machine, how far the recommendation is true, and what it does while it serves. */

import type { Clock, Room, Store } from '../core/index.ts';
import { detectionCoverage } from './detection-coverage.ts';
import type { LiveStats } from './detection-live.ts';
import { detectionRound } from './detection-round.ts';
import { startFileIntegrity } from './files/index.ts';
import { type ResponseWorker, responseRoutes, startResponseWorker } from './responses/index.ts';

/** The engine as the desk sees it: what it knows of itself, and the word that something changed. */
export interface LiveBridge {
  stats(): LiveStats | null;
  look(): void;
}

export function createDetection(o: {
  store: Store;
  clock: Clock;
  engine: LiveBridge;
  /** The rules that come along. */
  ownRules: string;
}): Room {
  let worker: ResponseWorker | null = null;
  return {
    name: 'detection',
    round: detectionRound,
    coverage: () => detectionCoverage(o.store, o.clock),
    routes: async (app, services) => {
      responseRoutes(app, services, () => worker);
    },
    start: async (services) => {
      const responses = startResponseWorker(services);
      worker = responses;
      const files = await startFileIntegrity(services).catch((error: unknown) => {
        services.alarm('files', `Watched files cannot be looked after: ${String(error)}`);
        return null;
      });
      return async () => {
        await files?.stop();
        await responses.stop();
      };
    },
  };
}

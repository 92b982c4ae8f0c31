/** The door of patching: the round over one machine's packages, inventories against feeds, plans, and how far it is true. */

import type { Clock, Room, RoomServices, Store } from '../core/index.ts';
import { clockRoutes } from './patching-clock-routes.ts';
import { patchingCoverage } from './patching-coverage.ts';
import { createPatchingDesk } from './patching-desk.ts';
import { exceptionRoutes } from './patching-exception-routes.ts';
import { feedRoutes } from './patching-feed-routes.ts';
import { inventoryRoutes } from './patching-inventory-routes.ts';
import { createJobs } from './patching-jobs.ts';
import { pairRoutes } from './patching-pair-routes.ts';
import { planRoutes } from './patching-plan-routes.ts';
import { patchingRound } from './patching-round.ts';
import { actionRoutes, type PatchingDeps, policyRoutes, questionRoutes, windowRoutes } from './patching-routes.ts';
import { openThread } from './patching-thread.ts';
import { startWork } from './patching-work.ts';

export { patchingCommands } from './patching-commands.ts';
export { takeFeedText } from './patching-feed-file.ts';
export { serveThread as servePatchingThread } from './patching-thread.ts';

/** @param o.thread the script of the room's thread, which `serve` starts with the first long work */
export function createPatching(o: { store: Store; clock: Clock; thread: URL }): Room {
  let deps: PatchingDeps | null = null;
  const depsOf = (services: RoomServices): PatchingDeps => {
    const { store, clock, dataDir, exercise, config } = services;
    deps ??= {
      services,
      bench: openThread(o.thread, { dataDir, exercise, config }),
      jobs: createJobs(clock),
      desk: createPatchingDesk({ store, clock, exercise }),
    };
    return deps;
  };
  return {
    name: 'patching',
    round: patchingRound,
    coverage: () => patchingCoverage(o.store, o.clock),
    routes: async (app, services) => {
      const all = depsOf(services);
      actionRoutes(app, all);
      policyRoutes(app, all);
      windowRoutes(app, all);
      planRoutes(app, all);
      questionRoutes(app, all);
      exceptionRoutes(app, all);
      pairRoutes(app, all);
      clockRoutes(app, all);
      feedRoutes(app, all);
      inventoryRoutes(app, all);
    },
    start: (services) => startWork(depsOf(services)),
  };
}

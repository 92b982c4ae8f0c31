/** The door of patching: the round over one machine's packages, inventories against feeds, plans, and how far it is true. */

import type { Clock, Room, RoomServices, Store } from '../core/index.ts';
import { clockRoutes } from './patching-clock-routes.ts';
import { patchingCoverage } from './patching-coverage.ts';
import { createPatchingDesk } from './patching-desk.ts';
import { feedRoutes, inventoryRoute } from './patching-feed-routes.ts';
import { planRoutes } from './patching-plan-routes.ts';
import { patchingRound } from './patching-round.ts';
import { actionRoutes, type PatchingDeps, policyRoutes, questionRoutes, windowRoutes } from './patching-routes.ts';
import { createPatchingService } from './patching-service.ts';
import { startWork } from './patching-work.ts';

export { patchingCommands } from './patching-commands.ts';
export { takeFeedText } from './patching-feed-file.ts';

export function createPatching(o: { store: Store; clock: Clock }): Room {
  let deps: PatchingDeps | null = null;
  const depsOf = (services: RoomServices): PatchingDeps => {
    const { store, clock, dataDir, exercise } = services;
    deps ??= {
      services,
      service: createPatchingService({ store, clock, dataDir, exercise }),
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
      clockRoutes(app, all);
      feedRoutes(app, all);
      inventoryRoute(app, all);
    },
    start: (services) => startWork(depsOf(services)),
  };
}

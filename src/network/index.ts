/** The door of the network room: inspection of captures, its command, and how far connections are protected. */

import type { Clock, Room, Store } from '../core/index.ts';
import { networkRoutes } from './network-routes.ts';
import { startSensors } from './network-sensor.ts';
import { networkCoverage } from './network-service.ts';

export { assessInspection } from './network-assess.ts';
export { networkCommands } from './network-commands.ts';
export { keyedHash } from './network-hash.ts';
export { readCapture } from './network-input.ts';
export { createInspector } from './network-inspect.ts';
export { relayCommands } from './relay/index.ts';

export function createNetwork(o: { store: Store; clock: Clock }): Room {
  return {
    name: 'network',
    coverage: () => networkCoverage(o.store),
    routes: async (app, services) => networkRoutes(app, services),
    start: startSensors,
  };
}

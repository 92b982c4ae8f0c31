/** The door of access: the round over one machine's log-ins, the gateway, the audit, and how far the second factor is true. */

import type { Clock, Room, Store } from '../core/index.ts';
import { accessCoverage } from './access-coverage.ts';
import { type HeldGateway, startAccess } from './access-gateway.ts';
import { accessRound } from './access-round.ts';
import { accessRoutes } from './access-routes.ts';

export { accessCommands } from './access-commands.ts';
export { takeExports as takeAccessExports } from './audit/index.ts';

export function createAccess(o: { store: Store; clock: Clock }): Room {
  const held: HeldGateway = { current: null };
  return {
    name: 'access',
    round: accessRound,
    coverage: () => accessCoverage(o.store, o.clock),
    routes: accessRoutes(held),
    start: (services) => startAccess(services, held),
  };
}

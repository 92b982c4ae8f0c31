/** The door of access: the round over one machine's log-ins, and how far the second factor is true. */

import type { Clock, Room, Store } from '../core/index.ts';
import { accessCoverage } from './access-coverage.ts';
import { accessRound } from './access-round.ts';

export function createAccess(o: { store: Store; clock: Clock }): Room {
  return { name: 'access', round: accessRound, coverage: () => accessCoverage(o.store, o.clock) };
}
export { accessCommands } from './access-commands.ts';

/** The door of patching: the round over one machine's packages, matching of inventories, and how far it is true. */

import type { Clock, Room, Store } from '../core/index.ts';
import { patchingCoverage } from './patching-coverage.ts';
import { patchingRound } from './patching-round.ts';

export { patchingCommands } from './patching-commands.ts';

export function createPatching(o: { store: Store; clock: Clock }): Room {
  return { name: 'patching', round: patchingRound, coverage: () => patchingCoverage(o.store, o.clock) };
}

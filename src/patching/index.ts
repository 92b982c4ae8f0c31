/** The door of patching: the round over one machine's packages, and how far the recommendation is true. */

import type { Clock, Room, Store } from '../core/index.ts';
import { patchingCoverage } from './patching-coverage.ts';
import { patchingRound } from './patching-round.ts';

export function createPatching(o: { store: Store; clock: Clock }): Room {
  return { name: 'patching', round: patchingRound, coverage: () => patchingCoverage(o.store, o.clock) };
}

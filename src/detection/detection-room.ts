/** Detection as a room: its round over this machine and how far the recommendation is true. */

import type { Clock, Room, Store } from '../core/index.ts';
import { detectionCoverage } from './detection-coverage.ts';
import { detectionRound } from './detection-round.ts';

export function createDetection(o: { store: Store; clock: Clock }): Room {
  return { name: 'detection', round: detectionRound, coverage: () => detectionCoverage(o.store, o.clock) };
}

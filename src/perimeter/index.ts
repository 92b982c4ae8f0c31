/** The door of the perimeter: the round over one machine's open ports, and how far the recommendation is true. */

import type { Clock, Room, Store } from '../core/index.ts';
import { perimeterCoverage } from './perimeter-coverage.ts';
import { perimeterRound } from './perimeter-round.ts';

export { perimeterCommands } from './perimeter-commands.ts';

export function createPerimeter(o: { store: Store; clock: Clock }): Room {
  return { name: 'perimeter', round: perimeterRound, coverage: () => perimeterCoverage(o.store, o.clock) };
}

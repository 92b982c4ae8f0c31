/** The door of the team: alerts become incidents, incidents reach people, and how fast they react is measured. */

import type { Clock, Room, Store } from '../core/index.ts';
import { teamCoverage } from './team-coverage.ts';

export type { IncidentChange } from './team-change.ts';
export { createNotifier } from './team-notifier.ts';
export { createTeam } from './team-service.ts';

export function createTeamRoom(o: { store: Store; clock: Clock }): Room {
  return { name: 'team', coverage: () => teamCoverage(o.store, o.clock) };
}

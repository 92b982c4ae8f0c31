/** The door of the perimeter: rounds over this machine, scans inside a signed scope, and how far the recommendation is true. */

import type { Clock, Room, RoomServices, Store } from '../core/index.ts';
import { perimeterCoverage } from './perimeter-coverage.ts';
import { createPerimeterDesk, type PerimeterDesk } from './perimeter-desk.ts';
import { perimeterRound } from './perimeter-round.ts';
import { perimeterRoutes } from './perimeter-routes.ts';
import { raiseDrift } from './perimeter-service.ts';
import { shownRoutes } from './perimeter-shown-routes.ts';

export { perimeterCommands } from './perimeter-commands.ts';
export { withoutOwnScans } from './perimeter-own.ts';

const DRIFT_EVERY_MS = 15_000;

export function createPerimeter(o: { store: Store; clock: Clock }): Room {
  let desk: PerimeterDesk | null = null;
  const deskOf = (services: RoomServices) => {
    desk ??= createPerimeterDesk(services);
    return desk;
  };
  return {
    name: 'perimeter',
    round: perimeterRound,
    coverage: () => perimeterCoverage(o.store, o.clock),
    routes: async (app, services) => {
      await perimeterRoutes(app, services, deskOf(services));
      await shownRoutes(app, services);
    },
    start: async (services) => {
      const own = deskOf(services);
      let telling: Promise<unknown> = Promise.resolve();
      const tell = () => {
        telling = raiseDrift(services.store.records, services.raise).catch((error: unknown) =>
          services.log.warn({ error: String(error) }, 'drift of the perimeter waits to be told'),
        );
      };
      const timer = setInterval(tell, DRIFT_EVERY_MS);
      tell();
      return async () => {
        clearInterval(timer);
        own.halt('Asepsis stops');
        await own.idle();
        await telling;
      };
    },
  };
}

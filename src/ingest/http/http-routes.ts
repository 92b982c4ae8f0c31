/** Registers the ingest routes: bodies stay streams until a route reads them within its bounds. */

import type { FastifyInstance } from 'fastify';
import { registerBulk } from './http-bulk.ts';
import { createDoor, type IngestRouteOptions } from './http-door.ts';
import { addElasticConstraint, registerElastic } from './http-elastic.ts';
import { registerEvents } from './http-events.ts';
import { registerOtlp } from './http-otlp.ts';

/** @see {@link IngestRouteOptions}; `eventsPerSecMax` is the rate of one source */
export function registerIngestRoutes(app: FastifyInstance, o: IngestRouteOptions): void {
  addElasticConstraint(app);
  const door = createDoor(o);
  app.addHook('onClose', () => door.sources.close());
  void app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, body, done) => done(null, body));
    registerEvents(scope, door);
    registerBulk(scope, door);
    registerOtlp(scope, door);
    registerElastic(scope);
  });
}

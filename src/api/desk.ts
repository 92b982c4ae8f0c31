/** All routes of the desk in one call, for the composition root and for the OpenAPI document. */

import type { FastifyInstance } from 'fastify';
import type { DeskDeps } from './desk-deps.ts';
import { deskEvents } from './desk-events.ts';
import { deskIncidents } from './desk-incidents.ts';
import { registerLive } from './desk-live.ts';
import { deskOverview } from './desk-overview.ts';
import { deskAlerts, deskAssets, deskFindings, deskSources } from './desk-records.ts';
import { deskSettings } from './desk-settings.ts';

export async function registerDesk(app: FastifyInstance, deps: DeskDeps): Promise<void> {
  for (const routes of [
    deskOverview,
    deskAlerts,
    deskIncidents,
    deskFindings,
    deskAssets,
    deskSources,
    deskEvents,
    deskSettings,
  ])
    await app.register(routes(deps));
  await registerLive(app, deps);
}

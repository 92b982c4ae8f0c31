/** Incidents: the list, one with its alerts, and what people do with it. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import {
  AlertSchema,
  AsepsisError,
  audited,
  found,
  given,
  IncidentIdSchema,
  IncidentSchema,
  LIMITS,
  oneOf,
  optionalOf,
  optionalText,
  PageQuery,
  type PersonId,
  PersonIdSchema,
  pageOf,
  pageRequest,
  VERDICTS,
} from '../core/index.ts';
import { type DeskDeps, entityOf } from './desk-deps.ts';

const VersionSchema = Type.Integer({ minimum: 1, description: 'The version that was read; a stale one answers 409' });
const PairSchema = Type.Object({ into: IncidentSchema, other: IncidentSchema });

const ChangeSchema = Type.Object(
  {
    version: Type.Integer({ minimum: 1, description: 'The version that was read; a stale one answers 409' }),
    assign: Type.Optional(Type.Union([Type.Literal('me'), Type.Null()])),
    acknowledge: Type.Optional(Type.Boolean()),
    comment: Type.Optional(Type.String({ minLength: 1, maxLength: LIMITS.textCharsMax })),
    close: Type.Optional(
      Type.Object(
        {
          reason: Type.String({ minLength: 1, maxLength: LIMITS.textCharsMax }),
          verdict: oneOf(VERDICTS),
        },
        { additionalProperties: false },
      ),
    ),
    reopen: Type.Optional(Type.Boolean()),
  },
  { additionalProperties: false },
);

export function deskIncidents(deps: DeskDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/v1/incidents',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Incidents, newest first',
          tags: ['incidents'],
          querystring: Type.Object({
            ...PageQuery.properties,
            state: optionalOf(['open', 'closed']),
            assignee: Type.Optional(Type.Union([PersonIdSchema, Type.Literal('me')])),
            entity: optionalText(300),
            text: optionalText(),
          }),
          response: { 200: pageOf(IncidentSchema) },
        },
      },
      async ({ query, caller }) => {
        const { state, text } = query;
        const assignee = query.assignee === 'me' ? (caller?.id as PersonId | undefined) : query.assignee;
        const page = await deps.store.incidents.list(
          given({ state, assignee, text, entity: entityOf(query.entity) }),
          pageRequest(query),
        );
        return { items: [...page.items], next: page.next };
      },
    );
    app.get(
      '/v1/incidents/:id',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'One incident with its alerts',
          tags: ['incidents'],
          params: Type.Object({ id: IncidentIdSchema }),
          response: {
            200: Type.Object({
              incident: IncidentSchema,
              alerts: Type.Array(AlertSchema),
              alerts_next: Type.Union([Type.String(), Type.Null()]),
            }),
          },
        },
      },
      async ({ params }) => {
        const incident = found(await deps.store.incidents.get(params.id), 'incident');
        const alerts = await deps.store.alerts.list({ incident: incident.id }, { limit: LIMITS.pageRowsMax });
        return { incident, alerts: [...alerts.items], alerts_next: alerts.next };
      },
    );
    app.patch(
      '/v1/incidents/:id',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Assign, acknowledge, comment, close with a reason, or open again',
          tags: ['incidents'],
          params: Type.Object({ id: IncidentIdSchema }),
          body: ChangeSchema,
          response: { 200: IncidentSchema },
        },
      },
      async (request) => {
        const by = { id: request.caller?.id ?? '', name: request.caller?.name ?? 'unknown' };
        const result = await deps.changeIncident(request.params.id, request.body, by);
        if (result === 'stale') throw new AsepsisError('CONFLICT', 'This incident was changed by somebody else.');
        const incident = found(result, 'incident');
        const { version: _, comment, ...rest } = request.body;
        const detail = JSON.stringify(comment === undefined ? rest : { ...rest, comment: 'added' });
        await audited(deps, request, { action: 'incident.change', target: incident.id, detail });
        return incident;
      },
    );
    app.post(
      '/v1/incidents/:id/merge',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Make another incident part of this one',
          description: 'Its alerts move here; it is closed and says where it went. `split` undoes it.',
          tags: ['incidents'],
          params: Type.Object({ id: IncidentIdSchema }),
          body: Type.Object(
            { version: VersionSchema, other: IncidentIdSchema, other_version: VersionSchema },
            { additionalProperties: false },
          ),
          response: { 200: PairSchema },
        },
      },
      async (request) => {
        const { version, other, other_version } = request.body;
        const result = await deps.mergeIncidents(request.params.id, version, { id: other, version: other_version });
        if (result === 'stale') throw new AsepsisError('CONFLICT', 'One of them was changed by somebody else.');
        const pair = found(result, 'incident');
        await audited(deps, request, { action: 'incident.merge', target: other, detail: `into ${pair.into.id}` });
        return pair;
      },
    );
    app.post(
      '/v1/incidents/:id/split',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Undo the merge that made this incident part of another one',
          description: 'Its alerts come back, and the two are not merged by themselves any more.',
          tags: ['incidents'],
          params: Type.Object({ id: IncidentIdSchema }),
          body: Type.Object(
            { into_version: Type.Integer({ minimum: 1, description: 'Version of the incident it is part of' }) },
            { additionalProperties: false },
          ),
          response: { 200: PairSchema },
        },
      },
      async (request) => {
        const result = await deps.splitIncident(request.params.id, request.body.into_version);
        if (result === 'stale') throw new AsepsisError('CONFLICT', 'The incident was changed by somebody else.');
        const pair = found(result, 'incident');
        await audited(deps, request, {
          action: 'incident.split',
          target: pair.other.id,
          detail: `from ${pair.into.id}`,
        });
        return pair;
      },
    );
  };
}

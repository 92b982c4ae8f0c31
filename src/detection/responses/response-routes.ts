/** Responses over HTTP: preview, propose, approve, refuse, undo; their state; and the keys of bouncers. */

import { randomBytes } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import {
  audited,
  closed,
  Done,
  found,
  given,
  IncidentIdSchema,
  listOf,
  nullable,
  optionalOf,
  optionalText,
  PageQuery,
  pageOf,
  pageRequest,
  type RoomServices,
  type TypedApp,
} from '../../core/index.ts';
import { addBouncer, BouncerSchema, listBouncers, removeBouncer } from './response-bouncers.ts';
import { blocksLastHour } from './response-decide.ts';
import { registerLapi } from './response-lapi.ts';
import { protectedOfMachine } from './response-machine.ts';
import { PreviewSchema, ProposalSchema, RESPONSE_STATES, ResponseSchema } from './response-schema.ts';
import { type Asking, createResponses, type ResponseService } from './response-service.ts';
import { listResponses, responsesSince } from './response-store.ts';
import type { ResponseWorker } from './response-worker.ts';

const HOUR_MS = 3_600_000;
const tags = ['responses'];
const Id = Type.Object({ id: Type.String({ pattern: '^rsp_[0-9a-z]{26}$' }) });
const StatusSchema = Type.Object({
  mode: Type.Unsafe<'simulate' | 'enforce'>({ type: 'string', enum: ['simulate', 'enforce'] }),
  nftables: Type.Boolean({ description: 'This host drops packets itself' }),
  fault: nullable(Type.String()),
  blocks_last_hour: Type.Integer(),
  blocks_per_hour_max: Type.Integer(),
  protected: Type.Array(Type.Object({ what: Type.String(), ranges: Type.Integer() })),
  can_disable_accounts: Type.Boolean(),
  bouncers: Type.Integer(),
  dropped: Type.Array(Type.Object({ range: Type.String(), packets: Type.Integer() }), {
    description: 'What this host dropped, for each block',
  }),
});

export function responseRoutes(app: TypedApp, services: RoomServices, worker: () => ResponseWorker | null): void {
  const { store, clock, config, archive, exercise } = services;
  const responses = createResponses({
    store,
    archive,
    clock,
    config,
    random: randomBytes,
    exercise,
    machine: protectedOfMachine,
    carryOut: async () => worker()?.carryOut(),
  });
  const asking = (request: FastifyRequest): Asking => ({
    request,
    name: request.caller?.name ?? 'unknown',
    role: request.caller?.role ?? 'viewer',
  });

  app.post(
    '/v1/responses/preview',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'What a response would touch and whom it would affect; changes nothing',
        tags,
        body: Type.Object({ kind: ProposalSchema.properties.kind, target: ProposalSchema.properties.target }, closed),
        response: { 200: PreviewSchema },
      },
    },
    async (request) => responses.preview(request.body, asking(request)),
  );
  app.post(
    '/v1/responses',
    {
      config: { access: 'analyst' },
      schema: {
        summary: 'Propose a response; in force at once where it cannot disturb, otherwise when a lead approves',
        tags,
        body: ProposalSchema,
        response: { 200: ResponseSchema },
      },
    },
    async (request) => responses.propose(request.body, asking(request)),
  );
  for (const [verb, access, summary] of [
    ['approve', 'lead', 'Put a proposed response in force'],
    ['refuse', 'lead', 'Say no to a proposed response'],
    ['undo', 'analyst', 'Take a response back'],
  ] as const)
    app.post(
      `/v1/responses/:id/${verb}`,
      { config: { access }, schema: { summary, tags, params: Id, response: { 200: ResponseSchema } } },
      async (request) => responses[verb](request.params.id, asking(request)),
    );
  readingRoutes(app, services, worker, responses);
  bouncerRoutes(app, services);
  registerLapi(app, services, async (range) => (await worker()?.isAllowed(range)) ?? false);
}

function readingRoutes(
  app: TypedApp,
  { store, clock, config }: RoomServices,
  worker: () => ResponseWorker | null,
  responses: ResponseService,
): void {
  app.get(
    '/v1/responses',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Responses, the last changed first',
        tags,
        querystring: Type.Object({
          ...PageQuery.properties,
          state: optionalOf(RESPONSE_STATES),
          text: optionalText(),
          incident: Type.Optional(IncidentIdSchema),
        }),
        response: { 200: pageOf(ResponseSchema) },
      },
    },
    async ({ query }) => {
      const { state, text, incident } = query;
      return listResponses(store, given({ state, text: incident ?? text }), pageRequest(query));
    },
  );
  app.get(
    '/v1/responses/status',
    {
      config: { access: 'viewer' },
      schema: { summary: 'What is enforced, and within which limits', tags, response: { 200: StatusSchema } },
    },
    async () => {
      const recent = (await responsesSince(store, clock.now() - HOUR_MS)).map(({ response }) => response);
      const { responses: set } = config;
      const dropped = worker()?.firewall.dropped() ?? new Map<string, number>();
      return {
        mode: set.mode,
        nftables: set.mode === 'enforce' && set.nftables.enabled,
        fault: worker()?.fault() ?? null,
        blocks_last_hour: blocksLastHour(recent, clock.now()),
        blocks_per_hour_max: set.blocks_per_hour_max,
        protected: [
          { what: 'own networks', ranges: set.own_ranges.length },
          { what: 'monitoring', ranges: set.monitoring.length },
          { what: 'partners', ranges: set.partners.length },
        ],
        can_disable_accounts: set.disable_account.length > 0,
        bouncers: (await listBouncers(store)).length,
        dropped: [...dropped].slice(0, 500).map(([range, packets]) => ({ range, packets })),
      };
    },
  );
  app.get(
    '/v1/responses/:id',
    {
      config: { access: 'viewer' },
      schema: { summary: 'One response', tags, params: Id, response: { 200: ResponseSchema } },
    },
    async ({ params }) => found(await responses.get(params.id), 'response'),
  );
}

function bouncerRoutes(app: TypedApp, services: RoomServices): void {
  const { store, clock } = services;
  app.get(
    '/v1/bouncers',
    {
      config: { access: 'analyst' },
      schema: { summary: 'Programs that enforce our decisions', tags, response: { 200: listOf(BouncerSchema) } },
    },
    async () => ({ items: await listBouncers(store), next: null }),
  );
  app.post(
    '/v1/bouncers',
    {
      config: { access: 'administrator' },
      schema: {
        summary: 'A key for a new bouncer; it is in this answer and nowhere else',
        tags,
        body: Type.Object({ name: Type.String({ minLength: 1, maxLength: 64 }) }, closed),
        response: { 200: Type.Object({ bouncer: BouncerSchema, key: Type.String() }) },
      },
    },
    async (request) => {
      const made = await addBouncer(store, clock, randomBytes, {
        name: request.body.name,
        by: request.caller?.name ?? 'unknown',
      });
      await audited({ store, clock }, request, { action: 'bouncer.add', target: made.bouncer.id });
      return made;
    },
  );
  app.delete(
    '/v1/bouncers/:id',
    {
      config: { access: 'administrator' },
      schema: {
        summary: 'Take a bouncer’s key away',
        tags,
        params: Type.Object({ id: Type.String({ maxLength: 64 }) }),
        response: { 200: Done },
      },
    },
    async (request) => {
      const gone = await removeBouncer(store, request.params.id);
      found(gone ? true : null, 'bouncer');
      await audited({ store, clock }, request, { action: 'bouncer.remove', target: request.params.id });
      return { ok: true as const };
    },
  );
}

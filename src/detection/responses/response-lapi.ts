/** The part of CrowdSec's local API that bouncers speak (LAPI v1): decisions, their stream, usage metrics; by `X-Api-Key`. */

import type { FastifyReply, FastifyRequest } from 'fastify';
import { Type } from 'typebox';
import { audited, type RoomServices, rfc3339, type TypedApp } from '../../core/index.ts';
import { type AddressRange, blockedRange, parseRange, rangeText } from './response-address.ts';
import { createBlocks } from './response-blocks.ts';
import { bouncerOf, droppedIn, type KnownBouncer } from './response-bouncers.ts';
import { decisionOf, filterBlocks, streamOf } from './response-decisions.ts';

/** Its nftables sets hold no ranges: of each it would keep the first address alone. */
const KNOWS_NO_RANGES = /^crowdsec-firewall-bouncer\b/;
/** Wrong keys from one address in a minute before it has to wait. */
const WRONG_MAX = 20;
const WRONG_WINDOW_MS = 60_000;
const WRONG_ADDRESSES_MAX = 10_000;
/** Entries in the audit log about wrong keys in an hour: an attacker with many addresses must not fill it. */
const WRONG_AUDITED_PER_HOUR = 60;
const HOUR_MS = 3_600_000;
const PULL_NOTED_EVERY_MS = 5000;

const text = (max = 256) => Type.Optional(Type.String({ maxLength: max }));
const Filter = Type.Object({
  ip: text(64),
  range: text(64),
  scope: text(),
  scopes: text(),
  value: text(),
  type: text(),
  origins: text(1024),
  scenarios_containing: text(1024),
  scenarios_not_containing: text(1024),
  contains: Type.Optional(Type.Boolean()),
});
const DecisionSchema = Type.Object({
  duration: Type.String({ description: 'What is left, as Go writes it: 3h59m58s' }),
  id: Type.Integer(),
  origin: Type.String(),
  scenario: Type.String(),
  scope: Type.String(),
  type: Type.String(),
  value: Type.String(),
});
const Refused = Type.Object({ message: Type.String() });

/** Stops whoever tries keys; forgets the oldest address first. */
function createWrongKeys() {
  const seen = new Map<string, { count: number; sinceMs: number }>();
  let audited = { sinceMs: 0, count: 0 };
  return {
    mayAudit: (nowMs: number): boolean => {
      if (nowMs - audited.sinceMs > HOUR_MS) audited = { sinceMs: nowMs, count: 0 };
      return ++audited.count <= WRONG_AUDITED_PER_HOUR;
    },
    tooMany: (address: string, nowMs: number): boolean => {
      const one = seen.get(address);
      return one !== undefined && nowMs - one.sinceMs < WRONG_WINDOW_MS && one.count >= WRONG_MAX;
    },
    /** True when this is the first of a series, which is worth an entry in the audit log. */
    count: (address: string, nowMs: number): boolean => {
      const one = seen.get(address);
      if (one !== undefined && nowMs - one.sinceMs < WRONG_WINDOW_MS) {
        one.count++;
        return false;
      }
      seen.delete(address);
      seen.set(address, { count: 1, sinceMs: nowMs });
      if (seen.size > WRONG_ADDRESSES_MAX) seen.delete(seen.keys().next().value as string);
      return true;
    },
  };
}

/** Who asks, by the key; and what is noted of it. */
function createAdmission({ store, clock }: RoomServices) {
  const wrong = createWrongKeys();
  const known = async (request: FastifyRequest, reply: FastifyReply): Promise<KnownBouncer | null> => {
    const nowMs = clock.now();
    const range = parseRange(request.ip);
    const from = range === null ? request.ip : rangeText(blockedRange(range));
    if (wrong.tooMany(from, nowMs)) {
      await reply.code(429).header('retry-after', '60').send({ message: 'too many wrong keys' });
      return null;
    }
    const key = request.headers['x-api-key'];
    const bouncer = typeof key === 'string' ? await bouncerOf(store, key) : null;
    if (bouncer !== null) return bouncer;
    if (wrong.count(from, nowMs) && wrong.mayAudit(nowMs))
      await audited(
        { store, clock },
        { caller: null, ip: request.ip },
        {
          action: 'bouncer.refused',
          actor: 'unknown',
          outcome: 'denied',
          detail: 'A request for decisions with a wrong key, or none.',
        },
      );
    await reply.code(403).send({ message: 'access forbidden' });
    return null;
  };
  const pulled = async (request: FastifyRequest, one: KnownBouncer, seen?: number | null): Promise<void> => {
    const nowMs = clock.now();
    const recent =
      one.bouncer.last_pull !== undefined && nowMs - Date.parse(one.bouncer.last_pull) < PULL_NOTED_EVERY_MS;
    // A bouncer that asks for every request of a web server must not write for each.
    if (recent && seen === undefined) return;
    await one.note(
      {
        last_pull: rfc3339(nowMs),
        pulls: one.bouncer.pulls + 1,
        address: request.ip.slice(0, 64),
        version: String(request.headers['user-agent'] ?? '')
          .replace(/[^\x20-\x7e]/g, '?')
          .slice(0, 128),
      },
      seen,
    );
  };
  return { known, pulled };
}

interface Parts {
  readonly services: RoomServices;
  readonly blocks: ReturnType<typeof createBlocks>;
  readonly admission: ReturnType<typeof createAdmission>;
}
const config = { access: 'public', anyHost: true } as const;

/** @param isAllowed whether a range holds something that is never blocked, now */
export function registerLapi(
  app: TypedApp,
  services: RoomServices,
  isAllowed: (range: AddressRange) => Promise<boolean>,
): void {
  const parts: Parts = {
    services,
    blocks: createBlocks(services, isAllowed),
    admission: createAdmission(services),
  };
  decisionsRoute(app, parts);
  streamRoute(app, parts);
  usageRoute(app, parts);
}

function decisionsRoute(app: TypedApp, { services, blocks, admission: { known, pulled } }: Parts): void {
  const { clock } = services;
  app.get(
    '/v1/decisions',
    {
      config,
      schema: {
        summary: 'Blocks in force, as CrowdSec bouncers ask for them',
        tags: ['decisions'],
        querystring: Filter,
        response: {
          200: Type.Union([Type.Array(DecisionSchema), Type.Null()]),
          400: Refused,
          403: Refused,
          429: Refused,
        },
      },
    },
    async (request, reply) => {
      const one = await known(request, reply);
      if (one === null) return reply;
      const found = filterBlocks(await blocks.now(), request.query);
      if (found === null) return reply.code(400).send({ message: 'ip or range is no address' });
      await pulled(request, one);
      const nowMs = clock.now();
      const active = found.filter((block) => block.active && block.expiresMs > nowMs);
      // CrowdSec answers `null`, not an empty list, and bouncers compare with it.
      if (active.length === 0) return reply.type('application/json').send(Buffer.from('null') as never);
      return active.map((block) => decisionOf(block, nowMs));
    },
  );
}

function streamRoute(app: TypedApp, { services, blocks, admission: { known, pulled } }: Parts): void {
  const { clock } = services;
  app.get(
    '/v1/decisions/stream',
    {
      config,
      schema: {
        summary: 'All blocks at the start of a bouncer, then what changed since it asked last',
        tags: ['decisions'],
        querystring: Type.Object({ ...Filter.properties, startup: Type.Optional(Type.Boolean()) }),
        response: {
          200: Type.Object({ new: Type.Array(DecisionSchema), deleted: Type.Array(DecisionSchema) }),
          400: Refused,
          403: Refused,
          429: Refused,
        },
      },
    },
    async (request, reply) => {
      const one = await known(request, reply);
      if (one === null) return reply;
      const { startup, ...filter } = request.query;
      const view = await blocks.now();
      const told = filterBlocks(view, filter);
      if (told === null) return reply.code(400).send({ message: 'ip or range is no address' });
      const since = startup === true ? null : one.seen;
      const single = KNOWS_NO_RANGES.test(String(request.headers['user-agent'] ?? ''));
      const stream = streamOf(told, since, clock.now(), single ? view : null);
      const newest = view.all.reduce((max, block) => Math.max(max, block.changed), one.seen ?? 0);
      await pulled(request, one, newest);
      return { new: [...stream.new], deleted: [...stream.deleted] };
    },
  );
}

function usageRoute(app: TypedApp, { admission: { known } }: Parts): void {
  app.post(
    '/v1/usage-metrics',
    {
      config,
      schema: {
        summary: 'What a bouncer dropped, as it counts itself',
        tags: ['decisions'],
        body: Type.Unknown(),
        response: { 201: Type.Null(), 403: Refused, 429: Refused },
      },
    },
    async (request, reply) => {
      const one = await known(request, reply);
      if (one === null) return reply;
      const { packets, bytes } = droppedIn(request.body);
      await one.note({
        dropped_packets: one.bouncer.dropped_packets + packets,
        dropped_bytes: one.bouncer.dropped_bytes + bytes,
      });
      return reply.code(201).send(null);
    },
  );
}

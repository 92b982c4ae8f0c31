/** Indicators and hunts over HTTP. */

import { createHash, randomBytes } from 'node:crypto';
import { Type } from 'typebox';
import {
  AsepsisError,
  audited,
  closed,
  found,
  given,
  LIMITS,
  nullable,
  oneOf,
  optionalOf,
  optionalText,
  PageQuery,
  pageOf,
  pageRequest,
  type RoomServices,
  rfc3339,
  type TypedApp,
} from '../core/index.ts';
import { HUNT_TEXT_CHARS_MAX, HuntSchema, type Hunts } from './detection-hunt-service.ts';
import type { LiveBridge } from './detection-room.ts';
import { importList, listIndicators, removeIndicators } from './indicators/indicator-store.ts';
import { INDICATOR_TYPES, readIndicator } from './indicators/indicator-value.ts';

const DAY_MS = 86_400_000;
/** Some hundred thousand entries; reading more would keep the desk waiting: `asepsis indicators import` takes any list. */
const LIST_BYTES_MAX = 8 * 1024 * 1024;
const Refusals = Type.Array(Type.Object({ where: Type.String(), reason: Type.String() }));
const Listed = Type.Object({
  type: oneOf(INDICATOR_TYPES),
  value: Type.String(),
  source: Type.String(),
  confidence: Type.Integer(),
  valid_until: nullable(Type.String()),
});

export function huntRoutes(app: TypedApp, services: RoomServices, o: { engine: LiveBridge; hunts: () => Hunts }): void {
  indicatorRoutes(app, services, o.engine);
  const { clock } = services;
  app.get(
    '/v1/hunts',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Hunts through the archive, newest first',
        tags: ['detection'],
        querystring: PageQuery,
        response: { 200: pageOf(HuntSchema) },
      },
    },
    async ({ query }) => {
      const page = await o.hunts().list(pageRequest(query));
      return { items: [...page.items], next: page.next };
    },
  );
  app.post(
    '/v1/hunts',
    {
      config: { access: 'analyst' },
      bodyLimit: LIST_BYTES_MAX,
      schema: {
        summary:
          'Look for a rule or a list of indicators in the archive; alerts become incidents, marked as retrospective',
        tags: ['detection'],
        body: Type.Object(
          {
            kind: oneOf(['rule', 'indicators']),
            text: Type.String({
              minLength: 1,
              maxLength: HUNT_TEXT_CHARS_MAX,
              description: 'The rule as YAML, or the list in any form',
            }),
            name: Type.Optional(Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax })),
            from: Type.Optional(Type.String({ format: 'date-time' })),
            to: Type.Optional(Type.String({ format: 'date-time' })),
            deep: Type.Optional(Type.Boolean()),
          },
          closed,
        ),
        response: { 200: HuntSchema },
      },
    },
    async (request) => {
      const { kind, text, name, from, to, deep } = request.body;
      const hunt = await o.hunts().start({
        id: `hunt_${createHash('sha256').update(randomBytes(16)).digest('hex').slice(0, 24)}`,
        kind,
        text,
        name: name ?? (kind === 'rule' ? 'a rule' : 'a list of indicators'),
        fromMs: from === undefined ? 0 : Date.parse(from),
        toMs: to === undefined ? clock.now() : Date.parse(to),
        deep: deep ?? false,
        by: request.caller?.name ?? 'unknown',
      });
      await audited(services, request, { action: 'hunt.start', target: hunt.id, detail: `${kind} ${hunt.name}` });
      return hunt;
    },
  );
  const Id = Type.Object({ id: Type.String({ pattern: '^hunt_[0-9a-z]{8,40}$' }) });
  app.get(
    '/v1/hunts/:id',
    {
      config: { access: 'viewer' },
      schema: { summary: 'One hunt', tags: ['detection'], params: Id, response: { 200: HuntSchema } },
    },
    async ({ params }) => found(await o.hunts().get(params.id), 'hunt'),
  );
  app.post(
    '/v1/hunts/:id/stop',
    {
      config: { access: 'analyst' },
      schema: { summary: 'Stop a hunt', tags: ['detection'], params: Id, response: { 200: HuntSchema } },
    },
    async (request) => {
      const hunt = found(await o.hunts().stop(request.params.id), 'hunt');
      await audited(services, request, { action: 'hunt.stop', target: hunt.id });
      return hunt;
    },
  );
}

function indicatorRoutes(app: TypedApp, services: RoomServices, engine: LiveBridge): void {
  const { dataDir, clock, config } = services;
  app.get(
    '/v1/indicators',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Indicators that every event is compared with',
        tags: ['detection'],
        querystring: Type.Object(
          { ...PageQuery.properties, type: optionalOf(INDICATOR_TYPES), source: optionalText(), text: optionalText() },
          closed,
        ),
        response: {
          200: Type.Object({
            items: Type.Array(Listed),
            next: nullable(Type.String()),
            total: Type.Integer(),
            sources: Type.Array(
              Type.Object({ source: Type.String(), count: Type.Integer(), patterns: Type.Integer() }),
            ),
            hits: Type.Integer({ description: 'Since the engine started' }),
          }),
        },
      },
    },
    async ({ query }) => {
      const { type, source, text } = query;
      const page = await listIndicators(dataDir, given({ type, source, text }), pageRequest(query));
      return {
        items: page.items.map((one) => ({
          type: one.type,
          value: one.value,
          source: one.source,
          confidence: one.confidence,
          valid_until: one.untilMs === null ? null : rfc3339(one.untilMs),
        })),
        next: page.next,
        total: page.total,
        sources: [...page.sources],
        hits: engine.stats()?.indicators?.hits ?? 0,
      };
    },
  );
  app.post(
    '/v1/indicators/import',
    {
      config: { access: 'lead' },
      bodyLimit: LIST_BYTES_MAX,
      schema: {
        summary: 'Take in a list: plain, CSV, STIX 2.1 or MISP JSON',
        tags: ['detection'],
        body: Type.Object(
          {
            text: Type.String({ minLength: 1, maxLength: LIST_BYTES_MAX }),
            source: Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax }),
            confidence: Type.Optional(Type.Integer({ minimum: 0, maximum: 100 })),
            days: Type.Optional(Type.Integer({ minimum: 0, maximum: 3650, description: '0: for ever' })),
          },
          closed,
        ),
        response: {
          200: Type.Object({
            added: Type.Integer(),
            renewed: Type.Integer(),
            patterns: Type.Integer(),
            total: Type.Integer(),
            allowed: Type.Array(Type.Object({ value: Type.String(), reason: Type.String() })),
            allowed_count: Type.Integer(),
            refused: Refusals,
            refused_count: Type.Integer(),
          }),
        },
      },
    },
    async (request) => {
      const { text, source, confidence = 60, days = 90 } = request.body;
      const nowMs = clock.now();
      const untilMs = days === 0 ? null : nowMs + days * DAY_MS;
      const summary = await importList({ dataDir, own: config.responses.own_ranges, nowMs }, text, {
        source,
        confidence,
        untilMs,
      });
      engine.look();
      await audited(services, request, {
        action: 'indicators.import',
        target: source,
        detail: `${summary.added} new, ${summary.renewed} renewed, ${summary.refusedCount} refused`,
      });
      const { added, renewed, patterns, total, allowed, allowedCount, refused, refusedCount } = summary;
      return {
        added,
        renewed,
        patterns,
        total,
        allowed: [...allowed],
        allowed_count: allowedCount,
        refused: [...refused],
        refused_count: refusedCount,
      };
    },
  );
  app.delete(
    '/v1/indicators',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Remove one value, or everything of a list',
        tags: ['detection'],
        querystring: Type.Object({ value: optionalText(2048), source: optionalText() }, closed),
        response: { 200: Type.Object({ removed: Type.Integer() }) },
      },
    },
    async (request) => {
      const { value, source } = request.query;
      if (value === undefined && source === undefined)
        throw new AsepsisError('BAD_REQUEST', 'Name a value or a source.');
      const removed = await removeIndicators(
        dataDir,
        given({ value: value === undefined ? undefined : (readIndicator(value)?.value ?? value), source }),
      );
      engine.look();
      await audited(services, request, {
        action: 'indicators.remove',
        target: value ?? source ?? '',
        detail: `${removed} removed`,
      });
      return { removed };
    },
  );
}

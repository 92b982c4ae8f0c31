/** Alerts, findings, assets, accounts and sources: reading them page by page, and the few changes that people make. */

import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import {
  AccountSchema,
  type Alert,
  AlertIdSchema,
  AlertSchema,
  AsepsisError,
  type AssetId,
  AssetIdSchema,
  AssetSchema,
  audited,
  FINDING_STATES,
  FindingIdSchema,
  FindingSchema,
  found,
  given,
  IncidentIdSchema,
  LIMITS,
  optionalOf,
  optionalText,
  PageQuery,
  pageOf,
  pageRequest,
  RoomSchema,
  rfc3339,
  SEVERITIES,
  SoftwareSchema,
  SourceIdSchema,
  SourceSchema,
  VERDICTS,
} from '../core/index.ts';
import { type DeskDeps, entityOf } from './desk-deps.ts';

const ALERT_STATES = ['new', 'acknowledged', 'closed'] as const;
/** An accepted finding is looked at again at least once a year. */
const ACCEPT_DAYS_MAX = 366;
const DAY_MS = 86_400_000;

export function deskAlerts(deps: DeskDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/v1/alerts',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Alerts, newest first',
          tags: ['alerts'],
          querystring: Type.Object({
            ...PageQuery.properties,
            state: optionalOf(ALERT_STATES),
            level: optionalOf(SEVERITIES),
            rule: optionalText(),
            incident: Type.Optional(IncidentIdSchema),
            entity: optionalText(300),
            text: optionalText(),
          }),
          response: { 200: pageOf(AlertSchema) },
        },
      },
      async ({ query }) => {
        const { state, level, rule, incident, text } = query;
        const entity = entityOf(query.entity);
        const page = await deps.store.alerts.list(
          given({ state, level, rule, incident, text, entity }),
          pageRequest(query),
        );
        return { items: [...page.items], next: page.next };
      },
    );
    app.get(
      '/v1/alerts/:id',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'One alert',
          tags: ['alerts'],
          params: Type.Object({ id: AlertIdSchema }),
          response: { 200: AlertSchema },
        },
      },
      async ({ params }) => found(await deps.store.alerts.get(params.id), 'alert'),
    );
    app.patch(
      '/v1/alerts/:id',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Acknowledge or close an alert, with a verdict',
          tags: ['alerts'],
          params: Type.Object({ id: AlertIdSchema }),
          body: Type.Object(
            { state: optionalOf(ALERT_STATES), verdict: optionalOf(VERDICTS) },
            { additionalProperties: false, minProperties: 1 },
          ),
          response: { 200: AlertSchema },
        },
      },
      async (request) => {
        const change: Partial<Pick<Alert, 'state' | 'verdict'>> = given(request.body);
        const alert = found(await deps.store.alerts.update(request.params.id, change), 'alert');
        await audited(deps, request, { action: 'alert.change', target: alert.id, detail: JSON.stringify(change) });
        return alert;
      },
    );
  };
}

export function deskFindings(deps: DeskDeps): FastifyPluginAsyncTypebox {
  const filter = {
    room: Type.Optional(RoomSchema),
    kind: optionalText(64),
    state: optionalOf(FINDING_STATES),
    severity: optionalOf(SEVERITIES),
    asset: Type.Optional(AssetIdSchema),
    fix: optionalText(),
    text: optionalText(),
  };
  return async (app) => {
    app.get(
      '/v1/findings',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Findings, most severe first',
          tags: ['findings'],
          querystring: Type.Object({ ...PageQuery.properties, ...filter }),
          response: { 200: pageOf(FindingSchema) },
        },
      },
      async ({ query }) => {
        const { room, kind, state, severity, asset, fix, text } = query;
        const page = await deps.store.findings.list(
          given({ room, kind, state, severity, asset, fix, text }),
          pageRequest(query),
        );
        return { items: [...page.items], next: page.next };
      },
    );
    app.get(
      '/v1/findings/actions',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Open findings grouped by the action that closes them',
          tags: ['findings'],
          querystring: Type.Object({ room: filter.room, severity: filter.severity, limit: PageQuery.properties.limit }),
        },
      },
      async ({ query }) => {
        const { room, severity } = query;
        const items = await deps.store.findings.actions(given({ room, severity }), query.limit);
        return { items: [...items], next: null };
      },
    );
    app.get(
      '/v1/findings/:id',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'One finding with its evidence',
          tags: ['findings'],
          params: Type.Object({ id: FindingIdSchema }),
          response: { 200: FindingSchema },
        },
      },
      async ({ params }) => found(await deps.store.findings.get(params.id), 'finding'),
    );
    app.post(
      '/v1/findings/:id/accept',
      {
        config: { access: 'lead' },
        schema: {
          summary: 'Accept the risk of a finding until a day, with an owner and a reason',
          tags: ['findings'],
          params: Type.Object({ id: FindingIdSchema }),
          body: Type.Object(
            {
              owner: Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax }),
              reason: Type.String({ minLength: 3, maxLength: LIMITS.textCharsMax }),
              until: Type.String({ maxLength: 32, description: 'RFC 3339' }),
            },
            { additionalProperties: false },
          ),
          response: { 200: FindingSchema },
        },
      },
      async (request) => {
        const now = deps.clock.now();
        const until = Date.parse(request.body.until);
        if (!(until > now && until <= now + ACCEPT_DAYS_MAX * DAY_MS))
          throw new AsepsisError('BAD_REQUEST', '"until" must lie in the future, at most a year from now.');
        const by = request.caller?.name ?? 'unknown';
        const { owner, reason } = request.body;
        const finding = found(
          await deps.store.findings.accept(
            request.params.id,
            { owner, reason, until: rfc3339(until), by },
            rfc3339(now),
          ),
          'finding',
        );
        await audited(deps, request, {
          action: 'finding.accept',
          target: finding.id,
          detail: `${finding.title}: ${reason}`,
        });
        return finding;
      },
    );
    app.post(
      '/v1/findings/:id/reopen',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Take back an acceptance',
          tags: ['findings'],
          params: Type.Object({ id: FindingIdSchema }),
          response: { 200: FindingSchema },
        },
      },
      async (request) => {
        const finding = found(
          await deps.store.findings.reopen(request.params.id, rfc3339(deps.clock.now())),
          'finding',
        );
        await audited(deps, request, { action: 'finding.reopen', target: finding.id, detail: finding.title });
        return finding;
      },
    );
  };
}

export function deskAssets(deps: DeskDeps): FastifyPluginAsyncTypebox {
  const classes = ['server', 'workstation', 'network', 'medical', 'mobile', 'printer', 'other', 'unknown'] as const;
  return async (app) => {
    app.get(
      '/v1/assets',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Assets by name',
          tags: ['assets'],
          querystring: Type.Object({ ...PageQuery.properties, class: optionalOf(classes), text: optionalText() }),
          response: { 200: pageOf(AssetSchema) },
        },
      },
      async ({ query }) => {
        const page = await deps.store.assets.list(given({ text: query.text, class: query.class }), pageRequest(query));
        return { items: [...page.items], next: page.next };
      },
    );
    app.get(
      '/v1/assets/:id',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'One asset with its open findings and its software',
          tags: ['assets'],
          params: Type.Object({ id: AssetIdSchema }),
          response: {
            200: Type.Object({
              asset: AssetSchema,
              findings: Type.Array(FindingSchema),
              software: Type.Array(SoftwareSchema),
              software_next: Type.Union([Type.String(), Type.Null()]),
            }),
          },
        },
      },
      async ({ params }) => {
        const id = params.id as AssetId;
        const asset = found(await deps.store.assets.get(id), 'asset');
        const findings = await deps.store.findings.list({ asset: id }, { limit: 100 });
        const software = await deps.store.assets.software(id, { limit: LIMITS.pageRowsMax });
        return {
          asset,
          findings: [...findings.items],
          software: [...software.items],
          software_next: software.next,
        };
      },
    );
    app.get(
      '/v1/assets/:id/software',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Software of one asset',
          tags: ['assets'],
          params: Type.Object({ id: AssetIdSchema }),
          querystring: Type.Object(PageQuery.properties),
          response: { 200: pageOf(SoftwareSchema) },
        },
      },
      async ({ params, query }) => {
        const page = await deps.store.assets.software(params.id as AssetId, pageRequest(query));
        return { items: [...page.items], next: page.next };
      },
    );
    app.get(
      '/v1/accounts',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Accounts and whether a second factor protects them',
          tags: ['assets'],
          querystring: Type.Object({
            ...PageQuery.properties,
            service: optionalText(),
            second_factor: Type.Optional(AccountSchema.properties.second_factor),
            text: optionalText(),
          }),
          response: { 200: pageOf(AccountSchema) },
        },
      },
      async ({ query }) => {
        const page = await deps.store.accounts.list(
          given({ text: query.text, service: query.service, second_factor: query.second_factor }),
          pageRequest(query),
        );
        return { items: [...page.items], next: page.next };
      },
    );
  };
}

export function deskSources(deps: DeskDeps): FastifyPluginAsyncTypebox {
  return async (app) => {
    app.get(
      '/v1/sources',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'Where events come from, and whether they still come',
          tags: ['sources'],
          response: {
            200: Type.Object({
              items: Type.Array(SourceSchema),
              next: Type.Null(),
              listeners: Type.Array(Type.Object({ name: Type.String(), address: Type.String() })),
            }),
          },
        },
      },
      async () => ({
        items: [...(await deps.store.sources.list({}))],
        next: null,
        listeners: [...deps.listeners()],
      }),
    );
    app.patch(
      '/v1/sources/:id',
      {
        config: { access: 'lead' },
        schema: {
          summary: 'Name, time zone, expected silence and importance of a source',
          tags: ['sources'],
          params: Type.Object({ id: SourceIdSchema }),
          body: Type.Object(
            {
              name: Type.Optional(Type.String({ minLength: 1, maxLength: LIMITS.nameCharsMax })),
              zone: optionalText(64),
              expected_silence_sec: Type.Optional(Type.Integer({ minimum: 1, maximum: 31_536_000 })),
              critical: Type.Optional(Type.Boolean()),
            },
            { additionalProperties: false, minProperties: 1 },
          ),
          response: { 200: SourceSchema },
        },
      },
      async (request) => {
        const { zone } = request.body;
        if (zone !== undefined && !isZone(zone))
          throw new AsepsisError('BAD_REQUEST', `"${zone}" is not an IANA time zone, such as Europe/Paris.`);
        const source = found(await deps.store.sources.configure(request.params.id, given(request.body)), 'source');
        await audited(deps, request, {
          action: 'source.configure',
          target: source.name,
          detail: JSON.stringify(request.body),
        });
        return source;
      },
    );
  };
}

function isZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

/** The perimeter's routes: what is seen, what changed, the scope with its preview, a scan with its stop button, pushes from outside. */

import { Type } from 'typebox';
import {
  AsepsisError,
  audited,
  closed,
  Done,
  nullable,
  oneOf,
  PageQuery,
  pageOf,
  pageRequest,
  type RoomServices,
  SEVERITIES,
  SeveritySchema,
  TimeSchema,
  type TypedApp,
} from '../core/index.ts';
import type { PerimeterDesk } from './perimeter-desk.ts';
import { createGate } from './perimeter-gate.ts';
import { readPorts } from './perimeter-ports.ts';
import { targetsOf } from './perimeter-scan.ts';
import { decideTime, parseScope } from './perimeter-scope.ts';
import { openScope, unsigned } from './perimeter-scope-file.ts';
import { COLLECTION, type DriftDoc, medicalAddresses, recordScan } from './perimeter-service.ts';
import { worstFirst } from './perimeter-shown.ts';
import type { HostView } from './perimeter-weakness.ts';

const text = (maxLength: number) => Type.String({ maxLength });
const Certificate = Type.Object({ sha256: text(64), subject: text(300), issuer: text(300), until: TimeSchema }, closed);
const Software = Type.Array(Type.Object({ name: text(128), version: text(128) }, closed), { maxItems: 32 });
const FROM = ['inside', 'outside'] as const;
const Facts = Type.Record(text(64), Type.Union([text(2000), Type.Number(), Type.Boolean()]));
const PushedWeakness = Type.Object(
  {
    kind: Type.String({ pattern: '^[a-z0-9]+(-[a-z0-9]+)*$', maxLength: 64 }),
    key: Type.Optional(text(200)),
    severity: SeveritySchema,
    title: text(300),
    why: text(1000),
    seen: text(1200),
    command: text(2000),
    data: Type.Optional(Facts),
    fix: Type.Object(
      {
        title: text(300),
        how: text(4000),
        effort: oneOf(['minutes', 'hours', 'days', 'unknown'] as const),
        disrupts: Type.Boolean(),
      },
      closed,
    ),
  },
  closed,
);
const PushedPort = Type.Object({
  transport: oneOf(['tcp', 'udp'] as const),
  port: Type.Integer({ minimum: 1, maximum: 65535 }),
  service: text(64),
  tls: Type.Boolean(),
  banner: nullable(text(300)),
  grade: nullable(text(2)),
  certificate: nullable(Certificate),
  software: Software,
  facts: Facts,
  weaknesses: Type.Array(PushedWeakness, { maxItems: 200 }),
});
const Pushed = Type.Object({
  from: oneOf(FROM),
  ports: Type.Array(Type.Integer({ minimum: 1, maximum: 65535 }), { maxItems: 65_535 }),
  views: Type.Array(
    Type.Object({ host: text(253), address: text(64), ports: Type.Array(PushedPort, { maxItems: 2000 }) }),
    { maxItems: 4096 },
  ),
  names: Type.Array(Type.Object({ name: text(253), weaknesses: Type.Array(PushedWeakness, { maxItems: 500 }) }), {
    maxItems: 4096,
  }),
});
const PUSH_BYTES_MAX = 16 * 1024 * 1024;
const SCOPE_CHARS_MAX = 200_000;
const PREVIEW_MAX = 500;

const ServiceRow = Type.Object({
  id: text(500),
  host: text(300),
  address: text(64),
  from: oneOf(FROM),
  at: TimeSchema,
  transport: oneOf(['tcp', 'udp'] as const),
  port: Type.Integer(),
  service: text(64),
  tls: Type.Boolean(),
  grade: nullable(text(2)),
  banner: nullable(text(300)),
  title: text(300),
  certificate: nullable(Certificate),
  software: Software,
  worst: nullable(SeveritySchema),
});
const DriftRow = Type.Object({
  id: text(64),
  at: TimeSchema,
  from: text(16),
  kind: text(64),
  host: text(300),
  where: text(32),
  sentence: text(1000),
  severity: oneOf(SEVERITIES),
});
const State = Type.Object({
  scope: nullable(
    Type.Object({
      name: text(200),
      owner: text(300),
      contact: text(300),
      expires: text(64),
      addresses: Type.Integer(),
      names: Type.Integer(),
      may_now: Type.Boolean(),
      reason: nullable(text(300)),
      key: text(64),
    }),
  ),
  fault: nullable(text(1000)),
  killed: nullable(text(300)),
  running: nullable(
    Type.Object({
      since: TimeSchema,
      by: text(300),
      hosts_done: Type.Integer(),
      hosts: Type.Integer(),
      open_ports: Type.Integer(),
      latest: Type.Array(
        Type.Object({ host: text(300), port: Type.Integer(), service: text(64), grade: nullable(text(2)) }),
      ),
    }),
  ),
  last: nullable(
    Type.Object({
      at: TimeSchema,
      ended: TimeSchema,
      from: text(16),
      hosts: Type.Integer(),
      targets: Type.Integer(),
      probes: Type.Integer(),
      refused: Type.Integer(),
      stopped: nullable(text(300)),
      not_seen: Type.Array(text(1000)),
      findings: Type.Integer(),
      drift: Type.Integer(),
    }),
  ),
});

export async function perimeterRoutes(app: TypedApp, services: RoomServices, desk: PerimeterDesk): Promise<void> {
  const { store, clock } = services;
  const tags = ['perimeter'];
  app.get(
    '/v1/perimeter',
    {
      config: { access: 'viewer' },
      schema: { summary: 'The scope, the scan that runs, and the last one', tags, response: { 200: State } },
    },
    async () => {
      const { scope, key, fault } = desk.scope();
      const now = scope ? decideTime(scope, clock.now()) : null;
      const [last] = (await store.records.list(COLLECTION.scan, {}, { limit: 1 }, true)).items;
      return {
        scope:
          scope && now
            ? {
                name: scope.file.name,
                owner: scope.file.owner,
                contact: scope.file.contact,
                expires: scope.file.expires,
                addresses: scope.file.addresses.length,
                names: scope.file.names.length + scope.file.hosted_names.length,
                may_now: now.allowed,
                reason: now.allowed ? null : now.reason,
                key: key ?? '',
              }
            : null,
        fault,
        killed: desk.files.killed(),
        running: desk.running(),
        last: (last?.doc as never) ?? null,
      };
    },
  );
  app.get(
    '/v1/perimeter/services',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'Every service that scans saw, worst first',
        tags,
        querystring: Type.Object({ ...PageQuery.properties, from: Type.Optional(oneOf(FROM)) }, closed),
        response: { 200: pageOf(ServiceRow) },
      },
    },
    async ({ query }) => {
      const offset = query.after === undefined ? 0 : Number(query.after);
      if (!Number.isSafeInteger(offset) || offset < 0)
        throw new AsepsisError('BAD_REQUEST', '`after` is not what a page before this one gave.');
      const rows = await worstFirst(store.records, query.from);
      const { limit } = query;
      return {
        items: rows.slice(offset, offset + limit) as never,
        next: offset + limit < rows.length ? String(offset + limit) : null,
      };
    },
  );
  app.get(
    '/v1/perimeter/drift',
    {
      config: { access: 'viewer' },
      schema: {
        summary: 'What changed between scans, newest first',
        tags,
        querystring: PageQuery,
        response: { 200: pageOf(DriftRow) },
      },
    },
    async ({ query }) => {
      const page = await store.records.list(COLLECTION.drift, {}, pageRequest(query), true);
      return {
        items: page.items.map(({ id, doc }) => {
          const { at, from, kind, host, where, sentence, severity } = doc as DriftDoc;
          return { id, at: at as never, from, kind, host, where, sentence, severity };
        }),
        next: page.next,
      };
    },
  );
  app.post(
    '/v1/perimeter/scan',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'Begins a scan of the installed scope',
        tags,
        body: Type.Object({ ports: Type.Optional(text(2000)) }, closed),
        response: { 200: Done },
      },
    },
    async (request) => {
      const ports = request.body.ports === undefined ? undefined : readPorts(request.body.ports);
      if (ports === null)
        throw new AsepsisError('BAD_REQUEST', 'Ports are `usual`, `all`, or a list such as 22,80,443.');
      desk.start(request.caller?.name ?? 'unknown', ports);
      await audited(services, request, { action: 'perimeter.scan', detail: `Ports ${request.body.ports ?? 'usual'}` });
      return { ok: true as const };
    },
  );
  app.post(
    '/v1/perimeter/stop',
    {
      config: { access: 'analyst' },
      schema: { summary: 'Stops the scan and turns the kill switch on', tags, response: { 200: Done } },
    },
    async (request) => {
      const who = request.caller?.name ?? 'unknown';
      desk.files.kill(`stopped by ${who}`);
      desk.halt(`stopped by ${who}`);
      await audited(services, request, { action: 'perimeter.stop' });
      return { ok: true as const };
    },
  );
  app.post(
    '/v1/perimeter/resume',
    { config: { access: 'lead' }, schema: { summary: 'Takes the kill switch back', tags, response: { 200: Done } } },
    async (request) => {
      desk.files.revive();
      await audited(services, request, { action: 'perimeter.resume' });
      return { ok: true as const };
    },
  );
  scopeRoutes(app, services, desk);
  app.post(
    '/v1/perimeter/observations',
    {
      bodyLimit: PUSH_BYTES_MAX,
      config: { access: 'analyst' },
      schema: {
        summary: 'Takes what a scan from another place saw',
        tags,
        body: Pushed,
        response: { 200: Type.Object({ findings: Type.Integer(), drift: Type.Integer() }) },
      },
    },
    async (request) => {
      const { from, views, names, ports } = request.body;
      const whole: HostView[] = views.map((view) => ({
        ...view,
        closed: 0,
        silent: 0,
        notSeen: [],
        ports: view.ports.map((port) => ({ ...port, profile: null })) as HostView['ports'],
      }));
      const recorded = await recordScan({
        store,
        clock,
        from,
        views: whole,
        names: names as never,
        ports: new Set(ports),
        exercise: services.exercise,
      });
      await audited(services, request, { action: 'perimeter.push', detail: `${views.length} hosts from ${from}` });
      return { findings: recorded.findings.length, drift: recorded.drift.length };
    },
  );
}

function scopeRoutes(app: TypedApp, services: RoomServices, desk: PerimeterDesk): void {
  const { store, clock } = services;
  const tags = ['perimeter'];
  const Body = Type.Object({ text: text(SCOPE_CHARS_MAX) }, closed);
  app.get(
    '/v1/perimeter/scope',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'The text of the installed scope',
        tags,
        response: { 200: Type.Object({ text: text(SCOPE_CHARS_MAX) }) },
      },
    },
    async () => {
      const { readFile } = await import('node:fs/promises');
      return { text: await readFile(desk.files.scopeFile, 'utf8').catch(() => '') };
    },
  );
  app.post(
    '/v1/perimeter/preview',
    {
      config: { access: 'lead' },
      schema: {
        summary: 'What a scope would touch; nothing is sent to it, and it need not be signed',
        tags,
        body: Body,
        response: {
          200: Type.Object({
            targets: Type.Array(Type.Object({ host: text(300), address: text(64) })),
            more: Type.Integer(),
            not_touched: Type.Array(text(500)),
            signed: Type.Boolean(),
            signature: nullable(text(500)),
            may_now: Type.Boolean(),
          }),
        },
      },
    },
    async (request) => {
      const scope = parseScope(unsigned(request.body.text));
      const medical = await medicalAddresses(store);
      const gate = createGate({
        scope,
        clock: { now: () => Math.max(scope.notBeforeMs, Math.min(clock.now(), scope.expiresMs - 1)) },
        medical: (address) => medical.has(address),
      });
      const { targets, notSeen } = await targetsOf({ ...scope, file: { ...scope.file, hours: [] } }, gate);
      gate.stop('only a preview');
      let signature: string | null = null;
      try {
        openScope(request.body.text, desk.files.trusted());
      } catch (error) {
        signature = error instanceof Error ? error.message : String(error);
      }
      return {
        targets: targets.slice(0, PREVIEW_MAX),
        more: Math.max(0, targets.length - PREVIEW_MAX),
        not_touched: notSeen.slice(0, PREVIEW_MAX),
        signed: signature === null,
        signature,
        may_now: decideTime(scope, clock.now()).allowed,
      };
    },
  );
  app.post(
    '/v1/perimeter/scope',
    {
      config: { access: 'administrator' },
      schema: { summary: 'Installs a scope that a trusted key signed', tags, body: Body, response: { 200: Done } },
    },
    async (request) => {
      openScope(request.body.text, desk.files.trusted());
      desk.files.writeScope(request.body.text);
      await audited(services, request, { action: 'perimeter.scope' });
      return { ok: true as const };
    },
  );
}

/** The desk's side of access: coverage by service, who is missing, enrolment, live sessions, what is held back, break-glass. */

import { Type } from 'typebox';
import {
  AccountSchema,
  AsepsisError,
  audited,
  closed,
  Done,
  found,
  listOf,
  nullable,
  oneOf,
  optionalText,
  type RoomServices,
  rfc3339,
  TimeSchema,
  type TypedApp,
} from '../core/index.ts';
import type { HeldGateway } from './access-gateway.ts';
import { createMissing } from './access-missing.ts';
import { canonicalName, type Gateway, listEmergencies, reviewEmergency } from './gateway/index.ts';

const count = Type.Integer({ minimum: 0 });
const text = (max = 256) => Type.String({ maxLength: max });
const ServiceRow = Type.Object({
  service: text(),
  external: Type.Boolean(),
  accounts: count,
  enforced: count,
  registered: count,
  bypassed: count,
  none: count,
  unknown: count,
});
const GatewayView = Type.Object({
  origin: text(2048),
  listens: Type.Boolean(),
  sessions: count,
  held: count,
  to_review: count,
  apps: Type.Array(
    Type.Object({ name: text(), title: text(), hosts: Type.Array(text()), emergency: text(), proxied: Type.Boolean() }),
  ),
});
const SessionRow = Type.Object({
  id: text(),
  account: text(),
  name: text(),
  address: text(),
  created: TimeSchema,
  last_seen: TimeSchema,
  expires: TimeSchema,
  factors: Type.Array(text()),
  locked: Type.Boolean(),
  emergency: nullable(text()),
});
const HeldRow = Type.Object({ kind: text(), key: text(), failures: count, last: TimeSchema, until: TimeSchema });
const EmergencyRow = Type.Object({
  id: text(),
  app: text(),
  person: text(),
  reason: text(1000),
  how: text(),
  address: text(),
  asked: TimeSchema,
  opened: nullable(TimeSchema),
  until: nullable(TimeSchema),
  approvals: Type.Array(text()),
  reviewed: nullable(TimeSchema),
  reviewer: nullable(text()),
  note: nullable(text(2000)),
});
const IdParams = Type.Object({ id: text(128) }, closed);
const EnrolBody = Type.Object(
  {
    account: Type.String({ minLength: 1, maxLength: 256 }),
    kind: oneOf(['link', 'desk'] as const),
    /** How the help desk knew the person: a staff card, a call back to the manager. */
    identity: optionalText(512),
    local: Type.Optional(Type.Boolean({ description: 'Makes a local account when there is none' })),
    name: optionalText(),
    groups: Type.Optional(Type.Array(text(), { maxItems: 64 })),
    reset: Type.Optional(Type.Boolean({ description: 'Ends the factors and sessions that the account has' })),
  },
  closed,
);
const tags = ['access'];
const time = (ms: number | null) => (ms === null ? null : rfc3339(ms));

export function accessRoutes(held: HeldGateway) {
  return async (app: TypedApp, services: RoomServices): Promise<void> => {
    const { store, clock } = services;
    const missing = createMissing(store, clock ?? { now: () => Date.now() }, services.exercise);
    const gateway = (): Gateway => {
      if (held.current === null)
        throw new AsepsisError('NOT_FOUND', 'There is no access gateway in this installation.');
      return held.current.gateway;
    };

    app.get(
      '/v1/access',
      {
        config: { access: 'viewer' },
        schema: {
          summary: 'The second factor: coverage by service, who is missing, and the gateway',
          tags,
          response: {
            200: Type.Object({
              services: Type.Array(ServiceRow),
              missing: Type.Array(AccountSchema),
              missing_count: count,
              whole: Type.Boolean(),
              gateway: nullable(GatewayView),
            }),
          },
        },
      },
      async () => {
        const view = await missing();
        return {
          services: [...view.services],
          missing: [...view.missing],
          missing_count: view.missingCount,
          whole: view.whole,
          gateway: gatewayView(held),
        };
      },
    );

    app.get(
      '/v1/access/sessions',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Live sessions at the gateway, the newest first',
          tags,
          response: { 200: listOf(SessionRow) },
        },
      },
      async () => ({
        items: gateway()
          .sessions.list(500)
          .map((one) => ({
            id: one.id,
            account: one.account,
            name: one.display,
            address: one.address,
            created: rfc3339(one.createdMs),
            last_seen: rfc3339(one.lastSeenMs),
            expires: rfc3339(one.expiresMs),
            factors: one.factors.map((factor) => factor.kind),
            locked: one.locked,
            emergency: one.emergencyApp,
          })),
        next: null,
      }),
    );

    app.delete(
      '/v1/access/sessions/:id',
      {
        config: { access: 'lead' },
        schema: {
          summary: 'Ends a session everywhere, with its open sockets',
          tags,
          params: IdParams,
          response: { 200: Done },
        },
      },
      async (request) => {
        const session = found(gateway().sessions.get(request.params.id), 'session');
        gateway().sessions.end(session.id);
        await audited(services, request, { action: 'access.session-end', target: session.account });
        return { ok: true as const };
      },
    );

    app.get(
      '/v1/access/held',
      {
        config: { access: 'analyst' },
        schema: {
          summary: 'Accounts and addresses that the gateway holds back now',
          tags,
          response: { 200: listOf(HeldRow) },
        },
      },
      async () => ({
        items: gateway()
          .throttle.held()
          .map((row) => ({
            kind: String(row.kind),
            key: readableKey(gateway(), String(row.kind), String(row.key)),
            failures: Number(row.failures),
            last: rfc3339(Number(row.last)),
            until: rfc3339(Number(row.until)),
          })),
        next: null,
      }),
    );

    app.get(
      '/v1/access/emergencies',
      {
        config: { access: 'analyst' },
        schema: { summary: 'Uses of break-glass, the newest first', tags, response: { 200: listOf(EmergencyRow) } },
      },
      async () => ({
        items: listEmergencies(gateway()).map((one) => ({
          id: one.id,
          app: one.app,
          person: one.person,
          reason: one.reason,
          how: one.how,
          address: one.address,
          asked: rfc3339(one.asked),
          opened: time(one.opened),
          until: time(one.until),
          approvals: [...one.approvals],
          reviewed: time(one.reviewed),
          reviewer: one.reviewer,
          note: one.note,
        })),
        next: null,
      }),
    );

    app.post(
      '/v1/access/emergencies/:id/review',
      {
        config: { access: 'lead' },
        schema: {
          summary: 'Says what came of a use of break-glass',
          tags,
          params: IdParams,
          body: Type.Object({ note: Type.String({ minLength: 3, maxLength: 2000 }) }, closed),
          response: { 200: Done },
        },
      },
      async (request) => {
        const done = reviewEmergency(
          gateway(),
          request.params.id,
          request.caller?.name ?? 'unknown',
          request.body.note,
        );
        if (!done) throw new AsepsisError('CONFLICT', 'It was reviewed already, or never opened.');
        await audited(services, request, {
          action: 'access.break-glass-review',
          target: request.params.id,
          detail: request.body.note,
        });
        return { ok: true as const };
      },
    );

    app.post(
      '/v1/access/enrolments',
      {
        config: { access: 'lead' },
        schema: {
          summary: 'A one-time link or help-desk code with which somebody sets up a second factor',
          tags,
          body: EnrolBody,
          response: { 200: Type.Object({ account: text(), link: text(4096), code: text(128), expires: TimeSchema }) },
        },
      },
      async (request) => enrolment(gateway(), services, request),
    );
  };
}

type EnrolRequest = Parameters<typeof audited>[1] & {
  readonly body: {
    account: string;
    kind: 'link' | 'desk';
    identity?: string;
    local?: boolean;
    name?: string;
    groups?: string[];
    reset?: boolean;
  };
};

async function enrolment(gateway: Gateway, services: RoomServices, request: EnrolRequest) {
  const { body } = request;
  const account = canonicalName(body.account);
  if (account === null) throw new AsepsisError('BAD_REQUEST', 'This cannot be the name of an account.');
  // The help desk gives a code only to somebody whom it has recognised, and says how.
  if (body.kind === 'desk' && (body.identity ?? '').trim().length < 5)
    throw new AsepsisError('BAD_REQUEST', 'identity: say how you know that it is them.');
  const made = body.local === true && gateway.accounts.get(account) === null;
  if (made)
    gateway.accounts.put({
      name: account,
      display: body.name ?? account,
      email: '',
      directory: 'local',
      groups: body.groups ?? [],
    });
  if (body.reset) {
    gateway.accounts.clearFactors(account);
    gateway.sessions.endAll(account);
  }
  const { secret, expires } = gateway.accounts.invite(
    account,
    body.kind,
    request?.caller?.name ?? 'desk',
    body.identity ?? '',
  );
  await audited(services, request, {
    action: 'access.enrolment',
    target: account,
    detail: `${body.kind}${made ? `, new local account in ${(body.groups ?? []).join(', ') || 'no group'}` : ''}${body.reset ? ', old factors ended' : ''}${body.identity ? `: ${body.identity}` : ''}`,
  });
  gateway.events.emit({
    what: 'enrolment-made',
    outcome: 'success',
    account,
    address: request?.ip ?? '',
    why: body.kind,
  });
  return {
    account,
    link: `${gateway.settings().origin}/enrol?code=${secret}`,
    code: secret,
    expires: rfc3339(expires),
  };
}

function gatewayView(held: HeldGateway) {
  if (held.current === null) return null;
  const { gateway, listens } = held.current;
  const { config, origin } = gateway.settings();
  return {
    origin,
    listens,
    sessions: gateway.sessions.count(),
    held: gateway.throttle.held().length,
    to_review: listEmergencies(gateway).filter((one) => one.opened !== null && one.reviewed === null).length,
    apps: config.apps.map((app) => ({
      name: app.name,
      title: app.title ?? app.name,
      hosts: [...app.hosts],
      emergency: app.emergency,
      proxied: app.upstream !== undefined,
    })),
  };
}

/** Counters are kept under hashes of names; those of accounts that exist are said by name. */
function readableKey(gateway: Gateway, kind: string, key: string): string {
  if (kind === 'pair' || kind === 'known' || kind === 'code-known') return 'one account from one place';
  if (key.length !== 43) return key;
  const names = gateway.accounts.list().map((account) => account.name);
  return gateway.throttle.nameOf(key, names) ?? 'a name that no account has';
}

import { afterAll, beforeAll, expect, test } from 'vitest';
import { ROLES, type Role } from '../core/index.ts';
import { registerIngestRoutes } from '../ingest/index.ts';
import { refusal } from './api-access.ts';
import { type Enrolled, enrol, openBrowser, startTestServer, type TestServer } from './api-harness.ts';
import { registerDesk } from './desk.ts';
import { createLiveBus } from './desk-live.ts';

/** The whole API; the other parts' routes are only asked by callers who must not get through to them. */
let desk: TestServer;
const people = new Map<Role, Enrolled>();
beforeAll(async () => {
  desk = await startTestServer({
    register: async (app) => {
      registerIngestRoutes(app, { clock: { now: () => 0 }, exercise: false, eventsPerSecMax: 1 } as never);
      await registerDesk(app, { live: createLiveBus() } as never);
    },
  });
  for (const role of ROLES) people.set(role, await enrol(desk, role, `the-${role}`));
});
afterAll(() => desk.stop());

test('nothing is public but what must be', () => {
  const open = desk.server.app.routeTable.filter((row) => row.access === 'public' && row.method !== 'HEAD');
  expect([...new Set(open.map((row) => `${row.method} ${row.url}`))].sort()).toEqual([
    'GET /healthz',
    'GET /openapi.json',
    'GET /readyz',
    'GET /reference',
    'GET /reference/',
    'GET /reference/js/scalar.js',
    'GET /v1/enrol/:token',
    'GET /v1/session',
    'POST /v1/enrol/:token/finish',
    'POST /v1/enrol/:token/start',
    'POST /v1/sign-in',
    'POST /v1/sign-in/passkey',
    'POST /v1/sign-in/passkey/options',
    'POST /v1/sign-in/recovery',
    'POST /v1/sign-in/totp',
  ]);
});

test('every route refuses every caller whom it does not name', async () => {
  const administrator = people.get('administrator') as Enrolled;
  const token = async (body: object) =>
    (await administrator.browser.call('POST', '/v1/tokens', body)).body.token as string;
  const tokens = [
    { scope: 'ingest', role: null, secret: await token({ name: 'i', scope: 'ingest' }) },
    { scope: 'read', role: 'administrator', secret: await token({ name: 'r', scope: 'read', role: 'administrator' }) },
    { scope: 'write', role: 'viewer', secret: await token({ name: 'w', scope: 'write', role: 'viewer' }) },
  ] as const;
  // Shippers ask at `/` too; there a browser, which asks for a page, gets the console instead.
  const json = { accept: 'application/json' };
  const wrong: string[] = [];
  let asked = 0;
  for (const row of desk.server.app.routeTable) {
    if (row.method === 'HEAD' || row.loopback) continue;
    const path = row.url.replaceAll(/:[a-z_]+/gi, 'nothing').replace('*', 'nothing');
    const rule = { access: row.access as Role, personOnly: row.personOnly };
    const body = row.method === 'GET' || row.method === 'DELETE' ? undefined : {};
    const ask = async (who: string, caller: object | null, call: () => Promise<{ status: number }>) => {
      const code = refusal(rule, row.method, caller as never);
      if (code === null) return;
      asked++;
      const { status } = await call();
      if (status !== (code === 'FORBIDDEN' ? 403 : 401)) wrong.push(`${row.method} ${row.url} as ${who}: ${status}`);
    };
    await ask('nobody', null, () => openBrowser(desk.origin).call(row.method, path, body, json));
    for (const role of ROLES) {
      const { browser } = people.get(role) as Enrolled;
      await ask(role, { kind: 'person', scope: 'session', role }, () => browser.call(row.method, path, body, json));
    }
    for (const { scope, role, secret } of tokens) {
      const headers = { ...json, authorization: `Bearer ${secret}` };
      const call = () => openBrowser(desk.origin).call(row.method, path, body, headers);
      await ask(`${scope} token`, { kind: 'token', scope, role }, call);
    }
  }
  expect(wrong).toEqual([]);
  expect(asked).toBeGreaterThan(150);
});

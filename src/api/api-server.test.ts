import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { AsepsisError, ROLES, type Role } from '../core/index.ts';
import { refusal } from './api-access.ts';
import { type Enrolled, enrol, openBrowser, rawCall, startTestServer, type TestServer } from './api-harness.ts';

const CANARY = 'canary-4711';

function testRoutes(app: FastifyInstance): void {
  app.post('/v1/test/ingest', { config: { access: 'ingest' } }, async (request) => ({
    source: request.caller?.source,
  }));
  for (const role of ROLES) {
    app.get(`/v1/test/${role}`, { config: { access: role } }, async () => ({ ok: true }));
    app.post(`/v1/test/${role}`, { config: { access: role } }, async () => ({ ok: true }));
  }
  app.get('/v1/test/fault', { config: { access: 'public' } }, async () => {
    throw new Error(`cannot connect with ${CANARY}`);
  });
  app.get('/v1/test/busy', { config: { access: 'public' } }, async () => {
    throw new AsepsisError('BUSY', 'The disk is slow.', { retryAfterSec: 2.2 });
  });
  app.get('/v1/test/big', { config: { access: 'public' } }, async () => ({ text: 'a'.repeat(100_000) }));
}

let desk: TestServer;
let folder: string;
const people = new Map<Role, Enrolled>();
let ready: string | null = null;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-console-'));
  await mkdir(join(folder, 'assets'));
  await writeFile(join(folder, 'index.html'), '<meta name="csp-nonce" content="__CSP_NONCE__"><div id="root"></div>');
  await writeFile(join(folder, 'assets', 'index-a1b2c3.js'), 'console.log(1)');
  desk = await startTestServer({ register: testRoutes, consoleDir: folder, probes: { stream: async () => ready } });
  for (const role of ROLES) people.set(role, await enrol(desk, role, `the-${role}`));
});
afterAll(async () => {
  await desk.stop();
  await rm(folder, { recursive: true, force: true });
});

async function token(body: object): Promise<{ id: string; token: string }> {
  const answer = await people.get('administrator')?.browser.call('POST', '/v1/tokens', body);
  expect(answer?.status, answer?.text).toBe(200);
  return answer?.body;
}

describe('every route, every caller', () => {
  test('answers by what it declares and by nothing else', async () => {
    const tokens = {
      ingest: await token({ name: 'shipper', scope: 'ingest' }),
      read: await token({ name: 'reader', scope: 'read', role: 'administrator' }),
      write: await token({ name: 'writer', scope: 'write', role: 'analyst' }),
    };
    const table = desk.server.app.routeTable.filter((row) => row.method !== 'HEAD');
    expect(table.length).toBeGreaterThan(35);
    const wrong: string[] = [];
    const check = (row: (typeof table)[number], who: string, status: number, expected: string | null) => {
      // Passing the guard shows in any other answer: 200, 400 for the empty body, 404 for the id that is not there.
      const is = status === 401 ? 'UNAUTHENTICATED' : status === 403 ? 'FORBIDDEN' : null;
      if (is !== expected || status >= 500)
        wrong.push(`${row.method} ${row.url} as ${who}: ${status}, expected ${expected}`);
    };
    for (const row of table) {
      if (row.access === 'public' || row.url === '/v1/sign-out') continue;
      const path = row.url.replaceAll(/:[a-z]+/g, 'nothing');
      const rule = { access: row.access as Role, personOnly: row.personOnly };
      // A field that no route knows: nothing is changed by asking.
      const body = row.method === 'GET' || row.method === 'DELETE' ? undefined : { unknown_field: 1 };
      for (const role of ROLES) {
        const { browser } = people.get(role) as Enrolled;
        const caller = { kind: 'person', scope: 'session', role } as never;
        check(row, role, (await browser.call(row.method, path, body)).status, refusal(rule, row.method, caller));
      }
      for (const [scope, { token: secret }] of Object.entries(tokens)) {
        const role = { ingest: null, read: 'administrator', write: 'analyst' }[scope];
        const answer = await openBrowser(desk.origin).call(row.method, path, body, {
          authorization: `Bearer ${secret}`,
        });
        const caller = { kind: 'token', scope, role } as never;
        if (!row.loopback) check(row, `${scope} token`, answer.status, refusal(rule, row.method, caller));
      }
      const nobody = (await openBrowser(desk.origin).call(row.method, path, body)).status;
      if (!row.loopback) check(row, 'nobody', nobody, 'UNAUTHENTICATED');
    }
    expect(wrong).toEqual([]);
  });

  test('the rule itself: a table read by a person', () => {
    const as = (scope: string, role: Role | null) =>
      ({ kind: scope === 'session' ? 'person' : 'token', scope, role }) as never;
    expect(refusal({ access: 'lead' }, 'GET', as('session', 'analyst'))).toBe('FORBIDDEN');
    expect(refusal({ access: 'lead' }, 'POST', as('session', 'lead'))).toBeNull();
    expect(refusal({ access: 'viewer' }, 'POST', as('read', 'administrator'))).toBe('FORBIDDEN');
    expect(refusal({ access: 'viewer' }, 'GET', as('ingest', null))).toBe('FORBIDDEN');
    expect(refusal({ access: 'ingest' }, 'POST', as('session', 'administrator'))).toBe('FORBIDDEN');
    expect(refusal({ access: 'ingest' }, 'POST', as('write', 'administrator'))).toBe('FORBIDDEN');
    expect(refusal({ access: 'viewer', personOnly: true }, 'GET', as('write', 'administrator'))).toBe('FORBIDDEN');
    expect(refusal({ access: 'public' }, 'POST', null)).toBeNull();
  });

  test('a route that does not say who may call it keeps the server from starting', async () => {
    const silent = (app: FastifyInstance) => void app.get('/v1/test/silent', async () => ({}));
    await expect(startTestServer({ register: silent })).rejects.toThrow('/v1/test/silent does not say');
  });
});

describe('tokens', () => {
  const ask = (authorization: string) =>
    openBrowser(desk.origin).call('POST', '/v1/test/ingest', {}, { authorization });

  test('arrive as Bearer, ApiKey and Basic, name their source, and end when revoked or over', async () => {
    const made = await token({ name: 'filebeat', scope: 'ingest', source: 'web servers', expires_days: 1 });
    expect(made.token).toMatch(/^asp_[\w-]{43}$/);
    const base64 = (text: string) => Buffer.from(text).toString('base64');
    for (const header of [
      `Bearer ${made.token}`,
      `ApiKey ${base64(`${made.id}:${made.token}`)}`,
      `Basic ${base64(`elastic:${made.token}`)}`,
    ]) {
      const answer = await ask(header);
      expect(answer.status).toBe(200);
      const source = await desk.store.sources.get(answer.body.source);
      expect(source?.name).toBe('web servers');
    }
    expect((await ask(`ApiKey ${base64(`tok_other:${made.token}`)}`)).status).toBe(401);
    expect((await ask(`Bearer ${made.token}x`)).status).toBe(401);
    expect((await ask('Bearer')).status).toBe(401);
    const stored = (await desk.store.people.tokens()).find((one) => one.id === made.id);
    expect(JSON.stringify(stored)).not.toContain(made.token);
    const administrator = people.get('administrator') as Enrolled;
    const list = await administrator.browser.call('GET', '/v1/tokens');
    expect(list.text).not.toContain(made.token);
    expect((await administrator.browser.call('DELETE', `/v1/tokens/${made.id}`)).status).toBe(200);
    const refused = await ask(`Bearer ${made.token}`);
    expect(refused.status).toBe(401);
    expect(refused.headers.get('www-authenticate')).toContain('ApiKey');

    for (let i = 0; i < 60; i++) await ask('Bearer asp_wrong');
    expect((await ask('Bearer asp_wrong')).status).toBe(429);
    // The others behind that address go on.
    const good = await token({ name: 'still good', scope: 'ingest' });
    expect((await ask(`Bearer ${good.token}`)).status).toBe(200);
    desk.clock.ms += 3600 * 1000 - 1;

    const short = await token({ name: 'short', scope: 'ingest', expires_days: 1 });
    const before = desk.clock.ms;
    desk.clock.ms += 24 * 3600 * 1000;
    expect((await ask(`Bearer ${short.token}`)).status).toBe(401);
    desk.clock.ms = before;
  });

  test('end with the role of whoever made them', async () => {
    const temporary = await enrol(desk, 'administrator', 'temporary');
    const made = await temporary.browser.call('POST', '/v1/tokens', {
      name: 't',
      scope: 'read',
      role: 'administrator',
    });
    const read = () =>
      openBrowser(desk.origin).call('GET', '/v1/audit', undefined, { authorization: `Bearer ${made.body.token}` });
    expect((await read()).status).toBe(200);
    const person = await desk.store.people.byUsername('temporary');
    const { browser } = people.get('administrator') as Enrolled;
    expect((await browser.call('PATCH', `/v1/people/${person?.id}`, { role: 'lead' })).status).toBe(200);
    expect((await read()).status).toBe(401);
  });
});

describe('requests from elsewhere', () => {
  const viewer = () => (people.get('viewer') as Enrolled).browser;

  test('changes need the CSRF value and the own origin', async () => {
    const { browser } = people.get('analyst') as Enrolled;
    const change = (headers: Record<string, string>) => browser.call('POST', '/v1/test/analyst', undefined, headers);
    expect((await change({})).status).toBe(200);
    for (const headers of [
      { 'x-csrf-token': '' } as Record<string, string>,
      { 'x-csrf-token': viewer().csrf },
      { origin: 'https://evil.example' },
      { origin: 'null' },
      { origin: 'http://localhost:1' },
      { 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]) {
      const answer = await change(headers);
      expect([answer.status, answer.body.code], JSON.stringify(headers)).toEqual([403, 'CSRF']);
    }
    const signIn = { username: 'x', password: 'y' };
    const foreign = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
    expect((await openBrowser(desk.origin).call('POST', '/v1/sign-in', signIn, foreign)).body.code).toBe('CSRF');
  });

  test('a name that another site pointed here is refused (DNS rebinding)', async () => {
    const port = new URL(desk.origin).port;
    for (const [host, status] of [
      [`localhost:${port}`, 200],
      [`127.0.0.1:${port}`, 200],
      [`evil.example:${port}`, 400],
      [`localhost.evil.example:${port}`, 400],
      [`127.0.0.1.evil.example`, 400],
    ] as const) {
      expect(await rawCall(desk.origin, '/v1/session', { host }), host).toBe(status);
    }
    // Health checks come by address, shippers by whatever name they were given.
    expect(await rawCall(desk.origin, '/healthz', { host: '10.1.2.3:8420' })).toBe(200);
    expect(await rawCall(desk.origin, '/v1/test/ingest', { host: 'logs.example' }, 'POST')).toBe(401);
  });

  test('X-Forwarded-For is believed from configured proxies only', async () => {
    const addressOf = async (trusted_proxies: string[]) => {
      let seen = '';
      const register = (app: FastifyInstance) =>
        void app.get('/v1/test/address', { config: { access: 'public' } }, async (request) => {
          seen = request.ip;
          return {};
        });
      const other = await startTestServer({ register, http: { trusted_proxies } });
      await rawCall(other.origin, '/v1/test/address', { 'x-forwarded-for': '203.0.113.9' });
      await other.stop();
      return seen;
    };
    expect(await addressOf([])).toMatch(/^(?:::1|127\.0\.0\.1)$/);
    expect(await addressOf(['127.0.0.1', '::1'])).toBe('203.0.113.9');
  });

  test('metrics are for this machine itself, or for a token', async () => {
    expect(await rawCall(desk.origin, '/metrics', {})).toBe(200);
    expect(await rawCall(desk.origin, '/metrics', { 'x-forwarded-for': '203.0.113.9' })).toBe(401);
    const { token: secret } = await token({ name: 'prometheus', scope: 'read' });
    const headers = { 'x-forwarded-for': '203.0.113.9', authorization: `Bearer ${secret}` };
    expect(await rawCall(desk.origin, '/metrics', headers)).toBe(200);
    const { text } = await openBrowser(desk.origin).call('GET', '/metrics');
    expect(text).toContain(
      'asepsis_http_request_seconds_count{method="POST",route="/v1/enrol/:token/start",status="200"}',
    );
    expect(text).toContain('process_resident_memory_bytes');
  });
});

describe('answers', () => {
  const anybody = () => openBrowser(desk.origin);

  test('problems are RFC 9457 documents and say nothing about the inside', async () => {
    const unknown = await anybody().call('GET', '/v1/nothing');
    expect(unknown.headers.get('content-type')).toMatch(/^application\/problem\+json/);
    expect(unknown.body).toEqual({
      type: 'urn:asepsis:problem:not-found',
      title: 'Not found',
      status: 404,
      detail: 'There is nothing at this address.',
      code: 'NOT_FOUND',
      advice: 'Check the address.',
    });
    const fault = await anybody().call('GET', '/v1/test/fault');
    expect([fault.status, fault.body.code]).toEqual([500, 'INTERNAL']);
    expect(fault.text).not.toContain(CANARY);
    expect(desk.log()).toContain('"name":"Error"');
    const busy = await anybody().call('GET', '/v1/test/busy');
    expect([busy.status, busy.headers.get('retry-after')]).toEqual([429, '3']);
    const missing = await anybody().call('POST', '/v1/sign-in', { username: 'x' });
    expect(missing.body).toMatchObject({ code: 'BAD_REQUEST', status: 400 });
    expect(missing.body.detail).toContain('password');
    const extra = await anybody().call('POST', '/v1/sign-in', {
      username: 'x',
      password: CANARY,
      role: 'administrator',
    });
    expect(extra.body.detail).toContain('role');
    expect(extra.text).not.toContain(CANARY);
    const page = await people.get('administrator')?.browser.call('GET', '/v1/audit?limit=100000');
    expect(page?.body.detail).toContain('query.limit');
  });

  test('HEAD is guarded like GET, and addresses that cannot be read are refused', async () => {
    expect(await rawCall(desk.origin, '/v1/people', {}, 'HEAD')).toBe(401);
    expect(await rawCall(desk.origin, '/v1/session', {}, 'HEAD')).toBe(200);
    for (const path of ['/v1/%zz', '/v1/enrol/%ff%fe', `/v1/enrol/${'a'.repeat(3000)}`]) {
      const status = await rawCall(desk.origin, path, {});
      expect([400, 404, 414]).toContain(status);
    }
    expect(await rawCall(desk.origin, '/v1/session', {}, 'TRACE')).toBeGreaterThanOrEqual(400);
  });

  test('bodies that cannot be read, are too large or of another type', async () => {
    const send = async (body: string, type: string) => {
      const answer = await fetch(`${desk.origin}/v1/sign-in`, {
        method: 'POST',
        body,
        headers: { 'content-type': type },
      });
      return [answer.status, ((await answer.json()) as { code: string }).code];
    };
    expect(await send('{"username":', 'application/json')).toEqual([400, 'BAD_REQUEST']);
    expect(await send('{"__proto__":{"x":1}}', 'application/json')).toEqual([400, 'BAD_REQUEST']);
    expect(await send('username=x', 'text/plain')).toEqual([415, 'UNSUPPORTED_MEDIA']);
    expect(await send('username=x', 'application/x-www-form-urlencoded')).toEqual([415, 'UNSUPPORTED_MEDIA']);
    expect(await send(`{"username":"${'x'.repeat(300_000)}"}`, 'application/json')).toEqual([413, 'TOO_LARGE']);
  });

  test('carry the security headers', async () => {
    for (const path of ['/v1/session', '/healthz', '/v1/nothing', '/']) {
      const { headers } = await anybody().call('GET', path, undefined, { accept: 'text/html' });
      const csp = headers.get('content-security-policy') ?? '';
      expect(csp).toContain("default-src 'self'; script-src 'self'; ");
      expect(csp).toContain("object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'");
      expect(csp).not.toContain('unsafe');
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
      expect(headers.get('referrer-policy')).toBe('no-referrer');
      expect(headers.get('cross-origin-opener-policy')).toBe('same-origin');
      expect(headers.get('cross-origin-resource-policy')).toBe('same-origin');
      expect(headers.has('strict-transport-security')).toBe(false);
      expect(headers.has('access-control-allow-origin')).toBe(false);
      expect(headers.get('cache-control')).toBe(path === '/' ? 'no-cache' : 'no-store');
    }
  });

  test('the console: hashed files for ever, its page for every address of a page, a fresh nonce each time', async () => {
    const html = { accept: 'text/html' };
    const asset = await anybody().call('GET', '/assets/index-a1b2c3.js');
    expect(asset.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
    const page = await anybody().call('GET', '/incidents/inc_1?x=1', undefined, html);
    const nonce = /content="([^"]+)"/.exec(page.text)?.[1] as string;
    expect(page.headers.get('content-security-policy')).toContain(`style-src 'self' 'nonce-${nonce}'`);
    expect((await anybody().call('GET', '/', undefined, html)).text).not.toContain(nonce);
    for (const path of ['/v1/nothing', '/assets/gone.js', '/reference/x', '/_cluster']) {
      expect((await anybody().call('GET', path, undefined, html)).status).toBe(404);
    }
    for (const path of ['/..%2f..%2fetc/passwd', '/assets/..%2f..%2f..%2fetc%2fpasswd', '/%2e%2e/%2e%2e/etc/passwd']) {
      expect(await rawCall(desk.origin, path, {})).toBe(404);
    }
  });

  test('large answers are compressed', async () => {
    const response = await fetch(`${desk.origin}/v1/test/big`, { headers: { 'accept-encoding': 'gzip' } });
    expect(response.headers.get('content-encoding')).toBe('gzip');
    expect(((await response.json()) as { text: string }).text).toHaveLength(100_000);
  });

  test('ready while every probe is well', async () => {
    expect((await anybody().call('GET', '/readyz')).body).toEqual({
      status: 'ready',
      checks: { store: 'ok', stream: 'ok' },
    });
    ready = 'the disk is full';
    const answer = await anybody().call('GET', '/readyz');
    ready = null;
    expect([answer.status, answer.body.checks.stream]).toEqual([503, 'the disk is full']);
    expect((await anybody().call('GET', '/healthz')).body).toEqual({ status: 'ok' });
  });

  test('the document and its page stand alone', async () => {
    const { body } = await anybody().call('GET', '/openapi.json');
    expect(body.openapi).toBe('3.1.0');
    expect(body.paths['/v1/sign-in'].post.security).toEqual([]);
    expect(body.paths['/v1/people'].get['x-access']).toBe('administrator');
    expect(body.paths['/v1/sign-in'].post.responses.default.content).toHaveProperty(['application/problem+json']);
    const page = await anybody().call('GET', '/reference/');
    expect(page.status).toBe(200);
    const csp = page.headers.get('content-security-policy') ?? '';
    expect(csp).toMatch(/script-src 'self' 'sha256-[^']+'; style-src 'self' 'unsafe-inline'/);
    expect(page.text).not.toMatch(/(?:src|href)="https?:/);
    expect((await anybody().call('GET', '/reference/js/scalar.js')).status).toBe(200);
  });
});

describe('the address', () => {
  test('a network address without a certificate is refused', async () => {
    await expect(startTestServer({ http: { host: '0.0.0.0' } })).rejects.toMatchObject({ code: 'TLS_REQUIRED' });
  });

  test('a taken port and an address that is not ours are named', async () => {
    const port = Number(new URL(desk.origin).port);
    await expect(startTestServer({ http: { port } })).rejects.toMatchObject({ code: 'PORT_TAKEN' });
    expect(desk.origin).toBe(`http://localhost:${port}`);
  });
});

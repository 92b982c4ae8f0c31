import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { sendRaw } from '../testing/gateway-bypass.ts';
import { programOf, startFront } from '../testing/gateway-fronts.ts';
import { addPerson, browser, codeAt, LOGIN_HOST, legacyApp, startTestGateway } from '../testing/gateway-harness.ts';
import { openDb } from './gateway-db.ts';
import { IDENTITY_HEADERS } from './gateway-decide.ts';
import { makeEmergencyCodes } from './gateway-emergency.ts';
import { openOnce } from './gateway-once.ts';
import { hold } from './gateway-open.ts';
import { proxyConfig } from './gateway-proxy-config.ts';
import { recheckAccounts } from './gateway-server.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const APP = 'notes.localhost:8430';
const VAULT = 'vault.localhost:8430';
const FRONTS = ['nginx', 'caddy', 'haproxy'] as const;

for (const front of FRONTS)
  test.skipIf(programOf(front) === null)(
    `behind ${front}, the host that is asked about is the host that is reached, whatever the request line says`,
    async () => {
      const [notes, vault] = [await legacyApp(), await legacyApp()];
      stops.push(notes.close, vault.close);
      const it = await startTestGateway({
        trusted_proxies: ['127.0.0.1'],
        apps: [
          { name: 'notes', hosts: [APP], upstream: `http://127.0.0.1:${notes.port}`, emergency: 'closed' },
          {
            name: 'vault',
            hosts: [VAULT],
            upstream: `http://127.0.0.1:${vault.port}`,
            emergency: 'closed',
            groups: ['keepers'],
          },
        ],
      });
      stops.push(it.stop);
      const proxy = await startFront(front, it.gateway.settings().config, it.port);
      stops.push(proxy.stop);
      const totp = await addPerson(it.gateway, 'anna', ['doctors']);
      const anna = browser(proxy, { agent: 'corpus' });
      expect((await anna.signIn('anna', codeAt(totp, it.clock), `http://${APP}/mine`)).status).toBe(200);
      const cookie = `Cookie: asepsis-access=${anna.cookies(APP).get('asepsis-access')}\r\nUser-Agent: corpus\r\n`;
      for (const [line, host] of [
        [`http://${VAULT}/x`, APP],
        [`http://vault.localhost/x`, APP],
        [`http://VAULT.localhost:8430/x`, APP],
      ])
        await sendRaw(proxy.port, `GET ${line} HTTP/1.1\r\nHost: ${host}\r\n${cookie}Connection: close\r\n\r\n`);
      // Who somebody is, in any of the words for it, is the gateway's to say.
      notes.seen.length = 0;
      for (const spell of [(name: string) => name, (name: string) => name.replaceAll('-', '_')]) {
        const claims = IDENTITY_HEADERS.map((name) => `${spell(name)}: root\r\n`).join('');
        await sendRaw(proxy.port, `GET /z HTTP/1.1\r\nHost: ${APP}\r\n${cookie}${claims}Connection: close\r\n\r\n`);
      }
      const told = notes.seen.flatMap((one) => Object.entries(one.headers).filter(([, value]) => value === 'root'));
      expect(told).toEqual([]);
      expect(vault.seen.map((one) => `${one.url} ${String(one.headers['x-asepsis-user'])}`)).toEqual([]);
      const again = await sendRaw(proxy.port, `GET /y HTTP/1.1\r\nHost: ${APP}\r\n${cookie}Connection: close\r\n\r\n`);
      expect(again).toMatch(/^HTTP\/1\.1 200/);
      // A browser asks no question that only a proxy may ask: the answer holds tokens.
      for (const path of ['/.asepsis/verify', '/.asepsis/envoy/y']) {
        const asked = `GET ${path} HTTP/1.1\r\nHost: ${APP}\r\n${cookie}Connection: close\r\n\r\n`;
        expect(await sendRaw(proxy.port, asked)).toMatch(/^HTTP\/1\.1 404/);
      }
    },
  );

test('a socket is recognised behind proxies that keep the Upgrade header to themselves', async () => {
  const it = await startTestGateway({
    trusted_proxies: ['127.0.0.1'],
    apps: [{ name: 'notes', hosts: [APP], emergency: 'closed' }],
  });
  stops.push(it.stop);
  const totp = await addPerson(it.gateway, 'anna');
  const anna = browser(it);
  await anna.signIn('anna', codeAt(totp, it.clock));
  const session = it.gateway.sessions.list()[0];
  const token = it.gateway.sessions.token(session?.id ?? '', APP);
  const ask = async (path: string, host: string, headers: Record<string, string>) =>
    (
      await it.send(path, {
        host,
        headers: {
          'user-agent': 'Test browser',
          cookie: `asepsis-access=${token}`,
          'x-forwarded-for': '127.0.0.1',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          ...headers,
        },
      })
    ).status;
  const told = { 'x-forwarded-method': 'GET', 'x-forwarded-host': APP, 'x-forwarded-uri': '/socket' };
  expect(await ask('/.asepsis/verify', APP, { ...told, origin: `http://${APP}` })).toBe(200);
  expect(await ask('/.asepsis/verify', APP, { ...told, origin: 'http://evil.localhost:8430' })).toBe(403);
  expect(await ask('/.asepsis/envoy/socket', APP, { origin: 'http://evil.localhost:8430' })).toBe(403);
  const envoy = proxyConfig('envoy', it.gateway.settings().config, { gateway: '127.0.0.1:1' });
  for (const name of ['origin', 'sec-websocket-key', 'sec-websocket-version'])
    expect(/allowed_headers: .*/.exec(envoy)?.[0]).toContain(`{ exact: ${name} }`);
  // Nobody but the proxy says which host was asked for.
  expect(/request_headers_to_remove: .*/.exec(envoy.replace(/\n */g, ' '))?.[0]).toContain('x-forwarded-host');
});

test('the configuration of Traefik lets no browser ask the questions of a proxy', async () => {
  const it = await startTestGateway({ apps: [{ name: 'notes', hosts: [APP], emergency: 'closed' }] });
  stops.push(it.stop);
  const made = proxyConfig('traefik', it.gateway.settings().config, { gateway: '127.0.0.1:1' });
  expect(made).toContain('!PathPrefix(`/.asepsis/verify`) && !PathPrefix(`/.asepsis/envoy`)');
});

test('break-glass in a browser in which somebody is signed in opens the application as nobody else', async () => {
  const legacy = await legacyApp();
  const it = await startTestGateway({
    apps: [{ name: 'notes', hosts: [APP], upstream: `http://127.0.0.1:${legacy.port}`, emergency: 'break-glass' }],
  });
  stops.push(legacy.close, it.stop);
  const totp = await addPerson(it.gateway, 'anna');
  const ward = browser(it);
  expect((await ward.signIn('anna', codeAt(totp, it.clock), `http://${APP}/`)).status).toBe(200);
  const [code = ''] = makeEmergencyCodes(it.gateway, 'notes', 1);
  const fields = { app: 'notes', person: 'Dr. Otto Example', reason: 'phones are down on the ward', code, how: 'code' };
  const opened = await ward.post(`http://${LOGIN_HOST}/break-glass`, fields);
  const page = await ward.follow(`http://${LOGIN_HOST}/break-glass`, opened);
  expect(JSON.parse(page.body).headers['x-asepsis-user']).toMatch(/^break-glass /);
});

test('strangers who begin sign-ins without end push out neither tickets nor the disk', () => {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-once-'));
  const db = openDb(join(folder, 'gateway.db'), false);
  stops.push(() => {
    db.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const once = openOnce(db, { now: () => 1_000 });
  const ticket = once.put('ticket', { host: 'a' }, 60_000);
  db.atomic(() => {
    for (let i = 0; i < 22_000; i++) once.put('upstream', { i }, 600_000);
  });
  expect(once.peek('ticket', ticket)).toEqual({ host: 'a' });
  expect(Number(db.get("SELECT count(*) AS n FROM once WHERE kind = 'upstream'")?.n)).toBeLessThanOrEqual(20_500);
  const last = once.put('upstream', { last: true }, 600_000);
  expect(once.peek('upstream', last)).toEqual({ last: true });
});

test('accounts are asked about again however many are signed in', async () => {
  const it = await startTestGateway();
  stops.push(it.stop);
  const sessions = Array.from({ length: 620 }, (_, i) => {
    const account = `person${i}`;
    it.gateway.accounts.put({ name: account, display: account, email: '', directory: 'local', groups: [] });
    it.clock.ms += 1;
    return it.gateway.sessions.start({
      account,
      display: account,
      email: '',
      groups: [],
      strength: 2,
      factors: [],
      agent: '',
      address: '127.0.0.1',
      lifeMs: 3_600_000,
      idleMs: 3_600_000,
      bind: [],
      lockMs: null,
      emergencyApp: null,
    });
  });
  for (const gone of [0, 300, 619]) it.gateway.accounts.setDisabled(`person${gone}`, true);
  await recheckAccounts(it.gateway);
  await recheckAccounts(it.gateway);
  for (const gone of [0, 300, 619]) expect(it.gateway.sessions.get(sessions[gone]?.id ?? '')).toBeNull();
  expect(it.gateway.sessions.get(sessions[1]?.id ?? '')).not.toBeNull();
});

test('a session that is used in one process is not silent in another', async () => {
  const one = await startTestGateway();
  const other = await startTestGateway({}, { folder: one.folder, clock: one.clock });
  stops.push(one.stop, other.stop);
  const session = one.gateway.sessions.start({
    account: 'anna',
    display: 'Anna',
    email: '',
    groups: [],
    strength: 2,
    factors: [],
    agent: 'x',
    address: '127.0.0.1',
    lifeMs: 36_000_000,
    idleMs: 600_000,
    bind: [],
    lockMs: null,
    emergencyApp: null,
  });
  const token = one.gateway.sessions.token(session.id, APP);
  let closed = false;
  stops.push(
    hold(one.gateway, {
      session,
      question: null,
      app: null,
      close: () => {
        closed = true;
      },
    }),
  );
  one.clock.ms += 500_000;
  expect(other.gateway.sessions.find(token, APP, { agent: 'x', address: '127.0.0.1' }).ok).toBe(true);
  other.gateway.sessions.list();
  one.clock.ms += 200_000;
  await new Promise((resolve) => setTimeout(resolve, 1300));
  expect(closed).toBe(false);
  one.clock.ms += 600_000;
  await new Promise((resolve) => setTimeout(resolve, 1300));
  expect(closed).toBe(true);
});

test('wrong break-glass codes under ever new names are one event with a count, so that they hide nothing else', async () => {
  const it = await startTestGateway({
    apps: [{ name: 'notes', hosts: [APP], upstream: 'http://127.0.0.1:9', emergency: 'break-glass' }],
  });
  stops.push(it.stop);
  const one = browser(it);
  for (let i = 0; i < 20; i++) {
    const fields = {
      app: 'notes',
      person: `Dr. ${i}`,
      reason: 'phones are down',
      code: 'aaaa-aaaa-aaaa-aaaa',
      how: 'code',
    };
    expect((await one.post(`http://${LOGIN_HOST}/break-glass`, fields)).status).toBe(401);
  }
  await it.gateway.events.close();
  const said = it.events.filter((event) => event.access.what === 'break-glass');
  expect(said.length).toBe(2);
  expect(said.reduce((sum, event) => sum + Number((event.access as { count?: number }).count), 0)).toBe(20);
});

test('an address with many failures behind it still signs in who has the right password and code', async () => {
  const it = await startTestGateway();
  stops.push(it.stop);
  const totp = await addPerson(it.gateway, 'anna');
  for (let i = 0; i < 34; i++) it.gateway.throttle.fail([['address', '127.0.0.1']]);
  it.clock.ms += 15 * 60_000;
  const page = await browser(it).signIn('anna', codeAt(totp, it.clock));
  expect(page.status).toBe(200);
  expect(page.body).toContain('Signed in as ANNA');
  // Failures of others in between keep their wait.
  const mine = it.gateway.throttle.fail([['address', '127.0.0.1']]);
  it.gateway.throttle.fail([['address', '127.0.0.1']]);
  it.gateway.throttle.undo([['address', '127.0.0.1']], mine);
  expect(it.gateway.throttle.waitSec([['address', '127.0.0.1']])).toBeGreaterThan(0);
});

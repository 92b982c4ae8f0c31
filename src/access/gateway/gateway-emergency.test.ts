import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { browser, LOGIN_HOST, legacyApp, startTestGateway } from '../testing/gateway-harness.ts';
import { makeEmergencyCodes } from './gateway-emergency.ts';

const APP = 'notes.localhost:8430';
const LOGIN = `http://${LOGIN_HOST}`;
const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

async function start(o: Parameters<typeof startTestGateway>[1] = {}, change: Record<string, unknown> = {}) {
  const legacy = await legacyApp();
  stops.push(legacy.close);
  const it = await startTestGateway(
    {
      apps: [
        { name: 'notes', hosts: [APP], upstream: `http://127.0.0.1:${legacy.port}`, emergency: 'break-glass' },
        {
          name: 'billing',
          hosts: ['bills.localhost:8430'],
          upstream: `http://127.0.0.1:${legacy.port}`,
          emergency: 'closed',
        },
      ],
      ...change,
    },
    o,
  );
  stops.push(it.stop);
  return it;
}
const ask = (it: { port: number }, person: string, from: string, reason = 'Allergies are needed before surgery') =>
  browser(it, { from }).post(`${LOGIN}/break-glass`, { app: 'notes', person, reason, code: '', how: 'ask' });

test('with the directory and the desk down: a sealed code opens, the alarm is raised, and the desk learns of it later', async () => {
  let deskIsThere = false;
  const reached: string[] = [];
  const it = await start(
    {
      send: async (records) => {
        if (!deskIsThere) throw new Error('connect ECONNREFUSED');
        reached.push(...records.map((one) => JSON.stringify(one)));
      },
    },
    {
      directories: [
        {
          type: 'ldap',
          name: 'hospital',
          url: 'ldap://127.0.0.1:1',
          bind_dn: 'cn=reader',
          bind_password_file: join(import.meta.dirname, 'gateway-emergency.test.ts'),
          base: 'dc=hosp',
          timeout_ms: 200,
        },
      ],
    },
  );
  const doctor = browser(it);
  const tried = await doctor.post(`${LOGIN}/sign-in`, { name: 'roe', password: 'right-or-wrong-nobody-knows', t: '' });
  expect(tried.status).toBe(503);
  const [code] = makeEmergencyCodes(it.gateway, 'notes', 1) as [string];
  const opened = await doctor.post(`${LOGIN}/break-glass`, {
    app: 'notes',
    person: 'Dr. Roe, ICU',
    reason: 'Allergies are needed before surgery',
    code,
    how: 'code',
  });
  expect((await doctor.follow(`${LOGIN}/break-glass`, opened)).status).toBe(200);
  // One application, and none that is to stay closed.
  const other = await doctor.follow('http://bills.localhost:8430/');
  expect([other.url.startsWith(LOGIN), other.body.includes('x-asepsis-user')]).toEqual([true, false]);
  expect([...it.alarms.values()].join()).toContain('Dr. Roe, ICU opened notes');
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(reached).toEqual([]);
  expect([...it.alarms.values()].join()).toContain('they wait on disk');
  const folder = join(it.folder, 'events');
  const spooled = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  expect(spooled.join()).toContain('break-glass');
  deskIsThere = true;
  await new Promise((resolve) => setTimeout(resolve, 1200));
  expect(reached.join()).toContain('"event_code":"break-glass"');
  expect(readdirSync(folder)).toEqual([]);
});

test('strangers who fill the list of requests push out themselves, never a ward', async () => {
  const it = await start();
  // Somebody has signed in from the ward before.
  it.gateway.throttle.addPlace('anna', '127.0.0.1');
  const ward = await ask(it, 'Nurse Poe', '127.0.0.1');
  expect(ward.status).toBe(303);
  for (let i = 0; i < 60; i++) await ask(it, `Stranger ${i}`, `127.0.7.${1 + (i % 4)}`);
  const again = await ask(it, 'Nurse Roe', '127.0.0.1');
  expect(again.status).toBe(303);
  const waiting = it.gateway.durable
    .all('SELECT person FROM emergencies WHERE opened IS NULL')
    .map((row) => row.person);
  expect(waiting.length).toBeLessThanOrEqual(50);
  expect(waiting).toEqual(expect.arrayContaining(['Nurse Poe', 'Nurse Roe']));
});

test('what an approver has said yes to never gives way', async () => {
  const it = await start();
  await ask(it, 'Nurse Poe', '127.0.7.9');
  it.gateway.durable.run('UPDATE emergencies SET approvals = \'["lea"]\'');
  for (let i = 0; i < 60; i++) await ask(it, `Stranger ${i}`, `127.0.7.${1 + (i % 4)}`);
  const waiting = it.gateway.durable
    .all('SELECT person FROM emergencies WHERE opened IS NULL')
    .map((row) => row.person);
  expect(waiting).toContain('Nurse Poe');
});

import { afterEach, expect, test } from 'vitest';
import {
  addPerson,
  browser,
  codeAt,
  LOGIN_HOST,
  legacyApp,
  PASSWORD,
  startTestGateway,
  type TestGateway,
} from '../testing/gateway-harness.ts';

let open: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of open) await one.stop();
  open = [];
});

const APP = 'notes.localhost:8430';
async function gatewayWithApp(change: Record<string, unknown> = {}, rules: unknown[] = []): Promise<TestGateway> {
  const app = await legacyApp();
  const started = await startTestGateway({
    apps: [{ name: 'notes', hosts: [APP], upstream: `http://127.0.0.1:${app.port}`, emergency: 'closed', rules }],
    ...change,
  });
  open.push({ stop: () => started.stop().then(app.close) });
  return started;
}

test('from the application through password and code, without JavaScript, back to the application', async () => {
  const it = await gatewayWithApp();
  const totp = await addPerson(it.gateway, 'anna', ['doctors']);
  const anna = browser(it);
  const page = await anna.signIn(' ANNA@hospital.example', codeAt(totp, it.clock), `http://${APP}/ward/6?bed=2`);
  expect(page.status).toBe(200);
  expect(page.url).toBe(`http://${APP}/ward/6?bed=2`);
  const told = JSON.parse(page.body) as { headers: Record<string, string>; url: string };
  expect(told.url).toBe('/ward/6?bed=2');
  expect(told.headers).toMatchObject({
    'x-asepsis-user': 'anna',
    'x-asepsis-groups': 'doctors',
    'x-forwarded-for': '127.0.0.1',
  });
  expect(told.headers.cookie).toBeUndefined();
});

test('a code counts once, also for two answers at the same moment', async () => {
  const it = await gatewayWithApp();
  const totp = await addPerson(it.gateway, 'anna');
  const code = codeAt(totp, it.clock);
  const browsers = [browser(it), browser(it)];
  for (const one of browsers) await one.post(`http://${LOGIN_HOST}/sign-in`, { name: 'anna', password: PASSWORD });
  const answers = await Promise.all(
    browsers.map((one) => one.post(`http://${LOGIN_HOST}/sign-in/second`, { factor: 'totp', code })),
  );
  expect(answers.map((answer) => answer.status).sort((a, b) => a - b)).toEqual([303, 401]);
  const late = browser(it);
  expect((await late.signIn('anna', code)).status).toBe(401);
});

test('a right password without a second factor opens nothing', async () => {
  const it = await gatewayWithApp();
  it.gateway.accounts.put({ name: 'ben', display: 'Ben', email: '', directory: 'local', groups: [] });
  it.gateway.accounts.setPassword('ben', await it.gateway.passwords.hash(PASSWORD));
  const ben = browser(it);
  const answer = await ben.post(`http://${LOGIN_HOST}/sign-in`, { name: 'ben', password: PASSWORD });
  expect(answer.status).toBe(403);
  expect((await ben.go(`http://${APP}/`)).status).toBe(303);
});

test('a recovery code works once and is told', async () => {
  const it = await gatewayWithApp();
  await addPerson(it.gateway, 'anna');
  const [code] = it.gateway.accounts.newRecoveryCodes('anna') as [string];
  const anna = browser(it);
  await anna.post(`http://${LOGIN_HOST}/sign-in`, { name: 'anna', password: PASSWORD });
  expect(
    (await anna.post(`http://${LOGIN_HOST}/sign-in/second`, { factor: 'recovery', code: code.toUpperCase() })).status,
  ).toBe(303);
  expect([...it.alarms.keys()]).toContain('access-recovery-anna');
  const again = browser(it);
  await again.post(`http://${LOGIN_HOST}/sign-in`, { name: 'anna', password: PASSWORD });
  expect((await again.post(`http://${LOGIN_HOST}/sign-in/second`, { factor: 'recovery', code })).status).toBe(401);
});

test('sessions end after an hour of silence and after twelve hours', async () => {
  const it = await gatewayWithApp();
  const totp = await addPerson(it.gateway, 'anna');
  const anna = browser(it);
  await anna.signIn('anna', codeAt(totp, it.clock), `http://${APP}/`);
  it.clock.ms += 59 * 60_000;
  expect((await anna.go(`http://${APP}/`)).status).toBe(200);
  it.clock.ms += 61 * 60_000;
  expect((await anna.go(`http://${APP}/`)).status).toBe(303);
  await anna.signIn('anna', codeAt(totp, it.clock), `http://${APP}/`);
  for (let i = 0; i < 13; i++) {
    it.clock.ms += 55 * 60_000;
    expect((await anna.go(`http://${APP}/`)).status).toBe(200);
  }
  it.clock.ms += 55 * 60_000;
  expect((await anna.go(`http://${APP}/`)).status).toBe(303);
});

test('a sensitive path asks for a fresh factor, and passes after it', async () => {
  const it = await gatewayWithApp({}, [
    { paths: ['/orders/**'], methods: ['POST', 'GET'], need: { within_minutes: 10 } },
  ]);
  const totp = await addPerson(it.gateway, 'anna');
  const anna = browser(it);
  await anna.signIn('anna', codeAt(totp, it.clock), `http://${APP}/`);
  it.clock.ms += 11 * 60_000;
  expect((await anna.go(`http://${APP}/`)).status).toBe(200);
  const asked = await anna.follow(`http://${APP}/orders/7`);
  expect(asked.url).toContain('/step-up?t=');
  const t = new URL(asked.url).searchParams.get('t') ?? '';
  const done = await anna.post(`http://${LOGIN_HOST}/step-up`, { factor: 'totp', code: codeAt(totp, it.clock), t });
  const back = await anna.follow(`http://${LOGIN_HOST}/step-up`, done);
  expect(back.url).toBe(`http://${APP}/orders/7`);
  expect(back.status).toBe(200);
  // The same by a script gets a plain answer.
  it.clock.ms += 11 * 60_000;
  expect((await anna.go(`http://${APP}/orders/7`, { headers: { 'sec-fetch-mode': 'cors' } })).status).toBe(401);
});

test('enrolment with a one-time link: a new local account sets its password and an app', async () => {
  const it = await gatewayWithApp();
  it.gateway.accounts.put({ name: 'cleo', display: 'Cleo', email: '', directory: 'local', groups: [] });
  const { secret } = it.gateway.accounts.invite('cleo', 'link', 'test');
  const cleo = browser(it);
  expect((await cleo.post(`http://${LOGIN_HOST}/enrol`, { code: secret, password: 'Summer2026!' })).status).toBe(401);
  const page = await cleo.follow(
    `http://${LOGIN_HOST}/enrol`,
    await cleo.post(`http://${LOGIN_HOST}/enrol`, { code: secret, password: PASSWORD }),
  );
  const shown = /<code>([A-Z2-7]+)<\/code>/.exec(page.body)?.[1] as string;
  const { TOTP, Secret } = await import('otpauth');
  const totp = new TOTP({ secret: Secret.fromBase32(shown) });
  const done = await cleo.post(`http://${LOGIN_HOST}/enrol/totp`, { code: codeAt(totp, it.clock) });
  expect(done.status).toBe(200);
  expect(done.body.match(/<li>[0-9a-z-]{19}<\/li>/g)?.length).toBe(10);
  const late = browser(it);
  expect((await late.post(`http://${LOGIN_HOST}/enrol`, { code: secret, password: PASSWORD })).status).toBe(401);
  // The code that confirmed is used up.
  expect((await cleo.signIn('cleo', codeAt(totp, it.clock), `http://${APP}/`)).status).toBe(401);
  it.clock.ms += 30_000;
  expect((await cleo.signIn('cleo', codeAt(totp, it.clock), `http://${APP}/`)).status).toBe(200);
});

import { afterEach, expect, test } from 'vitest';
import {
  addPerson,
  browser,
  codeAt,
  LOGIN_HOST,
  legacyApp,
  startTestGateway,
  type TestGateway,
} from '../testing/gateway-harness.ts';

const APP = 'notes.localhost:8430';
const LOGIN = `http://${LOGIN_HOST}`;
const LOCK_MS = 5 * 60_000;
const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});

/** One workstation of a ward, and two people who share it. */
async function ward(): Promise<{
  it: TestGateway;
  screen: ReturnType<typeof browser>;
  signIn: (name: string, steps: number) => Promise<void>;
  whoIsThere: () => Promise<string | number>;
}> {
  const legacy = await legacyApp();
  stops.push(legacy.close);
  const it = await startTestGateway({
    networks: { ward: ['127.0.0.0/8'] },
    workstations: { networks: ['ward'], lock_minutes: LOCK_MS / 60_000 },
    apps: [{ name: 'notes', hosts: [APP], upstream: `http://127.0.0.1:${legacy.port}`, emergency: 'closed' }],
  });
  stops.push(it.stop);
  const codes = new Map([
    ['anna', await addPerson(it.gateway, 'anna')],
    ['ben', await addPerson(it.gateway, 'ben')],
  ]);
  const screen = browser(it, { agent: 'ward workstation' });
  return {
    it,
    screen,
    signIn: async (name, steps) => {
      const totp = codes.get(name);
      if (totp === undefined) throw new Error(name);
      await screen.signIn(name, codeAt(totp, it.clock, steps));
    },
    whoIsThere: async () => {
      const page = await screen.follow(`http://${APP}/`);
      if (!page.url.startsWith(`http://${APP}/`)) return page.url.replace(LOGIN, '').split('?')[0] as string;
      return (JSON.parse(page.body) as { headers: Record<string, string> }).headers['x-asepsis-user'] as string;
    },
  };
}

test('fast switching: the next person is the one whom the application sees, at once, and the one before is locked', async () => {
  const { it, screen, signIn, whoIsThere } = await ward();
  await signIn('anna', 0);
  expect(await whoIsThere()).toBe('anna');
  const annas = `asepsis-access=${screen.cookies(APP).get('asepsis-access')}`;
  await signIn('ben', 0);
  expect(await whoIsThere()).toBe('ben');
  // Anna's session was locked, not ended: her cookie opens nothing, and her key would open the lock.
  const locked = it.gateway.sessions.list().find((one) => one.account === 'anna');
  expect(locked?.locked).toBe(true);
  const old = await it.send('/', { host: APP, headers: { cookie: annas, 'user-agent': 'ward workstation' } });
  expect(old.status).toBe(401);
  // And back: the third sign-in on this screen sees no trace of the second.
  await signIn('anna', 1);
  expect(await whoIsThere()).toBe('anna');
});

test('a screen that nobody touches locks, shows whose it is, and lets somebody else sign in or the person out', async () => {
  const { it, screen, signIn, whoIsThere } = await ward();
  await signIn('anna', 0);
  expect(await whoIsThere()).toBe('anna');
  it.clock.ms += LOCK_MS;
  expect(await whoIsThere()).not.toBe('anna');
  const page = await screen.follow(`${LOGIN}/sign-in`);
  expect(page.body).toContain('Locked');
  expect(page.body).toContain('ANNA');
  expect(page.body).toContain('Sign out');
  // Nothing remembers her password: the lock asks for the key, and no field takes a password.
  expect(page.body).not.toContain('type="password"');
  await screen.post(`${LOGIN}/sign-out`, {});
  expect(it.gateway.sessions.list().filter((one) => one.account === 'anna')).toEqual([]);
  await signIn('ben', 0);
  expect(await whoIsThere()).toBe('ben');
});

test('a ward’s screen is nobody’s known place: what is guessed there slows nobody down elsewhere', async () => {
  const { it, screen, signIn } = await ward();
  await signIn('anna', 0);
  expect(screen.cookies(LOGIN_HOST).has('asepsis-known')).toBe(false);
  expect(it.gateway.throttle.knowsPlace('anna', '127.0.0.1')).toBe(false);
});

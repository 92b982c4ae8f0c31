import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSoftKey } from './api-authenticator.ts';
import { enrol, openBrowser, PASSWORD, startTestServer, type TestServer } from './api-harness.ts';
import { createInvitation } from './api-invitation.ts';

let desk: TestServer;
beforeAll(async () => {
  desk = await startTestServer();
});
afterAll(() => desk.stop());

async function invite(): Promise<string> {
  const order = { role: 'analyst', createdBy: 'system' } as const;
  const { token } = await createInvitation(desk.store, desk.clock, (n) => randomBytes(n), order);
  return `/v1/enrol/${token}`;
}

/** Password, then the challenge: up to where the authenticator is asked. */
async function challenge(username: string) {
  const browser = openBrowser(desk.origin);
  const first = await browser.call('POST', '/v1/sign-in', { username, password: PASSWORD });
  const { flow, methods } = first.body;
  const options = (await browser.call('POST', '/v1/sign-in/passkey/options', { flow })).body;
  const send = (response: object) => browser.call('POST', '/v1/sign-in/passkey', { flow, response });
  return { browser, flow, methods, options, send };
}

test('enrolment and sign-in with a passkey alone', async () => {
  const path = await invite();
  const browser = openBrowser(desk.origin);
  const who = { username: 'paula', display_name: 'Paula', password: PASSWORD };
  const { flow, passkey_options } = (await browser.call('POST', `${path}/start`, who)).body;
  expect(passkey_options.rp.id).toBe('localhost');
  const key = createSoftKey();
  const finish = (response: object) =>
    browser.call('POST', `${path}/finish`, { flow, passkey_response: response, passkey_name: 'my laptop' });
  expect((await finish(key.register(passkey_options, 'https://evil.example'))).status).toBe(400);
  const otherParty = { ...passkey_options, rp: { id: 'evil.example' } };
  expect((await finish(key.register(otherParty, desk.origin))).status).toBe(400);
  const otherChallenge = { ...passkey_options, challenge: randomBytes(32).toString('base64url') };
  expect((await finish(key.register(otherChallenge, desk.origin))).status).toBe(400);
  expect((await finish({ id: 'x', rawId: 'x', type: 'public-key', response: {} })).status).toBe(400);
  const done = await finish(key.register(passkey_options, desk.origin));
  expect(done.status).toBe(200);
  expect(done.body.recovery_codes).toHaveLength(10);
  const mine = await browser.call('GET', '/v1/me/passkeys');
  expect(mine.body).toMatchObject({ items: [{ id: key.id, name: 'my laptop', last_used: null }], totp: false });

  const again = await challenge('paula');
  expect(again.methods).toEqual(['passkey', 'recovery']);
  expect(again.options.allowCredentials).toMatchObject([{ id: key.id }]);
  const answer = key.answer(again.options, desk.origin);
  expect((await again.send(answer)).body.person).toMatchObject({ username: 'paula', role: 'analyst' });
  // The same answer again is worth nothing: the flow is over, and a new one has another challenge.
  expect((await again.send(answer)).status).toBe(401);
  const replay = await challenge('paula');
  expect((await replay.send(answer)).status).toBe(401);
  // A wrong answer uses the challenge up.
  expect((await replay.send(key.answer(replay.options, desk.origin))).status).toBe(401);
});

test('another key, another site and a counter that runs back are refused and audited', async () => {
  const path = await invite();
  const browser = openBrowser(desk.origin);
  const who = { username: 'quentin', display_name: 'Quentin', password: PASSWORD };
  const { flow, passkey_options } = (await browser.call('POST', `${path}/start`, who)).body;
  const key = createSoftKey();
  key.counter = 10;
  const passkey_response = key.register(passkey_options, desk.origin);
  expect((await browser.call('POST', `${path}/finish`, { flow, passkey_response })).status).toBe(200);

  const stranger = await challenge('quentin');
  expect((await stranger.send(createSoftKey().answer(stranger.options, desk.origin))).status).toBe(401);
  const elsewhere = await challenge('quentin');
  expect((await elsewhere.send(key.answer(elsewhere.options, 'http://localhost:1'))).status).toBe(401);
  key.counter = 5;
  const cloned = await challenge('quentin');
  expect((await cloned.send(key.answer(cloned.options, desk.origin))).status).toBe(401);
  key.counter = 20;
  const good = await challenge('quentin');
  expect((await good.send(key.answer(good.options, desk.origin))).status).toBe(200);
  const { items } = await desk.store.audit.list({ action: 'sign-in.second-factor' }, { limit: 50 });
  expect(items.map((entry) => entry.detail)).toContain('the passkey counts backwards: it may have been copied');
});

test('a person adds and removes a passkey, but never the last factor, and only after the password', async () => {
  const rosa = await enrol(desk, 'viewer', 'rosa');
  expect((await rosa.browser.call('POST', '/v1/me/passkeys/options', { password: 'not it at all' })).status).toBe(400);
  const { flow, options } = (await rosa.browser.call('POST', '/v1/me/passkeys/options', { password: PASSWORD })).body;
  const key = createSoftKey();
  const response = key.register(options, desk.origin);
  const added = await rosa.browser.call('POST', '/v1/me/passkeys', { flow, name: 'phone', response });
  expect(added.body).toEqual({ id: key.id });
  const { methods } = await challenge('rosa');
  expect(methods).toEqual(['passkey', 'totp', 'recovery']);
  const remove = (password: string) => rosa.browser.call('DELETE', `/v1/me/passkeys/${key.id}`, { password });
  expect((await remove('wrong one')).status).toBe(400);
  expect((await remove(PASSWORD)).status).toBe(200);
  expect((await remove(PASSWORD)).status).toBe(404);
});

test('a key that is the only factor stays', async () => {
  const path = await invite();
  const browser = openBrowser(desk.origin);
  const who = { username: 'tilda', display_name: 'Tilda', password: PASSWORD };
  const { flow, passkey_options } = (await browser.call('POST', `${path}/start`, who)).body;
  const key = createSoftKey();
  const passkey_response = key.register(passkey_options, desk.origin);
  await browser.call('POST', `${path}/finish`, { flow, passkey_response });
  await browser.settle();
  const answer = await browser.call('DELETE', `/v1/me/passkeys/${key.id}`, { password: PASSWORD });
  expect([answer.status, answer.body.code]).toEqual([409, 'CONFLICT']);
});

test('by an address there are no passkeys, and none are offered', async () => {
  const path = await invite();
  const origin = desk.origin.replace('localhost', '127.0.0.1');
  const browser = openBrowser(origin);
  const who = { username: 'ulla', display_name: 'Ulla', password: PASSWORD };
  expect((await browser.call('POST', `${path}/start`, who)).body.passkey_options).toBeNull();
});

test('no secret of all that is in the log', () => {
  expect(desk.log()).not.toContain(PASSWORD);
  expect(desk.log()).not.toMatch(/clientDataJSON|attestationObject|asp_|"challenge"/);
});

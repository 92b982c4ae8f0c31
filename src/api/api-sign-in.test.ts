import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type Enrolled,
  enrol,
  openBrowser,
  PASSWORD,
  signIn,
  startTestServer,
  type TestServer,
  totpCode,
} from './api-harness.ts';

let desk: TestServer;
let marta: Enrolled;
beforeAll(async () => {
  desk = await startTestServer();
  marta = await enrol(desk, 'administrator', 'Marta.Keller');
});
afterAll(() => desk.stop());

const actions = async () => (await desk.store.audit.list({}, { limit: 500 })).items;

describe('enrolment', () => {
  test('makes an account with a second factor, ten recovery codes and a session', async () => {
    const { body } = await marta.browser.call('GET', '/v1/session');
    expect(body.person).toMatchObject({ username: 'marta.keller', role: 'administrator' });
    expect(body.needs_enrolment).toBe(false);
    expect(marta.recovery).toHaveLength(10);
    expect(new Set(marta.recovery).size).toBe(10);
    const person = await desk.store.people.byUsername('marta.keller');
    expect(person?.password_hash).toMatch(/^\$argon2id\$/);
    const kept = await desk.store.people.totp(person?.id as never);
    expect(kept?.sealed).toMatch(/^v1\./);
    expect(kept?.sealed).not.toContain(marta.totp);
  });

  test('the link works once', async () => {
    const browser = openBrowser(desk.origin);
    const again = await browser.call('GET', `/v1/enrol/${marta.invitation}`);
    expect(again.status).toBe(404);
    expect(again.body.code).toBe('NOT_FOUND');
  });

  test('a role that is none is refused', async () => {
    const answer = await marta.browser.call('POST', '/v1/people/invitations', { role: 'root' });
    expect([answer.status, answer.body.code]).toEqual([400, 'BAD_REQUEST']);
    expect(answer.body.detail).toContain('body.role');
  });

  test('without a right factor there is no account, and a weak password or a taken name is refused', async () => {
    const { link } = (await marta.browser.call('POST', '/v1/people/invitations', { role: 'viewer' })).body;
    const path = `/v1/enrol/${link.split('/').at(-1)}`;
    const browser = openBrowser(desk.origin);
    expect((await browser.call('GET', path)).body).toMatchObject({ role: 'viewer', username: null });
    const who = { username: 'nora', display_name: 'Nora' };
    const weak = await browser.call('POST', `${path}/start`, { ...who, password: 'Hospital2026!' });
    expect(weak.status).toBe(400);
    expect(weak.body.detail).toContain('body.password');
    const taken = await browser.call('POST', `${path}/start`, { ...who, username: 'MARTA.keller', password: PASSWORD });
    expect(taken.status).toBe(409);
    const { flow } = (await browser.call('POST', `${path}/start`, { ...who, password: PASSWORD })).body;
    expect((await browser.call('POST', `${path}/finish`, { flow })).status).toBe(400);
    for (let i = 0; i < 4; i++) {
      expect((await browser.call('POST', `${path}/finish`, { flow, totp_code: '000000' })).status).toBe(400);
    }
    // Five wrong answers end the flow, even for the right one.
    expect((await browser.call('POST', `${path}/finish`, { flow, totp_code: '000000' })).status).toBe(401);
    expect(await desk.store.people.byUsername('nora')).toBeNull();
    expect((await browser.call('GET', '/v1/session')).body.person).toBeNull();
  });

  test('an invitation for a name is for that name only, and an old link is no link', async () => {
    const invited = await marta.browser.call('POST', '/v1/people/invitations', { role: 'viewer', username: 'otto' });
    const path = `/v1/enrol/${invited.body.link.split('/').at(-1)}`;
    const body = { username: 'erna', display_name: 'E', password: PASSWORD };
    expect((await openBrowser(desk.origin).call('POST', `${path}/start`, body)).status).toBe(400);
    const before = desk.clock.ms;
    desk.clock.ms += 7 * 24 * 3600 * 1000;
    expect((await openBrowser(desk.origin).call('GET', path)).status).toBe(404);
    desk.clock.ms = before;
  });
});

describe('signing in', () => {
  test('password, then a code that counts once', async () => {
    desk.clock.ms += 30_000;
    const browser = openBrowser(desk.origin);
    const first = await browser.call('POST', '/v1/sign-in', { username: 'MARTA.KELLER', password: PASSWORD });
    expect(first.body).toMatchObject({ step: 'second-factor', methods: ['totp', 'recovery'] });
    expect(browser.cookies.size).toBe(0);
    expect((await browser.call('GET', '/v1/session')).body.person).toBeNull();
    const code = totpCode(marta.totp, desk.clock.now());
    const second = await browser.call('POST', '/v1/sign-in/totp', { flow: first.body.flow, code });
    expect(second.status).toBe(200);
    const cookie = second.headers.getSetCookie().find((line) => line.startsWith('asepsis='));
    expect(cookie).toMatch(/; Path=\/; HttpOnly; SameSite=Strict$/);

    const other = openBrowser(desk.origin);
    const { flow } = (await other.call('POST', '/v1/sign-in', { username: 'marta.keller', password: PASSWORD })).body;
    expect((await other.call('POST', '/v1/sign-in/totp', { flow, code })).status).toBe(401);
    expect((await other.call('POST', '/v1/sign-in/totp', { flow: first.body.flow, code })).status).toBe(401);
  });

  test('a recovery code works once, in any spelling', async () => {
    const code = marta.recovery[0] as string;
    for (const [text, status] of [
      [code.toUpperCase().replaceAll('-', ' '), 200],
      [code, 401],
    ] as const) {
      const browser = openBrowser(desk.origin);
      const { flow } = (await browser.call('POST', '/v1/sign-in', { username: 'marta.keller', password: PASSWORD }))
        .body;
      expect((await browser.call('POST', '/v1/sign-in/recovery', { flow, code: text })).status).toBe(status);
    }
    const mine = await marta.browser.call('GET', '/v1/me/passkeys');
    expect(mine.body).toMatchObject({ items: [], totp: true, recovery_codes_left: 9 });
  });

  test('nobody can tell an unknown name from a wrong password or a disabled account', async () => {
    const erik = await enrol(desk, 'viewer', 'erik');
    const person = await desk.store.people.byUsername('erik');
    const changed = await marta.browser.call('PATCH', `/v1/people/${person?.id}`, { disabled: true });
    expect(changed.body).toMatchObject({ disabled: true });
    const answers = [];
    for (const [username, password] of [
      ['nobody-here', PASSWORD],
      ['marta.keller', 'wrong and wrong'],
      ['erik', erik.password],
    ]) {
      const { status, headers, text } = await openBrowser(desk.origin).call('POST', '/v1/sign-in', {
        username,
        password,
      });
      answers.push({ status, text, names: [...headers.keys()].sort().join() });
    }
    expect(answers[0]?.status).toBe(401);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
    expect((await erik.browser.call('GET', '/v1/me/sessions')).status).toBe(401);
  });

  test('a session ends after an hour of silence, after twelve hours, and when it is ended', async () => {
    const { browser } = await signIn(desk, marta);
    expect((await browser.call('GET', '/v1/me/sessions')).status).toBe(200);
    desk.clock.ms += 3600_000;
    expect((await browser.call('GET', '/v1/me/sessions')).status).toBe(401);

    const { browser: busy } = await signIn(desk, marta);
    for (let i = 0; i < 14; i++) {
      desk.clock.ms += 50 * 60_000;
      expect((await busy.call('GET', '/v1/me/sessions')).status).toBe(200);
    }
    desk.clock.ms += 50 * 60_000;
    expect((await busy.call('GET', '/v1/me/sessions')).status).toBe(401);

    const { browser: one } = await signIn(desk, marta);
    const { browser: two } = await signIn(desk, marta);
    const list = (await one.call('GET', '/v1/me/sessions')).body.items;
    const others = list.filter((session: { current: boolean }) => !session.current);
    expect(list).toHaveLength(others.length + 1);
    for (const { id } of others) expect((await one.call('DELETE', `/v1/sessions/${id}`)).status).toBe(200);
    expect((await two.call('GET', '/v1/me/sessions')).status).toBe(401);
    expect((await one.call('POST', '/v1/sign-out')).status).toBe(200);
    expect(one.cookies.has('asepsis')).toBe(false);
    expect((await one.call('GET', '/v1/me/sessions')).status).toBe(401);
    marta = { ...marta, browser: (await signIn(desk, marta)).browser };
  });
});

test('signing in again in the same browser replaces its session', async () => {
  const { browser } = await signIn(desk, marta);
  const old = browser.cookies.get('asepsis') as string;
  const person = await desk.store.people.byUsername('marta.keller');
  const before = (await desk.store.people.sessions(person?.id as never)).length;
  expect((await signIn(desk, marta, browser)).answer.status).toBe(200);
  expect(browser.cookies.get('asepsis')).not.toBe(old);
  expect(await desk.store.people.sessions(person?.id as never)).toHaveLength(before);
  const thief = openBrowser(desk.origin);
  thief.cookies.set('asepsis', old);
  expect((await thief.call('GET', '/v1/me/sessions')).status).toBe(401);
});

describe('guessing', () => {
  test('is slowed for codes although the password is right, and nobody is shut out for good', async () => {
    const rita = await enrol(desk, 'viewer', 'rita');
    const stranger = openBrowser(desk.origin);
    let status = 0;
    let tries = 0;
    for (; tries < 30 && status !== 429; tries++) {
      const first = await stranger.call('POST', '/v1/sign-in', { username: 'rita', password: PASSWORD });
      expect(first.status).toBe(200);
      const answer = await stranger.call('POST', '/v1/sign-in/totp', { flow: first.body.flow, code: '123123' });
      status = answer.status;
      if (status === 429) {
        expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
        expect(answer.body.code).toBe('RATE_LIMITED');
      }
    }
    expect(tries).toBe(6);
    // The owner's own browser has counters of its own.
    expect((await signIn(desk, rita, rita.browser)).answer.status).toBe(200);
    desk.clock.ms += 15 * 60_000;
    expect((await signIn(desk, rita)).answer.status).toBe(200);
  });

  test('is slowed for passwords, for names that exist and for those that do not alike', async () => {
    await enrol(desk, 'viewer', 'sami');
    const counts = [];
    for (const username of ['sami', 'not-sami']) {
      desk.clock.ms += 2 * 3600_000;
      const browser = openBrowser(desk.origin);
      const statuses: number[] = [];
      for (let i = 0; i < 8; i++) {
        statuses.push((await browser.call('POST', '/v1/sign-in', { username, password: 'no such thing' })).status);
      }
      counts.push(statuses);
    }
    expect(counts[0]).toEqual([401, 401, 401, 401, 401, 429, 429, 429]);
    expect(counts[1]).toEqual(counts[0]);
    desk.clock.ms += 3600_000;
    marta = { ...marta, browser: (await signIn(desk, marta)).browser };
  });
});

describe('the own account', () => {
  test('a new password ends the other sessions and needs the old one', async () => {
    const tom = await enrol(desk, 'analyst', 'tom');
    const { browser: other } = await signIn(desk, tom);
    const wrong = { password: 'not my password', new_password: 'amber violin 3 tundra' };
    expect((await tom.browser.call('POST', '/v1/me/password', wrong)).status).toBe(400);
    const weak = { password: PASSWORD, new_password: 'Password2026' };
    expect((await tom.browser.call('POST', '/v1/me/password', weak)).body.detail).toContain('body.new_password');
    const right = { password: PASSWORD, new_password: 'amber violin 3 tundra' };
    const before = tom.browser.cookies.get('asepsis');
    expect((await tom.browser.call('POST', '/v1/me/password', right)).status).toBe(200);
    expect(tom.browser.cookies.get('asepsis')).not.toBe(before);
    expect((await tom.browser.call('GET', '/v1/me/sessions')).body.items).toHaveLength(1);
    expect((await other.call('GET', '/v1/me/sessions')).status).toBe(401);
    expect((await signIn(desk, tom)).answer.status).toBe(401);
    expect((await signIn(desk, { ...tom, password: 'amber violin 3 tundra' })).answer.status).toBe(200);
  });

  test('a new authenticator app replaces the old one; new recovery codes end the old ones', async () => {
    const uwe = await enrol(desk, 'viewer', 'uwe');
    const { body } = await uwe.browser.call('POST', '/v1/me/totp/start', { password: PASSWORD });
    expect((await uwe.browser.call('POST', '/v1/me/totp/finish', { flow: body.flow, code: '000000' })).status).toBe(
      400,
    );
    const code = totpCode(body.secret, desk.clock.now());
    expect((await uwe.browser.call('POST', '/v1/me/totp/finish', { flow: body.flow, code })).status).toBe(200);
    expect((await signIn(desk, uwe)).answer.status).toBe(401);
    expect((await signIn(desk, { ...uwe, totp: body.secret })).answer.status).toBe(200);
    const codes = await uwe.browser.call('POST', '/v1/me/recovery-codes', { password: PASSWORD });
    expect(codes.body.recovery_codes).toHaveLength(10);
    const browser = openBrowser(desk.origin);
    const { flow } = (await browser.call('POST', '/v1/sign-in', { username: 'uwe', password: PASSWORD })).body;
    const old = uwe.recovery[3];
    expect((await browser.call('POST', '/v1/sign-in/recovery', { flow, code: old })).status).toBe(401);
  });

  test('a reset link sets password and factor anew and ends what was before', async () => {
    const vera = await enrol(desk, 'lead', 'vera');
    const person = await desk.store.people.byUsername('vera');
    const reset = await marta.browser.call('POST', `/v1/people/${person?.id}/reset`);
    const path = `/v1/enrol/${reset.body.link.split('/').at(-1)}`;
    const browser = openBrowser(desk.origin);
    expect((await browser.call('GET', path)).body).toMatchObject({ username: 'vera', role: 'lead' });
    const password = 'plum tractor 9 lichen';
    const { flow, totp } = (
      await browser.call('POST', `${path}/start`, { username: 'vera', display_name: 'Vera', password })
    ).body;
    const totp_code = totpCode(totp.secret, desk.clock.now());
    expect((await browser.call('POST', `${path}/finish`, { flow, totp_code })).status).toBe(200);
    expect((await vera.browser.call('GET', '/v1/me/sessions')).status).toBe(401);
    expect((await signIn(desk, vera)).answer.status).toBe(401);
    const after = await signIn(desk, { ...vera, password, totp: totp.secret });
    expect(after.answer.body.person).toMatchObject({ id: person?.id, role: 'lead' });
  });
});

test('the last administrator can be neither disabled nor demoted, also not two at once', async () => {
  const me = await desk.store.people.byUsername('marta.keller');
  for (const change of [{ disabled: true }, { role: 'lead' }]) {
    const answer = await marta.browser.call('PATCH', `/v1/people/${me?.id}`, change);
    expect(answer.status).toBe(409);
  }
  const wanda = await enrol(desk, 'administrator', 'wanda');
  const other = await desk.store.people.byUsername('wanda');
  const both = await Promise.all([
    marta.browser.call('PATCH', `/v1/people/${other?.id}`, { role: 'viewer' }),
    wanda.browser.call('PATCH', `/v1/people/${me?.id}`, { role: 'viewer' }),
  ]);
  expect(both.filter((answer) => answer.status === 200)).toHaveLength(1);
  const people = await desk.store.people.list();
  expect(people.filter((one) => one.role === 'administrator' && !one.disabled)).toHaveLength(1);
});

test('what happened is in the audit log, and its chain holds', async () => {
  const seen = new Set((await actions()).map((entry) => `${entry.action} ${entry.outcome}`));
  for (const expected of [
    'person.enrol success',
    'person.enrol failure',
    'person.invite success',
    'person.invite-reset success',
    'person.reset success',
    'person.change success',
    'sign-in success',
    'sign-in.password failure',
    'sign-in.password denied',
    'sign-in.second-factor failure',
    'sign-out success',
    'session.end success',
    'password.change success',
    'factor.add success',
    'recovery-codes.renew success',
  ])
    expect(seen).toContain(expected);
  expect((await desk.store.audit.verify()).ok).toBe(true);
});

test('no secret is in the log', async () => {
  const log = desk.log();
  expect(log).toContain('"route":"/v1/sign-in/totp"');
  const secrets = [
    PASSWORD,
    marta.totp,
    ...marta.recovery,
    marta.invitation,
    ...marta.browser.cookies.values(),
    marta.browser.csrf,
  ];
  for (const secret of secrets) expect(log).not.toContain(secret);
});

test('many guesses at once are not many free guesses, at the password or at the code', async () => {
  const own = await startTestServer();
  try {
    const otto = await enrol(own, 'viewer', 'otto');
    own.clock.ms += 30_000;
    const flowOf = async () =>
      (await openBrowser(own.origin).call('POST', '/v1/sign-in', { username: 'otto', password: PASSWORD })).body.flow;
    const flow = await flowOf();
    await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        openBrowser(own.origin).call('POST', '/v1/sign-in/totp', { flow, code: String(100_000 + i) }),
      ),
    );
    const tried = (await own.store.audit.list({}, { limit: 500 })).items.filter(
      (one) => one.action === 'sign-in.second-factor',
    );
    expect(tried.length).toBeLessThanOrEqual(5);
    own.clock.ms += 3600_000 * 7;
    const passwords = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        openBrowser(own.origin).call('POST', '/v1/sign-in', { username: 'otto', password: `wrong number ${i}` }),
      ),
    );
    expect(passwords.filter((one) => one.status === 401).length).toBeLessThanOrEqual(5);
    own.clock.ms += 3600_000;
    const code = totpCode(otto.totp, own.clock.now());
    const done = await openBrowser(own.origin).call('POST', '/v1/sign-in/totp', { flow: await flowOf(), code });
    expect(done.status).toBe(200);
  } finally {
    await own.stop();
  }
});

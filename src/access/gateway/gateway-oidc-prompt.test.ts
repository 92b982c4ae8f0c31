import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  addPerson,
  browser,
  codeAt,
  LOGIN_HOST,
  startTestGateway,
  type TestGateway,
} from '../testing/gateway-harness.ts';

const BACK = 'http://app.localhost/callback';
let it: TestGateway;
let anna: ReturnType<typeof browser>;

beforeAll(async () => {
  it = await startTestGateway({ clients: [{ client_id: 'lab', redirect_uris: [BACK] }] });
  const totp = await addPerson(it.gateway, 'anna');
  anna = browser(it);
  await anna.signIn('anna', codeAt(totp, it.clock));
  // The factor is no longer one that was just shown.
  it.clock.ms += 600_000;
});
afterAll(() => it.stop());

const authorize = async (more: string): Promise<string> => {
  const query = `client_id=lab&redirect_uri=${encodeURIComponent(BACK)}&response_type=code&scope=openid&code_challenge=${'a'.repeat(43)}&code_challenge_method=S256`;
  const answer = await anna.go(`http://${LOGIN_HOST}/oidc/authorize?${query}${more}`);
  return String(answer.headers.location ?? answer.status);
};

test('without a prompt the session is enough', async () => {
  expect(await authorize('')).toMatch(/[?&]code=/);
});

test.each(['&prompt=login', '&prompt=login%20consent', '&prompt=consent+login', '&prompt=select_account%20login'])(
  '%s asks for the factor again',
  async (more) => {
    expect(await authorize(more)).toContain('/sign-in?t=');
  },
);

test.each(['&prompt=none%20login', '&prompt=login&prompt=none', '&max_age=1&max_age=9999'])(
  '%s is no request',
  async (more) => {
    expect(await authorize(more)).toContain('error=invalid_request');
  },
);

test('none answers without a page', async () => {
  expect(await authorize('&prompt=none')).toMatch(/[?&]code=/);
  expect(await authorize('&prompt=none&max_age=60')).toContain('error=interaction_required');
});

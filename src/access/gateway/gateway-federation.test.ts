import { spawnSync } from 'node:child_process';
import { hash, randomBytes, verify as verifySignature } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRemoteJWKSet, jwtVerify } from 'jose';
import * as oidc from 'openid-client';
import { afterEach, expect, test } from 'vitest';
import { SignedXml } from 'xml-crypto';
import { freePort } from '../testing/gateway-fronts.ts';
import { addPerson, browser, codeAt, startTestGateway, type TestGateway } from '../testing/gateway-harness.ts';

const stops: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0).reverse()) await stop();
});
const BACK = 'http://app.localhost/callback';
const SECRET = 'the-client-secret';

async function provider(change: Record<string, unknown> = {}): Promise<TestGateway & { origin: string }> {
  const port = await freePort();
  const origin = `http://localhost:${port}`;
  const it = await startTestGateway(
    {
      origin,
      clients: [
        { client_id: 'pacs', client_secret_sha256: hash('sha256', SECRET, 'hex'), redirect_uris: [BACK] },
        { client_id: 'lab', redirect_uris: ['http://lab.localhost/cb'], groups: ['lab'] },
      ],
      ...change,
    },
    { port },
  );
  stops.push(it.stop);
  return { ...it, origin };
}

test('OpenID provider: an independent client library signs in with it; codes count once and their reuse takes the token back', async () => {
  const it = await provider();
  // The library looks at the clock of this machine.
  it.clock.now = () => Date.now();
  const totp = await addPerson(it.gateway, 'anna', ['doctors']);
  const client = await oidc.discovery(new URL(it.origin), 'pacs', SECRET, undefined, {
    execute: [oidc.allowInsecureRequests],
  });
  const verifier = oidc.randomPKCECodeVerifier();
  const [state, nonce] = [oidc.randomState(), oidc.randomNonce()];
  const url = oidc.buildAuthorizationUrl(client, {
    redirect_uri: BACK,
    scope: 'openid profile email groups',
    state,
    nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
    code_challenge_method: 'S256',
  });
  const anna = browser(it);
  const host = new URL(it.origin).host;
  const form = await anna.follow(url.href);
  const t = new URL(form.url).searchParams.get('t') ?? '';
  await anna.post(`http://${host}/sign-in`, { name: 'anna', password: 'wobbly-lantern-quarry-58', t });
  const second = await anna.post(`http://${host}/sign-in/second`, { factor: 'totp', code: totp.generate() });
  const consent = await anna.go(`http://${host}${second.headers.location}`);
  const back = new URL(consent.headers.location as string);
  expect(back.origin + back.pathname).toBe(BACK);
  // RFC 9207: whose answer it is (mix-up).
  expect(back.searchParams.get('iss')).toBe(it.origin);
  const tokens = await oidc.authorizationCodeGrant(client, back, {
    pkceCodeVerifier: verifier,
    expectedState: state,
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  expect(tokens.claims()).toMatchObject({
    sub: 'anna',
    groups: ['doctors'],
    amr: expect.arrayContaining(['pwd', 'otp', 'mfa']),
  });
  expect(await oidc.fetchUserInfo(client, tokens.access_token, 'anna')).toMatchObject({
    email: 'anna@hospital.example',
  });
  const keys = createRemoteJWKSet(new URL(`${it.origin}/.well-known/jwks.json`));
  await jwtVerify(tokens.id_token as string, keys, { issuer: it.origin, audience: 'pacs' });
  // The key is rotated: what was signed before can still be verified, and new tokens have the new key.
  it.gateway.keys.rotate();
  await jwtVerify(tokens.id_token as string, createRemoteJWKSet(new URL(`${it.origin}/.well-known/jwks.json`)), {
    issuer: it.origin,
    audience: 'pacs',
  });
  await expect(
    oidc.authorizationCodeGrant(client, back, {
      pkceCodeVerifier: verifier,
      expectedState: state,
      expectedNonce: nonce,
    }),
  ).rejects.toThrow();
  await expect(oidc.fetchUserInfo(client, tokens.access_token, 'anna')).rejects.toThrow();
});

test('OpenID provider: redirect addresses exact, PKCE needed, parameters once, tokens of algorithm none are nobody’s', async () => {
  const it = await provider();
  const totp = await addPerson(it.gateway, 'anna');
  const anna = browser(it);
  const host = new URL(it.origin).host;
  await anna.signIn('anna', codeAt(totp, it.clock), `${it.origin}/sign-in`);
  const { token: signedIn } = (await import('./gateway-sign-in.ts')).arrive(
    it.gateway,
    { address: '127.0.0.1', agent: 'Test browser', deviceCookie: null },
    { account: 'anna', display: 'Anna', email: '', groups: [] },
    [{ kind: 'passkey', atMs: it.clock.ms }],
    3,
  );
  anna.cookies(host).set('asepsis-access', signedIn);
  const challenge = hash('sha256', 'v'.repeat(43), 'base64url');
  const ask = (query: Record<string, string>, extra = '') =>
    anna.go(
      `${it.origin}/oidc/authorize?${new URLSearchParams({ response_type: 'code', client_id: 'pacs', redirect_uri: BACK, scope: 'openid', code_challenge: challenge, code_challenge_method: 'S256', state: 's', ...query })}${extra}`,
    );
  for (const redirect of [
    'http://app.localhost/callback/',
    'http://app.localhost/callback?x=1',
    'http://app.localhost.evil.example/callback',
    'http://evil.example/',
    '//evil.example',
    `${BACK}#x`,
    'http://app.localhost/callback/../evil',
  ])
    expect((await ask({ redirect_uri: redirect })).status).toBe(400);
  const errorOf = async (query: Record<string, string>, extra?: string) =>
    new URL((await ask(query, extra)).headers.location as string).searchParams.get('error');
  expect(await errorOf({ code_challenge: '' })).toBe('invalid_request');
  expect(await errorOf({ code_challenge_method: 'plain' })).toBe('invalid_request');
  expect(await errorOf({ response_type: 'token' })).toBe('unsupported_response_type');
  expect(await errorOf({}, '&state=other')).toBe('invalid_request');
  expect(await errorOf({ request: 'eyJhbGciOiJub25lIn0.e30.' })).toBe('request_not_supported');
  expect(await errorOf({ client_id: 'lab', redirect_uri: 'http://lab.localhost/cb' })).toBe('access_denied');
  const code = new URL((await ask({})).headers.location as string).searchParams.get('code') as string;
  const exchange = (fields: Record<string, string>) =>
    it.send('/oidc/token', {
      host,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: BACK,
        client_id: 'pacs',
        client_secret: SECRET,
        code_verifier: 'v'.repeat(43),
        ...fields,
      }).toString(),
    });
  expect((await exchange({ client_secret: 'wrong' })).status).toBe(401);
  expect((await exchange({ client_id: 'lab' })).status).toBe(401);
  expect((await exchange({ code_verifier: 'w'.repeat(43) })).status).toBe(400);
  // The wrong verifier used the code up: the right one comes too late.
  expect((await exchange({})).status).toBe(400);
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"anna"}').toString('base64url')}.`;
  expect((await it.send('/oidc/userinfo', { host, headers: { authorization: `Bearer ${none}` } })).status).toBe(401);
});

test('identity tokens to applications verify with the published keys', async () => {
  const it = await provider();
  const token = it.gateway.keys.sign('EdDSA', { sub: 'anna' });
  const [header, body, signature] = token.split('.') as [string, string, string];
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
  const { keys } = JSON.parse((await it.send('/.well-known/jwks.json', { host: new URL(it.origin).host })).body) as {
    keys: (JsonWebKey & { kid: string })[];
  };
  const jwk = keys.find((one) => one.kid === kid);
  const { createPublicKey } = await import('node:crypto');
  expect(
    verifySignature(
      null,
      Buffer.from(`${header}.${body}`),
      createPublicKey({ key: jwk as never, format: 'jwk' }),
      Buffer.from(signature, 'base64url'),
    ),
  ).toBe(true);
  expect(JSON.stringify(keys)).not.toContain('"d"');
});

test('a token ends with the time of its session', async () => {
  const it = await provider();
  const session = it.gateway.sessions.start({
    account: 'anna',
    display: 'Anna',
    email: '',
    groups: [],
    strength: 2,
    factors: [{ kind: 'passkey', atMs: it.clock.ms }],
    agent: '',
    address: '127.0.0.1',
    lifeMs: 60_000,
    idleMs: 60_000,
    bind: [],
    lockMs: null,
    emergencyApp: null,
  });
  const host = new URL(it.origin).host;
  const code = () =>
    it.gateway.once.put(
      'oidc-code',
      {
        client: 'lab',
        redirect: 'http://lab.localhost/cb',
        challenge: hash('sha256', 'v'.repeat(43), 'base64url'),
        nonce: null,
        session: session.id,
        scope: ['openid'],
      },
      60_000,
    );
  const exchange = () =>
    it.send('/oidc/token', {
      host,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: code(),
        redirect_uri: 'http://lab.localhost/cb',
        client_id: 'lab',
        code_verifier: 'v'.repeat(43),
      }).toString(),
    });
  const got = await exchange();
  expect(got.status).toBe(200);
  const { access_token } = JSON.parse(got.body) as { access_token: string };
  const ask = () => it.send('/oidc/userinfo', { host, headers: { authorization: `Bearer ${access_token}` } });
  expect((await ask()).status).toBe(200);
  it.clock.ms += 60_001;
  expect((await ask()).status).toBe(401);
  expect((await exchange()).status).toBe(400);
});

test('OpenID upstream: two gateways, one the provider of the other; its word on two factors is honoured, an account of another directory is not taken over', async () => {
  const up = await provider({
    clients: [
      {
        client_id: 'down',
        client_secret_sha256: hash('sha256', SECRET, 'hex'),
        redirect_uris: ['http://login.localhost:8430/upstream/entra/callback'],
      },
    ],
  });
  up.clock.now = () => Date.now();
  const totp = await addPerson(up.gateway, 'anna', ['doctors']);
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-oidc-'));
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'secret'), SECRET);
  const upstream = (more: object) => ({
    directories: [
      {
        type: 'oidc',
        name: 'entra',
        issuer: up.origin,
        client_id: 'down',
        client_secret_file: join(folder, 'secret'),
        scope: 'openid profile email groups',
        ...more,
      },
      { type: 'local' },
    ],
  });
  const host = new URL(up.origin).host;
  const through = async (down: TestGateway) => {
    const anna = browser(down);
    const there = browser(up);
    const started = await anna.post('http://login.localhost:8430/upstream/entra/start', { t: '' });
    const form = await there.follow(started.headers.location as string);
    const t = new URL(form.url).searchParams.get('t') ?? '';
    await there.post(`${up.origin}/sign-in`, { name: 'anna', password: 'wobbly-lantern-quarry-58', t });
    const second = await there.post(`${up.origin}/sign-in/second`, {
      factor: 'totp',
      code: totp.generate({ timestamp: Date.now() + 30_000 * used++ }),
    });
    const consent = await there.go(`http://${host}${second.headers.location}`);
    return { anna, back: consent.headers.location as string };
  };
  let used = -1;
  const strong = await startTestGateway(upstream({ two_factor_values: ['mfa'] }));
  stops.push(strong.stop);
  const first = await through(strong);
  // Somebody else is signed in in this browser: applications must not go on seeing them.
  const { session: before, token } = (await import('./gateway-sign-in.ts')).arrive(
    strong.gateway,
    { address: '127.0.0.1', agent: 'Test browser', deviceCookie: null },
    { account: 'otto', display: 'Otto', email: '', groups: [] },
    [{ kind: 'passkey', atMs: strong.clock.ms }],
    3,
  );
  first.anna.cookies('login.localhost:8430').set('asepsis-access', token);
  const done = await first.anna.follow(first.back);
  expect(strong.gateway.sessions.get(before.id)).toBeNull();
  expect(done.body).toContain('Signed in as ANNA');
  // The answer is good once, and only in the browser that began.
  expect((await first.anna.go(first.back)).status).toBe(401);
  const weak = await startTestGateway(upstream({}));
  stops.push(weak.stop);
  const other = await through(weak);
  expect((await browser(weak).go(other.back)).status).toBe(401);
  expect((await other.anna.go(other.back)).headers.location).toBe('/sign-in/second');
  const taken = await startTestGateway(upstream({ two_factor_values: ['mfa'] }));
  stops.push(taken.stop);
  taken.gateway.accounts.put({
    name: 'anna',
    display: 'Local Anna',
    email: '',
    directory: 'local',
    groups: ['admins'],
  });
  const third = await through(taken);
  expect((await third.anna.go(third.back)).status).toBe(403);
});

test('SAML upstream: a signed assertion signs in; wrapped, unsigned, replayed and foreign ones do not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-saml-'));
  stops.push(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['idp', 'evil'])
    spawnSync('openssl', [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-keyout',
      join(folder, `${name}.key`),
      '-out',
      join(folder, `${name}.pem`),
    ]);
  const it = await startTestGateway({
    directories: [
      {
        type: 'saml',
        name: 'idp',
        entry_point: 'http://idp.localhost/sso',
        idp_issuer: 'http://idp.localhost',
        certificate_file: join(folder, 'idp.pem'),
        two_factor_values: ['urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken'],
      },
    ],
  });
  it.clock.now = () => Date.now();
  stops.push(it.stop);
  const LOGIN = 'http://login.localhost:8430';
  const assertion = (user: string, request: string, id = `_${randomBytes(8).toString('hex')}`) => {
    const at = (ms: number) => new Date(Date.now() + ms).toISOString();
    return `<saml:Assertion xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" ID="${id}" Version="2.0" IssueInstant="${at(0)}"><saml:Issuer>http://idp.localhost</saml:Issuer><saml:Subject><saml:NameID>${user}</saml:NameID><saml:SubjectConfirmation Method="urn:oasis:names:tc:SAML:2.0:cm:bearer"><saml:SubjectConfirmationData InResponseTo="${request}" NotOnOrAfter="${at(60_000)}" Recipient="${LOGIN}/upstream/idp/saml"/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore="${at(-1000)}" NotOnOrAfter="${at(60_000)}"><saml:AudienceRestriction><saml:Audience>${LOGIN}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant="${at(0)}"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:TimeSyncToken</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement></saml:Assertion>`;
  };
  const respond = (inner: string, request: string) =>
    `<samlp:Response xmlns:samlp="urn:oasis:names:tc:SAML:2.0:protocol" ID="_r${randomBytes(8).toString('hex')}" Version="2.0" IssueInstant="${new Date().toISOString()}" InResponseTo="${request}" Destination="${LOGIN}/upstream/idp/saml"><saml:Issuer xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion">http://idp.localhost</saml:Issuer><samlp:Status><samlp:StatusCode Value="urn:oasis:names:tc:SAML:2.0:status:Success"/></samlp:Status>${inner}</samlp:Response>`;
  const signed = (xml: string, key = 'idp') => {
    const made = new SignedXml({
      privateKey: readFileSync(join(folder, `${key}.key`), 'utf8'),
      signatureAlgorithm: 'http://www.w3.org/2001/04/xmldsig-more#rsa-sha256',
      canonicalizationAlgorithm: 'http://www.w3.org/2001/10/xml-exc-c14n#',
    });
    made.addReference({
      xpath: "//*[local-name(.)='Assertion']",
      transforms: ['http://www.w3.org/2000/09/xmldsig#enveloped-signature', 'http://www.w3.org/2001/10/xml-exc-c14n#'],
      digestAlgorithm: 'http://www.w3.org/2001/04/xmlenc#sha256',
    });
    made.computeSignature(xml, { location: { reference: "//*[local-name(.)='Issuer']", action: 'after' } });
    return made.getSignedXml();
  };
  const begin = async () => {
    const one = browser(it);
    const started = await one.post(`${LOGIN}/upstream/idp/start`, { t: '' });
    const to = new URL(started.headers.location as string);
    const { inflateRawSync } = await import('node:zlib');
    const request = /ID="([^"]+)"/.exec(
      inflateRawSync(Buffer.from(to.searchParams.get('SAMLRequest') ?? '', 'base64')).toString(),
    )?.[1] as string;
    const answer = (xml: string) =>
      one.post(
        `${LOGIN}/upstream/idp/saml`,
        { SAMLResponse: Buffer.from(xml).toString('base64'), RelayState: to.searchParams.get('RelayState') ?? '' },
        { headers: { origin: 'http://idp.localhost' } },
      );
    return { request, answer };
  };
  const honest = await begin();
  const xml = respond(signed(assertion('anna', honest.request)), honest.request);
  const arrived = await honest.answer(xml);
  expect(arrived.status).toBe(303);
  expect(arrived.headers['set-cookie']?.join()).toContain('asepsis-access=');
  // The same answer again, and in another browser's sign-in.
  expect((await honest.answer(xml)).status).toBe(401);
  expect((await (await begin()).answer(xml)).status).toBe(401);
  // Another person of another domain at the same provider is not Anna, and Anna in other letters is.
  const answerAs = async (user: string) => {
    const { request, answer } = await begin();
    return (await answer(respond(signed(assertion(user, request)), request))).status;
  };
  expect(await answerAs('anna@elsewhere.example')).toBe(403);
  expect(await answerAs('Anna')).toBe(303);
  const attacks: ((request: string) => string)[] = [
    (request) => respond(assertion('anna', request), request),
    (request) => respond(signed(assertion('anna', request), 'evil'), request),
    (request) => respond(signed(assertion('anna', request)).replace('<saml:NameID>anna', '<saml:NameID>root'), request),
    // Wrapping: the signed assertion is still there, and an unsigned one stands where a reader looks first.
    (request) => respond(assertion('root', request) + signed(assertion('anna', request)), request),
    (request) => respond(signed(assertion('anna', request)) + assertion('root', request), request),
    (request) =>
      respond(
        assertion('root', request).replace(
          '</saml:Assertion>',
          `<saml:Advice>${signed(assertion('anna', request))}</saml:Advice></saml:Assertion>`,
        ),
        request,
      ),
    (request) => respond(assertion('root', request, '_same') + signed(assertion('anna', request, '_same')), request),
    (request) =>
      respond(
        `<samlp:Extensions>${signed(assertion('anna', request))}</samlp:Extensions>${assertion('root', request)}`,
        request,
      ),
    (request) => respond(signed(assertion('root<!-- -->x', request)), request).replace('root<!-- -->x', 'root'),
    (request) =>
      `<!DOCTYPE r [<!ENTITY e "root">]>${respond(signed(assertion('anna', request)), request)}`.replace(
        '>anna<',
        '>&e;<',
      ),
  ];
  for (const attack of attacks) {
    const { request, answer } = await begin();
    const result = await answer(attack(request));
    const cookie = result.headers['set-cookie']?.join() ?? '';
    if (cookie.includes('asepsis-access=')) expect(it.gateway.accounts.get('root')).toBeNull();
    else expect(result.status).toBeGreaterThanOrEqual(400);
  }
  expect(it.gateway.accounts.get('root')).toBeNull();
});

/** An OpenID provider for applications that can use one: authorization code with PKCE and nothing else (RFC 9700). */

import { hash } from 'node:crypto';
import { amrOf } from './gateway-decide.ts';
import { html } from './gateway-html.ts';
import { redirect, sendJson } from './gateway-http.ts';
import { type Need, strengthOf } from './gateway-policy.ts';
import type { OidcClientConfig } from './gateway-schema.ts';
import { isSecret, newSecret, sameText, secretHash } from './gateway-secrets.ts';
import { meets, signGoal } from './gateway-target.ts';
import { texts } from './gateway-texts.ts';
import { formOf, show, type Visit } from './gateway-visit.ts';

const CODE_MS = 60_000;
const TOKEN_SEC = 300;
/** `prompt=login`: a factor shown this recently counts as having been asked. */
const FRESH_MS = 60_000;
const SCOPES = ['openid', 'profile', 'email', 'groups'];

interface Code {
  readonly client: string;
  readonly redirect: string;
  readonly challenge: string;
  readonly nonce: string | null;
  readonly session: string;
  readonly scope: readonly string[];
}
interface Access {
  readonly session: string;
  readonly client: string;
  readonly scope: readonly string[];
}

function discovery(visit: Visit) {
  const { origin } = visit.settings;
  sendJson(
    visit.res,
    200,
    {
      issuer: origin,
      authorization_endpoint: `${origin}/oidc/authorize`,
      token_endpoint: `${origin}/oidc/token`,
      userinfo_endpoint: `${origin}/oidc/userinfo`,
      jwks_uri: `${origin}/.well-known/jwks.json`,
      response_types_supported: ['code'],
      response_modes_supported: ['query'],
      grant_types_supported: ['authorization_code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['ES256', 'EdDSA', 'RS256'],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
      code_challenge_methods_supported: ['S256'],
      scopes_supported: SCOPES,
      claims_supported: ['sub', 'name', 'email', 'groups', 'amr', 'auth_time', 'nonce', 'sid'],
      authorization_response_iss_parameter_supported: true,
    },
    { 'cache-control': 'public, max-age=300' },
  );
}

const clientOf = (visit: Visit, id: string | null): OidcClientConfig | undefined =>
  visit.settings.config.clients.find((one) => one.client_id === id);

/** One value of a query; null when absent; a parameter that comes twice is no request (RFC 6749 section 3.1). */
function once(query: URLSearchParams, name: string): string | null | undefined {
  const values = query.getAll(name);
  return values.length > 1 ? undefined : (values[0] ?? null);
}

/** A list of words (OpenID Connect Core section 3.1.2.1). */
const promptsOf = (query: URLSearchParams): string[] => (query.get('prompt') ?? '').split(' ').filter(Boolean);

function needOf(client: OidcClientConfig, query: URLSearchParams): Need {
  const strength = strengthOf(client.need?.strength ?? 'two-factor');
  const limits = [client.need?.within_minutes === undefined ? null : client.need.within_minutes * 60_000];
  const maxAge = query.get('max_age');
  if (maxAge !== null && /^\d{1,9}$/.test(maxAge)) limits.push(Math.max(Number(maxAge) * 1000, 1000));
  if (promptsOf(query).includes('login')) limits.push(FRESH_MS);
  const set = limits.filter((one) => one !== null);
  return { strength, withinMs: set.length === 0 ? null : Math.min(...set) };
}

function authorize(visit: Visit) {
  const { query, gateway, session } = visit;
  const client = clientOf(visit, query.get('client_id'));
  const redirectUri = once(query, 'redirect_uri');
  // Only an exact, registered address is ever redirected to (RFC 9700 section 4.1).
  if (client === undefined || !redirectUri || !client.redirect_uris.includes(redirectUri))
    return show(visit, 400, texts.malformedTitle, html`<p>${texts.malformed}</p>`);
  const back = (values: Record<string, string>) => {
    const url = new URL(redirectUri);
    const state = once(query, 'state');
    for (const [name, value] of Object.entries({ ...values, ...(state && { state }), iss: visit.settings.origin }))
      url.searchParams.set(name, value);
    redirect(visit.res, url.href);
  };
  const names = [
    'response_type',
    'scope',
    'state',
    'nonce',
    'code_challenge',
    'code_challenge_method',
    'response_mode',
    'request',
    'request_uri',
    'client_id',
    'prompt',
    'max_age',
  ];
  const values = Object.fromEntries(names.map((name) => [name, once(query, name)]));
  if (Object.values(values).includes(undefined)) return back({ error: 'invalid_request' });
  if (values.request !== null || values.request_uri !== null) return back({ error: 'request_not_supported' });
  if (values.response_type !== 'code' || (values.response_mode ?? 'query') !== 'query')
    return back({ error: 'unsupported_response_type' });
  const challenge = values.code_challenge ?? '';
  if (values.code_challenge_method !== 'S256' || !isSecret(challenge))
    return back({ error: 'invalid_request', error_description: 'PKCE with S256 is needed' });
  const scope = (values.scope ?? '').split(' ').filter((one) => SCOPES.includes(one));
  if (!scope.includes('openid')) return back({ error: 'invalid_scope' });
  const prompts = promptsOf(query);
  // `none` beside another word asks for two things that exclude each other.
  if (prompts.includes('none') && prompts.length > 1) return back({ error: 'invalid_request' });
  const need = needOf(client, query);
  const now = gateway.clock.now();
  if (session === null || session.emergencyApp !== null || !meets(session, need, now)) {
    if (prompts.includes('none')) return back({ error: session === null ? 'login_required' : 'interaction_required' });
    return redirect(
      visit.res,
      `/sign-in?t=${signGoal(gateway, { kind: 'oidc', query: visit.target.query.slice(1), need, fresh: null })}`,
    );
  }
  const entitled = client.groups === undefined || client.groups.some((group) => session.groups.has(group));
  const event = {
    account: session.account,
    address: visit.visitor.address,
    app: client.client_id,
    agent: visit.visitor.agent,
  } as const;
  gateway.events.often({
    ...event,
    what: 'access',
    outcome: entitled ? 'success' : 'denied',
    ...(!entitled && { why: 'group' }),
  });
  if (!entitled) return back({ error: 'access_denied' });
  const code: Code = {
    client: client.client_id,
    redirect: redirectUri,
    challenge,
    nonce: values.nonce ?? null,
    session: session.id,
    scope,
  };
  back({ code: gateway.once.put('oidc-code', code, CODE_MS) });
}

/** The client of a token request, by its secret or as a public one; null when it is not proven. */
function provenClient(visit: Visit, form: Map<string, string>): OidcClientConfig | null {
  let id = form.get('client_id') ?? null;
  let secret = form.get('client_secret') ?? null;
  const basic = /^Basic ([A-Za-z0-9+/=]{1,2048})$/i.exec(String(visit.req.headers.authorization ?? ''))?.[1];
  if (basic !== undefined) {
    if (secret !== null) return null;
    const [user = '', ...rest] = Buffer.from(basic, 'base64').toString('utf8').split(':');
    try {
      id = decodeURIComponent(user.replaceAll('+', ' '));
      secret = decodeURIComponent(rest.join(':').replaceAll('+', ' '));
    } catch {
      return null;
    }
  }
  const client = clientOf(visit, id);
  if (client === undefined) return null;
  if (client.client_secret_sha256 === undefined) return secret === null ? client : null;
  return secret !== null && sameText(hash('sha256', secret, 'hex'), client.client_secret_sha256) ? client : null;
}

async function token(visit: Visit): Promise<void> {
  const { gateway, settings } = visit;
  const form = await formOf(visit);
  const fail = (status: number, error: string) => sendJson(visit.res, status, { error }, { pragma: 'no-cache' });
  if (form === null) return fail(400, 'invalid_request');
  const client = provenClient(visit, form);
  if (client === null) return fail(401, 'invalid_client');
  if (form.get('grant_type') !== 'authorization_code') return fail(400, 'unsupported_grant_type');
  const secret = form.get('code') ?? '';
  const code = isSecret(secret) ? gateway.once.take<Code>('oidc-code', secret) : null;
  if (code === null) {
    // A code that comes twice was stolen by one of the two: what the first one got ends too (RFC 6749 section 4.1.2).
    const gone = gateway.durable.run('DELETE FROM oidc_uses WHERE code = ?', secretHash(secret));
    if (gone > 0)
      gateway.events.emit({
        what: 'code-reuse',
        outcome: 'denied',
        address: visit.visitor.address,
        app: client.client_id,
        why: 'oidc-code',
      });
    return fail(400, 'invalid_grant');
  }
  const session = gateway.sessions.get(code.session);
  const verifier = form.get('code_verifier') ?? '';
  const proven =
    /^[A-Za-z0-9._~-]{43,128}$/.test(verifier) && sameText(hash('sha256', verifier, 'base64url'), code.challenge);
  if (
    code.client !== client.client_id ||
    code.redirect !== form.get('redirect_uri') ||
    !proven ||
    session === null ||
    session.locked ||
    gateway.clock.now() >= session.expiresMs
  )
    return fail(400, 'invalid_grant');
  const access = newSecret();
  const now = gateway.clock.now();
  const doc: Access = { session: session.id, client: client.client_id, scope: code.scope };
  gateway.durable.run('DELETE FROM oidc_uses WHERE expires < ?', now);
  gateway.durable.run(
    'INSERT INTO oidc_uses VALUES (?, ?, ?, ?)',
    secretHash(secret),
    secretHash(access),
    JSON.stringify(doc),
    now + TOKEN_SEC * 1000,
  );
  const iat = Math.floor(now / 1000);
  const idToken = gateway.keys.sign(client.id_token_alg, {
    iss: settings.origin,
    aud: client.client_id,
    iat,
    exp: iat + TOKEN_SEC,
    auth_time: Math.floor(session.factorMs / 1000),
    amr: amrOf(session),
    sid: secretHash(session.id).slice(0, 22),
    ...(code.nonce !== null && { nonce: code.nonce }),
    ...claims(session, code.scope),
  });
  sendJson(
    visit.res,
    200,
    {
      access_token: access,
      token_type: 'Bearer',
      expires_in: TOKEN_SEC,
      id_token: idToken,
      scope: code.scope.join(' '),
    },
    { pragma: 'no-cache' },
  );
}

function claims(
  session: { account: string; display: string; email: string; groups: ReadonlySet<string> },
  scope: readonly string[],
): object {
  return {
    sub: session.account,
    ...(scope.includes('profile') && { name: session.display, preferred_username: session.account }),
    ...(scope.includes('email') && session.email !== '' && { email: session.email }),
    ...(scope.includes('groups') && { groups: [...session.groups].slice(0, 500) }),
  };
}

function userinfo(visit: Visit) {
  const { gateway } = visit;
  const bearer = /^Bearer ([A-Za-z0-9_-]{43})$/i.exec(String(visit.req.headers.authorization ?? ''))?.[1];
  const row =
    bearer &&
    gateway.durable.get(
      'SELECT doc FROM oidc_uses WHERE access = ? AND expires > ?',
      secretHash(bearer),
      gateway.clock.now(),
    );
  const access = row ? (JSON.parse(row.doc as string) as Access) : null;
  const session = access === null ? null : gateway.sessions.get(access.session);
  if (access === null || session === null || session.locked || gateway.clock.now() >= session.expiresMs)
    return sendJson(visit.res, 401, { error: 'invalid_token' }, { 'www-authenticate': 'Bearer error="invalid_token"' });
  sendJson(visit.res, 200, claims(session, access.scope));
}

export const OIDC_ROUTES: Readonly<Record<string, (visit: Visit) => void | Promise<void>>> = {
  'GET /.well-known/openid-configuration': discovery,
  'GET /oidc/authorize': authorize,
  'POST /oidc/token': token,
  'GET /oidc/userinfo': userinfo,
  'POST /oidc/userinfo': userinfo,
};

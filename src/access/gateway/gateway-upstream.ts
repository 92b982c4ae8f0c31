/** Passwords elsewhere: sign-in by an OpenID or SAML identity provider, whose word on a second factor is honoured when it is named. */

import { readFileSync } from 'node:fs';
import { type CacheItem, SAML, ValidateInResponseTo } from '@node-saml/node-saml';
import * as oidc from 'openid-client';
import { canonicalName } from './gateway-accounts.ts';
import type { Gateway } from './gateway-core.ts';
import { redirect } from './gateway-http.ts';
import { endBefore, signInPage } from './gateway-portal.ts';
import type { OidcUpstreamConfig, SamlUpstreamConfig } from './gateway-schema.ts';
import { isSecret } from './gateway-secrets.ts';
import { arrive, startFlow } from './gateway-sign-in.ts';
import { readGoal } from './gateway-target.ts';
import { texts } from './gateway-texts.ts';
import { flowCookie, formOf, type Visit, welcome } from './gateway-visit.ts';

const UPSTREAM_MS = 10 * 60_000;
const GROUPS_MAX = 2000;

interface Pending {
  readonly name: string;
  readonly verifier: string;
  readonly state: string;
  readonly nonce: string;
  readonly goal: string | null;
}

/** What an identity provider said about who came back. */
interface Identity {
  readonly name: string;
  readonly display: string;
  readonly email: string;
  readonly groups: readonly string[];
  readonly twoFactor: boolean;
}

const configs = new Map<string, Promise<oidc.Configuration>>();

function oidcConfig(upstream: OidcUpstreamConfig): Promise<oidc.Configuration> {
  const key = `${upstream.issuer} ${upstream.client_id}`;
  const held = configs.get(key);
  if (held !== undefined) return held;
  const issuer = new URL(upstream.issuer);
  const local = issuer.hostname === 'localhost' || issuer.hostname === '127.0.0.1';
  const secret =
    upstream.client_secret_file === undefined ? undefined : readFileSync(upstream.client_secret_file, 'utf8').trim();
  const made = oidc.discovery(issuer, upstream.client_id, secret, secret === undefined ? oidc.None() : undefined, {
    timeout: 10,
    ...(issuer.protocol === 'http:' && local && { execute: [oidc.allowInsecureRequests] }),
  });
  configs.set(key, made);
  made.catch(() => configs.delete(key));
  return made;
}

/** Routes under `/upstream/<name>/`; undefined for others. */
export function upstreamRoute(key: string): ((visit: Visit) => Promise<void>) | undefined {
  const match = /^(GET|POST) \/upstream\/([A-Za-z0-9_-]{1,64})\/(start|callback|saml|metadata)$/.exec(key);
  if (match === null) return undefined;
  const [, method, name, what] = match;
  return async (visit) => {
    const upstream = visit.settings.config.directories.find((one) => one.name === name);
    try {
      if (upstream?.type === 'oidc' && method === 'POST' && what === 'start') return await startOidc(visit, upstream);
      if (upstream?.type === 'oidc' && method === 'GET' && what === 'callback')
        return await finishOidc(visit, upstream);
      if (upstream?.type === 'saml' && method === 'POST' && what === 'start') return await startSaml(visit, upstream);
      if (upstream?.type === 'saml' && method === 'POST' && what === 'saml') return await finishSaml(visit, upstream);
    } catch (error) {
      visit.gateway.events.emit({
        what: 'upstream',
        outcome: 'failure',
        address: visit.visitor.address,
        agent: visit.visitor.agent,
        why: `${name}: ${(error as Error).message}`.slice(0, 200),
      });
      return signInPage(visit, 401, texts.over, null);
    }
    signInPage(visit, 404, null, null);
  };
}

const callbackOf = (visit: Visit, name: string, what: string): string =>
  `${visit.settings.origin}/upstream/${name}/${what}`;

/** Strangers may begin a sign-in: only what was signed here is kept for them. */
function goalOf(visit: Visit, form: Map<string, string> | null): string | null {
  const signed = form?.get('t') || null;
  return readGoal(visit.gateway, signed) === null ? null : signed;
}

async function startOidc(visit: Visit, upstream: OidcUpstreamConfig): Promise<void> {
  const form = await formOf(visit);
  const config = await oidcConfig(upstream);
  const pending: Pending = {
    name: upstream.name,
    verifier: oidc.randomPKCECodeVerifier(),
    state: oidc.randomState(),
    nonce: oidc.randomNonce(),
    goal: goalOf(visit, form),
  };
  const url = oidc.buildAuthorizationUrl(config, {
    // One address for each provider, so that an answer cannot be mixed up between two (RFC 9700 section 4.4).
    redirect_uri: callbackOf(visit, upstream.name, 'callback'),
    scope: upstream.scope,
    state: pending.state,
    nonce: pending.nonce,
    code_challenge: await oidc.calculatePKCECodeChallenge(pending.verifier),
    code_challenge_method: 'S256',
  });
  redirect(visit.res, url.href, [flowCookie(visit, visit.gateway.once.put('upstream', pending, UPSTREAM_MS))]);
}

async function finishOidc(visit: Visit, upstream: OidcUpstreamConfig): Promise<void> {
  const { gateway, cookies } = visit;
  const pending =
    cookies.flow !== null && isSecret(cookies.flow) ? gateway.once.take<Pending>('upstream', cookies.flow) : null;
  if (pending === null || pending.name !== upstream.name) return signInPage(visit, 401, texts.over, null);
  const here = new URL(`${callbackOf(visit, upstream.name, 'callback')}${visit.target.query}`);
  const tokens = await oidc.authorizationCodeGrant(await oidcConfig(upstream), here, {
    pkceCodeVerifier: pending.verifier,
    expectedState: pending.state,
    expectedNonce: pending.nonce,
    idTokenExpected: true,
  });
  const said = tokens.claims() as Record<string, unknown>;
  const words = [...(Array.isArray(said.amr) ? said.amr : []), said.acr].filter((one) => typeof one === 'string');
  take(
    visit,
    upstream.name,
    {
      name: word(said[upstream.user_claim]),
      display: word(said.name) || word(said[upstream.user_claim]),
      email: word(said.email),
      groups: strings(said[upstream.groups_claim]),
      twoFactor: words.some((word) => upstream.two_factor_values.includes(word as string)),
    },
    pending.goal,
  );
}

/** A claim that is text; everything else is nobody's name. */
const word = (value: unknown): string => (typeof value === 'string' ? value : '');

const strings = (value: unknown): string[] =>
  (Array.isArray(value) ? value : value === undefined || value === null ? [] : [value])
    .filter((one) => typeof one === 'string')
    .slice(0, GROUPS_MAX) as string[];

/** The person of an identity provider: signed in, when it vouches for two factors; otherwise on to a factor of ours. */
function take(visit: Visit, directory: string, identity: Identity, goal: string | null) {
  const { gateway, visitor } = visit;
  const name = canonicalName(identity.name);
  const before = name === null ? null : gateway.accounts.get(name);
  const refuse = (why: string) => {
    gateway.events.emit({
      what: 'upstream',
      outcome: 'denied',
      ...(name && { account: name }),
      address: visitor.address,
      agent: visitor.agent,
      why,
    });
    signInPage(visit, 403, texts.refused, goal);
  };
  if (name === null) return refuse('no-name');
  // One name is one person: no provider takes over an account that another directory made.
  if (before !== null && before.directory !== directory) return refuse('other-directory');
  if (before?.disabled) return refuse('disabled');
  if (!gateway.accounts.sameUpstreamName(name, directory, identity.name)) return refuse('other-name');
  const person = {
    name,
    display: identity.display.slice(0, 256) || name,
    email: identity.email.slice(0, 320),
    groups: identity.groups,
  };
  gateway.accounts.put({ ...person, directory });
  const now = gateway.clock.now();
  if (identity.twoFactor) {
    endBefore(visit);
    const arrival = arrive(
      gateway,
      visitor,
      { account: name, display: person.display, email: person.email, groups: person.groups },
      [{ kind: 'upstream', atMs: now }],
      2,
    );
    return welcome(visit, arrival, goal);
  }
  redirect(visit.res, '/sign-in/second', [
    flowCookie(visit, startFlow(gateway, person, { kind: 'password', atMs: now }, goal)),
  ]);
}

// --- SAML 2.0: signatures, wrapping and reference checks are the library's; ids of requests are remembered here. ---

function samlOf(visit: Visit, upstream: SamlUpstreamConfig): SAML {
  return new SAML({
    callbackUrl: callbackOf(visit, upstream.name, 'saml'),
    entryPoint: upstream.entry_point,
    issuer: visit.settings.origin,
    audience: visit.settings.origin,
    idpCert: readFileSync(upstream.certificate_file, 'utf8'),
    idpIssuer: upstream.idp_issuer,
    wantAssertionsSigned: true,
    wantAuthnResponseSigned: false,
    signatureAlgorithm: 'sha256',
    digestAlgorithm: 'sha256',
    disableRequestedAuthnContext: true,
    identifierFormat: null,
    acceptedClockSkewMs: 60_000,
    maxAssertionAgeMs: UPSTREAM_MS,
    validateInResponseTo: ValidateInResponseTo.always,
    requestIdExpirationPeriodMs: UPSTREAM_MS,
    cacheProvider: requestIds(visit.gateway),
  });
}

function requestIds(gateway: Gateway) {
  const key = (id: string) => gateway.seal.mac(`saml ${id}`);
  return {
    saveAsync: async (id: string, value: string): Promise<CacheItem | null> => {
      gateway.durable.run(
        'INSERT OR IGNORE INTO once VALUES (?, ?, ?, ?)',
        key(id),
        'saml',
        value,
        gateway.clock.now() + UPSTREAM_MS,
      );
      return { value, createdAt: gateway.clock.now() };
    },
    getAsync: async (id: string): Promise<string | null> =>
      (gateway.durable.get(
        'SELECT doc FROM once WHERE hash = ? AND kind = ? AND expires > ?',
        key(id),
        'saml',
        gateway.clock.now(),
      )?.doc as string) ?? null,
    removeAsync: async (id: string | null): Promise<string | null> =>
      id !== null && gateway.durable.run('DELETE FROM once WHERE hash = ?', key(id)) === 1 ? id : null,
  };
}

async function startSaml(visit: Visit, upstream: SamlUpstreamConfig): Promise<void> {
  const { gateway, settings } = visit;
  const form = await formOf(visit);
  const pending: Pending = { name: upstream.name, verifier: '', state: '', nonce: '', goal: goalOf(visit, form) };
  const relay = gateway.once.put('upstream', pending, UPSTREAM_MS);
  const url = await samlOf(visit, upstream).getAuthorizeUrlAsync(relay, undefined, {});
  // The answer is posted from the provider's page, so the cookie that binds it to this browser has to come along.
  const cookie = `${settings.cookies.flow}=${relay}; Path=/; HttpOnly; SameSite=${settings.secure ? 'None; Secure' : 'Lax'}; Max-Age=600`;
  redirect(visit.res, url, [cookie]);
}

async function finishSaml(visit: Visit, upstream: SamlUpstreamConfig): Promise<void> {
  const { gateway, cookies } = visit;
  const form = await formOf(visit);
  const relay = form?.get('RelayState') ?? '';
  const pending = isSecret(relay) && relay === cookies.flow ? gateway.once.take<Pending>('upstream', relay) : null;
  if (form === null || pending === null || pending.name !== upstream.name)
    return signInPage(visit, 401, texts.over, null);
  const { profile } = await samlOf(visit, upstream).validatePostResponseAsync({
    SAMLResponse: form.get('SAMLResponse') ?? '',
  });
  if (profile === null) return signInPage(visit, 401, texts.over, null);
  const assertion = assertionOf(profile.getAssertion?.());
  // An assertion is good for one sign-in, whatever its own time says.
  if (assertion.id === '' || !gateway.once.first('saml-assertion', assertion.id, 2 * UPSTREAM_MS))
    return signInPage(visit, 401, texts.over, null);
  const said = (profile.attributes ?? {}) as Record<string, unknown>;
  const { context } = assertion;
  const user = upstream.user_attribute === undefined ? profile.nameID : said[upstream.user_attribute];
  take(
    visit,
    upstream.name,
    {
      name: word(user),
      display: word(said.displayName) || word(user),
      email: word(said.mail) || word(said.email),
      groups: strings(said[upstream.groups_attribute]),
      twoFactor: upstream.two_factor_values.includes(context),
    },
    pending.goal,
  );
}

/** The id and the authentication context of the assertion that the library verified, in the shape in which it parses XML. */
function assertionOf(parsed: unknown): { id: string; context: string } {
  type Node = { $?: Record<string, unknown>; _?: unknown; [child: string]: unknown };
  const child = (node: Node | undefined, name: string): Node | undefined => (node?.[name] as Node[] | undefined)?.[0];
  const assertion = (parsed as { Assertion?: Node } | undefined)?.Assertion;
  const reference = child(child(child(assertion, 'AuthnStatement'), 'AuthnContext'), 'AuthnContextClassRef');
  const id = assertion?.$?.ID;
  const context = typeof reference === 'string' ? reference : reference?._;
  return { id: typeof id === 'string' ? id : '', context: typeof context === 'string' ? context.trim() : '' };
}

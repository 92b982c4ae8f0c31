/** Finds out who is calling and lets the call go on or not; runs before anything of the request's body is read. */

import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AsepsisError, type Caller } from '../core/index.ts';
import { ACCESS_WORDS, isReading, type KnownCaller, refusal } from './api-access.ts';
import { addressKey, isLoopback, parseHost, plainAddress } from './api-address.ts';
import type { Api } from './api-context.ts';
import { hostAllowed, originAllowed, sameSecret } from './api-guard.ts';
import { csrfOf } from './api-secrets.ts';
import { sessionCookie, sessionOf } from './api-session.ts';
import { tokenInHeader, tokenOf } from './api-token.ts';

declare module 'fastify' {
  interface FastifyInstance {
    /** Every route with what it declares; for the tests of who may call what. */
    readonly routeTable: RouteRow[];
  }
}

export interface RouteRow {
  readonly method: string;
  readonly url: string;
  readonly access: string;
  readonly personOnly: boolean;
  readonly loopback: boolean;
}

interface Known {
  readonly caller: KnownCaller;
  /** The cookie's value, from which the CSRF value follows; null for tokens. */
  readonly cookie: string | null;
}

/** The signed-in person behind the cookie; null when there is none. */
export async function personCalling(api: Api, request: FastifyRequest): Promise<Known | null> {
  const cookie = request.cookies[sessionCookie(api.secure)];
  if (cookie === undefined) return null;
  const found = await sessionOf(api, cookie);
  if (found === null) return null;
  const { person, session } = found;
  const caller: KnownCaller = {
    kind: 'person',
    id: person.id,
    name: person.username,
    role: person.role,
    sessionId: session.id,
    source: null,
    scope: 'session',
  };
  return { caller, cookie };
}

async function tokenCalling(api: Api, request: FastifyRequest, header: string): Promise<Known | null> {
  const presented = tokenInHeader(header);
  const token = presented === null ? null : await tokenOf(api, presented);
  if (token === null) {
    // Only after the look-up: one shipper with an old token must not hold up the others behind the same address.
    const keys = [['token', addressKey(request.ip)]] as const;
    const wait = api.throttle.waitSec(keys);
    if (wait > 0) throw new AsepsisError('RATE_LIMITED', 'Too many wrong tokens from here.', { retryAfterSec: wait });
    api.throttle.fail(keys);
    return null;
  }
  const { id, name, role, source, scope } = token;
  return { caller: { kind: 'token', id, name, role, source, scope, sessionId: null }, cookie: null };
}

/** This machine asking by a loopback name, and no proxy in between that would speak for somebody else. */
function fromThisMachine(request: FastifyRequest): boolean {
  const { headers } = request;
  const proxied = ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via'].some((name) => headers[name] !== undefined);
  const host = parseHost(headers.host ?? '');
  const peer = plainAddress(request.socket.remoteAddress ?? '');
  return !proxied && host !== null && isLoopback(host.host) && isLoopback(peer);
}

function checkOrigin(api: Api, request: FastifyRequest, cookie: string | null): void {
  const { host, origin, 'sec-fetch-site': secFetchSite } = request.headers;
  const evidence = { host, origin, secFetchSite: secFetchSite as string | undefined };
  if (!originAllowed(evidence, api.origin())) throw new AsepsisError('CSRF', 'Another site asked for this change.');
  if (cookie === null) return;
  if (!sameSecret(String(request.headers['x-csrf-token'] ?? ''), csrfOf(cookie))) {
    throw new AsepsisError('CSRF', 'The x-csrf-token header is missing or not the one of this session.');
  }
}

const REFUSALS = {
  UNAUTHENTICATED: 'This needs a signed-in person or a token.',
  FORBIDDEN: 'This account or token may not do that.',
} as const;

async function admit(api: Api, request: FastifyRequest): Promise<void> {
  const { access, anyHost, loopback, personOnly } = request.routeOptions.config;
  if (access !== 'ingest' && anyHost !== true && !hostAllowed(request.headers.host, api.names)) {
    throw new AsepsisError('BAD_REQUEST', 'The Host header names another site; http.origin names the one served here.');
  }
  if (access === undefined) return;
  if (access === 'public') {
    if (!isReading(request.method)) checkOrigin(api, request, null);
    return;
  }
  if (loopback === true && fromThisMachine(request)) return;
  const header = request.headers.authorization;
  const known = header === undefined ? await personCalling(api, request) : await tokenCalling(api, request, header);
  const code = refusal({ access, personOnly: personOnly === true }, request.method, known?.caller ?? null);
  if (code !== null) {
    request.log.warn({ route: request.routeOptions.url, by: known?.caller.id ?? null, address: request.ip }, 'refused');
    throw new AsepsisError(code, REFUSALS[code as keyof typeof REFUSALS]);
  }
  if (known?.cookie && !isReading(request.method)) checkOrigin(api, request, known.cookie);
  request.caller = known?.caller ?? null;
}

/** Adds the hooks; every route after this must declare `config.access`, or the server does not start. */
export function registerCaller(app: FastifyInstance, api: Api): void {
  app.decorateRequest('caller', null);
  app.decorate('routeTable', []);
  app.addHook('onRoute', (route) => {
    const access = route.config?.access;
    if (access === undefined || !ACCESS_WORDS.has(access)) {
      throw new Error(`The route ${String(route.method)} ${route.url} does not say in config.access who may call it.`);
    }
    route.config = { ...route.config, access };
    for (const method of [route.method].flat()) {
      const { personOnly = false, loopback = false } = route.config;
      app.routeTable.push({ method, url: route.url, access, personOnly, loopback });
    }
  });
  app.addHook('onRequest', async (request) => admit(api, request));
}

/** The caller of a route that is not public. */
export function callerOf(request: { readonly caller: Caller | null }): Caller {
  if (request.caller === null) throw new AsepsisError('UNAUTHENTICATED', 'This needs a signed-in person or a token.');
  return request.caller;
}

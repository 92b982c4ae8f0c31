/** Forward-auth: a proxy in front of an application asks about each request; and the application host's own small paths. */

import { readAddress } from './gateway-address.ts';
import type { Gateway } from './gateway-core.ts';
import { decide, type Question, type Verdict } from './gateway-decide.ts';
import { html, page } from './gateway-html.ts';
import {
  addressOf,
  cookie,
  hostOf,
  joinHost,
  type Req,
  type Res,
  redirect,
  sameOrigin,
  send,
  sendPage,
  setCookie,
  single,
} from './gateway-http.ts';
import { readHost, readTarget } from './gateway-path.ts';
import type { Head } from './gateway-request-head.ts';
import { isSecret, newSecret, secretHash } from './gateway-secrets.ts';
import { type Goal, signGoal, type Ticket } from './gateway-target.ts';
import { texts } from './gateway-texts.ts';

export const OWN_PATH = '/.asepsis/';
const VERIFY = '/.asepsis/verify';
const ENVOY = '/.asepsis/envoy';
const STATE_LIFE_SEC = 3600;

/** True when the peer itself is a proxy whose word counts. */
export function isTrustedPeer(gateway: Gateway, req: Pick<Head, 'socket'>): boolean {
  const peer = readAddress(req.socket.remoteAddress ?? '');
  return peer !== null && gateway.settings().trusted.has(peer);
}

/** The application host that a browser speaks to: a trusted proxy may say it, otherwise it is the request's own. */
export function appHostOf(gateway: Gateway, req: Head): string | null {
  if (!isTrustedPeer(gateway, req)) return hostOf(req);
  const forwarded = single(req, 'x-forwarded-host');
  if (forwarded === undefined) return null;
  if (forwarded === null) return hostOf(req);
  const read = readHost(forwarded);
  return read === null ? null : joinHost(read);
}

const agentOf = (req: Head): string => String(req.headers['user-agent'] ?? '');

/** Proxies keep `Upgrade` to themselves, as they should; the handshake's own headers come through (RFC 6455 section 4.1). */
const asksForSocket = (req: Head): boolean =>
  ['upgrade', 'sec-websocket-key', 'sec-websocket-version'].some((name) => req.headers[name] !== undefined);

/** Who asks through the proxy, and with what: the same however the proxy says what is asked for. */
const sender = (gateway: Gateway, req: Head) => ({
  address: addressOf(req, gateway.settings().trusted),
  agent: agentOf(req),
  cookies: req.headers.cookie,
  rawHeaders: req.rawHeaders,
  forwarded: true,
  upgrade: asksForSocket(req),
  origin: single(req, 'origin'),
});

/** What the proxy asks about, from its headers; null when one is missing, twice, or unreadable. */
function forwardedQuestion(gateway: Gateway, req: Head): Question | null {
  const headers = ['x-forwarded-method', 'x-forwarded-host', 'x-forwarded-uri', 'x-forwarded-for'].map((name) =>
    single(req, name),
  );
  const [method, host, uri, forwardedFor] = headers;
  if (!method || !host || !uri || !forwardedFor) return null;
  const read = readHost(host);
  return {
    host: read === null ? null : joinHost(read),
    method,
    target: uri,
    ...sender(gateway, req),
  };
}

/** Envoy asks with the request's own method, host and path, behind a prefix. */
function envoyQuestion(gateway: Gateway, req: Head): Question {
  return {
    host: hostOf(req),
    method: req.method ?? '',
    target: (req.url ?? '').slice(ENVOY.length),
    ...sender(gateway, req),
  };
}

/** True for the paths at which proxies ask. */
export const isQuestion = (url: string): boolean =>
  url === VERIFY || url.startsWith(`${VERIFY}?`) || url.startsWith(`${ENVOY}/`);

/** True when this request was a question and is answered. */
export function answerForwardAuth(gateway: Gateway, req: Head, res: Res): boolean {
  const url = req.url ?? '';
  if (!isQuestion(url)) return false;
  const envoy = url.startsWith(`${ENVOY}/`);
  if (!isTrustedPeer(gateway, req)) {
    send(res, 403, { 'x-asepsis-why': 'untrusted-proxy' });
    return true;
  }
  const question = envoy ? envoyQuestion(gateway, req) : forwardedQuestion(gateway, req);
  if (question === null) {
    send(res, 403, { 'x-asepsis-why': 'forwarded-headers' });
    return true;
  }
  answer(gateway, req, res, question, url === `${VERIFY}?mode=status`);
  return true;
}

/** With `statusOnly` (nginx) only 200, 401 and 403 are answered; others get redirects and pages to hand on. */
function answer(gateway: Gateway, req: Head, res: Res, question: Question, statusOnly: boolean) {
  const verdict = decide(gateway, question);
  if (verdict.kind === 'allow') return send(res, 200, verdict.identity);
  if (verdict.kind === 'deny') {
    const why = { 'x-asepsis-why': verdict.why };
    if (statusOnly) return send(res, 403, why);
    return denied(gateway, res, verdict);
  }
  if (statusOnly || !isNavigation(req, question.method))
    return send(res, 401, { 'x-asepsis-why': verdict.kind, 'cache-control': 'no-store' });
  toSignIn(gateway, res, question.host as string, verdict);
}

/** A browser that goes to a page, rather than a script that wants data: only that can follow to a sign-in. */
export function isNavigation(req: Head, method: string): boolean {
  if (method !== 'GET' && method !== 'HEAD') return false;
  const mode = req.headers['sec-fetch-mode'];
  if (mode !== undefined) return mode === 'navigate';
  return /\btext\/html\b/.test(String(req.headers.accept ?? '')) && req.headers['x-requested-with'] === undefined;
}

export function denied(gateway: Gateway, res: Res, verdict: Extract<Verdict, { kind: 'deny' }>) {
  const { config, secure } = gateway.settings();
  const malformed = verdict.status !== 403;
  const text =
    verdict.why === 'unknown-host'
      ? texts.unknownHost
      : malformed
        ? texts.malformed
        : texts.denied(verdict.app?.title ?? '');
  const body = html`<p>${text}</p>`;
  const title = malformed ? texts.malformedTitle : texts.deniedTitle;
  sendPage(res, verdict.status, page({ title, organisation: config.organisation, body }), {
    secure,
    headers: { 'x-asepsis-why': verdict.why },
  });
}

/** Marks this browser on the application's host and sends it to sign in; only this browser can come back with the ticket. */
export function toSignIn(
  gateway: Gateway,
  res: Res,
  host: string,
  verdict: Extract<Verdict, { kind: 'sign-in' | 'step-up' }>,
) {
  const settings = gateway.settings();
  const state = newSecret();
  const goal: Goal = {
    kind: 'app',
    host,
    path: `${encodedPath(verdict.target.path)}${verdict.target.query}`,
    state: secretHash(state),
    need: verdict.need,
  };
  const cookies = [
    setCookie({ name: settings.cookies.state, value: state, secure: settings.secure, maxAgeSec: STATE_LIFE_SEC }),
  ];
  redirect(res, `${settings.origin}/sign-in?t=${signGoal(gateway, goal)}`, cookies);
}

const encodedPath = (path: string): string => path.split('/').map(encodeURIComponent).join('/');

/** `/.asepsis/…` on an application's host: start, callback, sign-out. */
export function answerOwnPath(gateway: Gateway, req: Req, res: Res) {
  const host = appHostOf(gateway, req);
  const settings = gateway.settings();
  const url = new URL(req.url ?? '/', 'http://x');
  if (host === null || !settings.policy.has(host))
    return denied(gateway, res, { kind: 'deny', app: null, status: 421, why: 'unknown-host' });
  if (url.pathname === '/.asepsis/start') return start(gateway, req, res, host);
  if (url.pathname === '/.asepsis/callback' && req.method === 'GET')
    return callback(gateway, req, res, host, url.searchParams.get('ticket') ?? '');
  if (url.pathname === '/.asepsis/sign-out' && req.method === 'POST') return signOut(gateway, req, res, host);
  send(res, 404, {});
}

/** nginx cannot hand on a redirect from forward-auth: it sends the browser's request here when the answer was 401. */
function start(gateway: Gateway, req: Req, res: Res, host: string) {
  const forwarded = isTrustedPeer(gateway, req) ? single(req, 'x-forwarded-uri') : null;
  const method = (isTrustedPeer(gateway, req) ? single(req, 'x-forwarded-method') : null) ?? req.method ?? 'GET';
  if (forwarded === undefined || !isNavigation(req, method)) return send(res, 401, { 'cache-control': 'no-store' });
  const target = forwarded ?? '/';
  const verdict = decide(gateway, {
    host,
    method,
    target,
    ...sender(gateway, req),
  });
  if (verdict.kind === 'deny') return denied(gateway, res, verdict);
  const plain = readTarget(target);
  // Meanwhile it may pass (another tab signed in): back to where it wanted to go.
  if (verdict.kind === 'allow')
    return redirect(res, 'refused' in plain ? '/' : `${encodedPath(plain.path)}${plain.query}`);
  toSignIn(gateway, res, host, verdict);
}

function callback(gateway: Gateway, req: Req, res: Res, host: string, secret: string) {
  const settings = gateway.settings();
  const ticket = isSecret(secret) ? gateway.once.take<Ticket>('ticket', secret) : null;
  const state = cookie(req.headers.cookie, settings.cookies.state);
  const session = ticket === null ? null : gateway.sessions.get(ticket.session);
  const mine = ticket !== null && ticket.host === host && state !== null && secretHash(state) === ticket.state;
  if (ticket === null || session === null || !mine || session.locked) {
    gateway.events.often({
      what: 'refused',
      outcome: 'denied',
      address: addressOf(req, settings.trusted) ?? 'unreadable',
      why: 'ticket',
      method: 'GET',
      path: '/.asepsis/callback',
    });
    // A ticket that somebody else began, or an old tab: this browser starts again, if it keeps cookies at all.
    return denied(gateway, res, { kind: 'deny', app: settings.policy.get(host) ?? null, status: 403, why: 'ticket' });
  }
  const before = cookie(req.headers.cookie, settings.cookies.session);
  if (before !== null && isSecret(before)) gateway.sessions.dropToken(before);
  const token = gateway.sessions.token(session.id, host);
  redirect(res, ticket.path, [
    setCookie({ name: settings.cookies.session, value: token, secure: settings.secure }),
    setCookie({ name: settings.cookies.state, value: '', secure: settings.secure, maxAgeSec: 0 }),
  ]);
}

function signOut(gateway: Gateway, req: Req, res: Res, host: string) {
  const settings = gateway.settings();
  if (!sameOrigin(req, `${settings.secure ? 'https' : 'http'}://${host}`))
    return send(res, 403, { 'x-asepsis-why': 'origin' });
  const secret = cookie(req.headers.cookie, settings.cookies.session);
  const session = secret === null ? null : gateway.sessions.locked(secret, host);
  if (session !== null) gateway.sessions.end(session.id);
  redirect(res, `${settings.origin}/`, [
    setCookie({ name: settings.cookies.session, value: '', secure: settings.secure, maxAgeSec: 0 }),
  ]);
}

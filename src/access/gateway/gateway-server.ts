/** The gateway as one server: sign-in pages, forward-auth, the proxy. HTTP/1.1, and HTTP/2 where there is TLS. */

import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createSecureServer } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { AsepsisError } from '../../core/index.ts';
import type { Gateway } from './gateway-core.ts';
import * as emergency from './gateway-emergency.ts';
import * as enrol from './gateway-enrol.ts';
import { answerForwardAuth, answerOwnPath, appHostOf, denied, isTrustedPeer, OWN_PATH } from './gateway-forward.ts';
import { type FrontGate, openFront } from './gateway-front.ts';
import { SCRIPT, STYLE } from './gateway-html.ts';
import { addressOf, cut, type Req, type Res, sameOrigin, send, sendJson } from './gateway-http.ts';
import { OIDC_ROUTES } from './gateway-oidc-provider.ts';
import { openSessionsOf } from './gateway-open.ts';
import { readMethod, readTarget } from './gateway-path.ts';
import * as portal from './gateway-portal.ts';
import { proxyRequest, proxyUpgrade } from './gateway-proxy.ts';
import { upstreamRoute } from './gateway-upstream.ts';
import { openVisit, type Visit } from './gateway-visit.ts';

const HEADER_BYTES_MAX = 32 * 1024;
const CHECK_MS = 5000;
const KEEP_ALIVE_MS = 65_000;
/** Sessions with something open are looked at this often: their time may run out while a socket is silent. */
const LOOK_MS = 1000;
/** Accounts with sessions are asked about in their directory this often: who was disabled there is out here. */
const RECHECK_MS = 5 * 60_000;
const RECHECK_ACCOUNTS_MAX = 500;
const RECHECK_SESSIONS_MAX = 100_000;
/** The account that was asked about last. */
const rechecked = new WeakMap<Gateway, string>();

type Route = (visit: Visit) => void | Promise<void>;
const query = (visit: Visit) => visit.query.get('t');

const ROUTES: Readonly<Record<string, Route>> = {
  'GET /': portal.home,
  'GET /sign-in': (visit) => portal.signInPage(visit, 200, null, query(visit)),
  'POST /sign-in': portal.signIn,
  'POST /sign-in/passkey/options': portal.keyOptions,
  'POST /sign-in/passkey': portal.signInWithKey,
  'GET /sign-in/second': (visit) => portal.secondPage(visit, 200, null),
  'POST /sign-in/second': (visit) => portal.second(visit, false),
  'POST /sign-in/second/passkey/options': portal.secondOptions,
  'POST /sign-in/second/passkey': (visit) => portal.second(visit, true),
  'GET /step-up': (visit) => portal.stepUpPage(visit, 200, null, query(visit)),
  'POST /step-up': (visit) => portal.stepUp(visit, false),
  'POST /step-up/passkey/options': (visit) => portal.sessionKeyOptions(visit, false),
  'POST /step-up/passkey': (visit) => portal.stepUp(visit, true),
  'GET /unlock': (visit) => portal.unlockPage(visit, 200, null, query(visit)),
  'POST /unlock/options': (visit) => portal.sessionKeyOptions(visit, true),
  'POST /unlock': portal.unlock,
  'POST /sign-out': portal.signOut,
  'GET /enrol': (visit) => enrol.enrolPage(visit, 200, null),
  'POST /enrol': enrol.beginEnrolment,
  'GET /enrol/factor': (visit) => enrol.factorPage(visit, 200, null),
  'POST /enrol/passkey/options': enrol.enrolKeyOptions,
  'POST /enrol/passkey': enrol.enrolKey,
  'POST /enrol/totp': enrol.enrolTotp,
  'GET /break-glass': (visit) => emergency.emergencyPage(visit, 200, null),
  'POST /break-glass': emergency.askEmergency,
  'GET /break-glass/wait': emergency.waitPage,
  'GET /break-glass/approve': emergency.approvePage,
  'POST /break-glass/approve': emergency.approve,
  'GET /.well-known/jwks.json': (visit) =>
    sendJson(visit.res, 200, visit.gateway.keys.set(), { 'cache-control': 'public, max-age=300' }),
  'GET /assets/gateway.css': (visit) =>
    send(
      visit.res,
      200,
      { 'content-type': 'text/css', 'cache-control': 'max-age=3600', 'x-content-type-options': 'nosniff' },
      STYLE,
    ),
  'GET /assets/passkey.js': (visit) =>
    send(
      visit.res,
      200,
      { 'content-type': 'text/javascript', 'cache-control': 'max-age=3600', 'x-content-type-options': 'nosniff' },
      SCRIPT,
    ),
  ...OIDC_ROUTES,
};
/** Called by applications' servers, not by pages: they prove themselves. */
const NO_ORIGIN = new Set(['POST /oidc/token', 'POST /oidc/userinfo']);

async function answerPortal(gateway: Gateway, req: Req, res: Res): Promise<void> {
  const target = readTarget(req.url ?? '');
  const method = readMethod(req.method ?? '');
  const address = addressOf(req, gateway.settings().trusted);
  if ('refused' in target || method === null || address === null)
    return denied(gateway, res, {
      kind: 'deny',
      app: null,
      status: address === null ? 403 : 400,
      why: address === null ? 'address' : 'target',
    });
  const key = `${method === 'HEAD' ? 'GET' : method} ${target.path}`;
  const route = ROUTES[key] ?? upstreamRoute(key);
  if (route === undefined) return send(res, 404, { 'content-type': 'text/plain' }, 'Not found');
  // SAML answers are posted by the identity provider's page; they carry their own signature and request id.
  const foreign = NO_ORIGIN.has(key) || /^POST \/upstream\/[^/]+\/saml$/.test(key);
  if (method === 'POST' && !foreign && !sameOrigin(req, gateway.settings().origin)) {
    gateway.events.often({ what: 'refused', outcome: 'denied', address, why: 'cross-site', method, path: target.path });
    return send(res, 403, { 'x-asepsis-why': 'cross-site' });
  }
  await route(openVisit(gateway, req, res, target, address));
}

async function answer(gateway: Gateway, req: Req, res: Res): Promise<void> {
  const url = req.url ?? '';
  if (url.startsWith(OWN_PATH)) {
    if (answerForwardAuth(gateway, req, res)) return;
    if (url === '/.asepsis/health') return sendJson(res, 200, { ok: true });
    return answerOwnPath(gateway, req, res);
  }
  // Behind a trusted proxy the sign-in host may be named by X-Forwarded-Host, like an application's.
  const host = appHostOf(gateway, req);
  if (host === gateway.settings().host) return answerPortal(gateway, req, res);
  if (isTrustedPeer(gateway, req) && req.headers['x-forwarded-host'] !== undefined)
    return denied(gateway, res, { kind: 'deny', app: null, status: 421, why: 'unknown-host' });
  proxyRequest(gateway, req, res);
}

export interface GatewayServer {
  readonly port: number;
  readonly close: () => Promise<void>;
}

export async function listen(gateway: Gateway, log: (entry: object, message: string) => void): Promise<GatewayServer> {
  const { listen: at } = gateway.settings().config;
  const handle = (req: Req, res: Res) => {
    answer(gateway, req, res).catch((error: unknown) => {
      const busy = error instanceof AsepsisError && error.code === 'BUSY';
      // Who goes away in the middle of a form, or is cut off, is no fault of ours.
      const gone = (error as NodeJS.ErrnoException).code === 'ECONNRESET' && (req as IncomingMessage).destroyed;
      if (!busy && !gone)
        log({ error: String(error), stack: (error as Error).stack?.slice(0, 2000) }, 'A request failed');
      if (!(res as { headersSent: boolean }).headersSent) send(res, busy ? 503 : 500, {});
      else cut(res);
    });
  };
  const options = {
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: gateway.times.headMs,
    handshakeTimeout: gateway.times.headMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, gateway.times.headMs),
    requestTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    insecureHTTPParser: false,
    requireHostHeader: true,
  };
  const { cert, key } = at;
  const server =
    cert !== undefined && key !== undefined
      ? createSecureServer(
          {
            allowHTTP1: true,
            cert: readFileSync(cert),
            key: readFileSync(key),
            minVersion: 'TLSv1.2',
            settings: { maxConcurrentStreams: 128 },
            ...options,
          } as object,
          handle as never,
        )
      : createServer(options, handle);
  // Beyond a limit Node leaves headers out in silence: what is not seen cannot be refused. Their bytes are limited.
  (server as Server).maxHeadersCount = 0;
  const sockets = new Set<Duplex>();
  const front = putInFront(gateway, server as Server);
  (server as Server).on('connection', (socket) => {
    sockets.add(socket);
    socket.setNoDelay(true);
    socket.on('close', () => sockets.delete(socket));
  });
  (server as Server).on('upgrade', (req: IncomingMessage, socket: Duplex, head: Buffer) => {
    // Some proxies hand the upgrade on with their question about it.
    if (req.url?.startsWith(OWN_PATH)) answerOnSocket(req, socket, handle);
    else proxyUpgrade(gateway, req, socket, head);
  });
  (server as Server).on('clientError', (_error: Error, socket: Duplex) => {
    if (socket.writable) socket.end('HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n');
    else socket.destroy();
  });
  await new Promise<void>((resolve, reject) => {
    (server as Server).once('error', (error: NodeJS.ErrnoException) =>
      reject(error.code === 'EADDRINUSE' ? new AsepsisError('PORT_TAKEN', `${at.host}:${at.port} is in use.`) : error),
    );
    (server as Server).listen(at.port, at.host, 4096, resolve);
  });
  const stopLooking = lookAfter(gateway);
  return {
    port: ((server as Server).address() as AddressInfo).port,
    close: async () => {
      stopLooking();
      front.close();
      const closed = new Promise<void>((resolve) => (server as Server).close(() => resolve()));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Connections come to the front first; what is not for it goes to the listener that Node's server brought along. */
function putInFront(gateway: Gateway, server: Server): FrontGate {
  const secure = server.listenerCount('secureConnection') > 0;
  const event = secure ? 'secureConnection' : 'connection';
  const [toNode] = server.listeners(event) as ((socket: Socket) => void)[];
  const handOver = (socket: Socket) => toNode?.call(server, socket);
  const front = openFront(gateway, handOver);
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    if ((socket as { alpnProtocol?: string }).alpnProtocol === 'h2') handOver(socket);
    else front.take(socket);
  });
  return front;
}

/** Answers a request that came with an upgrade as a plain one, and closes. */
function answerOnSocket(req: IncomingMessage, socket: Duplex, handle: (req: Req, res: Res) => void): void {
  const res = new ServerResponse(req);
  res.shouldKeepAlive = false;
  socket.on('error', () => socket.destroy());
  res.assignSocket(socket as Socket);
  res.on('finish', () => socket.end());
  handle(req, res);
}

/** Ends what is over while nothing asks: silent sockets, accounts that their directory disabled. */
function lookAfter(gateway: Gateway): () => void {
  const look = setInterval(() => {
    const now = gateway.clock.now();
    for (const session of openSessionsOf(gateway)) {
      if (now - session.lastSeenMs >= Math.min(session.lockMs ?? session.idleMs, session.idleMs))
        gateway.sessions.refresh(session);
      if (now >= session.expiresMs) gateway.sessions.end(session.id);
      else if (session.lockMs !== null && !session.locked && now - session.lastSeenMs >= session.lockMs)
        gateway.sessions.lock(session);
      else if (now - session.lastSeenMs >= session.idleMs) gateway.sessions.end(session.id);
    }
  }, LOOK_MS);
  let checking = false;
  const recheck = setInterval(() => {
    if (checking) return;
    checking = true;
    void recheckAccounts(gateway)
      .catch(() => {})
      .finally(() => {
        checking = false;
      });
  }, RECHECK_MS);
  look.unref();
  recheck.unref();
  return () => {
    clearInterval(look);
    clearInterval(recheck);
  };
}

/** Ends the sessions of accounts that their directory no longer lets in. A directory that is down ends nobody's. */
export async function recheckAccounts(gateway: Gateway): Promise<void> {
  const directories = new Map(gateway.settings().directories.map((one) => [one.name, one]));
  const accounts = new Set(
    gateway.sessions
      .list(RECHECK_SESSIONS_MAX)
      .filter((one) => one.emergencyApp === null)
      .map((one) => one.account),
  );
  // In turn, so that with many people signed in everybody's turn comes.
  const names = [...accounts].sort();
  const after = rechecked.get(gateway) ?? '';
  const from = names.findIndex((name) => name > after);
  const inTurn = from < 0 ? names : [...names.slice(from), ...names.slice(0, from)];
  for (const name of inTurn.slice(0, RECHECK_ACCOUNTS_MAX)) {
    rechecked.set(gateway, name);
    const kept = gateway.accounts.get(name);
    const directory = kept === null ? undefined : directories.get(kept.directory);
    const answer = await directory?.lookup(name).catch(() => null);
    if (answer?.kind === 'down') return;
    if (answer?.kind === 'right') gateway.sessions.regroup(name, answer.person.groups);
    if (kept?.disabled || answer?.kind === 'refused' || answer?.kind === 'wrong') {
      gateway.sessions.endAll(name);
      gateway.events.emit({ what: 'sessions-ended', outcome: 'success', account: name, address: '', why: 'directory' });
    }
  }
}

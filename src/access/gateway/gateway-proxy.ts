/** The reverse proxy: strict requests in, newly framed requests out; streams and sockets that end with their session. */

import {
  type ClientRequest,
  Agent as HttpAgent,
  request as httpRequest,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { watchUpload } from './gateway-body.ts';
import type { Gateway } from './gateway-core.ts';
import { decide, type Question, type Verdict } from './gateway-decide.ts';
import { denied, isNavigation, toSignIn } from './gateway-forward.ts';
import { connectionWords, goesToClient, upstreamHeaders } from './gateway-headers.ts';
import { html, page } from './gateway-html.ts';
import { addressOf, cut, hostOf, type Req, type Res, send, sendPage, single } from './gateway-http.ts';
import { hold } from './gateway-open.ts';
import type { App } from './gateway-policy.ts';
import type { Head } from './gateway-request-head.ts';
import { texts } from './gateway-texts.ts';

const CONNECT_MS = 10_000;
const SOCKETS_MAX = 1024;
const KEEP_ALIVE_MS = 30_000;

const agents = {
  'http:': new HttpAgent({
    keepAlive: true,
    keepAliveMsecs: KEEP_ALIVE_MS,
    maxSockets: SOCKETS_MAX,
    scheduling: 'lifo',
  }),
  'https:': new HttpsAgent({
    keepAlive: true,
    keepAliveMsecs: KEEP_ALIVE_MS,
    maxSockets: SOCKETS_MAX,
    scheduling: 'lifo',
  }),
} as const;

/** What the request asks for, and what is answered. */
export function ask(gateway: Gateway, req: Head): { question: Question; verdict: Verdict } {
  const question: Question = {
    host: hostOf(req),
    method: req.method ?? '',
    target: req.url ?? '',
    address: addressOf(req, gateway.settings().trusted),
    agent: String(req.headers['user-agent'] ?? ''),
    cookies: req.headers.cookie,
    rawHeaders: req.rawHeaders,
    forwarded: false,
    upgrade: req.headers.upgrade !== undefined,
    origin: single(req, 'origin'),
  };
  return { question, verdict: decide(gateway, question) };
}

/** Whether the request has a body, and its length where it says one. Null for framing that is not plain. */
function framing(req: Req): { body: boolean; length: string | null } | null {
  const length = single(req, 'content-length');
  const coding = single(req, 'transfer-encoding');
  if (length === undefined || coding === undefined) return null;
  if (length !== null && !/^\d{1,15}$/.test(length)) return null;
  if (coding !== null && (coding.toLowerCase() !== 'chunked' || length !== null || req.httpVersion === '1.0'))
    return null;
  if (req.httpVersionMajor === 2)
    return {
      body: length !== '0' && !(req as { stream?: { endAfterHeaders?: boolean } }).stream?.endAfterHeaders,
      length,
    };
  return { body: coding !== null || (length !== null && length !== '0'), length };
}

/** What is answered to a request that may not pass. */
export function notAllowed(
  gateway: Gateway,
  req: Head,
  res: Res,
  question: Question,
  verdict: Exclude<Verdict, { kind: 'allow' }>,
) {
  if (verdict.kind === 'deny') return denied(gateway, res, verdict);
  if (isNavigation(req, question.method)) return toSignIn(gateway, res, question.host as string, verdict);
  send(res, 401, { 'x-asepsis-why': verdict.kind, 'cache-control': 'no-store' });
}

/** A request to an application without another proxy in front of it. */
export function proxyRequest(gateway: Gateway, req: Req, res: Res) {
  const { question, verdict } = ask(gateway, req);
  if (verdict.kind !== 'allow') return notAllowed(gateway, req, res, question, verdict);
  const frame = framing(req);
  if (frame === null || verdict.app.upstream === null)
    return denied(gateway, res, {
      kind: 'deny',
      app: verdict.app,
      status: frame === null ? 400 : 421,
      why: frame === null ? 'framing' : 'no-upstream',
    });
  const headers = upstreamHeaders(gateway, req, verdict, false);
  if (frame.length !== null) headers.push('Content-Length', frame.length);
  else if (frame.body) headers.push('Transfer-Encoding', 'chunked');
  const upstream = open(verdict.app, req.method as string, req.url as string, headers);
  const close = () => {
    upstream.destroy();
    cut(res);
  };
  const letGo = hold(gateway, { session: verdict.session, question, app: verdict.app, close });
  let answered = false;
  (res as ServerResponse).on('close', () => {
    letGo();
    if (!answered || !(res as ServerResponse).writableFinished) upstream.destroy();
  });
  upstream.on('response', (answer) => {
    answered = true;
    answerBack(gateway, res, answer);
  });
  upstream.on('error', () => {
    if (!(res as ServerResponse).headersSent) badGateway(gateway, res, verdict.app);
    else cut(res);
  });
  if (!frame.body) return upstream.end();
  watchUpload(req as IncomingMessage, close, gateway.times.uploadSpanMs);
  (req as IncomingMessage).pipe(upstream);
}

function open(app: App, method: string, path: string, headers: string[]): ClientRequest {
  const target = app.upstream as URL;
  const secure = target.protocol === 'https:';
  const request = (secure ? httpsRequest : httpRequest)({
    agent: agents[target.protocol as 'http:' | 'https:'],
    host: target.hostname.replace(/^\[|\]$/g, ''),
    port: target.port || (secure ? 443 : 80),
    method,
    path,
    headers,
    setHost: false,
  });
  request.setTimeout(0);
  request.once('socket', (socket) => {
    if (!socket.connecting) return;
    const timer = setTimeout(() => request.destroy(new Error('no connection')), CONNECT_MS);
    socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer));
    socket.once('close', () => clearTimeout(timer));
  });
  return request;
}

/** The application's answer, without what concerns its connection and without cookies under our names. */
function answerBack(gateway: Gateway, res: Res, answer: IncomingMessage) {
  const { cookieNames } = gateway.settings();
  const listed = connectionWords(answer.headers.connection);
  const out: Record<string, string | string[]> = {};
  const raw = answer.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const key = (raw[i] as string).toLowerCase();
    const value = raw[i + 1] as string;
    if (!goesToClient(key, value, listed, cookieNames)) continue;
    const before = out[key];
    out[key] = before === undefined ? value : Array.isArray(before) ? [...before, value] : [before, value];
  }
  const to = res as ServerResponse;
  to.writeHead(answer.statusCode ?? 502, out);
  // Answers that come in pieces (events of the server) leave in pieces.
  if (String(out['content-type'] ?? '').startsWith('text/event-stream')) to.flushHeaders?.();
  answer.pipe(to);
  answer.on('error', () => cut(res));
  answer.on('aborted', () => cut(res));
}

export function badGateway(gateway: Gateway, res: Res, app: App) {
  const { config, secure } = gateway.settings();
  sendPage(
    res,
    502,
    page({ title: app.title, organisation: config.organisation, body: html`<p>${texts.upstreamDown(app.title)}</p>` }),
    { secure },
  );
}

const refuseSocket = (socket: Duplex, status: string, why: string) => {
  socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\nX-Asepsis-Why: ${why}\r\n\r\n`);
};

/** A WebSocket: the same question as for any request, the page's origin checked, and an end with the session's. */
export function proxyUpgrade(gateway: Gateway, req: IncomingMessage, socket: Duplex, head: Buffer) {
  socket.on('error', () => socket.destroy());
  const { question, verdict } = ask(gateway, req);
  if (verdict.kind === 'deny') return refuseSocket(socket, `${verdict.status} Refused`, verdict.why);
  if (verdict.kind !== 'allow') return refuseSocket(socket, '401 Unauthorized', verdict.kind);
  if (
    String(req.headers.upgrade ?? '').toLowerCase() !== 'websocket' ||
    req.method !== 'GET' ||
    framing(req)?.body !== false
  )
    return refuseSocket(socket, '400 Bad Request', 'upgrade');
  if (verdict.app.upstream === null) return refuseSocket(socket, '421 Misdirected Request', 'no-upstream');
  const upstream = open(verdict.app, 'GET', req.url as string, upstreamHeaders(gateway, req, verdict, true));
  let other: Duplex | null = null;
  const close = () => {
    if (socket.destroyed) return;
    socket.destroy();
    // Where thousands end at once, all clients come before the first application.
    setImmediate(() => {
      other?.destroy();
      upstream.destroy();
    });
  };
  const letGo = hold(gateway, { session: verdict.session, question, app: verdict.app, close });
  socket.on('close', () => {
    letGo();
    other?.destroy();
    upstream.destroy();
  });
  upstream.on('error', () => {
    refuseSocket(socket, '502 Bad Gateway', 'upstream');
  });
  upstream.on('response', (answer) => {
    // The application does not speak WebSocket here: its refusal, without its body.
    answer.resume();
    refuseSocket(socket, `${answer.statusCode ?? 502} ${answer.statusMessage ?? ''}`, 'upstream');
  });
  upstream.on('upgrade', (answer, there, thereHead) => {
    other = there;
    there.on('error', close);
    there.on('close', close);
    let text = 'HTTP/1.1 101 Switching Protocols\r\n';
    const { cookieNames: names } = gateway.settings();
    for (let i = 0; i < answer.rawHeaders.length; i += 2) {
      const value = answer.rawHeaders[i + 1] as string;
      if (
        (answer.rawHeaders[i] as string).toLowerCase() === 'set-cookie' &&
        names.includes(value.slice(0, value.indexOf('=')).trim())
      )
        continue;
      text += `${answer.rawHeaders[i]}: ${value}\r\n`;
    }
    socket.write(`${text}\r\n`);
    if (thereHead.length > 0) socket.write(thereHead);
    if (head.length > 0) there.write(head);
    socket.pipe(there);
    there.pipe(socket);
  });
  upstream.end();
}

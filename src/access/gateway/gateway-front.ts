/**
 * The quick way in: plain GET and HEAD requests for applications, and the questions of proxies, are read and answered on
 * the connection itself. A connection that brings anything else goes to Node's server, with every byte that was not yet
 * answered, and stays there (docs/adr/0006).
 */

import type { Socket } from 'node:net';
import type { Gateway } from './gateway-core.ts';
import { answerForwardAuth, denied, isQuestion, isTrustedPeer, OWN_PATH } from './gateway-forward.ts';
import { upstreamHeaders } from './gateway-headers.ts';
import { hostOf } from './gateway-http.ts';
import { type Lines, openLines } from './gateway-line.ts';
import type { Held } from './gateway-open.ts';
import { type PlainAnswer, plainAnswer } from './gateway-plain-answer.ts';
import type { App } from './gateway-policy.ts';
import { ask, badGateway, notAllowed } from './gateway-proxy.ts';
import { Relay, type RelayClient } from './gateway-relay.ts';
import { type Head, type PlainHead, readPlainHead } from './gateway-request-head.ts';

const IDLE_MS = 65_000;
/** A client that takes nothing of its answer for so long is gone. */
const STUCK_MS = 60_000;
const SWEEP_MS = 2000;
/** Requests that a client sends before their turn. */
const AHEAD_BYTES_MAX = 64 * 1024;

export interface FrontGate {
  take(socket: Socket): void;
  close(): void;
}

export function openFront(gateway: Gateway, handOver: (socket: Socket) => void): FrontGate {
  const around: Around = { gateway, lines: openLines(), clients: new Set(), handOver };
  const sweep = setInterval(
    () => {
      const now = performance.now();
      for (const client of around.clients) client.look(now);
    },
    Math.min(SWEEP_MS, gateway.times.headMs),
  );
  sweep.unref();
  return {
    take(socket) {
      new Client(around, socket);
    },
    close() {
      clearInterval(sweep);
      around.lines.close();
    },
  };
}

interface Around {
  readonly gateway: Gateway;
  readonly lines: Lines;
  readonly clients: Set<Client>;
  readonly handOver: (socket: Socket) => void;
}

/** One connection of a client: what it sent and was not read, and the answer that is under way. */
class Client implements RelayClient, Held {
  readonly socket: Socket;
  readonly #around: Around;
  #unread: Buffer | null = null;
  #relay: Relay | null = null;
  /** Since when the next request, or the rest of its head, is waited for, on the clock of `performance.now`. */
  #waitsSinceMs = performance.now();
  /** The client sends no more; what it asked for is still answered. */
  #ending = false;
  session: Held['session'] = null;
  question: Held['question'] = null;
  app: Held['app'] = null;
  sinceMs = 0;

  constructor(around: Around, socket: Socket) {
    this.#around = around;
    this.socket = socket;
    around.clients.add(this);
    around.gateway.held.add(this);
    socket
      .on('data', this.#onData)
      .on('drain', this.#onDrain)
      .on('end', this.#onEnd)
      .on('close', this.#onClose)
      .on('error', this.close);
  }

  /** What is over by its time at `nowMs` is closed. */
  look(nowMs: number): void {
    const since = this.#relay === null ? this.#waitsSinceMs : this.#relay.stuckSinceMs;
    const limit = this.#relay !== null ? STUCK_MS : this.#unread === null ? IDLE_MS : this.#around.gateway.times.headMs;
    if (since !== null && nowMs - since > limit) this.close();
  }

  readonly close = (): void => {
    this.#relay?.abort();
    this.socket.destroy();
  };

  readonly #onData = (chunk: Buffer): void => {
    if (this.#unread === null && this.#relay === null) this.#waitsSinceMs = performance.now();
    this.#unread = this.#unread === null ? chunk : Buffer.concat([this.#unread, chunk]);
    if (this.#relay === null) this.#next();
    else if (this.#unread.length > AHEAD_BYTES_MAX) this.socket.pause();
  };
  readonly #onDrain = (): void => {
    if (this.#relay === null) this.#next();
    else this.#relay.drained();
  };
  readonly #onEnd = (): void => {
    this.#ending = true;
    if (this.#relay === null) this.socket.end();
  };
  readonly #onClose = (): void => {
    this.#forget();
    this.#relay?.abort();
    this.#relay = null;
  };

  #forget(): void {
    this.#around.clients.delete(this);
    this.#around.gateway.held.delete(this);
  }

  /** To Node's server, with every byte that is not answered. */
  #leave(): void {
    const { socket } = this;
    this.#forget();
    socket
      .off('data', this.#onData)
      .off('drain', this.#onDrain)
      .off('end', this.#onEnd)
      .off('close', this.#onClose)
      .off('error', this.close);
    // Paused meanwhile: a stream that already flows would keep what is put back to itself.
    socket.pause();
    if (this.#unread !== null) socket.unshift(this.#unread);
    this.#unread = null;
    this.#around.handOver(socket);
    socket.resume();
  }

  /** Answers what has come in, one request after the other; a relay that ends calls it again. */
  #next(): void {
    const { socket } = this;
    const { gateway } = this.#around;
    while (this.#relay === null && this.#unread !== null && !socket.writableNeedDrain && !socket.writableEnded) {
      const head = readPlainHead(this.#unread);
      if (head === 'more') return;
      if (head === 'other' || !isMine(gateway, head, socket)) {
        this.#leave();
        return;
      }
      const rest = this.#unread.subarray(head.length);
      this.#unread = rest.length === 0 ? null : rest;
      this.#answer(head);
      this.#waitsSinceMs = performance.now();
    }
    if (this.#relay !== null) return;
    if (this.#ending) socket.end();
    else if (socket.isPaused()) socket.resume();
  }

  #plainAnswer(head: PlainHead): PlainAnswer {
    const nowMs = this.#around.gateway.clock.now();
    return plainAnswer(this.socket, { head: head.method === 'HEAD', close: head.close, nowMs });
  }

  #answer(plain: PlainHead): void {
    const { gateway, lines } = this.#around;
    const head = headOf(plain, this.socket);
    if (isQuestion(plain.url)) {
      answerForwardAuth(gateway, head, this.#plainAnswer(plain));
      return;
    }
    const { verdict, question } = ask(gateway, head);
    if (verdict.kind !== 'allow') {
      notAllowed(gateway, head, this.#plainAnswer(plain), question, verdict);
      return;
    }
    const { app, session } = verdict;
    if (app.upstream === null) {
      denied(gateway, this.#plainAnswer(plain), { kind: 'deny', app, status: 421, why: 'no-upstream' });
      return;
    }
    let text = `${plain.method} ${plain.url} HTTP/1.1\r\n`;
    const headers = upstreamHeaders(gateway, head, verdict, false);
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]}: ${headers[i + 1]}\r\n`;
    this.session = session;
    this.question = question;
    this.app = app;
    this.sinceMs = gateway.clock.now();
    const { cookieNames } = gateway.settings();
    this.#relay = new Relay(this, plain, `${text}\r\n`, { upstream: app.upstream, lines, cookieNames });
    this.#relay.start();
  }

  #over(): void {
    this.#relay = null;
    this.session = null;
    this.question = null;
    this.#waitsSinceMs = performance.now();
  }
  done(relay: Relay): void {
    this.#over();
    if (relay.head.close) this.socket.end();
    else if (this.#unread !== null || this.#ending || this.socket.isPaused()) this.#next();
  }
  failed(relay: Relay): void {
    const { app } = this;
    this.#over();
    badGateway(this.#around.gateway, this.#plainAnswer(relay.head), app as App);
    this.#next();
  }
  broken(): void {
    this.#over();
    this.socket.destroy();
  }
}

const headOf = ({ method, url, headers, rawHeaders }: PlainHead, socket: Socket): Head => ({
  method,
  url,
  headers,
  rawHeaders,
  socket,
});

/** Questions of a trusted proxy, and requests for an application. Sign-in and our own other paths are Node's server's. */
function isMine(gateway: Gateway, head: PlainHead, socket: Socket): boolean {
  if (head.url.startsWith(OWN_PATH)) return isQuestion(head.url);
  // Whoever is believed about hosts may mean the sign-in pages: the longer way reads that.
  if (head.headers['x-forwarded-host'] !== undefined && isTrustedPeer(gateway, { socket })) return false;
  const host = hostOf(headOf(head, socket));
  return host !== null && host !== gateway.settings().host;
}

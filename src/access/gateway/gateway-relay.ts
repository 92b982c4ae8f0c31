/** One plain request and its answer: bytes from the application's connection to the client's, without streams between. */

import type { Socket } from 'node:net';
import { type AnswerHead, readAnswerHead } from './gateway-answer-head.ts';
import { type Chunks, openChunks } from './gateway-chunks.ts';
import { goesToClient } from './gateway-headers.ts';
import type { Exchange, Line, Lines } from './gateway-line.ts';
import type { PlainHead } from './gateway-request-head.ts';

const HEAD_BYTES_MAX = 64 * 1024;
const END = '\r\n\r\n';

/** Who asked; one a connection, whatever it asks in turn. */
export interface RelayClient {
  readonly socket: Socket;
  /** The answer is out. */
  done(relay: Relay): void;
  /** There will be no answer; nothing has gone to the client. */
  failed(relay: Relay): void;
  /** The answer broke off in its middle. */
  broken(relay: Relay): void;
}

/** A class, and no closures: one is made for each request. */
export class Relay implements Exchange {
  readonly head: PlainHead;
  readonly #client: RelayClient;
  readonly #socket: Socket;
  readonly #lines: Lines;
  readonly #upstream: URL;
  readonly #cookieNames: readonly string[];
  /** The request as it goes to the application. */
  readonly #text: string;
  #line: Line | null = null;
  #state: 'head' | 'length' | 'chunked' | 'rest' | 'over' = 'head';
  /** The beginning of a head whose end has not come yet. */
  #begun: Buffer | null = null;
  /** Our head, kept back for a moment: the body mostly comes with the next read. */
  #unsent = '';
  #left = 0;
  #keep = false;
  #chunks: Chunks | null = null;
  #tried = false;
  /** Since when the client takes nothing, on the clock of `performance.now`. */
  stuckSinceMs: number | null = null;

  constructor(
    client: RelayClient,
    head: PlainHead,
    text: string,
    to: { upstream: URL; lines: Lines; cookieNames: readonly string[] },
  ) {
    this.#client = client;
    this.#socket = client.socket;
    this.head = head;
    this.#text = text;
    this.#lines = to.lines;
    this.#upstream = to.upstream;
    this.#cookieNames = to.cookieNames;
  }

  start(): void {
    this.#lines.take(this.#upstream, this);
  }

  opened(line: Line): void {
    this.#line = line;
    line.socket.write(this.#text, 'latin1');
  }

  bytes(buffer: Buffer, from: number, to: number): boolean {
    if (this.#state === 'over' || from >= to) return true;
    if (this.#state !== 'head') return this.#body(buffer, from, to);
    if (this.#begun === null) return this.#readHead(buffer, from, to);
    const whole = Buffer.concat([this.#begun, buffer.subarray(from, to)]);
    this.#begun = null;
    return this.#readHead(whole, 0, whole.length);
  }

  ended(clean: boolean): void {
    const again = this.#line?.used === true && this.#state === 'head' && this.#begun === null && !this.#tried;
    this.#line = null;
    if (this.#state === 'over') return;
    if (again) {
      // The application closed a line that was kept open just as the request went out (RFC 9112 section 9.3.1).
      this.#tried = true;
      this.#lines.take(this.#upstream, this, true);
    } else if (this.#state === 'rest' && clean) {
      this.#sendHead();
      this.#socket.write('0\r\n\r\n', 'latin1');
      this.#finish(false);
    } else this.#fail();
  }

  holds(): boolean {
    return this.#socket.writableLength > 0;
  }

  /** Ends it from outside: the session is over, or the client went away. */
  abort(): void {
    if (this.#state === 'over') return;
    this.#state = 'over';
    if (this.#line === null) this.#lines.forget(this.#upstream, this);
    this.#release(false);
  }

  /** The client took what waited for it. */
  drained(): void {
    this.stuckSinceMs = null;
    this.#line?.socket.resume();
  }

  #readHead(buffer: Buffer, from: number, to: number): boolean {
    const end = buffer.indexOf(END, from, 'latin1');
    // Beyond `to` stand bytes of an earlier read.
    if (end < 0 || end + END.length > to) {
      if (to - from > HEAD_BYTES_MAX) this.#fail();
      else this.#begun = Buffer.from(buffer.subarray(from, to));
      return true;
    }
    const next = end + END.length;
    const answer = readAnswerHead(buffer.toString('latin1', from, end + 2), this.head.method);
    if (answer === null || answer.status === 101) {
      this.#fail();
      return true;
    }
    // An interim answer: the real one follows (RFC 9110 section 15.2).
    if (answer.status < 200) return this.bytes(buffer, next, to);
    this.#keep = answer.keep;
    this.#unsent = this.#headText(answer);
    const { framing } = answer;
    if (framing.kind === 'none' || (framing.kind === 'length' && framing.bytes === 0)) {
      this.#finish(this.#keep && next === to);
      return true;
    }
    this.#state = framing.kind;
    if (framing.kind === 'length') this.#left = framing.bytes;
    if (framing.kind === 'chunked') this.#chunks = openChunks();
    if (next < to) return this.#body(buffer, next, to);
    setImmediate(sendHeadOf, this);
    return true;
  }

  #headText(answer: AnswerHead): string {
    const { rawHeaders: raw, framing } = answer;
    let text = `HTTP/1.1 ${answer.status} ${answer.reason}\r\n`;
    for (let i = 0; i < raw.length; i += 2) {
      const name = raw[i] as string;
      const value = raw[i + 1] as string;
      if (goesToClient(name, value, answer.listed, this.#cookieNames)) text += `${name}: ${value}\r\n`;
    }
    if (framing.kind === 'chunked' || framing.kind === 'rest') text += 'Transfer-Encoding: chunked\r\n';
    return this.head.close ? `${text}Connection: close\r\n\r\n` : `${text}\r\n`;
  }

  /** Nothing came with the head: it leaves alone (events of a server, slow pages). */
  #sendHead(): void {
    if (this.#unsent === '' || this.#state === 'over') return;
    this.#socket.write(this.#unsent, 'latin1');
    this.#unsent = '';
  }

  sendHeadNow(): void {
    this.#sendHead();
  }

  #body(buffer: Buffer, from: number, to: number): boolean {
    const socket = this.#socket;
    if (this.#state === 'length') {
      const end = Math.min(to, from + this.#left);
      this.#left -= end - from;
      this.#send(buffer, from, end);
      // Bytes after the end: this line is out of step, and nobody gets another answer from it.
      if (this.#left === 0) this.#finish(this.#keep && end === to);
      return this.#goOn();
    }
    socket.cork();
    this.#sendHead();
    if (this.#state === 'chunked') {
      const chunks = this.#chunks as Chunks;
      const end = chunks.read(buffer, from, to, (a, b) => socket.write(buffer.subarray(a, b)));
      socket.uncork();
      if (end < 0) this.#fail();
      else if (chunks.done()) this.#finish(this.#keep && end === to);
    } else {
      socket.write(`${(to - from).toString(16)}\r\n`, 'latin1');
      socket.write(buffer.subarray(from, to));
      socket.write('\r\n', 'latin1');
      socket.uncork();
    }
    return this.#goOn();
  }

  /** Bytes for the client; a head that waits goes in front of them, in the same write where there is room. */
  #send(buffer: Buffer, from: number, to: number): void {
    const text = this.#unsent;
    if (text !== '' && text.length <= from) {
      this.#unsent = '';
      const at = from - text.length;
      buffer.write(text, at, 'latin1');
      this.#socket.write(buffer.subarray(at, to));
      return;
    }
    this.#sendHead();
    this.#socket.write(buffer.subarray(from, to));
  }

  #goOn(): boolean {
    if (this.#state === 'over' || !this.#socket.writableNeedDrain) return true;
    this.stuckSinceMs = performance.now();
    return false;
  }

  #release(reusable: boolean): void {
    const line = this.#line;
    this.#line = null;
    if (line === null) return;
    line.exchange = null;
    if (reusable) this.#lines.giveBack(this.#upstream, line);
    else line.socket.destroy();
  }

  #finish(reusable: boolean): void {
    this.#sendHead();
    this.#state = 'over';
    this.#release(reusable);
    this.#client.done(this);
  }

  #fail(): void {
    const started = this.#state !== 'head' && this.#unsent === '';
    this.#state = 'over';
    this.#release(false);
    if (started) this.#client.broken(this);
    else this.#client.failed(this);
  }
}

const sendHeadOf = (relay: Relay): void => relay.sendHeadNow();

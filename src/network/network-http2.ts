/**
 * HTTP/2 without TLS (RFC 9113), by its preface or by the settings that a server begins with. Each stream is told to a parser of
 * HTTP/1 as the same message: what counts as a log-in or a patient is known there.
 */

import type { Budget } from './network-budget.ts';
import { be24, be32, startsWith } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { createHpack, type HeaderFields } from './network-hpack.ts';
import { createHttp } from './network-http.ts';
import type { Report } from './network-report.ts';

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const HEAD_BYTES = 9;
const DATA = 0;
const HEADERS = 1;
const SETTINGS = 4;
const PUSH_PROMISE = 5;
const CONTINUATION = 9;
const END_STREAM = 1;
const END_HEADERS = 4;
const PADDED = 8;
const PRIORITY = 32;
/** Frames are mostly 16 KiB; header blocks longer than that are passed over. */
const BLOCK_BYTES_MAX = 32 * 1024;
const FRAME_BYTES_MAX = 1 << 20;
const STREAMS_MAX = 64;

export function isHttp2(b: Uint8Array, at: number, end: number): boolean {
  if (b[at] === 0x50) return startsWith(b, at, end, PREFACE);
  // A server begins with its settings: numbers of six bytes each, on stream 0, or none of them and another frame.
  if (end - at < HEAD_BYTES + 2 || b[at + 3] !== SETTINGS || b[at + 4] !== 0 || be32(b, at + 5) !== 0) return false;
  const length = be24(b, at);
  if (length === 0)
    return end - at >= 2 * HEAD_BYTES && be24(b, at + HEAD_BYTES) <= 16_384 && b[at + HEAD_BYTES + 3]! <= CONTINUATION;
  return length >= 6 && length <= 96 && length % 6 === 0 && b[at + HEAD_BYTES] === 0 && b[at + HEAD_BYTES + 1]! <= 9;
}

interface Way {
  readonly hpack: ReturnType<typeof createHpack>;
  /** A header block that goes on in the next frame. */
  block: Uint8Array;
  blockStream: number;
  blockEnds: boolean;
}

const NOTHING = new Uint8Array(0);
const newWay = (): Way => ({ hpack: createHpack(), block: NOTHING, blockStream: 0, blockEnds: false });

export function createHttp2(report: Report, budget: Budget): Parser {
  const ways: readonly [Way, Way] = [newWay(), newWay()];
  const streams = new Map<number, Parser>();

  const end = (flow: Flow, id: number): void => {
    const stream = streams.get(id);
    streams.delete(id);
    stream?.end?.(flow);
    stream?.free?.();
  };
  const streamOf = (flow: Flow, id: number): Parser => {
    const known = streams.get(id);
    if (known) return known;
    if (streams.size >= STREAMS_MAX)
      for (const oldest of streams.keys()) {
        end(flow, oldest);
        break;
      }
    const made = createHttp(report, budget);
    streams.set(id, made);
    return made;
  };
  const tell = (flow: Flow, dir: number, id: number, bytes: Uint8Array): void => {
    streamOf(flow, id).read(flow, dir, bytes, 0, bytes.length);
    // What a stream makes of it says nothing about the connection.
    flow.parser = parser;
    flow.tries = 0;
  };
  const text = (flow: Flow, dir: number, id: number, said: string): void =>
    tell(flow, dir, id, Buffer.from(said, 'latin1'));

  /** The same as a head of HTTP/1.1; bodies follow in chunks. */
  const head = (flow: Flow, dir: number, id: number, fields: HeaderFields, last: boolean): void => {
    const pseudo = new Map(fields.filter(([name]) => name.startsWith(':')));
    const method = pseudo.get(':method');
    const status = pseudo.get(':status');
    // Trailers have neither.
    if (method === undefined && status === undefined) return;
    const clean = (value: string): string => value.replaceAll('\r', ' ').replaceAll('\n', ' ');
    const first =
      method === undefined
        ? `HTTP/1.1 ${/^\d{3}$/.test(status ?? '') ? status : '200'} -`
        : `${/^[A-Z]{3,10}$/.test(method) ? method : 'POST'} ${clean(pseudo.get(':path') ?? '/').replaceAll(' ', '%20')} HTTP/1.1`;
    const lines = fields
      .filter(([name]) => !name.startsWith(':') && !/^(?:content-length|transfer-encoding|connection)$/i.test(name))
      .map(([name, value]) => `${clean(name)}: ${clean(value)}`);
    const body = last ? 'content-length: 0' : 'transfer-encoding: chunked';
    text(
      flow,
      dir,
      id,
      `${first}\r\nhost: ${clean(pseudo.get(':authority') ?? '')}\r\n${lines.map((one) => `${one}\r\n`).join('')}${body}\r\n\r\n`,
    );
  };

  const block = (flow: Flow, dir: number, bytes: Uint8Array, ends: boolean, last: boolean, id: number): void => {
    const way = ways[dir]!;
    way.block = way.block.length === 0 ? bytes : Buffer.concat([way.block, bytes]);
    way.blockStream = id;
    way.blockEnds = last;
    if (way.block.length > BLOCK_BYTES_MAX) way.block = NOTHING;
    if (!ends) {
      way.block = way.block.slice();
      return;
    }
    const whole = way.block;
    way.block = NOTHING;
    head(flow, dir, id, way.hpack.read(whole, 0, whole.length), last);
    if (last && dir !== flow.client) end(flow, id);
  };

  const frame = (flow: Flow, dir: number, b: Uint8Array, at: number, stop: number): void => {
    const type = b[at + 3]!;
    const flags = b[at + 4]!;
    const id = be32(b, at + 5) & 0x7fffffff;
    let from = at + HEAD_BYTES;
    let to = stop;
    if ((type === DATA || type === HEADERS || type === PUSH_PROMISE) && (flags & PADDED) !== 0) {
      to -= b[from] ?? 0;
      from++;
    }
    if (type === HEADERS && (flags & PRIORITY) !== 0) from += 5;
    if (type === PUSH_PROMISE) from += 4;
    if (from > to) return;
    const bytes = b.subarray(from, to);
    const last = (flags & END_STREAM) !== 0;
    if (type === HEADERS) block(flow, dir, bytes, (flags & END_HEADERS) !== 0, last, id);
    else if (type === PUSH_PROMISE) ways[dir]!.hpack.read(bytes, 0, bytes.length);
    else if (type === CONTINUATION && ways[dir]!.blockStream === id)
      block(flow, dir, bytes, (flags & END_HEADERS) !== 0, ways[dir]!.blockEnds, id);
    else if (type === DATA && streams.has(id)) {
      if (bytes.length > 0) {
        text(flow, dir, id, `${bytes.length.toString(16)}\r\n`);
        tell(flow, dir, id, bytes);
        text(flow, dir, id, '\r\n');
      }
      if (!last) return;
      text(flow, dir, id, '0\r\n\r\n');
      if (dir !== flow.client) end(flow, id);
    }
  };

  const parser: Parser = {
    name: 'http2',
    free() {
      for (const stream of streams.values()) stream.free?.();
      streams.clear();
    },
    read(flow, dir, b, start, stop) {
      let at = start;
      if (b[at] === 0x50) {
        if (stop - at < PREFACE.length) return at;
        if (!startsWith(b, at, stop, PREFACE)) {
          flow.parser = null;
          return stop;
        }
        flow.client = dir;
        at += PREFACE.length;
      }
      while (stop - at >= HEAD_BYTES) {
        const length = be24(b, at);
        if (length > FRAME_BYTES_MAX || b[at + 3]! > 32) {
          flow.parser = null;
          return stop;
        }
        const next = at + HEAD_BYTES + length;
        if (b[at + 3] === SETTINGS && flow.client < 0) flow.client = dir ^ 1;
        if (next > stop) {
          // What is no header and no body may be skipped, and so may what is longer than anybody needs.
          const wanted = b[at + 3] === DATA || b[at + 3] === HEADERS || b[at + 3] === CONTINUATION;
          return wanted && length <= BLOCK_BYTES_MAX ? at : next;
        }
        frame(flow, dir, b, at, next);
        at = next;
      }
      return at;
    },
    end(flow) {
      for (const id of streams.keys()) end(flow, id);
    },
  };
  return parser;
}

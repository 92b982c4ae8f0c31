/**
 * Connections to applications, kept open between requests. They read into buffers with room before the bytes, so that an
 * answer's new head can be put in front of its body and both leave in one write (docs/adr/0006).
 */

import { connect, isIP, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

const CONNECT_MS = 10_000;
/** To one application; further requests wait for one of them. */
const LINES_MAX = 1024;
const WAITING_MAX = 10_000;
const IDLE_MS = 30_000;
/** Room for a head of ours before the bytes of the application. */
const ROOM_BYTES = 4096;
const READ_BYTES = 64 * 1024;

/** Who uses a line at the moment. */
export interface Exchange {
  /** The line is there: the request can go out. */
  opened(line: Line): void;
  /** Bytes of the answer stand from `from` to `to`; the room before is free. False: no more for now. */
  bytes(buffer: Buffer, from: number, to: number): boolean;
  /** The application closed (`clean`), or the line broke, or there was none to be had. */
  ended(clean: boolean): void;
  /** True while bytes that were handed over may still be waiting to leave. */
  holds(): boolean;
}

export interface Line {
  readonly socket: Socket;
  /** It has carried a request before: the application may have closed it at this moment. */
  used: boolean;
  exchange: Exchange | null;
}

interface Pool {
  readonly idle: { line: Line; sinceMs: number }[];
  readonly waiting: Exchange[];
  open: number;
}

export interface Lines {
  /** A line for the exchange, at once or later; `fresh` when one that was used before has just failed. */
  take(upstream: URL, exchange: Exchange, fresh?: boolean): void;
  /** The answer is complete and the line as it was. */
  giveBack(upstream: URL, line: Line): void;
  /** Who waits for a line no longer does. */
  forget(upstream: URL, exchange: Exchange): void;
  close(): void;
}

export function openLines(): Lines {
  const pools = new Map<string, Pool>();
  const all = new Set<Line>();
  // A URL makes its origin anew each time, and the same few are asked for.
  const byUrl = new WeakMap<URL, Pool>();
  const poolOf = (upstream: URL): Pool => {
    const held = byUrl.get(upstream);
    if (held !== undefined) return held;
    const pool = pools.get(upstream.origin) ?? { idle: [], waiting: [], open: 0 };
    pools.set(upstream.origin, pool);
    byUrl.set(upstream, pool);
    return pool;
  };
  const use = (line: Line, exchange: Exchange) => {
    line.exchange = exchange;
    exchange.opened(line);
  };
  const open = (upstream: URL, pool: Pool, exchange: Exchange) => {
    pool.open++;
    const line = openLine(upstream, exchange, () => {
      pool.open--;
      all.delete(line);
      const at = pool.idle.findIndex((one) => one.line === line);
      if (at >= 0) pool.idle.splice(at, 1);
      const next = pool.waiting.shift();
      if (next !== undefined) open(upstream, pool, next);
    });
    all.add(line);
    exchange.opened(line);
  };
  const sweep = setInterval(() => {
    const old = performance.now() - IDLE_MS;
    for (const pool of pools.values())
      for (const { line, sinceMs } of pool.idle) if (sinceMs < old) line.socket.destroy();
  }, IDLE_MS / 6);
  sweep.unref();
  return {
    take(upstream, exchange, fresh = false) {
      const pool = poolOf(upstream);
      const held = fresh ? undefined : pool.idle.pop();
      if (held !== undefined) use(held.line, exchange);
      else if (pool.open < LINES_MAX) open(upstream, pool, exchange);
      else if (pool.waiting.length < WAITING_MAX) pool.waiting.push(exchange);
      else exchange.ended(false);
    },
    giveBack(upstream, line) {
      const pool = poolOf(upstream);
      line.used = true;
      line.exchange = null;
      const next = pool.waiting.shift();
      if (next !== undefined) use(line, next);
      else pool.idle.push({ line, sinceMs: performance.now() });
    },
    forget(upstream, exchange) {
      const { waiting } = poolOf(upstream);
      const at = waiting.indexOf(exchange);
      if (at >= 0) waiting.splice(at, 1);
    },
    close() {
      clearInterval(sweep);
      for (const pool of pools.values()) pool.waiting.length = 0;
      for (const line of all) line.socket.destroy();
    },
  };
}

function openLine(upstream: URL, exchange: Exchange, closed: () => void): Line {
  const host = upstream.hostname.replace(/^\[|\]$/g, '');
  const secure = upstream.protocol === 'https:';
  const port = Number(upstream.port) || (secure ? 443 : 80);
  const socket = secure
    ? connectTls({ host, port, servername: isIP(host) ? '' : host })
    : connectPlain(host, port, () => line);
  const line: Line = { socket, used: false, exchange };
  const timer = setTimeout(() => socket.destroy(), CONNECT_MS);
  socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(timer));
  socket.setNoDelay(true);
  if (secure)
    socket.on('data', (bytes: Buffer) => {
      if (!take(line, bytes, 0, bytes.length)) socket.pause();
    });
  const end = (clean: boolean) => {
    const { exchange: under } = line;
    line.exchange = null;
    under?.ended(clean);
  };
  socket.on('end', () => {
    end(true);
    socket.destroy();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    clearTimeout(timer);
    end(false);
    closed();
  });
  return line;
}

function take(line: Line, buffer: Buffer, from: number, to: number): boolean {
  if (line.exchange !== null) return line.exchange.bytes(buffer, from, to);
  // Nobody asked: it would be taken for the answer to the next request.
  line.socket.destroy();
  return false;
}

function connectPlain(host: string, port: number, lineOf: () => Line): Socket {
  let whole = Buffer.allocUnsafeSlow(ROOM_BYTES + READ_BYTES);
  let view = whole.subarray(ROOM_BYTES);
  let taken = false;
  return connect({
    host,
    port,
    onread: {
      // Asked for after each read: a buffer whose bytes still wait to leave is left to them.
      buffer: () => {
        if (taken) {
          whole = Buffer.allocUnsafeSlow(ROOM_BYTES + READ_BYTES);
          view = whole.subarray(ROOM_BYTES);
          taken = false;
        }
        return view;
      },
      callback: (bytes) => {
        const line = lineOf();
        const { exchange } = line;
        const more = take(line, whole, ROOM_BYTES, ROOM_BYTES + bytes);
        taken = exchange?.holds() ?? false;
        return more;
      },
    },
  });
}

/** Sends the rehearsal through the real listeners: syslog over TCP from an address per host, Windows events over HTTP. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import type { Line } from './rehearsal-lines.ts';

/** A batch of this age is sent, so that the desk moves smoothly. */
const TURN_MS = 50;
const LINES_PER_TURN_MAX = 20_000;

export interface SendOptions {
  readonly syslog: { host: string; port: number };
  readonly http: { origin: string; token: string };
  /** 1: as it would happen; 10: ten times as fast. */
  readonly speed: number;
  /** Ends after this much of the night, in milliseconds at speed 1. */
  readonly untilMs?: number;
  readonly signal: AbortSignal;
  readonly onSent?: (lines: number) => void;
}

/** Sends until the signal or `untilMs`; answers how many records went out. */
export async function sendRehearsal(lines: Iterable<Line>, options: SendOptions): Promise<number> {
  const sockets = new Map<string, Socket>();
  const startMs = performance.now();
  const iterator = lines[Symbol.iterator]();
  let sent = 0;
  let next = iterator.next();
  try {
    while (!next.done && !options.signal.aborted) {
      const nowAt = (performance.now() - startMs) * options.speed;
      const byHost = new Map<string, string[]>();
      const windows: string[] = [];
      const wallMs = Date.now();
      let batch = 0;
      while (!next.done && next.value.atMs <= nowAt && batch < LINES_PER_TURN_MAX) {
        if (options.untilMs !== undefined && next.value.atMs > options.untilMs) return sent + batch;
        const line = next.value;
        const record = line.write(wallMs);
        if (line.route === 'windows') windows.push(record);
        else {
          const list = byHost.get(line.host.address);
          if (list) list.push(record);
          else byHost.set(line.host.address, [record]);
        }
        batch++;
        next = iterator.next();
      }
      for (const [address, records] of byHost) await sendSyslog(sockets, address, records, options);
      if (windows.length > 0) await sendWindows(windows, options);
      sent += batch;
      if (batch > 0) options.onSent?.(sent);
      if (batch < LINES_PER_TURN_MAX) await new Promise((resolve) => setTimeout(resolve, TURN_MS));
    }
  } finally {
    for (const socket of sockets.values()) socket.end();
  }
  return sent;
}

/** 10.20.x.y of the story sends from 127.20.x.y of this machine: all of 127/8 is loopback on Linux. */
async function sendSyslog(
  sockets: Map<string, Socket>,
  address: string,
  records: readonly string[],
  options: SendOptions,
): Promise<void> {
  let socket = sockets.get(address);
  if (!socket || socket.destroyed) {
    socket = connect({ ...options.syslog, localAddress: address.replace(/^10\./, '127.') });
    socket.on('error', () => {});
    await once(socket, 'connect', { signal: options.signal });
    sockets.set(address, socket);
  }
  const framed = records.map((record) => `${Buffer.byteLength(record)} ${record}`).join('');
  if (!socket.write(framed)) await once(socket, 'drain', { signal: options.signal });
}

async function sendWindows(records: readonly string[], options: SendOptions): Promise<void> {
  for (let attempt = 0; attempt < 5; attempt++) {
    const response = await fetch(`${options.http.origin}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${options.http.token}`, 'content-type': 'application/x-ndjson' },
      body: records.join('\n'),
      signal: options.signal,
    });
    await response.body?.cancel();
    if (response.ok) return;
    if (response.status !== 429 && response.status !== 503)
      throw new Error(`The desk refused the exercise’s events: HTTP ${response.status}.`);
    const waitSec = Number(response.headers.get('retry-after') ?? 1);
    await new Promise((resolve) => setTimeout(resolve, Math.min(10, waitSec) * 1000));
  }
}

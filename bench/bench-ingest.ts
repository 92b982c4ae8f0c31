/** Syslog lines over TCP into a real desk: how many a second are on disk, decoded, matched and archived; memory; time to alert. */

import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { type Desk, enrol, newDataDir, type Person, startDesk } from '../test/harness/desk.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    connections: { type: 'string', default: '4' },
    json: { type: 'boolean' },
  },
});
const SECONDS = Number(values.seconds);
const CONNECTIONS = Number(values.connections);
const LINES_PER_CHUNK = 2000;

interface Pipeline {
  events: number;
  durable_seq: number;
  last_seq: number;
}

/** All ASCII: where each line's time begins. */
interface Chunk {
  readonly bytes: Buffer;
  readonly times: readonly number[];
}

/**
 * A hospital's sshd lines: 600 accounts, each from its own three addresses, on 50 hosts. One log-in in 40 is mistyped and
 * then right; every hundredth line is a stranger's guess, from 20 addresses that go on all the time.
 */
function chunk(turn: number): Chunk {
  const time = new Date().toISOString();
  const times: number[] = [];
  let text = '';
  for (let i = 0; i < LINES_PER_CHUNK; i++) {
    const n = turn * LINES_PER_CHUNK + i;
    const person = (n >> 1) % 600;
    const user = `staff${person}`;
    const address = `10.20.${person & 15}.${10 + ((person >> 4) % 60) + (n % 3) * 60}`;
    const port = 1024 + (n % 60_000);
    const message =
      n % 100 === 99
        ? `Failed password for invalid user admin${n % 7} from 198.51.100.${n % 20} port ${port} ssh2`
        : n % 80 === 0
          ? `Failed password for ${user} from ${address} port ${port} ssh2`
          : n % 2 === 0
            ? `Accepted publickey for ${user} from ${address} port ${port} ssh2: ED25519 SHA256:q7Zk0uFm2b8tX1n4`
            : `Disconnected from user ${user} ${address} port ${port}`;
    times.push(text.length + '<86>1 '.length);
    text += `<86>1 ${time} host-${n % 50} sshd ${1000 + (n % 30_000)} - - ${message}\n`;
  }
  return { bytes: Buffer.from(text), times };
}

/** Lines that were made before carry the time at which they are sent, like those of any sender. */
function stamped({ bytes, times }: Chunk): Buffer {
  const now = Buffer.from(new Date().toISOString());
  for (const at of times) now.copy(bytes, at);
  return bytes;
}

async function flood(desk: Desk, linesPerSec: number, seconds: number): Promise<number> {
  const { host, port } = desk.listener('syslog-tcp');
  const end = performance.now() + seconds * 1000;
  const start = performance.now();
  let sent = 0;
  let turn = 0;
  const prepared = Array.from({ length: 64 }, (_, i) => chunk(i));
  const send = async (socket: Socket) => {
    while (performance.now() < end) {
      const allowed = ((performance.now() - start) / 1000) * linesPerSec;
      if (sent >= allowed) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        continue;
      }
      sent += LINES_PER_CHUNK;
      if (!socket.write(stamped(prepared[turn++ % prepared.length] as Chunk)))
        await new Promise((resolve) => socket.once('drain', resolve));
    }
    socket.end();
    await new Promise((resolve) => socket.once('close', resolve));
  };
  await Promise.all(
    Array.from({ length: CONNECTIONS }, async () => {
      const socket = connect(port, host);
      await new Promise((resolve) => socket.once('connect', resolve));
      await send(socket);
    }),
  );
  return sent;
}

const rssMb = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

async function drained(person: Person, events: number): Promise<Pipeline> {
  for (;;) {
    const state = await person.get<Pipeline>('/v1/pipeline');
    if (state.events >= events && state.durable_seq >= state.last_seq) return state;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** Latency from receipt to the alert on the SSE stream, with attacks injected while the load runs at the given rate. */
async function latency(
  desk: Desk,
  person: Person,
  linesPerSec: number,
  seconds: number,
): Promise<{ alerts: number; p50: number; p99: number }> {
  const abort = new AbortController();
  const delays: number[] = [];
  const response = await fetch(`${desk.origin}/v1/live`, {
    headers: { cookie: person.cookie, accept: 'text/event-stream' },
    signal: abort.signal,
  });
  const reading = (async () => {
    let rest = '';
    for await (const piece of response.body as ReadableStream<Uint8Array>) {
      rest += new TextDecoder().decode(piece);
      const parts = rest.split('\n\n');
      rest = parts.pop() ?? '';
      for (const part of parts) {
        if (!part.includes('event: alert')) continue;
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (data) delays.push(Date.now() - Date.parse((JSON.parse(data) as { received: string }).received));
      }
    }
  })().catch(() => {});
  const { host, port } = desk.listener('syslog-tcp');
  const attacker = connect(port, host);
  let attack = 0;
  const timer = setInterval(() => {
    attack++;
    const time = new Date().toISOString();
    const address = `203.0.113.${attack % 250}`;
    let text = '';
    for (let i = 0; i < 60; i++)
      text += `<86>1 ${time} vpn-${attack} sshd 77 - - Failed password for root from ${address} port ${2000 + i} ssh2\n`;
    attacker.write(text);
  }, 200);
  await flood(desk, linesPerSec, seconds);
  clearInterval(timer);
  await new Promise((resolve) => setTimeout(resolve, 2000));
  attacker.end();
  abort.abort();
  await reading;
  delays.sort((a, b) => a - b);
  const at = (share: number) => delays[Math.min(delays.length - 1, Math.floor(delays.length * share))] ?? -1;
  return { alerts: delays.length, p50: at(0.5), p99: at(0.99) };
}

const folder = await newDataDir();
const desk = await startDesk(folder.path);
let rssMaxMb = 0;
const watch = setInterval(() => {
  rssMaxMb = Math.max(rssMaxMb, rssMb(desk.child.pid as number));
}, 200);
try {
  const person = await enrol(desk);
  const started = performance.now();
  const sent = await flood(desk, Number.POSITIVE_INFINITY, SECONDS);
  const state = await drained(person, sent);
  const seconds = (performance.now() - started) / 1000;
  const full = Math.round(sent / seconds);
  const half = await latency(desk, person, full / 2, Math.max(5, SECONDS / 2));
  process.stdout.write(
    `${JSON.stringify({
      bench: 'ingest',
      lines: sent,
      events: state.events,
      seconds: Number(seconds.toFixed(2)),
      linesPerSec: full,
      alerts: (await person.get<{ counts: { alerts: number } }>('/v1/overview')).counts.alerts,
      rssMaxMb: Math.round(rssMaxMb),
      latencyAtHalfLoadMs: half,
      cpu: cpus()[0]?.model,
      cores: cpus().length,
      node: process.version,
      date: new Date().toISOString(),
    })}\n`,
  );
} finally {
  clearInterval(watch);
  await desk.stop();
  await folder.remove();
}

import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { createGate, type ProbeEntry } from './perimeter-gate.ts';
import { createPacer } from './perimeter-pace.ts';
import { loopbackScope } from './testing/perimeter-scopes.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});
async function listen(host: string, seen: string[], port = 0): Promise<number> {
  const server = createServer((socket) => {
    seen.push(host);
    socket.on('error', () => {});
  }).listen(port, host);
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

test('only the gate touches sockets: no other file of the perimeter may import them', () => {
  // The round over this machine asks its own addresses only.
  const allowed = new Set(['perimeter-gate.ts', 'perimeter-tls.ts']);
  const offenders: string[] = [];
  for (const file of readdirSync(import.meta.dirname, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts') || file.includes('.test.') || file.startsWith('testing') || allowed.has(file)) continue;
    const text = readFileSync(join(import.meta.dirname, file), 'utf8');
    const imports = [
      ...text.matchAll(
        /^import (?!type)[^;]*? from 'node:(net|dgram|tls|http|https|http2|dns|dns\/promises|child_process)'/gms,
      ),
    ];
    for (const [statement, module] of imports) {
      const values = statement.replace(/\btype \w+,?/g, '');
      if (module === 'net' && /\{\s*isIP,?\s*\} from/.test(values)) continue;
      // A TLS client over a socket that the gate opened, and HTTP over such a socket.
      if (file === 'perimeter-secure.ts' && module === 'tls') continue;
      if (file === 'perimeter-http.ts' && module === 'http') continue;
      // The platform's list of roots is data; the resolver is this machine's own, and no scanned one.
      if (module === 'tls' && /\{\s*rootCertificates,?\s*\} from/.test(values)) continue;
      if (file === 'mail/mail-resolver.ts') continue;
      offenders.push(`${file}: ${module}`);
    }
    // What was seen is pushed to the desk: the one packet that is not a probe.
    if (file !== 'perimeter-push.ts' && /\bfetch\(|new WebSocket\(/.test(text)) offenders.push(`${file}: fetch`);
  }
  expect(offenders).toEqual([]);
});

test('a name that is bound anew between check and connect reaches nobody', async () => {
  const seen: string[] = [];
  const port = await listen('127.0.0.1', seen);
  await listen('127.66.0.1', seen, port);
  const scope = loopbackScope('names: [app.test]\n', '127.0.0.0/24');
  let asked = 0;
  const log: ProbeEntry[] = [];
  const gate = createGate({
    scope,
    clock: systemClock,
    log: (entry) => log.push(entry),
    resolve: async () => [asked++ === 0 ? '127.0.0.1' : '127.66.0.1'],
  });
  expect((await gate.open({ host: 'app.test', port }, 'test')).kind).toBe('refused');
  expect((await gate.open({ host: '127.66.0.1', port }, 'test')).kind).toBe('refused');
  expect((await gate.open({ host: 'other.test', port }, 'test')).kind).toBe('refused');
  const good = await gate.open({ host: '127.0.0.1', port }, 'test');
  expect(good.kind).toBe('open');
  gate.stop('done');
  expect(seen).toEqual(['127.0.0.1']);
  expect(log.map(({ outcome }) => outcome.split(':')[0])).toEqual(['refused', 'refused', 'refused', 'open']);
  expect(gate.counts).toMatchObject({ sent: 1, refused: 3 });
});

test('the kill switch ends what is open and lets nothing begin', async () => {
  const port = await listen('127.0.0.1', []);
  let killed: string | null = null;
  const gate = createGate({ scope: loopbackScope(), clock: systemClock, killed: () => killed });
  const opened = await gate.open({ host: '127.0.0.1', port }, 'test');
  if (opened.kind !== 'open') throw new Error(opened.why);
  const closed = once(opened.socket, 'close');
  killed = 'stopped by hand';
  await closed;
  expect(await gate.open({ host: '127.0.0.1', port }, 'test')).toEqual({ kind: 'refused', why: 'stopped by hand' });
});

test('a pacer that is slowed gives as many fewer turns, and what it owes it makes up without a burst', () => {
  let now = 0;
  let next: { at: number; work: () => void } | null = null;
  const pacer = createPacer(
    100,
    () => now,
    (work, ms) => {
      next = { at: now + Math.max(1, ms), work };
    },
  );
  const times: number[] = [];
  for (let i = 0; i < 5000; i++) pacer.take(() => times.push(now));
  const until = (end: number) => {
    while (next && next.at <= end) {
      const { at, work } = next;
      next = null;
      now = Math.max(now, at);
      work();
    }
    now = end;
  };
  const given = (from: number, to: number) => times.filter((at) => at >= from && at < to).length;
  until(10_000);
  expect(given(0, 10_000)).toBeGreaterThan(990);
  pacer.slow(4);
  until(20_000);
  expect(given(10_100, 20_000)).toBeLessThan(255);
  pacer.slow(1);
  // Two seconds without the processor.
  const late = next as { at: number; work: () => void } | null;
  next = null;
  now = 22_000;
  late?.work();
  until(32_000);
  for (let at = 22_000; at < 31_000; at += 500) expect(given(at, at + 1000)).toBeLessThanOrEqual(106);
  expect(given(22_000, 32_000)).toBeGreaterThan(1015);
});

test('a stop is heard at once by all that wait for their turn, however slow the rate is', async () => {
  const seen: string[] = [];
  const port = await listen('127.0.0.1', seen);
  const gate = createGate({
    scope: loopbackScope('rate: {per_sec: 1, per_host_per_sec: 1, per_host_connections: 4}'),
    clock: systemClock,
  });
  const all = Array.from({ length: 200 }, () => gate.open({ host: '127.0.0.1', port }, 'test'));
  await all[0];
  gate.stop('stopped by hand');
  const ended = await Promise.all(all);
  expect(ended.filter(({ kind }) => kind === 'refused').length).toBeGreaterThan(190);
  expect(seen.length).toBeLessThan(5);
});

test('a scope that expires while a connection waits lets it go nowhere', async () => {
  const seen: string[] = [];
  const port = await listen('127.0.0.1', seen);
  let now = Date.parse('2998-12-31T23:59:59.900Z');
  const gate = createGate({
    scope: loopbackScope('rate: {per_sec: 5, per_host_per_sec: 5, per_host_connections: 2}'),
    clock: { now: () => now },
  });
  const first = gate.open({ host: '127.0.0.1', port }, 'test');
  const second = gate.open({ host: '127.0.0.1', port }, 'test');
  expect((await first).kind).toBe('open');
  now += 1000;
  expect(await second).toMatchObject({ kind: 'refused', why: 'the scope has expired' });
  gate.stop('done');
  expect(seen).toHaveLength(1);
});

test('a pacer holds its rate within 5 % over every run, late timers or not', () => {
  for (const [rate, jitter] of [
    [10, 0],
    [97, 3],
    [1000, 7],
    [20_000, 15],
  ] as const) {
    let now = 0;
    const timers: { at: number; work: () => void }[] = [];
    const pacer = createPacer(
      rate,
      () => now,
      (work, ms) => timers.push({ at: now + Math.max(1, ms) + ((timers.length * 7 + now) % (jitter + 1)), work }),
    );
    const times: number[] = [];
    for (let i = 0; i < rate * 4; i++) pacer.take(() => times.push(now));
    while (times.length < rate * 4) {
      const next = timers.shift();
      if (!next) throw new Error('the pacer forgot its timer');
      now = Math.max(now, next.at);
      next.work();
    }
    const seconds = now / 1000;
    expect(Math.abs(times.length / seconds / rate - 1)).toBeLessThan(0.05);
  }
});

test('connections to one host at a time stay under its limit', async () => {
  let open = 0;
  let most = 0;
  const server = createServer((socket) => {
    most = Math.max(most, ++open);
    socket.on('error', () => {});
    socket.on('close', () => open--);
  }).listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const gate = createGate({
    scope: loopbackScope('rate: {per_sec: 10000, per_host_per_sec: 10000, per_host_connections: 3}'),
    clock: systemClock,
  });
  await Promise.all(
    Array.from({ length: 24 }, async () => {
      const opened = await gate.open({ host: '127.0.0.1', port }, 'test');
      if (opened.kind !== 'open') throw new Error(opened.why);
      await new Promise((resolve) => setTimeout(resolve, 10));
      opened.socket.destroy();
    }),
  );
  gate.stop('done');
  expect(most).toBeLessThanOrEqual(3);
});

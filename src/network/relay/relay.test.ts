/** A pair of relays over loopback with real TLS: carried bytes, half-close, breaks, strangers, reload, bounds. */

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { parse, stringify } from 'yaml';
import { systemClock } from '../../core/index.ts';
import { isWithin, loadRelayConfig, networks } from './relay-config.ts';
import { type PairPlan, pairFiles } from './relay-files.ts';
import { writePair } from './relay-pair.ts';
import { type RelayRecord, relayVerdicts } from './relay-proof.ts';
import { type RunningRelay, startRelay } from './relay-serve.ts';

const HOST = '127.0.0.1';
let folder = '';
let running: { close(): Promise<unknown> }[] = [];
let said: string[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-relay-'));
  said = [];
});
afterEach(async () => {
  for (const one of running.reverse()) await one.close();
  running = [];
  await rm(folder, { recursive: true, force: true });
});

async function serve(onSocket: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, HOST, resolve));
  running.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  });
  return (server.address() as { port: number }).port;
}

/** Rewrites the one route of an end. */
async function change(
  side: 'near' | 'far',
  by: (config: Record<string, unknown>, route: Record<string, unknown>) => void,
) {
  const path = join(folder, side, 'relay.yaml');
  const config = parse(await readFile(path, 'utf8'));
  by(config, config.routes[0]);
  await writeFile(path, stringify(config));
  return path;
}

async function start(path: string): Promise<RunningRelay> {
  const relay = await startRelay(path, { clock: systemClock, say: (line) => said.push(line), watch: false });
  running.push(relay);
  return relay;
}

const end = (port: number) => ({ host: HOST, port });
async function startPair(serverPort: number, more: (route: Record<string, unknown>) => void = () => {}) {
  const plan: PairPlan = {
    name: 'lab',
    kind: 'tcp',
    near: end(0),
    far: end(0),
    server: end(serverPort),
    devices: ['127.0.0.0/8'],
    status: end(0),
  };
  await writePair({ folder, name: 'lab', plan, clock: systemClock });
  const far = await start(
    await change('far', (config, route) => {
      config.status = end(0);
      more(route);
    }),
  );
  const farPort = far.ports().lab as number;
  const near = await start(
    await change('near', (config, route) => {
      config.status = end(0);
      route.to = end(farPort);
      more(route);
    }),
  );
  return { near, far, nearPort: near.ports().lab as number, farPort };
}

function talk(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: HOST, port, allowHalfOpen: true }, () => resolve(socket));
    socket.once('error', reject);
  });
}
const closed = (socket: Socket) =>
  new Promise<'ended' | 'broken'>((resolve) => {
    let ended = false;
    socket.on('end', () => {
      ended = true;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(ended ? 'ended' : 'broken'));
    socket.resume();
  });
const refused = async (port: number) => {
  const socket = await talk(port).catch(() => null);
  return socket === null ? 'broken' : closed(socket);
};
async function metric(relay: RunningRelay, line: string): Promise<number> {
  const text = await relay.counts.registry.metrics();
  const found = text.split('\n').find((one) => one.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length + 1));
}
async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`never: ${what}`);
}

describe('what is carried', () => {
  test('40 MB each way, byte for byte, at once, and an end is an end', async () => {
    const size = 40 * 1024 * 1024;
    const up = randomBytes(size);
    const down = randomBytes(size);
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex');
    let got = '';
    const { nearPort, near, far } = await startPair(
      await serve((socket) => {
        const hash = createHash('sha256');
        socket.on('data', (chunk) => hash.update(chunk));
        socket.on('end', () => {
          got = hash.digest('hex');
          // Only now that the other side has ended: half-close has crossed both relays.
          socket.end(down);
        });
      }),
    );
    const socket = await talk(nearPort);
    const hash = createHash('sha256');
    socket.on('data', (chunk) => hash.update(chunk));
    const over = closed(socket);
    socket.end(up);
    expect(await over).toBe('ended');
    expect(got).toBe(digest(up));
    expect(hash.digest('hex')).toBe(digest(down));
    await until('both count the end', async () => (await metric(near, 'asepsis_relay_connections{route="lab"}')) === 0);
    expect(await metric(far, 'asepsis_relay_bytes_total{route="lab",direction="to-server"}')).toBe(size);
    expect(await metric(near, 'asepsis_relay_ends_total{route="lab",how="ended"}')).toBe(1);
  });

  test('a break on either side is a break on the other, never an end', async () => {
    const sockets: Socket[] = [];
    const { nearPort } = await startPair(await serve((socket) => sockets.push(socket)));
    const first = await talk(nearPort);
    first.write('half a mess');
    await until('it arrived', () => sockets.length === 1);
    const server = sockets[0] as Socket;
    const serverSaw = closed(server);
    await new Promise((resolve) => setTimeout(resolve, 100));
    first.resetAndDestroy();
    expect(await serverSaw).toBe('broken');
    const second = await talk(nearPort);
    const deviceSaw = closed(second);
    second.write('x');
    await until('the second arrived', () => sockets.length === 2);
    (sockets[1] as Socket).resetAndDestroy();
    expect(await deviceSaw).toBe('broken');
  });

  test('a server that does not read holds the sender, and memory stays', async () => {
    const sockets: Socket[] = [];
    const { nearPort } = await startPair(
      await serve((socket) => {
        socket.pause();
        sockets.push(socket);
      }),
    );
    const socket = await talk(nearPort);
    const chunk = Buffer.alloc(1024 * 1024, 1);
    const before = process.memoryUsage.rss();
    let sent = 0;
    const offered = 256;
    for (; sent < offered; sent++) {
      if (socket.write(chunk)) continue;
      const drained = await Promise.race([
        new Promise((resolve) => socket.once('drain', () => resolve(true))),
        new Promise((resolve) => setTimeout(() => resolve(false), 700)),
      ]);
      if (!drained) break;
    }
    // Buffers of four sockets in the kernel, and 256 KB a relay and direction; far below what was offered.
    expect(sent).toBeLessThan(64);
    expect(process.memoryUsage.rss() - before).toBeLessThan(128 * 1024 * 1024);
    const all = new Promise<number>((resolve) => {
      let bytes = 0;
      const server = sockets[0] as Socket;
      server.on('data', (data) => {
        bytes += data.length;
      });
      server.on('end', () => resolve(bytes));
      server.resume();
    });
    socket.end();
    expect(await all).toBe((sent + 1) * chunk.length);
  });
});

describe('who is let in', () => {
  test('only a certificate of the pair that carries the name', async () => {
    const { farPort, far } = await startPair(await serve((socket) => socket.end('secret')));
    const other = await mkdtemp(join(tmpdir(), 'asepsis-relay-other-'));
    const plan: PairPlan = {
      name: 'lab',
      kind: 'tcp',
      near: end(1),
      far: end(2),
      server: end(3),
      devices: ['::1'],
      status: end(0),
    };
    await writePair({ folder: other, name: 'lab', plan, clock: systemClock });
    const ca = await readFile(join(folder, 'near', 'ca.pem'), 'utf8');
    const from = async (place: string, options: object = {}) => ({
      cert: await readFile(join(place, 'cert.pem'), 'utf8'),
      key: await readFile(join(place, 'key.pem'), 'utf8'),
      ...options,
    });
    const heard = (options: object) =>
      new Promise<string>((resolve) => {
        let text = '';
        const socket = connectTls({ host: HOST, port: farPort, ca, servername: 'far.lab.relay', ...options });
        socket.on('data', (chunk) => {
          text += chunk.toString();
        });
        socket.on('error', () => {});
        socket.on('close', () => resolve(text));
      });
    expect(await heard(await from(join(folder, 'near')))).toBe('secret');
    expect(await heard({})).toBe('');
    expect(await heard(await from(join(other, 'near')))).toBe('');
    // The other end's own certificate is of the right authority, and of the wrong name.
    expect(await heard(await from(join(folder, 'far')))).toBe('');
    expect(await heard(await from(join(folder, 'near'), { maxVersion: 'TLSv1.2' }))).toBe('');
    await rm(other, { recursive: true });
    expect(await metric(far, 'asepsis_relay_refused_total{route="lab",why="name"}')).toBe(1);
    expect(await metric(far, 'asepsis_relay_refused_total{route="lab",why="handshake"}')).toBe(3);
    expect(far.counts.health().ok).toBe(false);
  });

  test('a near relay refuses the wrong far end, addresses that are not devices, and more than its most', async () => {
    const { near, nearPort } = await startPair(await serve(() => {}), (route) => {
      if (route.side === 'near') route.connections_max = 2;
    });
    const held = [await talk(nearPort), await talk(nearPort)];
    await until('two are open', async () => (await metric(near, 'asepsis_relay_connections{route="lab"}')) === 2);
    expect(await refused(nearPort)).toBe('broken');
    expect(await metric(near, 'asepsis_relay_refused_total{route="lab",why="full"}')).toBe(1);
    for (const socket of held) socket.resetAndDestroy();
    await until('both are gone', async () => (await metric(near, 'asepsis_relay_connections{route="lab"}')) === 0);
    await change('near', (_config, route) => {
      route.from = ['192.0.2.0/24'];
    });
    expect(await near.reload()).toBeNull();
    expect(await refused(nearPort)).toBe('broken');
    expect(await metric(near, 'asepsis_relay_refused_total{route="lab",why="address"}')).toBe(1);
    await change('near', (_config, route) => {
      route.from = ['127.0.0.1'];
      route.peers = ['far.another.relay'];
    });
    expect(await near.reload()).toBeNull();
    expect(await refused(nearPort)).toBe('broken');
    expect(near.counts.health().sentence).toContain('the certificate there is for far.lab.relay');
  });
});

describe('while it runs', () => {
  test('renewed certificates and changed routes are taken up, open connections go on, a fault changes nothing', async () => {
    const { near, far, nearPort } = await startPair(await serve((socket) => socket.pipe(socket)));
    const socket = await talk(nearPort);
    const answers: string[] = [];
    socket.on('data', (chunk) => answers.push(chunk.toString()));
    socket.write('one');
    await until('an answer', () => answers.length === 1);
    await writePair({ folder, name: 'lab', plan: null, clock: systemClock });
    expect(await far.reload()).toBeNull();
    expect(await near.reload()).toBeNull();
    await change('near', (config) => {
      config.rotues = [];
    });
    expect(await near.reload()).toMatch(/rotues|must not/i);
    expect(near.counts.health().ok).toBe(false);
    socket.write('two');
    await until('it goes on', () => answers.length === 2);
    const fresh = await talk(nearPort);
    fresh.end('three');
    const text = await new Promise<string>((resolve) => {
      fresh.on('data', (chunk) => resolve(chunk.toString()));
    });
    expect(text).toBe('three');
    const health = await fetch(`http://${HOST}:${near.statusPort}/healthz`);
    expect(health.status).toBe(503);
    expect(
      (await (await fetch(`http://${HOST}:${near.statusPort}/metrics`)).text()).includes('asepsis_relay_bytes_total'),
    ).toBe(true);
    expect((await fetch(`http://${HOST}:${near.statusPort}/healthz`, { method: 'POST' })).status).toBe(405);
  });

  test('a far end that is away closes the device’s connection at once, and health says why', async () => {
    const { near, far, nearPort } = await startPair(await serve(() => {}));
    await far.close();
    expect(await refused(nearPort)).toBe('broken');
    expect(near.counts.health()).toMatchObject({ ok: false, routes: { lab: { listening: true, ok: false } } });
  });

  test('a connection on which nothing moves is ended after its time', async () => {
    const { nearPort, near } = await startPair(await serve(() => {}), (route) => {
      if (route.side === 'near') route.idle_sec = 2;
    });
    const socket = await talk(nearPort);
    const begun = performance.now();
    expect(await closed(socket)).toBe('broken');
    expect(performance.now() - begun).toBeGreaterThan(1900);
    await until(
      'it is counted',
      async () => (await metric(near, 'asepsis_relay_ends_total{route="lab",how="idle"}')) === 1,
    );
  });
});

describe('configuration', () => {
  test('mistakes are named', async () => {
    const plan: PairPlan = {
      name: 'lab',
      kind: 'dicom',
      near: end(1),
      far: end(2),
      server: end(3),
      devices: ['10.0.0.0/8'],
      status: end(0),
    };
    await writePair({ folder, name: 'lab', plan, clock: systemClock });
    const broken = async (by: Parameters<typeof change>[1]) =>
      loadRelayConfig(await change('near', by)).then(
        () => 'accepted',
        (error: Error) => error.message,
      );
    expect(await broken(() => {})).toBe('accepted');
    expect(
      await broken((_, route) => {
        route.from = [];
      }),
    ).toContain('"from"');
    expect(
      await broken((_, route) => {
        route.from = ['10.0.0.0/33'];
      }),
    ).toContain('10.0.0.0/33');
    expect(
      await broken((_, route) => {
        route.from = ['10.0.0.1'];
        route.peers = [];
      }),
    ).toContain('/routes/0/peers');
    expect(
      await broken((config, route) => {
        route.peers = ['x'];
        config.routes = [route, { ...route, from: [...(route.from as string[])], peers: ['x'] }].map((one) =>
          structuredClone(one),
        );
      }),
    ).toContain('two routes');
    await writeFile(join(folder, 'near', 'relay.yaml'), 'a: &a [1]\nb: *a\n');
    await expect(loadRelayConfig(join(folder, 'near', 'relay.yaml'))).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await expect(writePair({ folder, name: 'lab', plan, clock: systemClock })).rejects.toMatchObject({
      code: 'CONFLICT',
    });
  });

  test('networks', () => {
    const list = networks(['10.1.0.0/16', 'fd00::/8', '192.0.2.7'], (entry) => new Error(entry));
    for (const [address, inside] of [
      ['10.1.2.3', true],
      ['::ffff:10.1.2.3', true],
      ['10.2.0.1', false],
      ['fd12::1', true],
      ['192.0.2.8', false],
      ['', false],
      ['nonsense', false],
    ] as const)
      expect(isWithin(list, address), address).toBe(inside);
  });

  test.skipIf(!existsSync('/usr/sbin/haproxy'))('HAProxy takes its generated configuration', async () => {
    const plan: PairPlan = {
      name: 'lab',
      kind: 'dicom',
      near: end(18_101),
      far: end(18_102),
      server: end(18_103),
      devices: ['127.0.0.1', '10.0.0.0/8'],
      status: end(0),
    };
    await writePair({ folder, name: 'lab', plan, clock: systemClock });
    for (const side of ['near', 'far'])
      execFileSync('/usr/sbin/haproxy', ['-c', '-f', 'haproxy.cfg'], { cwd: join(folder, side), stdio: 'pipe' });
    expect(Object.keys(pairFiles(plan))).toHaveLength(7);
  });
});

test('what sensors see afterwards decides', () => {
  const relay: RelayRecord = {
    name: 'lab',
    kind: 'mllp',
    finding: 'fnd_1',
    client: '10.1.0.5',
    server: { host: '10.9.0.1', port: 2575 },
    near: { host: '10.1.0.2', port: 2575 },
    far: { host: '10.9.0.2', port: 6661 },
    made: '2026-01-01T00:00:00.000Z',
  };
  const verdict = (
    pairs: Record<string, { state: 'protected' | 'clear' | 'unknown'; atMs: number }>,
    last: number | null = 100,
  ) => relayVerdicts([relay], new Map(Object.entries(pairs)), () => last)[0]?.state;
  const tunnel = '10.1.0.2 10.9.0.2 6661';
  const old = '10.1.0.5 10.9.0.1 2575';
  expect(verdict({})).toBe('waiting');
  expect(verdict({ [tunnel]: { state: 'protected', atMs: 101 } })).toBe('fixed');
  expect(verdict({ [tunnel]: { state: 'protected', atMs: 99 } })).toBe('waiting');
  expect(verdict({ [tunnel]: { state: 'protected', atMs: 101 }, [old]: { state: 'clear', atMs: 90 } })).toBe(
    'still-clear',
  );
  expect(verdict({ [tunnel]: { state: 'clear', atMs: 101 } })).toBe('still-clear');
  expect(verdict({ [tunnel]: { state: 'protected', atMs: 101 } }, null)).toBeUndefined();
});

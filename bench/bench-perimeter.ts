/** Perimeter: the full TLS profile of a loopback server, 65,535 loopback ports, and how well a rate is held over many hosts, on loopback and in namespaces. */

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createGate } from '../src/perimeter/perimeter-gate.ts';
import { scanPorts } from '../src/perimeter/perimeter-ports.ts';
import { parseScope } from '../src/perimeter/perimeter-scope.ts';
import { tlsProfile } from '../src/perimeter/tls/tls-profile.ts';

const clock = { now: () => Date.now() };
const scopeOf = (perSec: number, hostConnections = 512) =>
  parseScope(
    `asepsis_scope: 1\nname: bench\nowner: bench\ncontact: bench\nexpires: 2999-01-01\naddresses: [127.0.0.0/8]\nrate: {per_sec: ${perSec}, per_host_per_sec: ${perSec}, per_host_connections: ${hostConnections}}\n`,
  );
const round = (value: number) => Math.round(value * 1000) / 1000;

async function timed<T>(work: () => Promise<T>): Promise<{ result: T; seconds: number; cpuSeconds: number }> {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = await work();
  const used = process.cpuUsage(cpu);
  return {
    result,
    seconds: round((performance.now() - start) / 1000),
    cpuSeconds: round((used.user + used.system) / 1e6),
  };
}

async function untilOpen(port: number): Promise<void> {
  for (let i = 0; i < 200; i++) {
    const open = await new Promise<boolean>((resolve) => {
      const socket = createConnection({ port, host: '127.0.0.1' });
      socket.once('connect', () => {
        socket.destroy();
        resolve(true);
      });
      socket.once('error', () => resolve(false));
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function profiles(): Promise<object> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-perimeter-'));
  const files = { key: join(dir, 'k'), cert: join(dir, 'c') };
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      files.key,
      '-out',
      files.cert,
      '-days',
      '9',
      '-subj',
      '/CN=bench',
    ],
    { stdio: 'ignore' },
  );
  const port = 20_000 + (process.pid % 20_000);
  const all = ['-cipher', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0'];
  const server = spawn(
    'openssl',
    ['s_server', '-accept', String(port), '-cert', files.cert, '-key', files.key, '-www', '-quiet', ...all],
    { stdio: 'ignore' },
  );
  await untilOpen(port);
  const gate = createGate({ scope: scopeOf(100_000), clock });
  const runs: number[] = [];
  let cpuSeconds = 0;
  let suites = 0;
  let connections = 0;
  for (let i = 0; i < 7; i++) {
    // s_server sleeps for a second after it refused a renegotiation, which is the last thing that is asked.
    await new Promise((resolve) => setTimeout(resolve, i === 0 ? 0 : 1200));
    const one = await timed(() => tlsProfile(gate, { host: '127.0.0.1', port }, Date.now()));
    runs.push(one.seconds);
    cpuSeconds = one.cpuSeconds;
    suites = one.result?.versions.reduce((sum, { ciphers }) => sum + ciphers.length, 0) ?? 0;
    connections = one.result?.connections ?? 0;
  }
  gate.stop('done');
  server.kill();
  rmSync(dir, { recursive: true, force: true });
  runs.sort((a, b) => a - b);
  return { medianSeconds: runs[3], worstSeconds: runs.at(-1), cpuSeconds, suites, connections };
}

async function ports(): Promise<object> {
  const gate = createGate({ scope: scopeOf(100_000), clock });
  const list = Array.from({ length: 65_535 }, (_, i) => i + 1);
  const { result, seconds, cpuSeconds } = await timed(() =>
    scanPorts(gate, { host: '127.0.0.1', address: '127.0.0.1' }, list),
  );
  gate.stop('done');
  return { ports: list.length, open: result.open.length, seconds, cpuSeconds };
}

/** 1,000 hosts × 20 ports, at an agreed rate: what was sent a second, and the worst second. */
async function rate(perSec: number): Promise<object> {
  const starts: number[] = [];
  const gate = createGate({ scope: scopeOf(perSec, 8), clock, log: () => starts.push(performance.now()) });
  const hosts = Array.from({ length: 1000 }, (_, i) => `127.1.${i >> 8}.${i & 255}`).filter(
    (host) => !host.endsWith('.0'),
  );
  let next = 0;
  const worker = async () => {
    while (next < hosts.length) {
      const host = hosts[next++] as string;
      await scanPorts(
        gate,
        { host, address: host },
        Array.from({ length: 20 }, (_, i) => 40_000 + i),
      );
    }
  };
  const { seconds, cpuSeconds } = await timed(() => Promise.all(Array.from({ length: 100 }, worker)));
  const sent = gate.counts.sent;
  gate.stop('done');
  const measured = sent / seconds;
  return {
    perSec,
    sent,
    seconds,
    cpuSeconds,
    measuredPerSec: Math.round(measured),
    deviationPercent: round((measured / perSec - 1) * 100),
  };
}

/** A machine of 1,000 addresses behind one cable, in a namespace of its own: 200,000 closed ports at an agreed rate. */
function namespaces(perSec: number): object | string {
  const script = `set -e
ip link set lo up
unshare -n sleep 600 & OTHER=$!
until [ "$(readlink /proc/$OTHER/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
ip link add bench0 type veth peer name bench1 netns $OTHER
ip addr add 10.90.0.1/30 dev bench0; ip link set bench0 up; ip route add 10.91.0.0/16 via 10.90.0.2
for i in $(seq 0 999); do echo "addr add 10.91.$((i / 250)).$((1 + i % 250))/32 dev bench1"; done > "$1"
nsenter -t $OTHER -n sh -c 'ip addr add 10.90.0.2/30 dev bench1; ip -batch '"$1"'; ip link set bench1 up'
# As bin/asepsis starts it.
export MALLOC_ARENA_MAX=2 MALLOC_MMAP_THRESHOLD_=262144 MALLOC_TRIM_THRESHOLD_=524288
"$2" --max-semi-space-size=8 "$3" ${perSec} 1000 200
kill $OTHER`;
  const dir = mkdtempSync(join(tmpdir(), 'bench-perimeter-'));
  const inner = join(import.meta.dirname, 'load', 'perimeter-namespaces.ts');
  const args = ['-n', '--kill-child', 'bash', '-c', script, 'bash', join(dir, 'addresses'), process.execPath, inner];
  const done = spawnSync('unshare', args, { encoding: 'utf8', timeout: 120_000 });
  rmSync(dir, { recursive: true, force: true });
  return done.status === 0 ? (JSON.parse(done.stdout) as object) : `not measured: ${done.stderr || done.error}`;
}

const tls = await profiles();
const scan = await ports();
const held = [await rate(2000), await rate(4000)];
const apart = namespaces(5000);
process.stdout.write(
  `${JSON.stringify({ bench: 'perimeter', tls, ports: scan, rate: held, namespaces: apart, rssMb: Math.round(process.memoryUsage.rss() / 1e6) })}\n`,
);
process.exit(0);

/** The access gateway, as JSON: forward-auth behind nginx under wrk, proxying beside nginx, revocation of open sockets, memory, the audit. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { stringify } from 'yaml';
import { judge, observations } from '../src/access/audit/audit-judge.ts';
import { readExports } from '../src/access/audit/audit-read.ts';
import { newSecret, secretHash } from '../src/access/gateway/gateway-secrets.ts';
import { openGateway, parseGatewayConfig } from '../src/access/gateway/index.ts';
import { freePort, programOf, startFront, waitForPort } from '../src/access/testing/gateway-fronts.ts';
import { legacyApp } from '../src/access/testing/gateway-harness.ts';

const option = (name: string, otherwise: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const SECONDS = option('seconds', 8);
const SESSIONS = option('sessions', 50_000);
const RULES = option('rules', 500);
const SOCKETS = option('sockets', 10_000);
const ACCOUNTS = option('accounts', 200_000);
const AGENT = 'bench';
const PAGE_BYTES = 16 * 1024;
const CLOCK_TICKS = 100;
const ROUNDS_MAX = 20;

const folder = mkdtempSync(join(tmpdir(), 'asepsis-bench-access-'));
/** Milliseconds in the program and in the kernel. */
const cpuPartsOf = (pid: number): [user: number, system: number] => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return [(Number(fields[11]) * 1000) / CLOCK_TICKS, (Number(fields[12]) * 1000) / CLOCK_TICKS];
};
const cpuOf = (pid: number): number => cpuPartsOf(pid)[0] + cpuPartsOf(pid)[1];
const rssOf = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;

/** Rows for many sessions, each with a cookie for the application. */
async function prepare(host: string, config: string): Promise<string[]> {
  const clock = { now: () => Date.now() };
  const gateway = await openGateway({
    folder: join(folder, 'access'),
    config: parseGatewayConfig(config, 'bench'),
    clock,
    send: null,
    alarm: () => {},
  });
  const made = gateway.sessions.start({
    account: 'user0',
    display: 'User 0',
    email: 'user0@hosp.example',
    groups: ['staff', 'doctors'],
    strength: 3,
    factors: [{ kind: 'passkey', atMs: clock.now() }],
    agent: AGENT,
    address: '127.0.0.1',
    lifeMs: 43_200_000,
    idleMs: 3_600_000,
    bind: ['agent'],
    lockMs: null,
    emergencyApp: null,
  });
  await gateway.close();
  const db = new DatabaseSync(join(folder, 'access', 'gateway.db'));
  const { doc } = db.prepare('SELECT doc FROM sessions WHERE id = ?').get(made.id) as { doc: string };
  const session = db.prepare('INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?)');
  const token = db.prepare('INSERT INTO tokens VALUES (?, ?, ?)');
  const secrets: string[] = [];
  db.exec('BEGIN');
  for (let i = 0; i < SESSIONS; i++) {
    const secret = newSecret();
    secrets.push(secret);
    session.run(
      `bench${i}`,
      `user${i % 10_000}`,
      doc.replaceAll('user0', `user${i % 10_000}`),
      clock.now(),
      clock.now(),
      clock.now() + 43_200_000,
    );
    token.run(secretHash(secret), `bench${i}`, host);
  }
  db.exec('COMMIT');
  db.close();
  return secrets;
}

const PINNED = availableParallelism() > 1 && programOf('taskset') !== null;
/** What is measured has the first core, the rest of the world the others. */
function spawnOn(core: 'measured' | 'other', program: string, args: readonly string[], env = process.env) {
  if (!PINNED) return spawn(program, args, { env });
  return spawn('taskset', ['-c', core === 'measured' ? '0' : `1-${availableParallelism() - 1}`, program, ...args], {
    env,
  });
}

function startGateway(): ChildProcess {
  // As bin/asepsis starts it.
  const env = { ...process.env, MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '8' };
  const main = join(import.meta.dirname, '..', 'src', 'main.ts');
  const args = ['--max-semi-space-size=8', main, 'access', 'gateway', '--data', folder, '--json'];
  const child = spawnOn('measured', process.execPath, args, env);
  child.stderr?.pipe(process.stderr);
  return child;
}

interface WrkFigures {
  readonly per_sec: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly errors: number;
}
const ms = (text: string | undefined): number => {
  const match = /^([\d.]+)(us|ms|s)$/.exec(text ?? '');
  return match ? Number(match[1]) * { us: 0.001, ms: 1, s: 1000 }[match[2] as 'us' | 'ms' | 's'] : Number.NaN;
};
async function wrk(url: string, host: string, script: string, connections = 32): Promise<WrkFigures> {
  const args = [
    '-t',
    '1',
    '-c',
    String(connections),
    '-d',
    `${SECONDS}s`,
    '--latency',
    '-H',
    `Host: ${host}`,
    '-H',
    `User-Agent: ${AGENT}`,
    '-s',
    script,
    url,
  ];
  const child = spawnOn('other', 'wrk', args);
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  await new Promise((resolve) => child.on('close', resolve));
  return {
    per_sec: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50_ms: ms(/50%\s+(\S+)/.exec(text)?.[1]),
    p99_ms: ms(/99%\s+(\S+)/.exec(text)?.[1]),
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0),
  };
}

async function forwardAuthAndProxy() {
  const port = await freePort();
  const pagePort = await freePort();
  const host = 'notes.localhost';
  const rules = Array.from({ length: RULES - 1 }, (_, i) => ({
    paths: [`/part-${i}/**`],
    methods: ['GET', 'POST'],
    groups: [`group-${i}`, 'doctors'],
    need: { strength: 'two-factor' },
  }));
  const config = {
    origin: `http://login.localhost:${port}`,
    listen: { port },
    trusted_proxies: ['127.0.0.1'],
    apps: [
      {
        name: 'notes',
        hosts: [host],
        upstream: `http://127.0.0.1:${pagePort}`,
        emergency: 'closed',
        rules: [...rules, { paths: ['/page'], groups: ['staff'] }],
      },
    ],
  };
  mkdirSync(join(folder, 'access'), { recursive: true });
  writeFileSync(join(folder, 'access', 'gateway.yaml'), stringify(config));
  const secrets = await prepare(host, stringify(config));
  writeFileSync(join(folder, 'cookies'), secrets.join('\n'));
  const script = join(folder, 'wrk.lua');
  writeFileSync(
    script,
    `local cookies = {}\nfor line in io.lines("${join(folder, 'cookies')}") do cookies[#cookies + 1] = line end\nlocal i = 0\nrequest = function()\n  i = i % #cookies + 1\n  return wrk.format("GET", "/page", { ["Host"] = "${host}", ["User-Agent"] = "${AGENT}", ["Cookie"] = "asepsis-access=" .. cookies[i] })\nend\n`,
  );
  writeFileSync(join(folder, 'page'), 'x'.repeat(PAGE_BYTES));
  // The page and the proxy that ours is compared with are two processes, as ours and the page are.
  const page = nginx('page', 'other', `server { listen 127.0.0.1:${pagePort}; root ${folder}; }`);
  await waitForPort(pagePort, page, () => 'nginx');
  const proxyPort = await freePort();
  const plain = nginx(
    'proxy',
    'measured',
    `upstream page { server 127.0.0.1:${pagePort}; keepalive 64; keepalive_requests 1000000; }
server { listen 127.0.0.1:${proxyPort}; location / { proxy_pass http://page; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
  );
  await waitForPort(proxyPort, plain, () => 'nginx');
  const gateway = startGateway();
  await waitForPort(port, gateway, () => 'gateway');
  const pid = gateway.pid as number;
  const front = await startFront('nginx', parseGatewayConfig(stringify(config), 'bench'), port);
  try {
    // Once round, so that every session has been read and its token signed; what that costs is a figure of its own.
    const cpu = cpuOf(pid);
    let rounds = 0;
    let seen = 0;
    for (; seen < SESSIONS && rounds < ROUNDS_MAX; rounds++)
      seen += (await wrk(`http://127.0.0.1:${port}/page`, host, script)).per_sec * SECONDS;
    const firstCpu = cpuOf(pid) - cpu;
    const measured = async (process: number, at: number) => {
      const [user, system] = cpuPartsOf(process);
      const figures = await wrk(`http://127.0.0.1:${at}/page`, host, script);
      const [userAfter, systemAfter] = cpuPartsOf(process);
      const requests = figures.per_sec * SECONDS;
      const each = (ms: number) => Math.round((ms * 1000) / requests);
      const used = userAfter - user + systemAfter - system;
      return {
        ...figures,
        cpu_us_per_request: each(used),
        kernel_us_per_request: each(systemAfter - system),
        per_cpu_sec: Math.round((requests * 1000) / used),
      };
    };
    const forward = await measured(pid, front.port);
    const proxy = await measured(pid, port);
    const rss = Math.round(rssOf(pid));
    const nginxProxy = await measured(plain.pid as number, proxyPort);
    return {
      first_time: { sessions: Math.round(seen), cpu_us_per_request: Math.round((firstCpu * 1000) / seen) },
      forward_auth: forward,
      proxy_16k: proxy,
      nginx_proxy_16k: nginxProxy,
      proxy_of_nginx: Number((proxy.per_sec / nginxProxy.per_sec).toFixed(2)),
      proxy_of_nginx_by_cpu: Number((proxy.per_cpu_sec / nginxProxy.per_cpu_sec).toFixed(2)),
      rss_mb: rss,
    };
  } finally {
    await front.stop();
    for (const child of [gateway, plain, page]) {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.on('exit', resolve));
    }
  }
}

/** nginx as one process with some part of a configuration. */
function nginx(name: string, core: 'measured' | 'other', text: string): ChildProcess {
  const file = join(folder, `${name}.conf`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  writeFileSync(
    file,
    `${process.getuid?.() === 0 ? 'user root;' : ''}
daemon off;
master_process off;
pid ${folder}/${name}.pid;
error_log ${folder}/${name}.log;
events { worker_connections 2048; }
http { access_log off; ${temporary.map((one) => `${one}_temp_path ${folder}/${name}-${one};`).join(' ')}
keepalive_requests 1000000;
${text}
}
`,
  );
  return spawnOn(core, 'nginx', ['-c', file, '-p', folder]);
}

/** Many open WebSockets over a hundred accounts; all of them are signed out in another process. */
async function revocation() {
  const app = await legacyApp();
  const port = await freePort();
  const host = `notes.localhost:${port}`;
  mkdirSync(join(folder, 'access'), { recursive: true });
  const config = stringify({
    origin: `http://login.localhost:${port}`,
    listen: { port },
    apps: [{ name: 'notes', hosts: [host], upstream: `http://127.0.0.1:${app.port}`, emergency: 'closed' }],
  });
  writeFileSync(join(folder, 'access', 'gateway.yaml'), config);
  const clock = { now: () => Date.now() };
  const gateway = await openGateway({
    folder: join(folder, 'access'),
    config: parseGatewayConfig(config, 'bench'),
    clock,
    send: null,
    alarm: () => {},
  });
  const cookies = Array.from({ length: 100 }, (_, i) =>
    gateway.sessions.token(
      gateway.sessions.start({
        account: `socket${i}`,
        display: 'x',
        email: '',
        groups: [],
        strength: 3,
        factors: [{ kind: 'passkey', atMs: clock.now() }],
        agent: AGENT,
        address: '127.0.0.1',
        lifeMs: 43_200_000,
        idleMs: 3_600_000,
        bind: ['agent'],
        lockMs: null,
        emergencyApp: null,
      }).id,
      host,
    ),
  );
  const child = startGateway();
  await waitForPort(port, child, () => 'gateway');
  const open = (i: number) =>
    new Promise<Socket | null>((resolve) => {
      const asking = request({
        host: '127.0.0.1',
        port,
        path: '/live',
        setHost: false,
        agent: false,
        headers: {
          host,
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-version': '13',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          origin: `http://${host}`,
          'user-agent': AGENT,
          cookie: `asepsis-access=${cookies[i % cookies.length]}`,
        },
      });
      asking.on('upgrade', (_answer, socket) => resolve(socket as Socket));
      asking.on('response', () => resolve(null));
      asking.on('error', () => resolve(null));
      asking.end();
    });
  try {
    const sockets: Socket[] = [];
    for (let at = 0; at < SOCKETS; at += 200)
      for (const socket of await Promise.all(
        Array.from({ length: Math.min(200, SOCKETS - at) }, (_, i) => open(at + i)),
      ))
        if (socket) sockets.push(socket);
    const times: number[] = [];
    let began = 0;
    const closed = Promise.all(
      sockets.map(
        (socket) =>
          new Promise<void>((resolve) => {
            socket.on('error', () => {});
            socket.on('close', () => {
              times.push(performance.now() - began);
              resolve();
            });
          }),
      ),
    );
    const rss = Math.round(rssOf(child.pid as number));
    began = performance.now();
    for (let i = 0; i < 100; i++) gateway.sessions.endAll(`socket${i}`);
    const said = performance.now() - began;
    await closed;
    times.sort((a, b) => a - b);
    return {
      sockets: sockets.length,
      ended_ms: Math.round(said),
      first_ms: Math.round(times[0] ?? 0),
      last_ms: Math.round(times.at(-1) ?? 0),
      rss_mb: rss,
    };
  } finally {
    child.kill('SIGTERM');
    await new Promise((resolve) => child.on('exit', resolve));
    await gateway.close();
    await app.close();
  }
}

async function audit() {
  const value = Array.from({ length: ACCOUNTS }, (_, i) => ({
    id: `id${i}`,
    userPrincipalName: `user${i}@hosp.example`,
    userDisplayName: `User ${i}`,
    isMfaRegistered: i % 3 !== 0,
    isAdmin: i % 500 === 0,
    userType: 'member',
    methodsRegistered: i % 3 ? ['microsoftAuthenticatorPush'] : [],
  }));
  writeFileSync(join(folder, 'registration.json'), JSON.stringify({ value }));
  writeFileSync(
    join(folder, 'policies.json'),
    JSON.stringify({
      value: [
        {
          displayName: 'MFA',
          state: 'enabled',
          conditions: {
            users: { includeUsers: ['All'] },
            applications: { includeApplications: ['All'] },
            clientAppTypes: ['all'],
          },
          grantControls: { operator: 'OR', builtInControls: ['mfa'] },
        },
      ],
    }),
  );
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  const verdicts = judge(await readExports([join(folder, 'registration.json'), join(folder, 'policies.json')]), {
    nowMs: Date.now(),
  });
  const findings = observations(verdicts, Date.now());
  const used = process.cpuUsage(cpu);
  return {
    accounts: verdicts.length,
    findings: findings.length,
    wall_ms: Math.round(performance.now() - began),
    cpu_ms: Math.round((used.user + used.system) / 1000),
  };
}

try {
  const tools = ['nginx', 'wrk'].every((name) => programOf(name) !== null);
  const served = tools ? await forwardAuthAndProxy() : { skipped: 'nginx and wrk are needed' };
  const revoked = await revocation();
  const audited = await audit();
  const lemonldap = 'not measured: Debian’s package needs its portal, a directory and its own virtual hosts configured';
  process.stdout.write(
    `${JSON.stringify({ bench: 'access', seconds: SECONDS, rules: RULES, sessions: SESSIONS, load: loadavg()[0], ...served, revocation: revoked, audit: audited, lemonldap })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

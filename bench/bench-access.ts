/** The access gateway, as JSON: forward-auth behind nginx under wrk, proxying beside nginx, revocation of open sockets, memory, the audit. */

import type { ChildProcess } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import type { Socket } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { stringify } from 'yaml';
import { judge, observations } from '../src/access/audit/audit-judge.ts';
import { readExports } from '../src/access/audit/audit-read.ts';
import { newSecret, secretHash } from '../src/access/gateway/gateway-secrets.ts';
import { openGateway, parseGatewayConfig } from '../src/access/gateway/index.ts';
import { freePort, programOf, startFront, waitForPort } from '../src/access/testing/gateway-fronts.ts';
import { legacyApp } from '../src/access/testing/gateway-harness.ts';
import { hasLemonldap, startLemonldap } from './load/access-lemonldap.ts';
import { AGENT, cookieScript, cpuOf, measured, nginx, rssOf, spawnOn, wrk } from './load/access-tools.ts';

const option = (name: string, otherwise: number) => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(process.argv[at + 1]);
};
const SECONDS = option('seconds', 8);
const SESSIONS = option('sessions', 50_000);
const RULES = option('rules', 500);
const SOCKETS = option('sockets', 10_000);
const ACCOUNTS = option('accounts', 200_000);
const PAGE_BYTES = 16 * 1024;
const ROUNDS_MAX = 20;

const folder = mkdtempSync(join(tmpdir(), 'asepsis-bench-access-'));
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

function startGateway(): ChildProcess {
  // As bin/asepsis starts it.
  const env = { ...process.env, MALLOC_ARENA_MAX: '2', UV_THREADPOOL_SIZE: '8' };
  const main = join(import.meta.dirname, '..', 'src', 'main.ts');
  const args = ['--max-semi-space-size=8', main, 'access', 'gateway', '--data', folder, '--json'];
  const child = spawnOn('measured', process.execPath, args, env);
  child.stderr?.pipe(process.stderr);
  return child;
}

async function forwardAuthAndProxy() {
  const port = await freePort();
  const pagePort = await freePort();
  const host = 'notes.localhost';
  const page = (at: number) => `http://127.0.0.1:${at}/page`;
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
  const script = cookieScript(folder, 'ours', host, 'asepsis-access', secrets);
  writeFileSync(join(folder, 'page'), 'x'.repeat(PAGE_BYTES));
  // The page and the proxy that ours is compared with are two processes, as ours and the page are.
  const pages = nginx(folder, 'page', 'other', `server { listen 127.0.0.1:${pagePort}; root ${folder}; }`);
  await waitForPort(pagePort, pages, () => 'nginx');
  const proxyPort = await freePort();
  const plain = nginx(
    folder,
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
    const [user, system] = cpuOf([pid]);
    let rounds = 0;
    let seen = 0;
    for (; seen < SESSIONS && rounds < ROUNDS_MAX; rounds++)
      seen += (await wrk(page(port), host, script, SECONDS)).per_sec * SECONDS;
    const firstCpu = cpuOf([pid]).reduce((sum, part) => sum + part, 0) - user - system;
    const forward = await measured(() => [pid], page(front.port), host, script, SECONDS);
    const proxy = await measured(() => [pid], page(port), host, script, SECONDS);
    const rss = Math.round(rssOf(pid));
    const lemonldap = await lemonldapFigures(pagePort, forward.per_sec, forward.per_cpu_sec);
    const nginxProxy = await measured(() => [plain.pid as number], page(proxyPort), host, script, SECONDS);
    return {
      first_time: { sessions: Math.round(seen), cpu_us_per_request: Math.round((firstCpu * 1000) / seen) },
      forward_auth: forward,
      proxy_16k: proxy,
      nginx_proxy_16k: nginxProxy,
      proxy_of_nginx: Number((proxy.per_sec / nginxProxy.per_sec).toFixed(2)),
      proxy_of_nginx_by_cpu: Number((proxy.per_cpu_sec / nginxProxy.per_cpu_sec).toFixed(2)),
      lemonldap,
      rss_mb: rss,
    };
  } finally {
    await front.stop();
    for (const child of [gateway, plain, pages]) {
      child.kill('SIGTERM');
      await new Promise((resolve) => child.on('exit', resolve));
    }
  }
}

/** LemonLDAP::NG in the same place: its own sessions, one rule, the same page behind the same kind of nginx. */
async function lemonldapFigures(pagePort: number, ours: number, oursByCpu: number) {
  if (!hasLemonldap()) return 'not measured: its package is not installed, or this is not root';
  const other = await startLemonldap(join(folder, 'llng'), (program, args, env) =>
    spawnOn('measured', program, args, env),
  );
  const port = await freePort();
  const front = nginx(folder, 'llng-front', 'other', other.nginx(port, pagePort));
  try {
    await waitForPort(port, front, () => 'nginx');
    const script = cookieScript(folder, 'llng', other.host, 'lemonldap', other.cookies);
    const at = `http://127.0.0.1:${port}/page`;
    await wrk(at, other.host, script, SECONDS);
    const figures = await measured(other.pids, at, other.host, script, SECONDS);
    return {
      ...figures,
      ours_of_it: Number((ours / figures.per_sec).toFixed(1)),
      ours_of_it_by_cpu: Number((oursByCpu / figures.per_cpu_sec).toFixed(1)),
    };
  } finally {
    front.kill('SIGTERM');
    await new Promise((resolve) => front.on('exit', resolve));
    await other.stop();
  }
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
  process.stdout.write(
    `${JSON.stringify({ bench: 'access', seconds: SECONDS, rules: RULES, sessions: SESSIONS, load: loadavg()[0], ...served, revocation: revoked, audit: audited })}\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

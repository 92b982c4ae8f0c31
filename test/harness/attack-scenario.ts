/**
 * A whole attack on real programs, inside a network namespace of its own (the test starts this with `unshare`): nmap, hydra,
 * ssh, a canary, a harmless encryption; then the response, in the kernel and through a bouncer. One JSON object on stdout.
 */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type Desk, enrol, eventually, type Person, startDesk } from './desk.ts';

const HOSPITAL = '198.51.100.1';
const ATTACKER = '198.51.100.66';
const PASSWORD = 'winter2026';
const NAME = `asp${randomBytes(3).toString('hex')}`;
const HOST = hostname();

interface Alert {
  readonly id: string;
  readonly title: string;
  readonly time: string;
  readonly rule: { readonly id: string; readonly tags: readonly string[]; readonly level: string };
}
interface Incident {
  readonly id: string;
  readonly state: string;
  readonly title: string;
  readonly severity: string;
  readonly tactics: readonly string[];
  readonly entities: readonly { type: string; value: string; role?: string }[];
}
interface Response {
  readonly id: string;
  readonly state: string;
  readonly preview: {
    readonly disrupts: boolean;
    readonly reasons: readonly string[];
    readonly affected: readonly object[];
  };
}

const said: string[] = [];
const say = (text: string): void => {
  said.push(text);
  process.stderr.write(`${text}\n`);
};
const closers: (() => void | Promise<void>)[] = [];
const run = (program: string, args: readonly string[]): string =>
  execFileSync(program, [...args], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The attacker's own network: another namespace, held by a sleeping process, joined to ours by a cable. */
function attackerNetwork(): {
  run: (program: string, args: readonly string[], env?: NodeJS.ProcessEnv) => ChildProcess;
} {
  run('ip', ['link', 'set', 'lo', 'up']);
  const holder = spawn('unshare', ['-n', 'sleep', '600'], { stdio: 'ignore' });
  closers.push(() => void holder.kill('SIGKILL'));
  const pid = String(holder.pid);
  const inside = (program: string, args: readonly string[]) => run('nsenter', ['-t', pid, '-n', program, ...args]);
  for (let i = 0; i < 50; i++) {
    if (readNs(pid) !== readNs('self')) break;
    spawnSync('sleep', ['0.05']);
  }
  run('ip', ['link', 'add', 'ward0', 'type', 'veth', 'peer', 'name', 'wan0', 'netns', pid]);
  run('ip', ['addr', 'add', `${HOSPITAL}/24`, 'dev', 'ward0']);
  run('ip', ['link', 'set', 'ward0', 'up']);
  inside('ip', ['link', 'set', 'lo', 'up']);
  inside('ip', ['addr', 'add', `${ATTACKER}/24`, 'dev', 'wan0']);
  inside('ip', ['link', 'set', 'wan0', 'up']);
  return {
    run: (program, args, env) =>
      spawn('nsenter', ['-t', pid, '-n', program, ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { ...process.env, ...env },
      }),
  };
}
const readNs = (pid: string): string => run('readlink', [`/proc/${pid}/ns/net`]).trim();

const ended = (child: ChildProcess, withinMs = 60_000): Promise<{ code: number | null; out: string }> =>
  new Promise((resolve) => {
    let out = '';
    const timer = setTimeout(() => child.kill('SIGKILL'), withinMs);
    child.stdout?.on('data', (part: Buffer) => (out += part.toString()));
    child.stderr?.on('data', (part: Buffer) => (out += part.toString()));
    child.once('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out });
    });
  });

/** The host's firewall logs what it refuses; ulogd writes it as the kernel would. */
function firewallLog(folder: string): string {
  const log = join(folder, 'firewall.log');
  writeFileSync(log, '');
  const rules = `table inet host {
    chain input { type filter hook input priority 0; policy accept;
      iifname "ward0" tcp dport != 22 tcp flags syn log prefix "kernel: [DROP] " group 7
      iifname "ward0" tcp dport != 22 tcp flags syn reject with tcp reset
    }
  }
`;
  const file = join(folder, 'host.nft');
  writeFileSync(file, rules);
  run('nft', ['-f', file]);
  const config = join(folder, 'ulogd.conf');
  const plugins = run('find', ['/usr/lib', '-name', 'ulogd_inppkt_NFLOG.so']).trim().split('\n')[0] ?? '';
  const plugin = (name: string) => `plugin="${plugins.replace('ulogd_inppkt_NFLOG.so', name)}"`;
  const stack = 'stack=log1:NFLOG,base1:BASE,ifi1:IFINDEX,ip2str1:IP2STR,print1:PRINTPKT,emu1:LOGEMU';
  const names = [
    'inppkt_NFLOG',
    'raw2packet_BASE',
    'filter_IFINDEX',
    'filter_IP2STR',
    'filter_PRINTPKT',
    'output_LOGEMU',
  ];
  writeFileSync(
    config,
    `[global]\nlogfile="${join(folder, 'ulogd.log')}"\n${names.map((name) => plugin(`ulogd_${name}.so`)).join('\n')}\n${stack}\n[log1]\ngroup=7\n[emu1]\nfile="${log}"\nsync=1\n`,
  );
  const ulogd = spawn('ulogd', ['-c', config], { stdio: 'ignore' });
  closers.push(() => void ulogd.kill('SIGKILL'));
  return log;
}

/** An account whose password is in every list, and files of its own. */
function account(folder: string): void {
  const hash = run('openssl', ['passwd', '-6', PASSWORD]).trim();
  run('useradd', [
    '--no-create-home',
    '--home-dir',
    join(folder, 'share'),
    '--shell',
    '/bin/sh',
    '--password',
    hash,
    NAME,
  ]);
  closers.push(() => void spawnSync('userdel', [NAME]));
  const uid = Number(run('id', ['-u', NAME]));
  chmodSync(folder, 0o755);
  const share = join(folder, 'share');
  for (const path of run('find', [share]).trim().split('\n')) chownSync(path, uid, uid);
}

/** sshd, its log going to the desk over syslog. */
async function victim(folder: string, desk: Desk): Promise<void> {
  mkdirSync('/run/sshd', { recursive: true });
  const key = join(folder, 'key');
  run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', key]);
  const config = join(folder, 'sshd_config');
  writeFileSync(
    config,
    `Port 22\nListenAddress ${HOSPITAL}\nHostKey ${key}\nPidFile ${join(folder, 'pid')}\nUsePAM no\nPasswordAuthentication yes\nStrictModes no\nMaxStartups 100\nUseDNS no\nLogLevel INFO\n`,
  );
  const sshd = spawn('/usr/sbin/sshd', ['-D', '-e', '-f', config], { stdio: ['ignore', 'ignore', 'pipe'] });
  closers.push(() => void sshd.kill('SIGKILL'));
  const to = desk.listener('syslog-tcp');
  const socket = connect(to.port, to.host);
  socket.on('error', () => {});
  closers.push(() => void socket.destroy());
  const listening = Promise.withResolvers<void>();
  createInterface({ input: sshd.stderr as NodeJS.ReadableStream }).on('line', (line) => {
    if (line.includes('Server listening')) listening.resolve();
    appendFileSync(join(folder, 'sshd.log'), `${line}\n`);
    socket.write(`<86>1 ${new Date().toISOString()} ${HOST} sshd 4711 - - ${line}\n`);
  });
  await Promise.race([listening.promise, pause(10_000)]);
}

/** What an opportunist leaves: a note, and files that cannot be read. Here it is random bytes over this test's own files. */
const ENCRYPT = `cd "$1" && for f in * .[!.]*; do [ -f "$f" ] && [ "$f" != run.sh ] || continue
  head -c 6000 /dev/urandom > "$f.k3x9a" && rm -f "$f"; sleep 0.03; done`;

async function reach(attacker: ReturnType<typeof attackerNetwork>): Promise<boolean> {
  const { out } = await ended(
    attacker.run('nmap', ['-Pn', '-n', '-sT', '-p', '22', '--host-timeout', '2s', HOSPITAL]),
    8000,
  );
  return /22\/tcp\s+open/.test(out);
}

async function bouncer(folder: string, desk: Desk, person: Person): Promise<void> {
  const { key } = await person.send<{ key: string }>('POST', '/v1/bouncers', { name: 'edge-1' });
  const config = join(folder, 'bouncer.yaml');
  writeFileSync(
    config,
    `mode: nftables\npid_dir: ${folder}/\nupdate_frequency: 1s\ndaemonize: false\nlog_mode: stdout\nlog_level: info\napi_url: ${desk.origin.replace('localhost', '127.0.0.1')}/\napi_key: ${key}\ndisable_ipv6: false\ndeny_action: DROP\nsupported_decisions_types: [ban]\nblacklists_ipv4: crowdsec-blacklists\nblacklists_ipv6: crowdsec6-blacklists\nnftables:\n  ipv4: { enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain }\n  ipv6: { enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain }\nprometheus: { enabled: false }\n`,
    { mode: 0o600 },
  );
  const child = spawn('crowdsec-firewall-bouncer', ['-c', config], { stdio: 'ignore' });
  closers.push(() => void child.kill('SIGKILL'));
}
const table = (family: string, name: string): string =>
  spawnSync('nft', ['list', 'table', family, name], { encoding: 'utf8' }).stdout;

async function attack(folder: string, attacker: ReturnType<typeof attackerNetwork>): Promise<object> {
  const share = join(folder, 'share');
  const scan = await ended(attacker.run('nmap', ['-Pn', '-n', '-sT', '-p', '1-120', '--max-retries', '1', HOSPITAL]));
  say(`nmap: ${/22\/tcp\s+open/.test(scan.out) ? 'found port 22' : scan.out.slice(-200)}`);
  const words = join(folder, 'words');
  writeFileSync(words, [...Array.from({ length: 18 }, (_, i) => `guess${i}`), PASSWORD].join('\n'));
  const guess = await ended(attacker.run('hydra', ['-l', NAME, '-P', words, '-t', '4', '-I', '-f', HOSPITAL, 'ssh']));
  say(`hydra: ${guess.out.includes(PASSWORD) ? 'found the password' : guess.out.slice(-300)}`);
  const ask = join(folder, 'ask.sh');
  writeFileSync(ask, `#!/bin/sh\necho ${PASSWORD}\n`, { mode: 0o755 });
  writeFileSync(join(share, 'run.sh'), ENCRYPT, { mode: 0o755 });
  await pause(1500);
  const login = await ended(
    attacker.run(
      'ssh',
      [
        ...[
          'StrictHostKeyChecking=no',
          'UserKnownHostsFile=/dev/null',
          'NumberOfPasswordPrompts=1',
          'LogLevel=ERROR',
        ].flatMap((one) => ['-o', one]),
        `${NAME}@${HOSPITAL}`,
        `sh ${share}/run.sh ${share}`,
      ],
      { SSH_ASKPASS: ask, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: ':0' },
    ),
  );
  say(`ssh: exit ${login.code} ${login.out.slice(-200)}`);
  return {
    scanned: /22\/tcp\s+open/.test(scan.out),
    guessed: guess.out.includes(PASSWORD),
    loggedIn: login.code === 0,
  };
}

async function stop(
  desk: Desk,
  person: Person,
  incident: Incident,
  folder: string,
  attacker: ReturnType<typeof attackerNetwork>,
) {
  await bouncer(folder, desk, person);
  const open = await reach(attacker);
  const order = { kind: 'block', target: ATTACKER };
  const preview = await person.send<Response['preview']>('POST', '/v1/responses/preview', order);
  const made = await person.send<Response>('POST', '/v1/responses', {
    ...order,
    duration_minutes: 30,
    reason: 'Guessed a password and encrypts files',
    incident: incident.id,
  });
  await eventually('the bouncer', async () => table('ip', 'crowdsec').includes(ATTACKER), 20_000);
  const kernel = table('inet', 'asepsis').includes(ATTACKER);
  const blocked = !(await reach(attacker));
  // Only the bouncer's table is left for a moment: does it hold alone? Then ours has to come back by itself.
  spawnSync('nft', ['delete', 'table', 'inet', 'asepsis']);
  const bouncerAlone = !(await reach(attacker));
  const mended = await eventually('our table again', async () => table('inet', 'asepsis').includes(ATTACKER), 25_000);
  await person.send('POST', `/v1/responses/${made.id}/undo`, {});
  const kernelAfter = table('inet', 'asepsis').includes(ATTACKER);
  await eventually('the bouncer lets go', async () => !table('ip', 'crowdsec').includes(ATTACKER), 20_000);
  return {
    open,
    preview,
    state: made.state,
    kernel,
    blocked,
    bouncerAlone,
    mended,
    kernelAfter,
    openAgain: await reach(attacker),
  };
}

async function scenario(folder: string): Promise<object> {
  const attacker = attackerNetwork();
  const share = join(folder, 'share');
  mkdirSync(share);
  for (let i = 0; i < 24; i++)
    writeFileSync(join(share, `letter-${i}.txt`), `Dear colleague ${i}, thank you for your letter. `.repeat(80));
  account(folder);
  const log = firewallLog(folder);
  const dataDir = join(folder, 'data');
  mkdirSync(dataDir, { mode: 0o700 });
  const desk = await startDesk(dataDir, {
    config: `http: { port: 0 }
syslog: { udp: { enabled: false }, tcp: { port: 0 }, tls: { enabled: false } }
this_machine: { logs: off, check: off }
files: [{ path: ${log} }]
responses: { mode: enforce }
file_integrity: { paths: [${share}], canaries: [${share}] }
`,
  });
  closers.push(() => desk.kill());
  const person = await enrol(desk);
  await victim(folder, desk);
  await eventually('the baseline', async () => readFileSync(join(dataDir, 'files', 'baseline.ndjson'), 'utf8') !== '');
  const before = createHash('sha256')
    .update(run('ls', ['-a', share]))
    .digest('hex');
  const done = await attack(folder, attacker);
  const changed =
    createHash('sha256')
      .update(run('ls', ['-a', share]))
      .digest('hex') !== before;

  const wanted = [
    'port-scan-vertical',
    'password-guessing',
    'success-after-failures',
    'file-canary',
    'file-mass-change',
  ];
  const find = async () => {
    const { items } = await person.get<{ items: Incident[] }>('/v1/incidents');
    const incident = items.find((one) => one.entities.some((entity) => entity.value === ATTACKER));
    if (!incident) return null;
    const answer = await person.get<{ alerts: Alert[] }>(`/v1/incidents/${incident.id}`);
    const rules = answer.alerts.map((alert) => alert.rule.id);
    return wanted.every((rule) => rules.includes(rule)) ? { incident, alerts: answer.alerts, all: items } : null;
  };
  const found = await eventually('the incident with all its stages', find, 30_000).catch(async (error: unknown) => {
    const { items } = await person.get<{ items: Incident[] }>('/v1/incidents');
    for (const one of items) {
      const { alerts } = await person.get<{ alerts: Alert[] }>(`/v1/incidents/${one.id}`);
      say(`${one.title}: ${alerts.map((alert) => alert.rule.id).join(', ')}`);
    }
    throw error;
  });
  const stages = found.alerts
    .toSorted((a, b) => (a.time < b.time ? -1 : 1))
    .map(({ rule, time, title }) => ({ rule: rule.id, time, title, tags: rule.tags }));
  const response = await stop(desk, person, found.incident, folder, attacker);
  const audit = await person.get<{ items: { action: string }[] }>('/v1/audit?limit=200');
  return {
    ...done,
    changed,
    incidents: found.all.map(({ title, severity, tactics }) => ({ title, severity, tactics })),
    stages,
    response,
    audit: audit.items.map((entry) => entry.action).filter((action) => action.startsWith('response.')),
  };
}

const folder = mkdtempSync(join(tmpdir(), 'asepsis-attack-'));
closers.push(() => rmSync(folder, { recursive: true, force: true }));
let answer: object;
try {
  answer = await scenario(folder);
} catch (error) {
  answer = { error: error instanceof Error ? (error.stack ?? error.message) : String(error), said };
}
for (const close of closers.reverse()) await close();
process.stdout.write(`${JSON.stringify(answer)}\n`);
process.exit(0);

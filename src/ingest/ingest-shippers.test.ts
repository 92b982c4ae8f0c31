/** The listeners with the shippers that hospitals run: rsyslog, syslog-ng, logger; those not installed are skipped, said. */

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { appendFile, mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startListeners } from './ingest-listeners.ts';
import { startIngestApp, TOKEN } from './testing/ingest-app.ts';
import { makeAuthority } from './testing/ingest-certificates.ts';
import { type Harness, openHarness, testConfig, until } from './testing/ingest-harness.ts';

const APT = '/usr/bin/apt-get';
const DPKG = '/usr/bin/dpkg';
const RSYSLOG = '/usr/sbin/rsyslogd';
const MODULES = '/usr/lib/x86_64-linux-gnu/rsyslog';
const hasLogger = spawnSync('logger', ['--version']).status === 0;
const hasRsyslog = existsSync(RSYSLOG);

let harness: Harness;
let stops: (() => unknown)[];
beforeEach(async () => {
  harness = await openHarness();
  stops = [];
});
afterEach(async () => {
  for (const stop of stops.reverse()) await stop();
  await harness.stop();
});

async function listen(tlsMaterial?: { cert: string; key: string; clientCa?: string }) {
  const started = await startListeners({
    ...harness,
    config: testConfig(),
    dataDir: harness.dir,
    exercise: false,
    ...(tlsMaterial && { tlsMaterial }),
  });
  stops.push(() => started.close());
  return (name: string) =>
    Number(
      started.listeners
        .find((l) => l.name === name)
        ?.address.split(':')
        .at(-1),
    );
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const force = setTimeout(() => child.kill('SIGKILL'), 3000);
  await exited;
  clearTimeout(force);
}

/** A real rsyslog with a configuration of its own that follows `in.log` and sends it on with the given action. */
async function rsyslog(action: string, global = '', modules: readonly string[] = []): Promise<string> {
  const input = join(harness.dir, 'in.log');
  const state = join(harness.dir, 'rsyslog');
  await mkdir(state);
  await writeFile(input, '');
  const config = join(harness.dir, 'rsyslog.conf');
  await writeFile(
    config,
    `global(workDirectory="${state}" maxMessageSize="128k"${global})
module(load="imfile")
${modules.map((name) => `module(load="${name}")`).join('\n')}
input(type="imfile" File="${input}" Tag="shipped:" Severity="info" Facility="local0" escapeLF="off")
template(name="json" type="list") {
  constant(value="{\\"@timestamp\\":\\"") property(name="timereported" dateFormat="rfc3339")
  constant(value="\\",\\"message\\":\\"") property(name="msg" format="json") constant(value="\\"}")
}
action(${action})
`,
  );
  const child = spawn(RSYSLOG, ['-n', '-f', config, '-i', join(harness.dir, 'rsyslog.pid')], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stderr?.on('data', (chunk) => {
    output += chunk;
  });
  stops.push(() => end(child));
  await until(
    () => {
      if (child.exitCode !== null) throw new Error(`rsyslogd ended: ${output}`);
      return existsSync(join(harness.dir, 'rsyslog.pid'));
    },
    () => 'rsyslogd did not start',
  );
  return input;
}

const lines = (count: number) => Array.from({ length: count }, (_, i) => `entry ${i} of the ward`);
const write = (input: string, count: number) =>
  appendFile(
    input,
    lines(count)
      .map((line) => `${line}\n`)
      .join(''),
  );
/** What was written, in the order in which it came. */
const entries = (records: readonly string[]) =>
  records.map((record) => /entry \d+ of the ward/.exec(record)?.[0] ?? record);

test.skipIf(!hasRsyslog)('rsyslog over TCP with octet counting', async () => {
  const port = await listen();
  const input = await rsyslog(
    `type="omfwd" target="127.0.0.1" port="${port('syslog-tcp')}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"`,
  );
  await write(input, 500);
  const records = await harness.arrived(500);
  expect(entries(records)).toEqual(lines(500));
  expect(records[0]).toMatch(/^<134>1 /);
});

test.skipIf(!hasRsyslog)('rsyslog over TCP with lines, 64 KiB among them', async () => {
  const port = await listen();
  const input = await rsyslog(`type="omfwd" target="127.0.0.1" port="${port('syslog-tcp')}" protocol="tcp"`);
  const long = `long ${'x'.repeat(64 * 1024)}`;
  await appendFile(input, `${long}\nentry 0 of the ward\n`);
  const records = await harness.arrived(2);
  expect(records[0]?.endsWith(long)).toBe(true);
  expect(entries(records)[1]).toBe('entry 0 of the ward');
});

test.skipIf(!hasRsyslog)('rsyslog over UDP', async () => {
  const port = await listen();
  const input = await rsyslog(`type="omfwd" target="127.0.0.1" port="${port('syslog-udp')}" protocol="udp"`);
  await write(input, 100);
  expect(entries(await harness.arrived(100))).toEqual(lines(100));
});

test.skipIf(!hasRsyslog || !existsSync(join(MODULES, 'lmnsd_gtls.so')))(
  'rsyslog over TLS, both sides showing certificates',
  async () => {
    const authority = await makeAuthority();
    const port = await listen({ ...(await authority.issue('desk')), clientCa: authority.cert });
    const files = {
      ca: join(harness.dir, 'ca.pem'),
      cert: join(harness.dir, 'cert.pem'),
      key: join(harness.dir, 'key.pem'),
    };
    const own = await authority.issue('shipper');
    await writeFile(files.ca, authority.cert);
    await writeFile(files.cert, own.cert);
    await writeFile(files.key, own.key);
    const input = await rsyslog(
      `type="omfwd" target="127.0.0.1" port="${port('syslog-tls')}" protocol="tcp" TCP_Framing="octet-counted" StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"`,
      ` defaultNetstreamDriverCAFile="${files.ca}" defaultNetstreamDriverCertFile="${files.cert}" defaultNetstreamDriverKeyFile="${files.key}"`,
    );
    await write(input, 200);
    expect(entries(await harness.arrived(200))).toEqual(lines(200));
  },
);

test.skipIf(!hasRsyslog || !existsSync(join(MODULES, 'omelasticsearch.so')))(
  'rsyslog’s omelasticsearch, in bulk',
  async () => {
    const { app, url } = await startIngestApp(harness);
    stops.push(() => app.close());
    const { hostname, port } = new URL(url);
    const input = await rsyslog(
      `type="omelasticsearch" server="${hostname}" serverport="${port}" uid="shipper" pwd="${TOKEN}" template="json" bulkmode="on" searchIndex="logs" searchType="" esVersion.major="8" errorFile="${join(harness.dir, 'es-errors')}" action.resumeInterval="1" action.resumeRetryCount="-1" queue.type="LinkedList"`,
      '',
      ['omelasticsearch'],
    );
    await write(input, 300);
    const records = await harness.arrived(300);
    const messages = records.map((record) => (JSON.parse(record) as { message: string }).message);
    expect(messages.map((message) => message.trim()).sort()).toEqual(lines(300).sort());
    expect(existsSync(join(harness.dir, 'es-errors'))).toBe(false);
  },
);

test.skipIf(!hasLogger)('logger over TCP (both framings) and UDP', async () => {
  const port = await listen();
  const send = (...args: string[]) => execFileSync('logger', ['--server', '127.0.0.1', ...args]);
  send('--tcp', '--port', String(port('syslog-tcp')), '--octet-count', 'octets counted');
  send('--tcp', '--port', String(port('syslog-tcp')), 'a line');
  send('--udp', '--port', String(port('syslog-udp')), '--rfc3164', 'a datagram');
  const records = await harness.arrived(3);
  expect(records.map((record) => record.replace(/^<13>.*(octets counted|a line|a datagram)$/s, '$1')).sort()).toEqual([
    'a datagram',
    'a line',
    'octets counted',
  ]);
});

/** syslog-ng cannot be installed beside rsyslog: an installed one, or one unpacked from the package into a folder. */
async function findSyslogNg(): Promise<{ program: string; env: NodeJS.ProcessEnv; args: string[] } | null> {
  if (existsSync('/usr/sbin/syslog-ng')) return { program: '/usr/sbin/syslog-ng', env: {}, args: [] };
  if (process.getuid?.() !== 0 || !existsSync(APT) || !existsSync(DPKG)) return null;
  const folder = join(harness.dir, 'syslog-ng');
  await mkdir(folder);
  // Packages that nothing else on a small system needs; the others of its dependencies are there.
  const names = ['syslog-ng-core', 'libivykis0', 'libnet1', 'libpcre3', 'libwrap0', 'libjson-c5'];
  const options = { cwd: folder, stdio: 'pipe', timeout: 20_000 } as const;
  try {
    execFileSync(APT, ['-q', 'download', ...names], options);
    const packages = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
    for (const name of packages) execFileSync(DPKG, ['-x', name, 'x'], options);
  } catch {
    return null;
  }
  const root = join(folder, 'x', 'usr');
  const libraries = ['usr/lib/x86_64-linux-gnu', 'lib/x86_64-linux-gnu', 'usr/lib/syslog-ng'].map((path) =>
    join(folder, 'x', path),
  );
  const modules = (await readdir(join(root, 'lib/syslog-ng')))[0] as string;
  const env = { LD_LIBRARY_PATH: libraries.join(':') };
  const program = join(root, 'sbin/syslog-ng');
  return { program, env, args: ['--module-path', join(root, 'lib/syslog-ng', modules)] };
}

test.skipIf(spawnSync('which', ['syslog-ng', 'apt-get']).stdout.length === 0)(
  'syslog-ng with its own framing and over TLS',
  async (context) => {
    const found = await findSyslogNg();
    if (!found) return context.skip('syslog-ng is neither installed nor to be had from the package mirror');
    const authority = await makeAuthority();
    const port = await listen(await authority.issue('desk'));
    await writeFile(join(harness.dir, 'ca.pem'), authority.cert);
    const input = join(harness.dir, 'in.log');
    const config = join(harness.dir, 'syslog-ng.conf');
    await writeFile(input, '');
    await writeFile(
      config,
      `@version: 3.38
source in { file("${input}" follow-freq(0.1) flags(no-parse)); };
destination plain { syslog("127.0.0.1" transport("tcp") port(${port('syslog-tcp')})); };
destination safe { syslog("127.0.0.1" transport("tls") port(${port('syslog-tls')}) tls(ca-file("${join(harness.dir, 'ca.pem')}") peer-verify(required-trusted))); };
log { source(in); destination(plain); destination(safe); };
`,
    );
    const own = [
      '-F',
      '-f',
      config,
      '-R',
      join(harness.dir, 'ng.persist'),
      '-p',
      join(harness.dir, 'ng.pid'),
      '-c',
      join(harness.dir, 'ng.ctl'),
      '--no-caps',
    ];
    const child = spawn(found.program, [...found.args, ...own], {
      env: { ...process.env, ...found.env },
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    let output = '';
    child.stderr?.on('data', (chunk) => {
      output += chunk;
    });
    stops.push(() => end(child));
    await write(input, 200);
    const records = await harness.arrived(400).catch((error: Error) => {
      throw new Error(`${error.message}; syslog-ng said: ${output}`);
    });
    expect(entries(records).sort()).toEqual([...lines(200), ...lines(200)].sort());
  },
);

test('TLS 1.1 and clients without the wanted certificate are turned away', async () => {
  const authority = await makeAuthority();
  const port = await listen({ ...(await authority.issue('desk')), clientCa: authority.cert });
  const dial = async (o: object) => {
    const socket = connect({ host: '127.0.0.1', port: port('syslog-tls'), ca: authority.cert, ...o });
    stops.push(() => socket.destroy());
    socket.on('secureConnect', () => socket.write('<13>hello\n'));
    await new Promise((resolve) =>
      socket
        .on('error', resolve)
        .on('close', resolve)
        .on('secureConnect', () => setTimeout(resolve, 200)),
    );
  };
  await dial({ maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
  await dial({});
  expect(harness.records()).toEqual([]);
  await dial(await authority.issue('device'));
  expect(await harness.arrived(1)).toEqual(['<13>hello']);
});

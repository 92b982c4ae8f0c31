/** TLS profiles side by side with nmap, sslscan and testssl on the same loopback servers: which suites each sees, and how long it takes. */

import { execFile, execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { createGate } from '../src/perimeter/perimeter-gate.ts';
import { freePort, has, type Lab, openLab, P256, RSA } from '../src/perimeter/testing/perimeter-lab.ts';
import { loopbackScope } from '../src/perimeter/testing/perimeter-scopes.ts';
import { tlsProfile } from '../src/perimeter/tls/tls-profile.ts';

const run = promisify(execFile);
const SERVERS: readonly (readonly [string, readonly string[]])[] = [
  ['everything on', ['-cipher', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0']],
  ['as it comes', []],
  ['TLS 1.2 with its own order', ['-tls1_2', '-serverpref', '-cipher', 'ECDHE+AESGCM:ECDHE+CHACHA20']],
];

async function timed<T>(work: () => Promise<T>): Promise<[T, string]> {
  const start = performance.now();
  const result = await work();
  return [result, `${((performance.now() - start) / 1000).toFixed(1)} s`];
}

/** OpenSSL's names → the registry's. */
function registryNames(): Map<string, string> {
  const lines = execFileSync('openssl', ['ciphers', '-stdname', 'ALL:COMPLEMENTOFALL'], { encoding: 'utf8' }).split(
    '\n',
  );
  return new Map(lines.map((line) => line.split(/\s+/)).map(([standard = '', , own = '']) => [own, standard]));
}

async function nmap(port: number): Promise<string[]> {
  const { stdout } = await run('nmap', ['-Pn', '-n', '-p', String(port), '--script', '+ssl-enum-ciphers', '127.0.0.1']);
  return [
    ...new Set(
      [...stdout.matchAll(/^\|\s+((?:TLS|SSL)_\S+)/gm)].map((match) => (match[1] as string).replace('_AKE_WITH_', '_')),
    ),
  ];
}

async function sslscan(port: number, names: ReadonlyMap<string, string>): Promise<string[]> {
  const { stdout } = await run('sslscan', [
    '--no-colour',
    '--no-heartbleed',
    '--no-check-certificate',
    `127.0.0.1:${port}`,
  ]);
  const found = [...stdout.matchAll(/^(?:Preferred|Accepted)\s+\S+\s+\d+ bits\s+(\S+)/gm)].map(
    (match) => match[1] as string,
  );
  return [...new Set(found.map((name) => names.get(name) ?? name))];
}

/** testssl by the numbers of the suites; a minute for a server of two versions, so it looks at one server only. */
async function testssl(lab: Lab, port: number, names: ReadonlyMap<string, string>): Promise<string[]> {
  const report = join(lab.dir, `testssl-${port}.json`);
  const args = ['--warnings', 'off', '--color', '0', '-E', '--jsonfile', report, `127.0.0.1:${port}`];
  await run('testssl', args, { maxBuffer: 16 * 1024 * 1024 }).catch(() => null);
  const rows = JSON.parse(readFileSync(report, 'utf8')) as { id: string; finding: string }[];
  const found = rows.filter(({ id }) => id.startsWith('cipher-')).map(({ finding }) => finding.trim().split(/\s+/));
  return [...new Set(found.map((words) => words.at(-1) ?? '').map((name) => names.get(name) ?? name))];
}

export async function conformancePerimeter(_dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  if (!has('openssl', 'nmap', 'sslscan'))
    return { name: 'perimeter: nmap or sslscan is not installed, not compared', ok: true, lines: [] };
  const lab = openLab();
  const gate = createGate({ scope: loopbackScope(), clock: { now: () => Date.now() } });
  const names = registryNames();
  const lines: string[] = [];
  let ok = true;
  try {
    const rsa = lab.certificate('rsa', RSA, 'DNS:localhost');
    const ec = lab.certificate('ec', P256, 'DNS:localhost');
    for (const [what, options] of SERVERS) {
      const port = await freePort();
      const keys = ['-cert', rsa.cert, '-key', rsa.key, '-dcert', ec.cert, '-dkey', ec.key];
      await lab.start('openssl', ['s_server', '-accept', String(port), ...keys, '-www', '-quiet', ...options], port);
      const [profile, ours] = await timed(() => tlsProfile(gate, { host: '127.0.0.1', port }, Date.now()));
      const suites = new Set(profile?.versions.flatMap(({ ciphers }) => ciphers));
      const [byNmap, nmapTime] = await timed(() => nmap(port));
      const [bySslscan, sslscanTime] = await timed(() => sslscan(port, names));
      if (what === 'as it comes' && has('testssl')) {
        const [byTestssl, testsslTime] = await timed(() => testssl(lab, port, names));
        const other = [
          ...byTestssl.filter((name) => !suites.has(name)),
          ...[...suites].filter((name) => !byTestssl.includes(name)),
        ];
        ok &&= other.length === 0;
        lines.push(
          `  testssl ${byTestssl.length} in ${testsslTime}${other.length > 0 ? `, differs in ${other.join(', ')}` : ''}`,
        );
      }
      const onlyNmap = byNmap.filter((name) => !suites.has(name));
      const onlyOurs = [...suites].filter((name) => !byNmap.includes(name));
      const onlySslscan = bySslscan.filter((name) => !suites.has(name));
      ok &&= onlyNmap.length === 0 && onlyOurs.length === 0 && onlySslscan.length === 0 && suites.size > 0;
      lines.push(
        `${what}: ${suites.size} suites in ${ours}; nmap ${byNmap.length} in ${nmapTime}; sslscan ${bySslscan.length} in ${sslscanTime}`,
      );
      for (const [who, list] of [
        ['only nmap', onlyNmap],
        ['only we', onlyOurs],
        ['only sslscan', onlySslscan],
      ] as const)
        if (list.length > 0) lines.push(`  ${who}: ${list.slice(0, 8).join(', ')}`);
    }
    lines.push('sslscan sees fewer where its OpenSSL cannot speak a suite');
  } finally {
    gate.stop('done');
    await lab.close();
  }
  return { name: 'perimeter: TLS side by side with nmap, sslscan and testssl', ok, lines };
}

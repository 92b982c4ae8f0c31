/**
 * Our HTTP checks beside Mozilla's Observatory, on sites each with one thing wrong. It is a peer and no part of Asepsis:
 * `npm install @mdn/mdn-http-observatory` into some folder, and ASEPSIS_OBSERVATORY=FOLDER npm run conformance.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { has, openLab, RSA } from '../src/perimeter/testing/perimeter-lab.ts';

const CSP = `Content-Security-Policy "default-src 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'self'; form-action 'self'"`;
const GOOD = [
  'Strict-Transport-Security "max-age=63072000"',
  CSP,
  'X-Content-Type-Options nosniff',
  'Referrer-Policy no-referrer',
];
const without = (word: string, ...instead: string[]) => [...GOOD.filter((line) => !line.startsWith(word)), ...instead];
const PAGE = '<!doctype html><html><body><h1>Our hospital</h1></body></html>';
const SITES: Readonly<Record<string, { redirect?: boolean; headers: readonly string[]; body?: string }>> = {
  'good.test': { headers: GOOD },
  'bare.test': { headers: [] },
  'no-redirect.test': { headers: GOOD, redirect: false },
  'no-hsts.test': { headers: without('Strict') },
  'short-hsts.test': { headers: without('Strict', 'Strict-Transport-Security "max-age=60"') },
  'no-csp.test': { headers: without('Content-Security', 'X-Frame-Options DENY') },
  'loose-csp.test': {
    headers: without(
      'Content-Security',
      `Content-Security-Policy "default-src * 'unsafe-inline'; frame-ancestors 'none'"`,
    ),
  },
  'framed.test': {
    headers: without(
      'Content-Security',
      `Content-Security-Policy "default-src 'self'; object-src 'none'; base-uri 'self'"`,
    ),
  },
  'sniff.test': { headers: without('X-Content') },
  'referrer.test': { headers: without('Referrer', 'Referrer-Policy unsafe-url') },
  'cookie.test': { headers: [...GOOD, 'Set-Cookie "PHPSESSID=abc; Path=/"'] },
  'cors.test': {
    headers: [...GOOD, 'Access-Control-Allow-Origin $http_origin', 'Access-Control-Allow-Credentials true'],
  },
  'sri.test': {
    headers: GOOD,
    body: '<!doctype html><html><body><script src="https://cdn.example/x.js"></script></body></html>',
  },
};
const SAME: Readonly<Record<string, string>> = {
  'content-security-policy': 'http-csp',
  cookies: 'http-cookie',
  'cross-origin-resource-sharing': 'http-cors',
  redirection: 'http-without-https',
  'referrer-policy': 'http-referrer',
  'strict-transport-security': 'http-hsts',
  'subresource-integrity': 'http-script-integrity',
  'x-content-type-options': 'http-nosniff',
  'x-frame-options': 'http-framing',
};
/** Differences that are meant, by site and test. */
const PLAIN = 'ours looks at the page on port 80 too, which sends none of these headers; the Observatory at port 443';
const EXPLAINED: Readonly<Record<string, string>> = {
  'no-redirect.test content-security-policy': PLAIN,
  'no-redirect.test x-content-type-options': PLAIN,
  'no-redirect.test x-frame-options': PLAIN,
  'cors.test cross-origin-resource-sharing':
    'ours asks for the page as a foreign site would (GET with Origin) and is let in with credentials; the Observatory judges a preflight (OPTIONS), and let this one pass',
};

export async function conformanceObservatory(
  _dataDir: string,
): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const folder = process.env.ASEPSIS_OBSERVATORY;
  if (!folder || !has('unshare', 'ip', 'nginx', 'openssl') || process.getuid?.() !== 0)
    return {
      name: 'HTTP: Mozilla’s Observatory is not installed (ASEPSIS_OBSERVATORY), not compared',
      ok: true,
      lines: [],
    };
  // The list of preloaded names comes from the network when it is installed; without it no name counts as preloaded.
  const conf = join(folder, 'node_modules', '@mdn', 'mdn-http-observatory', 'conf');
  mkdirSync(conf, { recursive: true });
  if (!existsSync(join(conf, 'hsts-preload.json'))) writeFileSync(join(conf, 'hsts-preload.json'), '[]');
  const lab = openLab();
  const lines: string[] = [];
  let ok = true;
  try {
    const names = Object.keys(SITES);
    const { cert, key } = lab.certificate('sites', RSA, names.map((name) => `DNS:${name}`).join(','), ['-days', '80']);
    const hosts = lab.file('hosts', `127.0.0.1 localhost ${names.join(' ')}\n`, 0o644);
    const sites = Object.fromEntries(
      Object.entries(SITES).map(([name, one]) => [name, { redirect: true, body: PAGE, ...one }]),
    );
    const script = `set -e; ip link set lo up; mount --bind "$1" /etc/hosts; shift; exec "$@"`;
    const inside = [
      process.execPath,
      join(import.meta.dirname, 'conformance-observatory-inside.ts'),
      folder,
      cert,
      key,
      JSON.stringify(sites),
    ];
    const done = spawnSync('unshare', ['-nm', '--kill-child', 'bash', '-c', script, 'bash', hosts, ...inside], {
      encoding: 'utf8',
      timeout: 240_000,
      env: { ...process.env, NODE_EXTRA_CA_CERTS: cert, NODE_NO_WARNINGS: '1' },
    });
    if (done.status !== 0)
      return { name: 'HTTP side by side with Mozilla’s Observatory', ok: false, lines: [done.stderr.slice(-600)] };
    const found = JSON.parse(done.stdout.trim().split('\n').at(-1) ?? '{}') as Record<
      string,
      { theirs: string[]; grade: string; ours: string[] }
    >;
    let alike = 0;
    for (const [name, { theirs, grade, ours }] of Object.entries(found)) {
      for (const [test, kind] of Object.entries(SAME)) {
        const other = theirs.find((one) => one.startsWith(`${test}:`));
        if ((other !== undefined) === ours.includes(kind)) {
          alike++;
          continue;
        }
        const why = EXPLAINED[`${name} ${test}`];
        ok &&= why !== undefined;
        lines.push(
          `  ${name} (${grade}) ${test}: ${other ?? 'passes'}, ours ${ours.includes(kind) ? kind : 'nothing'}: ${why ?? 'not explained'}`,
        );
      }
    }
    lines.unshift(`${names.length} sites, ${Object.keys(SAME).length} questions each: ${alike} answered alike`);
    lines.push(
      'cross-origin-resource-policy is asked by the Observatory only: it is scored there, and nothing is lost by its absence',
    );
  } finally {
    await lab.close();
  }
  return { name: 'HTTP side by side with Mozilla’s Observatory', ok, lines };
}

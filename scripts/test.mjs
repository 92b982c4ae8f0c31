/** `npm test`: everything from unit to browser and crash, on a fresh clone as well as on a used one. Arguments go to Vitest. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { NODE, ROOT, ready, step } from './ready.mjs';

/** Debian packages that the tests speak with: program → package. Installed when missing and when we may. */
const PROGRAMS = {
  sshd: 'openssh-server',
  hydra: 'hydra',
  nmap: 'nmap',
  nft: 'nftables',
  ip: 'iproute2',
  ulogd: 'ulogd2',
  'crowdsec-firewall-bouncer': 'crowdsec-firewall-bouncer',
  getfattr: 'attr',
  rsyslogd: 'rsyslog',
  logrotate: 'logrotate',
  zstd: 'zstd',
};
const PATHS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin'];
const has = (program) => PATHS.some((path) => path && existsSync(join(path, program)));
const root = process.getuid?.() === 0;

async function programs() {
  const missing = Object.entries(PROGRAMS).filter(([program]) => !has(program));
  const chromium = ['chromium', 'chromium-browser', 'google-chrome'].some(has);
  const packages = missing.map(([, name]) => name);
  if (!chromium) packages.push('chromium');
  if (packages.length === 0) return;
  if (!root || !has('apt-get')) {
    process.stderr.write(
      `Not installed, and this user may not install them: ${packages.join(', ')}. Their tests say so.\n`,
    );
    if (!chromium) {
      await step('Getting a browser (Playwright’s own)', NODE, [
        join(ROOT, 'node_modules', 'playwright-core', 'cli.js'),
        'install',
        'chromium',
      ]);
    }
    return;
  }
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  await step('Reading the package lists', 'apt-get', ['update', '-qq'], env);
  await step(
    `Installing ${packages.join(', ')}`,
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', ...packages],
    env,
  );
}

await ready();
await programs();
const run = (args) =>
  spawnSync(NODE, args, {
    cwd: ROOT,
    stdio: 'inherit',
    env: { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${PATHS.join(':')}` },
  }).status ?? 2;

const built = run([join(ROOT, 'scripts', 'build.mjs')]);
if (built !== 0) process.exit(built);
process.exit(run([join(ROOT, 'node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)]));

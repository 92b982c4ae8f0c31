/** `npm test`: everything from unit to browser and crash, on a fresh clone as well as on a used one. Arguments go to Vitest. */

import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE, ROOT, ready, step } from './ready.mjs';

/**
 * Debian packages that the tests speak with: program → package. Installed when missing and when we may. Without the needed
 * ones `npm test` would not test what it says; without one of the peers its tests say that they are skipped.
 */
const NEEDED = {
  sshd: 'openssh-server',
  hydra: 'hydra',
  rsyslogd: 'rsyslog',
  logrotate: 'logrotate',
  zstd: 'zstd',
  ip: 'iproute2',
  nft: 'nftables',
  tcpdump: 'tcpdump',
  nginx: 'nginx-light',
  openssl: 'openssl',
};
const MODULES = `/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/rsyslog`;
const PEERS = {
  [`${MODULES}/lmnsd_gtls.so`]: 'rsyslog-gnutls',
  [`${MODULES}/omelasticsearch.so`]: 'rsyslog-elasticsearch',
  storescu: 'dcmtk',
  nmap: 'nmap',
  sslscan: 'sslscan',
  haproxy: 'haproxy',
  caddy: 'caddy',
  stunnel4: 'stunnel4',
  slapd: 'slapd',
  ldapadd: 'ldap-utils',
  strace: 'strace',
  ulogd: 'ulogd2',
  'crowdsec-firewall-bouncer': 'crowdsec-firewall-bouncer',
  getfattr: 'attr',
  tshark: 'tshark',
  curl: 'curl',
  vsftpd: 'vsftpd',
  ldapsearch: 'ldap-utils',
  snmpd: 'snmpd',
  snmpget: 'snmp',
  mosquitto: 'mosquitto',
  mosquitto_pub: 'mosquitto-clients',
  telnet: 'telnet',
  arpspoof: 'dsniff',
  dnsmasq: 'dnsmasq-base',
  oathtool: 'oathtool',
  apache2: 'apache2',
  'gnutls-serv': 'gnutls-bin',
  smbd: 'samba',
  'redis-server': 'redis-server',
  postfix: 'postfix',
  named: 'bind9',
  'dnssec-signzone': 'bind9-utils',
  debsecan: 'debsecan',
  rpm: 'rpm',
  dovecot: 'dovecot-imapd',
  '../lib/dovecot/pop3-login': 'dovecot-pop3d',
  prosody: 'prosody',
  xrdp: 'xrdp',
  Xtigervnc: 'tigervnc-standalone-server',
  memcached: 'memcached',
  // With its DICOMweb, which brings the archive itself.
  Orthanc: 'orthanc-dicomweb',
  etcd: 'etcd-server',
  cupsd: 'cups-daemon',
  'nats-server': 'nats-server',
  kamailio: 'kamailio',
  '../lib/ipsec/charon': 'strongswan-charon',
  ntpd: 'ntpsec',
  mariadbd: 'mariadb-server-core',
  pg_createcluster: 'postgresql',
};
const PATHS = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/local/sbin'];
/** Modules of a program have no command: they are named by their file. */
const has = (program) =>
  program.startsWith('/') ? existsSync(program) : PATHS.some((path) => path && existsSync(join(path, program)));
const root = process.getuid?.() === 0;
const missingOf = (programs) =>
  Object.entries(programs)
    .filter(([program]) => !has(program))
    .map(([, name]) => name);

async function programs() {
  const chromium = ['chromium', 'chromium-browser', 'google-chrome'].some(has);
  const needed = missingOf(NEEDED);
  if (!chromium) needed.push('chromium');
  const peers = missingOf(PEERS);
  if (needed.length + peers.length === 0) return;
  if (!root || !has('apt-get')) {
    process.stderr.write(
      `Not installed, and this user may not install them: ${[...needed, ...peers].join(', ')}. Their tests say so.\n`,
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
  await step('Reading the package lists', 'apt-get', ['update', '-qq'], APT);
  const allow = noServices();
  try {
    if (needed.length > 0) await install(needed);
    // One that this release does not have leaves the others.
    if (peers.length > 0 && !(await install(peers, true))) for (const name of peers) await install([name], true);
  } finally {
    allow();
  }
}

const APT = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
const install = (names, optional = false) =>
  step(
    `Installing ${names.join(', ')}`,
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', ...names],
    APT,
    optional,
  );

/** Packages of servers would start them, on ports of this machine; the tests start their own. Answers how to undo it. */
function noServices() {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return () => {};
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  const undo = () => rmSync(policy, { force: true });
  process.once('exit', undo);
  return undo;
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

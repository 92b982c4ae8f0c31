/** More real servers of the laboratory: mailboxes, chat, desktops, databases, images, printers, clocks, telephones, tunnels. */

import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Lab, program } from './perimeter-lab.ts';
import type { LabServer } from './perimeter-servers.ts';

interface Material {
  readonly cert: string;
  readonly key: string;
}

const folder = (lab: Lab, name: string, owner?: string) => {
  const path = join(lab.dir, name);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  if (owner !== undefined) give(path, owner);
  return path;
};
const idOf = (kind: '-u' | '-g', name: string) => Number(execFileSync('id', [kind, name], { encoding: 'utf8' }));
const give = (path: string, owner: string) => chownSync(path, idOf('-u', owner), idOf('-g', owner));
/** The laboratory's folder is root's alone; servers that leave root behind have to pass through it. */
const passable = (lab: Lab) => execFileSync('chmod', ['a+x', lab.dir]);

/** A client at the server's own address counts as safe with Dovecot: it is to be asked at 127.0.0.2. */
export async function mailboxServer(lab: Lab, good: boolean, { cert, key }: Material) {
  const [imap, pop3] = [await freePort(), await freePort()];
  const name = good ? 'dovecot-good' : 'dovecot-weak';
  const dir = folder(lab, name);
  passable(lab);
  const secure = good
    ? `ssl = required\nssl_cert = <${cert}\nssl_key = <${key}\nssl_min_protocol = TLSv1.2\nssl_cipher_list = ECDHE+AESGCM\nssl_prefer_server_ciphers = yes\ndisable_plaintext_auth = yes\n`
    : 'ssl = no\ndisable_plaintext_auth = no\n';
  const conf = lab.file(
    `${name}/dovecot.conf`,
    `base_dir = ${dir}/run\nstate_dir = ${dir}/state\nlog_path = ${dir}/log\nprotocols = imap pop3\nlisten = 127.0.0.1, 127.0.0.2\nlogin_trusted_networks =\n${secure}auth_mechanisms = plain\npassdb {\n  driver = static\n  args = password=x\n}\nuserdb {\n  driver = static\n  args = uid=65534 gid=65534 home=${dir}\n}\nservice imap-login {\n  inet_listener imap {\n    port = ${imap}\n  }\n  inet_listener imaps {\n    port = 0\n  }\n}\nservice pop3-login {\n  inet_listener pop3 {\n    port = ${pop3}\n  }\n  inet_listener pop3s {\n    port = 0\n  }\n}\n`,
  );
  await lab.start('dovecot', ['-F', '-c', conf], imap);
  return { imap, pop3 };
}

export async function chatServer(lab: Lab, good: boolean, { cert, key }: Material): Promise<LabServer> {
  const [port, peers] = [await freePort(), await freePort()];
  const name = good ? 'prosody-good' : 'prosody-weak';
  const dir = folder(lab, name, 'prosody');
  passable(lab);
  const tls = good
    ? `ssl = { certificate = "${dir}/crt"; key = "${dir}/key"; protocol = "tlsv1_2+"; ciphers = "ECDHE+AESGCM"; }\nc2s_require_encryption = true\n`
    : 'c2s_require_encryption = false\nallow_unencrypted_plain_auth = true\n';
  if (good)
    for (const [from, to] of [
      [cert, 'crt'],
      [key, 'key'],
    ] as const)
      execFileSync('install', ['-o', 'prosody', '-m', '600', from, join(dir, to)]);
  const conf = lab.file(
    `${name}/prosody.cfg.lua`,
    `run_as_root = true\npidfile = "${dir}/pid"\ndata_path = "${dir}"\nlog = { warn = "*console" }\ninterfaces = { "127.0.0.1" }\nlocal_interfaces = { "127.0.0.1" }\nc2s_ports = { ${port} }\ns2s_ports = { ${peers} }\nmodules_enabled = { "saslauth"; "tls"; "disco" }\nmodules_disabled = { "s2s" }\nauthentication = "internal_hashed"\n${tls}VirtualHost "127.0.0.1"\n`,
    0o644,
  );
  await lab.start('prosody', ['--config', conf, '-F'], port);
  return { port };
}

/** xrdp knows no network level authentication: it is the weak one only. */
export async function desktopServer(lab: Lab, old: boolean, { cert, key }: Material): Promise<LabServer> {
  const port = await freePort();
  const name = old ? 'xrdp-old' : 'xrdp-tls';
  const dir = folder(lab, name);
  const conf = lab.file(
    `${name}/xrdp.ini`,
    `[Globals]\nini_version=1\nfork=true\nport=tcp://127.0.0.1:${port}\ntcp_nodelay=true\nsecurity_layer=${old ? 'negotiate' : 'tls'}\ncrypt_level=${old ? 'low' : 'high'}\ncertificate=${cert}\nkey_file=${key}\nssl_protocols=TLSv1.2, TLSv1.3\nautorun=\nallow_channels=true\nuse_fastpath=both\n[Logging]\nLogFile=${dir}/log\nLogLevel=INFO\nEnableSyslog=false\n[Xorg]\nname=Xorg\nlib=libxup.so\n`,
  );
  await lab.start('xrdp', ['-n', '-c', conf], port);
  return { port };
}

export async function screenServer(lab: Lab, types: 'None' | 'VncAuth' | 'TLSVnc'): Promise<LabServer> {
  const port = await freePort();
  const display = `:${200 + (port % 20_000)}`;
  const secret = lab.file(`vnc-${types}`, Buffer.from('0123456789abcdef', 'hex'));
  await lab.start(
    'Xtigervnc',
    [
      display,
      '-rfbport',
      String(port),
      '-interface',
      '127.0.0.1',
      '-SecurityTypes',
      types,
      '-PasswordFile',
      secret,
      '-nolisten',
      'tcp',
      '-nolisten',
      'local',
      '-geometry',
      '64x64',
      '-depth',
      '16',
    ],
    port,
  );
  return { port };
}

export async function cacheServer(lab: Lab): Promise<LabServer> {
  const port = await freePort();
  await lab.start('memcached', ['-l', '127.0.0.1', '-p', String(port), '-U', '0', '-u', 'nobody'], port);
  return { port };
}

/** The folder of PostgreSQL's programs: Debian keeps them out of the path. */
export const postgresBin = (): string | null => {
  try {
    const [newest] = readdirSync('/usr/lib/postgresql').toSorted((a, b) => Number(b) - Number(a));
    return newest === undefined ? null : program(`../lib/postgresql/${newest}/bin/postgres`);
  } catch {
    return null;
  }
};

export async function postgresServer(lab: Lab, good: boolean, { cert, key }: Material): Promise<LabServer> {
  const bin = postgresBin() as string;
  const port = await freePort();
  const dir = folder(lab, good ? 'postgres-good' : 'postgres-weak', 'postgres');
  passable(lab);
  const as = ['--reuid', 'postgres', '--regid', 'postgres', '--clear-groups', '--'];
  const secret = lab.file(`${good ? 'postgres-good' : 'postgres-weak'}/secret`, 'a-long-password-of-the-laboratory\n');
  give(secret, 'postgres');
  const init = ['-D', join(dir, 'data'), '-A', good ? 'scram-sha-256' : 'trust', '--pwfile', secret, '-N'];
  execFileSync('setpriv', [...as, bin.replace(/postgres$/, 'initdb'), ...init], { cwd: dir, stdio: 'ignore' });
  const options = ['-D', join(dir, 'data'), '-p', String(port), '-h', '127.0.0.1', '-k', dir];
  if (good) {
    for (const [from, to] of [
      [cert, 'crt'],
      [key, 'key'],
    ] as const)
      execFileSync('install', ['-o', 'postgres', '-m', '600', from, join(dir, to)]);
    const settings = {
      ssl: 'on',
      ssl_cert_file: `${dir}/crt`,
      ssl_key_file: `${dir}/key`,
      ssl_ciphers: 'ECDHE+AESGCM',
    };
    for (const [name, value] of Object.entries(settings)) options.push('-c', `${name}=${value}`);
  }
  await lab.start('setpriv', [...as, bin, ...options], port, { cwd: dir });
  return { port };
}

export async function mariaServer(lab: Lab, good: boolean, { cert, key }: Material): Promise<LabServer> {
  const port = await freePort();
  const dir = folder(lab, good ? 'maria-good' : 'maria-weak', 'mysql');
  passable(lab);
  const common = ['--no-defaults', `--datadir=${dir}/data`, '--user=mysql'];
  execFileSync(program('mariadb-install-db') ?? 'mariadb-install-db', [...common, '--skip-test-db'], {
    stdio: 'ignore',
  });
  const tls: string[] = [];
  if (good) {
    for (const [from, to] of [
      [cert, 'crt'],
      [key, 'key'],
    ] as const)
      execFileSync('install', ['-o', 'mysql', '-m', '600', from, join(dir, to)]);
    tls.push(
      `--ssl-cert=${dir}/crt`,
      `--ssl-key=${dir}/key`,
      '--tls-version=TLSv1.2,TLSv1.3',
      '--ssl-cipher=ECDHE+AESGCM',
      '--require-secure-transport=ON',
    );
  } else tls.push('--skip-ssl');
  await lab.start(
    'mariadbd',
    [...common, '--bind-address=127.0.0.1', `--port=${port}`, `--socket=${dir}/sock`, ...tls],
    port,
  );
  return { port };
}

/** The good one has TLS from a proxy in front, as its own build of Debian 12 ends with a fault at the first HTTPS request. */
export async function imageServer(lab: Lab, good: boolean) {
  const [web, dicom] = [await freePort(), await freePort()];
  const name = good ? 'orthanc-good' : 'orthanc-weak';
  const dir = folder(lab, name);
  const conf = lab.file(
    `${name}/orthanc.json`,
    JSON.stringify({
      Name: 'lab',
      StorageDirectory: dir,
      IndexDirectory: dir,
      HttpPort: web,
      DicomPort: dicom,
      DicomAet: 'LAB',
      RemoteAccessAllowed: true,
      Plugins: [],
      HttpDescribeErrors: false,
      ...(good
        ? {
            AuthenticationEnabled: true,
            RegisteredUsers: { keller: 'a-long-password-of-the-laboratory' },
            DicomCheckCalledAet: true,
            DicomAlwaysAllowEcho: false,
          }
        : { AuthenticationEnabled: false, DicomCheckCalledAet: false }),
    }),
  );
  await lab.start('Orthanc', [conf], web);
  return { web, dicom };
}

export async function keyServer(lab: Lab): Promise<LabServer> {
  const [port, peers] = [await freePort(), await freePort()];
  const at = (one: number) => `http://127.0.0.1:${one}`;
  await lab.start(
    'etcd',
    [
      '--data-dir',
      folder(lab, 'etcd'),
      '--listen-client-urls',
      at(port),
      '--advertise-client-urls',
      at(port),
      '--listen-peer-urls',
      at(peers),
      '--initial-advertise-peer-urls',
      at(peers),
      '--initial-cluster',
      `default=${at(peers)}`,
      '--log-level',
      'error',
    ],
    port,
  );
  return { port };
}

export async function printServer(lab: Lab): Promise<LabServer> {
  const port = await freePort();
  const dir = folder(lab, 'cups');
  const files = lab.file(
    'cups/cups-files.conf',
    `ServerRoot ${dir}\nRequestRoot ${dir}\nStateDir ${dir}\nCacheDir ${dir}\nTempDir ${dir}\nAccessLog ${dir}/access\nErrorLog ${dir}/error\nPageLog ${dir}/page\nSystemGroup lpadmin root\nFileDevice Yes\n`,
  );
  const conf = lab.file(
    'cups/cupsd.conf',
    `Listen 127.0.0.1:${port}\nBrowsing Off\nDefaultAuthType Basic\nWebInterface Yes\n<Location />\n  Order allow,deny\n  Allow all\n</Location>\n`,
  );
  await lab.start('cupsd', ['-f', '-c', conf, '-s', files], port);
  return { port };
}

/** UDP has no port that opens: whoever asks waits for an answer. */
export async function phoneServer(lab: Lab): Promise<LabServer> {
  const port = await freePort();
  const dir = folder(lab, 'kamailio');
  const modules = '/usr/lib/x86_64-linux-gnu/kamailio/modules/';
  const conf = lab.file(
    'kamailio/kamailio.cfg',
    `#!KAMAILIO\nchildren=1\nlog_stderror=yes\nauto_aliases=no\nlisten=udp:127.0.0.1:${port}\nlisten=tcp:127.0.0.1:${port}\nmpath="${modules}"\nloadmodule "sl.so"\nserver_header="Server: lab/1"\nrequest_route { sl_send_reply("200", "OK"); exit; }\n`,
  );
  await lab.start('kamailio', ['-DD', '-E', '-f', conf, '-Y', dir, '-m', '32', '-M', '8'], port);
  return { port, udp: true };
}

/** strongSwan takes IKE without a marker on port 500 only. */
export async function tunnelServer(lab: Lab): Promise<LabServer> {
  folder(lab, 'charon');
  const conf = lab.file(
    'charon/strongswan.conf',
    `charon {\n  load = random nonce aes sha1 sha2 kdf hmac gmp kernel-netlink socket-default\n  pid_file = ${lab.dir}/charon/pid\n  install_routes = no\n  start-scripts {\n  }\n}\n`,
  );
  await lab.start('/usr/lib/ipsec/charon', [], 0, { env: { STRONGSWAN_CONF: conf } });
  return { port: 500, udp: true };
}

/** ntpd keeps to port 123; on loopback it disturbs nobody. */
export async function clockServer(lab: Lab, good: boolean): Promise<LabServer> {
  const name = good ? 'ntp-good' : 'ntp-weak';
  folder(lab, name);
  const conf = lab.file(
    `${name}/ntp.conf`,
    `driftfile ${lab.dir}/${name}/drift\ninterface ignore all\ninterface listen 127.0.0.1\nserver 127.127.1.0\nrestrict default ${good ? 'kod limited nomodify noquery' : 'nomodify'}\nrestrict 127.0.0.1 ${good ? 'noquery nomodify' : ''}\ntos orphan 5\n`,
  );
  await lab.start('ntpd', ['-n', '-c', conf, '-p', `${lab.dir}/${name}/pid`], 0);
  return { port: 123, udp: true };
}

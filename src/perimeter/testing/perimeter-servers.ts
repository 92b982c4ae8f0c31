/** Real servers, each once weak and once good, as the laboratory starts them. */

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, type Lab, P256, RSA } from './perimeter-lab.ts';

export interface LabServer {
  readonly port: number;
  readonly udp?: boolean;
}

interface Material {
  readonly cert: string;
  readonly key: string;
}

const folder = (lab: Lab, name: string) => {
  const path = join(lab.dir, name);
  mkdirSync(path, { recursive: true, mode: 0o755 });
  return path;
};

export const weakCertificate = (lab: Lab): Material =>
  lab.certificate('weak', ['rsa:1024'], 'DNS:elsewhere.example', ['-days', '5']);
export const goodCertificate = (lab: Lab): Material =>
  lab.certificate('good', P256, 'DNS:localhost,IP:127.0.0.1', ['-days', '80', '-sha256']);
export const plainRsa = (lab: Lab): Material =>
  lab.certificate('rsa', RSA, 'DNS:localhost,IP:127.0.0.1', ['-days', '80']);

const nginxBase = (
  dir: string,
  server: string,
) => `daemon off; pid ${dir}/nginx.pid; error_log stderr; worker_processes 1; events {}
http { access_log off; default_type text/html; client_body_temp_path ${dir}/b; proxy_temp_path ${dir}/p; fastcgi_temp_path ${dir}/f; uwsgi_temp_path ${dir}/u; scgi_temp_path ${dir}/s;
${server} }`;

export async function weakNginx(lab: Lab, { cert, key }: Material): Promise<LabServer> {
  const [port, dir] = [await freePort(), folder(lab, 'nginx-weak')];
  const root = folder(lab, 'nginx-weak/www');
  folder(lab, 'nginx-weak/www/.git');
  folder(lab, 'nginx-weak/www/backup');
  lab.file('nginx-weak/www/.git/HEAD', 'ref: refs/heads/main\n', 0o644);
  lab.file('nginx-weak/www/.env', 'DB_PASSWORD=hunter2\n', 0o644);
  lab.file('nginx-weak/www/backup/a.txt', 'x', 0o644);
  lab.file(
    'nginx-weak/www/index.html',
    `<html><body><form action="http://127.0.0.1/in"><input type=password name=p></form><script src="https://cdn.example/x.js"></script></body></html>`,
    0o644,
  );
  const server = `server { listen 127.0.0.1:${port} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1 TLSv1.1 TLSv1.2; ssl_ciphers ALL:@SECLEVEL=0; root ${root}; autoindex on;
add_header Set-Cookie "PHPSESSID=abc123; Path=/"; add_header Access-Control-Allow-Origin $http_origin; add_header Access-Control-Allow-Credentials true; add_header Referrer-Policy unsafe-url; }`;
  execFileSync('chmod', ['-R', 'a+rX', lab.dir]);
  await lab.start('nginx', ['-c', lab.file('nginx-weak/nginx.conf', nginxBase(dir, server)), '-e', 'stderr'], port);
  return { port };
}

export async function goodNginx(lab: Lab, { cert, key }: Material): Promise<LabServer> {
  const [port, dir] = [await freePort(), folder(lab, 'nginx-good')];
  const root = folder(lab, 'nginx-good/www');
  lab.file('nginx-good/www/index.html', '<!doctype html><html><body><h1>Our hospital</h1></body></html>', 0o644);
  const headers = `add_header Strict-Transport-Security "max-age=63072000" always; add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'self'" always; add_header X-Content-Type-Options nosniff always; add_header Referrer-Policy no-referrer always;`;
  const server = `server { listen 127.0.0.1:${port} ssl; server_tokens off; ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305; ssl_session_tickets off; root ${root}; ${headers} location ~ /\\. { deny all; } }`;
  execFileSync('chmod', ['-R', 'a+rX', lab.dir]);
  await lab.start('nginx', ['-c', lab.file('nginx-good/nginx.conf', nginxBase(dir, server)), '-e', 'stderr'], port);
  return { port };
}

/** TLS in front of a server that has none. */
export async function proxyNginx(lab: Lab, { cert, key }: Material, to: number): Promise<LabServer> {
  const [port, dir] = [await freePort(), folder(lab, `nginx-${to}`)];
  const headers = `add_header Strict-Transport-Security "max-age=63072000" always; add_header Content-Security-Policy "default-src 'self'; frame-ancestors 'none'; object-src 'none'; base-uri 'self'" always; add_header X-Content-Type-Options nosniff always; add_header Referrer-Policy no-referrer always;`;
  const server = `server { listen 127.0.0.1:${port} ssl; server_tokens off; ssl_certificate ${cert}; ssl_certificate_key ${key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_ciphers ECDHE-ECDSA-AES128-GCM-SHA256; ssl_session_tickets off; ${headers} location / { proxy_pass http://127.0.0.1:${to}; } }`;
  await lab.start('nginx', ['-c', lab.file(`nginx-${to}/nginx.conf`, nginxBase(dir, server)), '-e', 'stderr'], port);
  return { port };
}

const apacheModules = (names: readonly string[]) =>
  names.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n');

export async function weakApache(lab: Lab): Promise<LabServer> {
  const [port, dir] = [await freePort(), folder(lab, 'apache')];
  const root = folder(lab, 'apache/www');
  folder(lab, 'apache/www/uploads');
  lab.file('apache/www/index.html', '<html><body><h1>It works!</h1></body></html>', 0o644);
  lab.file('apache/www/uploads/list.txt', 'x', 0o644);
  const conf = lab.file(
    'apache/apache.conf',
    `ServerRoot ${dir}\nServerName localhost\nPidFile ${dir}/pid\nListen 127.0.0.1:${port}\nErrorLog ${dir}/error.log\nUser www-data\nGroup www-data
${apacheModules(['mpm_event', 'authz_core', 'autoindex', 'dir', 'status', 'mime', 'authz_host'])}
TypesConfig /etc/mime.types\nServerTokens Full\nTraceEnable on\nDocumentRoot ${root}\n<Directory ${root}>\nOptions +Indexes\nRequire all granted\n</Directory>\n<Location /server-status>\nSetHandler server-status\nRequire all granted\n</Location>`,
    0o644,
  );
  execFileSync('chmod', ['-R', 'a+rX', lab.dir]);
  await lab.start('apache2', ['-f', conf, '-DFOREGROUND'], port);
  return { port };
}

export async function sshServer(lab: Lab, good: boolean): Promise<LabServer> {
  const port = await freePort();
  const name = good ? 'sshd-good' : 'sshd-weak';
  folder(lab, name);
  mkdirSync('/run/sshd', { recursive: true });
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(lab.dir, name, 'host')]);
  const settings = good
    ? 'PasswordAuthentication no\nKbdInteractiveAuthentication no\nCiphers aes256-gcm@openssh.com,aes128-gcm@openssh.com\nMACs hmac-sha2-256-etm@openssh.com\nKexAlgorithms curve25519-sha256\n'
    : 'PasswordAuthentication yes\nCiphers aes128-cbc,aes128-ctr,3des-cbc\nMACs hmac-md5,hmac-sha2-256\nKexAlgorithms diffie-hellman-group1-sha1,curve25519-sha256\n';
  const conf = lab.file(
    `${name}/sshd_config`,
    `ListenAddress 127.0.0.1\nPort ${port}\nHostKey ${join(lab.dir, name, 'host')}\nPidFile none\nUsePAM no\n${settings}`,
  );
  await lab.start('sshd', ['-D', '-e', '-f', conf], port);
  return { port };
}

export async function ftpServer(lab: Lab, good: boolean, { cert, key }: Material): Promise<LabServer> {
  const port = await freePort();
  const name = good ? 'ftp-good' : 'ftp-weak';
  const root = folder(lab, `${name}/root`);
  const secure = `ssl_enable=YES\nrsa_cert_file=${cert}\nrsa_private_key_file=${key}\nssl_tlsv1=YES\nssl_sslv2=NO\nssl_sslv3=NO\nforce_local_logins_ssl=YES\nforce_local_data_ssl=YES\nrequire_ssl_reuse=NO\nssl_ciphers=ECDHE-RSA-AES256-GCM-SHA384\nanonymous_enable=NO\nlocal_enable=YES\n`;
  const conf = lab.file(
    `${name}/vsftpd.conf`,
    `listen=YES\nlisten_address=127.0.0.1\nlisten_port=${port}\nbackground=NO\nseccomp_sandbox=NO\nsecure_chroot_dir=${root}\nanon_root=${root}\nrun_as_launching_user=NO\n${good ? secure : 'anonymous_enable=YES\nlocal_enable=YES\n'}`,
  );
  execFileSync('chmod', ['-R', 'a+rX', lab.dir]);
  await lab.start('vsftpd', [conf], port);
  return { port };
}

export async function smbServer(lab: Lab, good: boolean): Promise<LabServer> {
  const port = await freePort();
  const dir = folder(lab, good ? 'smb-good' : 'smb-weak');
  const conf = lab.file(
    `${good ? 'smb-good' : 'smb-weak'}/smb.conf`,
    `[global]\nprivate dir = ${dir}\nlock directory = ${dir}\nstate directory = ${dir}\ncache directory = ${dir}\npid directory = ${dir}\nncalrpc dir = ${dir}\nlog file = ${dir}/log\nsmb ports = ${port}\ninterfaces = 127.0.0.1/8\nbind interfaces only = yes\nload printers = no\n${good ? 'server min protocol = SMB3_00\nserver signing = mandatory\n' : 'server min protocol = NT1\nserver signing = disabled\n'}`,
  );
  await lab.start('smbd', ['-F', '--no-process-group', '-s', conf, '-p', String(port)], port);
  return { port };
}

export async function redisServer(lab: Lab, good: boolean): Promise<LabServer> {
  const port = await freePort();
  await lab.start(
    'redis-server',
    [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--protected-mode',
      'no',
      ...(good ? ['--requirepass', 'a-long-password-of-the-laboratory'] : []),
    ],
    port,
  );
  return { port };
}

export async function smtpServer(lab: Lab, good: boolean, { cert, key }: Material): Promise<LabServer> {
  const port = await freePort();
  const name = good ? 'smtp-good' : 'smtp-weak';
  const [config, queue, data] = ['etc', 'queue', 'data'].map((part) => folder(lab, `${name}/${part}`)) as [
    string,
    string,
    string,
  ];
  lab.file(
    `${name}/etc/main.cf`,
    `compatibility_level = 3.6\nqueue_directory = ${queue}\ndata_directory = ${data}\ncommand_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\nsetgid_group = postdrop\ninet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nmyhostname = mail.hospital.example\nmydestination = hospital.example\nlocal_recipient_maps =\nmaillog_file = ${data}/log\nmaillog_file_prefixes = ${lab.dir}\nalias_maps =\nalias_database =\nsmtpd_banner = $myhostname ESMTP\n${good ? `mynetworks = 192.0.2.1/32\nsmtpd_relay_restrictions = reject_unauth_destination\nsmtpd_tls_security_level = may\nsmtpd_tls_cert_file = ${cert}\nsmtpd_tls_key_file = ${key}\nsmtpd_tls_protocols = >=TLSv1.2\nsmtpd_tls_mandatory_protocols = >=TLSv1.2\nsmtpd_tls_ciphers = high\ntls_high_cipherlist = ECDHE+AESGCM\ndisable_vrfy_command = yes\n` : 'mynetworks = 127.0.0.0/8\nsmtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nsmtpd_tls_security_level = none\n'}`,
    0o644,
  );
  lab.file(
    `${name}/etc/master.cf`,
    `127.0.0.1:${port} inet n - n - - smtpd\ncleanup unix n - n - 0 cleanup\nrewrite unix - - n - - trivial-rewrite\nanvil unix - - n - 1 anvil\npostlog unix-dgram n - n - 1 postlogd\nqmgr unix n - n 300 1 qmgr\nproxymap unix - - n - - proxymap\ntlsmgr unix - - n 1000? 1 tlsmgr\n`,
    0o644,
  );
  execFileSync('chmod', ['-R', 'a+rX', lab.dir]);
  for (const part of [
    'active',
    'incoming',
    'deferred',
    'maildrop',
    'public',
    'private',
    'pid',
    'defer',
    'bounce',
    'flush',
    'corrupt',
    'hold',
    'saved',
    'trace',
  ])
    folder(lab, `${name}/queue/${part}`);
  for (const part of [
    'active',
    'incoming',
    'deferred',
    'private',
    'defer',
    'bounce',
    'flush',
    'corrupt',
    'hold',
    'saved',
    'trace',
    'public',
    'maildrop',
  ])
    execFileSync('chown', ['postfix', `${queue}/${part}`]);
  execFileSync('chown', ['postfix', data]);
  await lab.start('master', ['-c', config, '-d'], port);
  return { port };
}

export async function dnsServer(lab: Lab, good: boolean): Promise<LabServer> {
  const port = await freePort();
  const name = good ? 'dns-good' : 'dns-weak';
  const dir = folder(lab, name);
  lab.file(
    `${name}/zone`,
    '$TTL 60\n@ IN SOA ns.hospital.example. root.hospital.example. 1 60 60 60 60\n@ IN NS ns.hospital.example.\nns IN A 127.0.0.1\npacs IN A 127.0.0.1\n',
    0o644,
  );
  const conf = lab.file(
    `${name}/named.conf`,
    `options { directory "${dir}"; listen-on port ${port} { 127.0.0.1; }; listen-on-v6 { none; }; pid-file "${dir}/pid"; session-keyfile "${dir}/session.key"; managed-keys-directory "${dir}"; ${good ? 'recursion no; allow-transfer { none; }; version none;' : 'recursion yes; allow-recursion { any; }; allow-query { any; }; allow-transfer { any; }; dnssec-validation no; forwarders { 127.0.0.1 port 9; }; forward only;'} };
controls { };
zone "hospital.example" { type primary; file "zone"; };`,
    0o644,
  );
  await lab.start('named', ['-g', '-c', conf, '-n', '1'], port);
  return { port, udp: true };
}

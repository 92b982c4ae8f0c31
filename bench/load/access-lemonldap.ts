/** LemonLDAP::NG (Debian's package) behind the same nginx and wrk: its FastCGI handler with one rule, and sessions of its own. */

import { type ChildProcess, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { programOf } from '../../src/access/testing/gateway-fronts.ts';

const SERVER = 'llng-fastcgi-server';
const HOST = 'test1.example.com';
const SESSIONS = 2000;
/** As many as answer best on one core. */
const PROCESSES = 4;
/** The settings of the package, which the copy begins with. */
const DEFAULTS = '/var/lib/lemonldap-ng/conf/lmConf-1.json';

export const hasLemonldap = (): boolean => programOf(SERVER) !== null && process.getuid?.() === 0;

export interface Lemonldap {
  readonly host: string;
  /** Its part of an nginx configuration: the question, and the page behind it. */
  readonly nginx: (port: number, pagePort: number) => string;
  /** A cookie each. */
  readonly cookies: readonly string[];
  /** The manager and the processes that answer; these are replaced now and then. */
  readonly pids: () => number[];
  readonly stop: () => Promise<void>;
}

/** @param start runs a program on the measured core */
export async function startLemonldap(
  folder: string,
  start: (program: string, args: readonly string[], env: NodeJS.ProcessEnv) => ChildProcess,
): Promise<Lemonldap> {
  const at = (name: string) => join(folder, name);
  for (const name of ['conf', 'sessions', 'lock', 'cache']) {
    mkdirSync(at(name), { recursive: true });
    chmodSync(at(name), 0o777);
  }
  chmodSync(folder, 0o777);
  // Its processes run as www-data and have to come here.
  chmodSync(dirname(folder), 0o711);
  const settings = readFileSync(DEFAULTS, 'utf8')
    .replaceAll('/var/lib/lemonldap-ng/sessions/lock', at('lock'))
    .replaceAll('/var/lib/lemonldap-ng/sessions', at('sessions'))
    .replaceAll('/var/lib/lemonldap-ng/cache', at('cache'));
  writeFileSync(at('conf/lmConf-1.json'), settings);
  writeFileSync(
    at('llng.ini'),
    `[all]\nlogLevel = error\n[configuration]\ntype = File\ndirName = ${at('conf')}\nlocalStorage = Cache::FileCache\nlocalStorageOptions = { 'namespace' => 'conf', 'default_expires_in' => 600, 'directory_umask' => '007', 'cache_root' => '${at('cache')}', 'cache_depth' => 3 }\n[portal]\n[handler]\nhttps = 0\nport = -1\n`,
  );
  const env = { ...process.env, LLNG_DEFAULTCONFFILE: at('llng.ini') };
  const made = spawnSync(
    'perl',
    [
      '-MLemonldap::NG::Common::Session',
      '-e',
      `for my $i (1..${SESSIONS}) { my $s = Lemonldap::NG::Common::Session->new({storageModule => 'Apache::Session::File', storageModuleOptions => {Directory => '${at('sessions')}', LockDirectory => '${at('lock')}', generateModule => 'Lemonldap::NG::Common::Apache::Session::Generate::SHA256'}, kind => 'SSO', force => 1, info => {uid => "user$i", _user => "user$i", _whatToTrace => "user$i", groups => 'staff; doctors', _utime => time, authenticationLevel => 3, ipAddr => '127.0.0.1', _auth => 'Demo'}}); die $s->error if $s->error; print $s->id, "\\n" }`,
    ],
    { env },
  );
  if (made.status !== 0) throw new Error(String(made.stderr));
  spawnSync('chown', ['-R', 'www-data', folder]);
  const socket = at('llng.sock');
  const args = [
    '--foreground',
    '-u',
    'www-data',
    '-g',
    'www-data',
    '-n',
    String(PROCESSES),
    '-s',
    socket,
    '-p',
    at('pid'),
  ];
  const server = start(SERVER, args, env);
  let said = '';
  for (const stream of [server.stdout, server.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
  for (let tries = 0; tries < 200 && said.split('): initialized').length <= PROCESSES; tries++)
    await new Promise((resolve) => setTimeout(resolve, 100));
  if (server.exitCode !== null) throw new Error(`${SERVER}: ${said}`);
  const children = () =>
    spawnSync('pgrep', ['-P', String(server.pid)])
      .stdout.toString()
      .split('\n')
      .filter((line) => line !== '')
      .map(Number);
  return {
    host: HOST,
    cookies: made.stdout.toString().trim().split('\n'),
    nginx: (port, pagePort) => `upstream llng { server unix:${socket}; keepalive 16; }
upstream llng_page { server 127.0.0.1:${pagePort}; keepalive 64; }
server { listen 127.0.0.1:${port}; server_name ${HOST};
location = /lmauth { internal; include /etc/nginx/fastcgi_params; fastcgi_pass llng; fastcgi_keep_conn on; fastcgi_pass_request_body off; fastcgi_param CONTENT_LENGTH ""; fastcgi_param HOST $http_host; fastcgi_param X_ORIGINAL_URI $original_uri; }
location / { auth_request /lmauth; set $original_uri $uri$is_args$args; proxy_pass http://llng_page; proxy_http_version 1.1; proxy_set_header Connection ""; } }`,
    pids: () => [server.pid as number, ...children()],
    stop: async () => {
      const ended = new Promise((resolve) => server.on('exit', resolve));
      const mine = children();
      server.kill('SIGTERM');
      await ended;
      for (const pid of mine) spawnSync('kill', ['-9', String(pid)]);
    },
  };
}

/** The log lines of real programs, as their versions in Debian write them, for a host, a time and the details. */

import type { Host } from './rehearsal-hospital.ts';

export interface Line {
  /** Milliseconds after the start, at speed 1. */
  readonly atMs: number;
  readonly host: Host;
  /** `syslog`: over TCP, framed here; `windows`: JSON over HTTP. */
  readonly route: 'syslog' | 'windows';
  /** Writes the record for the moment at which it is sent. */
  readonly write: (nowMs: number) => string;
}

const AUTHPRIV_INFO = 86;
const DAEMON_INFO = 30;
const MAIL_INFO = 22;
const KERN_WARN = 4;
const LOCAL7_INFO = 190;

/** RFC 5424 with a structured time, so that the exercise does not depend on a zone. */
function syslog(atMs: number, host: Host, pri: number, program: string, pid: number | null, message: string): Line {
  return {
    atMs,
    host,
    route: 'syslog',
    write: (nowMs) => `<${pri}>1 ${new Date(nowMs).toISOString()} ${host.name} ${program} ${pid ?? '-'} - - ${message}`,
  };
}

export const sshFailure = (at: number, host: Host, user: string, address: string, port: number, known: boolean) =>
  syslog(
    at,
    host,
    AUTHPRIV_INFO,
    'sshd',
    4000 + (port % 900),
    `Failed password for ${known ? '' : 'invalid user '}${user} from ${address} port ${port} ssh2`,
  );
export const sshSuccess = (at: number, host: Host, user: string, address: string, port: number, how = 'password') =>
  syslog(
    at,
    host,
    AUTHPRIV_INFO,
    'sshd',
    4000 + (port % 900),
    `Accepted ${how} for ${user} from ${address} port ${port} ssh2`,
  );
export const sshClosed = (at: number, host: Host, user: string, address: string, port: number) =>
  syslog(
    at,
    host,
    AUTHPRIV_INFO,
    'sshd',
    4000 + (port % 900),
    `Disconnected from user ${user} ${address} port ${port}`,
  );
export const sudoRun = (at: number, host: Host, user: string, command: string) =>
  syslog(
    at,
    host,
    AUTHPRIV_INFO,
    'sudo',
    null,
    `${user} : TTY=pts/0 ; PWD=/home/${user} ; USER=root ; COMMAND=${command}`,
  );
export const userAdded = (at: number, host: Host, user: string) =>
  syslog(
    at,
    host,
    AUTHPRIV_INFO,
    'useradd',
    5120,
    `new user: name=${user}, UID=1066, GID=1066, home=/home/${user}, shell=/bin/bash, from=/dev/pts/0`,
  );
export const groupAdded = (at: number, host: Host, user: string, group: string) =>
  syslog(at, host, AUTHPRIV_INFO, 'usermod', 5123, `add '${user}' to group '${group}'`);
export const cronRun = (at: number, host: Host, command: string) =>
  syslog(at, host, 78, 'CRON', 3000 + (at % 900), `(root) CMD (${command})`);
export const unitStarted = (at: number, host: Host, unit: string) =>
  syslog(at, host, DAEMON_INFO, 'systemd', 1, `Started ${unit}.`);
export const mailDelivered = (at: number, host: Host, id: string, to: string) =>
  syslog(
    at,
    host,
    MAIL_INFO,
    'postfix/smtp',
    2211,
    `${id}: to=<${to}@hospital.example>, relay=10.20.2.14[10.20.2.14]:25, delay=0.4, delays=0.1/0/0.1/0.2, dsn=2.0.0, status=sent (250 2.0.0 Ok)`,
  );
export const imapLogin = (at: number, host: Host, user: string, address: string) =>
  syslog(
    at,
    host,
    MAIL_INFO,
    'dovecot',
    null,
    `imap-login: Login: user=<${user}>, method=PLAIN, rip=${address}, lip=${host.address}, mpid=3311, TLS, session=<q7Zk0>`,
  );
export const firewallDrop = (at: number, host: Host, from: string, to: string, port: number) =>
  syslog(
    at,
    host,
    KERN_WARN,
    'kernel',
    null,
    `[UFW BLOCK] IN=eth0 OUT= MAC=52:54:00:12:34:56 SRC=${from} DST=${to} LEN=44 TOS=0x00 PREC=0x00 TTL=244 ID=54321 PROTO=TCP SPT=41211 DPT=${port} WINDOW=1024 RES=0x00 SYN URGP=0`,
  );
export const device = (at: number, host: Host, message: string) =>
  syslog(at, host, LOCAL7_INFO, host.name.split('-')[0] ?? 'device', null, message);

/** A web access line in the combined format, as nginx sends it with `access_log syslog:`. */
export function webAccess(
  at: number,
  host: Host,
  client: string,
  method: string,
  path: string,
  status: number,
  agent: string,
): Line {
  return {
    atMs: at,
    host,
    route: 'syslog',
    write: (nowMs) => {
      const time = new Date(nowMs);
      const clf = `${String(time.getUTCDate()).padStart(2, '0')}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}:${time.toISOString().slice(11, 19)} +0000`;
      return `<${LOCAL7_INFO}>1 ${time.toISOString()} ${host.name} nginx - - - ${client} - - [${clf}] "${method} ${path} HTTP/1.1" ${status} ${status === 200 ? 5120 : 153} "-" "${agent}"`;
    },
  };
}
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** A Windows event as Winlogbeat sends it. */
export function windows(
  at: number,
  host: Host,
  channel: string,
  provider: string,
  id: number,
  data: Readonly<Record<string, string>>,
): Line {
  return {
    atMs: at,
    host,
    route: 'windows',
    write: (nowMs) =>
      JSON.stringify({
        '@timestamp': new Date(nowMs).toISOString(),
        host: { name: host.name },
        event: { code: String(id), provider, kind: 'event' },
        winlog: {
          channel,
          provider_name: provider,
          event_id: String(id),
          computer_name: `${host.name}.hospital.example`,
          event_data: data,
        },
      }),
  };
}

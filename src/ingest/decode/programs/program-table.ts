/** Which decoder reads the messages of which program. */

import type { LogSource } from '../../../core/index.ts';
import type { Decode } from '../decode-frame.ts';
import { linux, logSource } from '../decode-source.ts';
import { decodeAccess } from '../web/web-access.ts';
import { decodeWebError } from '../web/web-error.ts';
import { decodeUserTool } from './program-accounts.ts';
import { decodeCron } from './program-cron.ts';
import { decodeDovecot } from './program-dovecot.ts';
import { decodeFilterlog } from './program-filterlog.ts';
import { decodeHaproxy } from './program-haproxy.ts';
import { decodeNamed } from './program-named.ts';
import { decodeNetfilter } from './program-netfilter.ts';
import { decodeOpenvpn } from './program-openvpn.ts';
import { decodePam } from './program-pam.ts';
import { decodePostfix } from './program-postfix.ts';
import { decodeSlapd } from './program-slapd.ts';
import { decodeSshd } from './program-sshd.ts';
import { decodeSu, decodeSudo } from './program-sudo.ts';
import { decodeLogind, decodeSystemd } from './program-systemd.ts';
import { decodeVsftpd } from './program-vsftpd.ts';

export interface ProgramEntry {
  readonly decode: Decode;
  /** Format and log source of the messages that `decode` does not know: the program is known all the same. */
  readonly format: string;
  readonly source: LogSource;
  /** True when the program also passes on other formats (the kernel writes audit records and packets). */
  readonly carries: boolean;
}

function entry(decode: Decode, format: string, source: LogSource, carries = false): ProgramEntry {
  return { decode, format, source, carries };
}

const none: Decode = () => null;
const nginx: Decode = (text, at, end, frame) => {
  frame.memory.webServer = 'nginx';
  return decodeAccess(text, at, end, frame) ?? decodeWebError(text, at, end, frame);
};
const apache: Decode = (text, at, end, frame) => {
  frame.memory.webServer = 'apache';
  return decodeAccess(text, at, end, frame) ?? decodeWebError(text, at, end, frame);
};

const SSHD = entry(decodeSshd, 'syslog/sshd', linux('sshd'));
const SUDO = entry(decodeSudo, 'syslog/sudo', linux('sudo'));
const SU = entry(decodeSu, 'syslog/su', linux('auth'));
const CRON = entry(decodeCron, 'syslog/cron', linux('cron'));
const POSTFIX = entry(decodePostfix, 'syslog/postfix', linux('postfix'));
const DOVECOT = entry(decodeDovecot, 'syslog/dovecot', linux('dovecot'));
/** Without `dovecot: ` in front, as in Dovecot's own file: the process stands where the program does. */
const dovecotPart: Decode = (text, at, end, frame) => {
  const pam = text.startsWith('pam_', at) ? decodePam(text, at, end, frame) : null;
  if (pam) return pam;
  const lead = `${frame.program}: `;
  return decodeDovecot(lead + text.slice(at, end), 0, lead.length + end - at, frame);
};
const DOVECOT_PART = entry(dovecotPart, 'syslog/dovecot', linux('dovecot'));
const NAMED = entry(decodeNamed, 'syslog/named', linux('named'));
const OPENVPN = entry(decodeOpenvpn, 'syslog/openvpn', linux('openvpn'));
const AUTH = entry(decodePam, 'syslog/auth', linux('auth'));
const KERNEL = entry(decodeNetfilter, 'syslog/kernel', linux('syslog'), true);
const AUDIT = entry(none, 'syslog/auditd', linux('auditd'), true);
const accounts = (program: string): ProgramEntry => entry(decodeUserTool, `syslog/${program}`, linux('auth'));

export const PROGRAMS: ReadonlyMap<string, ProgramEntry> = new Map([
  ['sshd', SSHD],
  ['sshd-session', SSHD],
  ['sshd-auth', SSHD],
  ['sudo', SUDO],
  ['su', SU],
  ['cron', CRON],
  ['CRON', CRON],
  ['crond', CRON],
  ['crontab', CRON],
  ['anacron', CRON],
  ['systemd', entry(decodeSystemd, 'syslog/systemd', linux('syslog'))],
  ['systemd-logind', entry(decodeLogind, 'syslog/systemd-logind', linux('auth'))],
  ['useradd', accounts('useradd')],
  ['usermod', accounts('usermod')],
  ['userdel', accounts('userdel')],
  ['groupadd', accounts('groupadd')],
  ['groupmod', accounts('groupmod')],
  ['groupdel', accounts('groupdel')],
  ['gpasswd', accounts('gpasswd')],
  ['passwd', accounts('passwd')],
  ['chpasswd', accounts('passwd')],
  ['chage', accounts('passwd')],
  ['chfn', accounts('passwd')],
  ['chsh', accounts('passwd')],
  ['postfix', POSTFIX],
  ['dovecot', DOVECOT],
  ['auth-worker', DOVECOT_PART],
  ['dovecot-auth', DOVECOT_PART],
  ['imap-login', DOVECOT_PART],
  ['pop3-login', DOVECOT_PART],
  ['managesieve-login', DOVECOT_PART],
  ['submission-login', DOVECOT_PART],
  ['vsftpd', entry(decodeVsftpd, 'syslog/vsftpd', linux('vsftpd'))],
  ['named', NAMED],
  ['bind9', NAMED],
  ['slapd', entry(decodeSlapd, 'syslog/slapd', linux('ldap'))],
  ['kernel', KERNEL],
  ['ulogd', KERNEL],
  ['filterlog', entry(decodeFilterlog, 'syslog/filterlog', logSource('pf', 'firewall'))],
  ['openvpn', OPENVPN],
  ['ovpn-server', OPENVPN],
  ['haproxy', entry(decodeHaproxy, 'web/haproxy', logSource(undefined, 'webserver', 'haproxy'))],
  ['nginx', entry(nginx, 'web/nginx', logSource(undefined, 'webserver', 'nginx'), true)],
  ['apache', entry(apache, 'web/apache', logSource(undefined, 'webserver', 'apache'), true)],
  ['apache2', entry(apache, 'web/apache', logSource(undefined, 'webserver', 'apache'), true)],
  ['httpd', entry(apache, 'web/apache', logSource(undefined, 'webserver', 'apache'), true)],
  ['auditd', AUDIT],
  ['audispd', AUDIT],
  ['audisp-syslog', AUDIT],
  ['login', AUTH],
  ['gdm-password]', AUTH],
  ['polkitd', AUTH],
  ['pkexec', AUTH],
]);

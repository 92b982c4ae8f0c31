/** Checks of a Linux server: sshd, kernel, mounts, permissions, PAM, sudo, services, firewall, updates, logs, time; mostly tables. */

import type { Severity } from '../../core/index.ts';
import { activeLines, lastSet, lastValue, replaceLines, sshdSet, sshdValue } from './hardening-formats.ts';
import type { Change, HardeningCheck, HardeningEvidence, Verdict } from './hardening-model.ts';
import { SYSTEM_CHECKS } from './hardening-system.ts';

const SSHD = '/etc/ssh/sshd_config';
const good = (seen: string): Verdict => ({ state: 'good', seen });
const bad = (seen: string, changes: readonly Change[], how?: string): Verdict => ({
  state: 'bad',
  seen,
  changes,
  ...(how === undefined ? {} : { how }),
});
const ABSENT: Verdict = { state: 'absent' };

/** sshd_config with its Include lines put in place, as sshd reads it. */
function sshdText(evidence: HardeningEvidence): string | null {
  const main = evidence.text(SSHD);
  if (main === null) return null;
  return main
    .split('\n')
    .map((line) => {
      const included = /^\s*Include\s+(\/etc\/ssh\/sshd_config\.d)\/\*\.conf\s*$/i.exec(line)?.[1];
      return included === undefined
        ? line
        : evidence
            .folder(included)
            .filter((path) => path.endsWith('.conf'))
            .map((path) => evidence.text(path) ?? '')
            .join('\n');
    })
    .join('\n');
}

type SshdRow = readonly [
  id: string,
  key: string,
  standard: string,
  isGood: (value: string) => boolean,
  want: string,
  severity: Severity,
  title: string,
  why: string,
  sources: readonly string[],
];
const no = (value: string) => value.toLowerCase() === 'no';
const atMost = (limit: number) => (value: string) =>
  Number.parseInt(value, 10) <= limit && Number.parseInt(value, 10) > 0;
const SSHD_ROWS: readonly SshdRow[] = [
  [
    'root-login',
    'PermitRootLogin',
    'prohibit-password',
    (value) => /^(no|prohibit-password|without-password|forced-commands-only)$/i.test(value),
    'no',
    'high',
    'root may sign in over SSH with a password',
    'The name is known to everybody, only the password is guessed.',
    ['CIS Debian 12 5.1.20', 'ANSSI NT-007 R21', 'BSI SYS.1.3.A8'],
  ],
  [
    'password',
    'PasswordAuthentication',
    'yes',
    no,
    'no',
    'medium',
    'SSH takes passwords',
    'Passwords are guessed by machines all day.',
    ['ANSSI NT-007 R9', 'BSI SYS.1.3.A8'],
  ],
  [
    'empty-passwords',
    'PermitEmptyPasswords',
    'no',
    no,
    'no',
    'critical',
    'SSH lets accounts without a password in',
    'Anybody is in.',
    ['CIS Debian 12 5.1.19', 'ANSSI NT-007 R17'],
  ],
  [
    'rhosts',
    'IgnoreRhosts',
    'yes',
    (value) => /^(yes|shosts-only)$/i.test(value),
    'yes',
    'medium',
    'SSH trusts .rhosts files',
    'A name that is forged is enough.',
    ['CIS Debian 12 5.1.11'],
  ],
  [
    'hostbased',
    'HostbasedAuthentication',
    'no',
    no,
    'no',
    'medium',
    'SSH trusts whole hosts',
    'Who takes over one host has them all.',
    ['CIS Debian 12 5.1.10'],
  ],
  [
    'auth-tries',
    'MaxAuthTries',
    '6',
    atMost(4),
    '4',
    'low',
    'SSH allows many tries a connection',
    'Guessing goes faster and leaves fewer lines.',
    ['CIS Debian 12 5.1.16'],
  ],
  [
    'grace-time',
    'LoginGraceTime',
    '120',
    atMost(60),
    '60',
    'low',
    'SSH waits long for a log-in',
    'Connections that never sign in fill it up.',
    ['CIS Debian 12 5.1.13'],
  ],
  [
    'x11',
    'X11Forwarding',
    'no',
    no,
    'no',
    'low',
    'SSH forwards X11',
    'A server that was taken over reaches the administrator’s screen.',
    ['CIS Debian 12 5.1.8', 'ANSSI NT-007 R28'],
  ],
  [
    'user-environment',
    'PermitUserEnvironment',
    'no',
    no,
    'no',
    'low',
    'SSH lets users set their environment',
    'Restrictions can be slipped past.',
    ['CIS Debian 12 5.1.21'],
  ],
  [
    'log-level',
    'LogLevel',
    'INFO',
    (value) => /^(INFO|VERBOSE|DEBUG\d?)$/i.test(value),
    'VERBOSE',
    'medium',
    'SSH writes too little into its log',
    'Break-ins leave no trace.',
    ['CIS Debian 12 5.1.14'],
  ],
];

const sshd = SSHD_ROWS.map(
  ([id, key, standard, isGood, want, severity, title, why, sources]): HardeningCheck => ({
    id: `sshd-${id}`,
    category: 'ssh',
    sources,
    severity,
    title,
    why,
    command: `sudo sshd -T | grep -i ${key}`,
    reload: 'sshd -t && systemctl reload ssh',
    judge: (evidence) => {
      const text = sshdText(evidence);
      if (text === null) return ABSENT;
      const value = sshdValue(text, key);
      const seen = `${key} is ${value ?? `not set (${standard})`}`;
      return isGood(value ?? standard)
        ? good(seen)
        : bad(seen, [{ kind: 'file', path: SSHD, text: sshdSet(evidence.text(SSHD) ?? '', key, want) }]);
    },
  }),
);

const SYSCTL = '/etc/sysctl.d/99-zz-asepsis.conf';
const SYSCTL_LAST = '/etc/sysctl.conf';
type SysctlRow = readonly [
  name: string,
  want: string,
  severity: Severity,
  title: string,
  sources: readonly string[],
  alsoGood?: readonly string[],
];
const SYSCTL_ROWS: readonly SysctlRow[] = [
  [
    'kernel.randomize_va_space',
    '2',
    'medium',
    'Memory addresses can be foreseen',
    ['CIS Debian 12 1.5.1', 'ANSSI-BP-028 R9'],
  ],
  [
    'kernel.yama.ptrace_scope',
    '1',
    'low',
    'Programs may read each other’s memory',
    ['CIS Debian 12 1.5.2', 'ANSSI-BP-028 R11'],
    ['2', '3'],
  ],
  ['kernel.kptr_restrict', '2', 'low', 'Kernel addresses are shown', ['ANSSI-BP-028 R9'], ['1']],
  ['kernel.dmesg_restrict', '1', 'low', 'The kernel’s log is open to all', ['ANSSI-BP-028 R9']],
  ['kernel.unprivileged_bpf_disabled', '1', 'medium', 'Anybody may load BPF programs', ['ANSSI-BP-028 R9'], ['2']],
  ['kernel.sysrq', '0', 'low', 'The magic key may do everything', ['ANSSI-BP-028 R9'], ['438', '176', '4', '16']],
  [
    'fs.suid_dumpable',
    '0',
    'low',
    'Privileged programs write memory dumps',
    ['CIS Debian 12 1.5.3', 'ANSSI-BP-028 R14'],
  ],
  ['fs.protected_hardlinks', '1', 'medium', 'Hard links can be used for tricks', ['ANSSI-BP-028 R14']],
  ['fs.protected_symlinks', '1', 'medium', 'Symbolic links can be used for tricks', ['ANSSI-BP-028 R14']],
  [
    'net.ipv4.conf.all.send_redirects',
    '0',
    'low',
    'It sends redirects like a router',
    ['CIS Debian 12 3.3.2', 'ANSSI-BP-028 R12'],
  ],
  [
    'net.ipv4.conf.all.accept_redirects',
    '0',
    'medium',
    'It lets others change its routes',
    ['CIS Debian 12 3.3.5', 'ANSSI-BP-028 R12'],
  ],
  [
    'net.ipv4.conf.default.accept_redirects',
    '0',
    'medium',
    'New interfaces let others change routes',
    ['CIS Debian 12 3.3.5', 'ANSSI-BP-028 R12'],
  ],
  [
    'net.ipv6.conf.all.accept_redirects',
    '0',
    'medium',
    'It lets others change its IPv6 routes',
    ['CIS Debian 12 3.3.5', 'ANSSI-BP-028 R13'],
  ],
  [
    'net.ipv4.conf.all.accept_source_route',
    '0',
    'medium',
    'Senders choose the way of packets',
    ['CIS Debian 12 3.3.8', 'ANSSI-BP-028 R12'],
  ],
  [
    'net.ipv4.conf.all.rp_filter',
    '1',
    'low',
    'Forged senders are not dropped',
    ['CIS Debian 12 3.3.7', 'ANSSI-BP-028 R12'],
    ['2'],
  ],
  ['net.ipv4.conf.all.log_martians', '1', 'information', 'Impossible senders are not logged', ['CIS Debian 12 3.3.9']],
  ['net.ipv4.icmp_echo_ignore_broadcasts', '1', 'low', 'It answers pings to everybody', ['CIS Debian 12 3.3.4']],
  [
    'net.ipv4.icmp_ignore_bogus_error_responses',
    '1',
    'information',
    'Bogus errors fill the log',
    ['CIS Debian 12 3.3.3'],
  ],
  [
    'net.ipv4.tcp_syncookies',
    '1',
    'medium',
    'A flood of connections stops it',
    ['CIS Debian 12 3.3.10', 'ANSSI-BP-028 R12'],
    ['2'],
  ],
];

/** The value that the files set for the next start; the last file and line count (sysctl.d(5)). */
function sysctlFile(evidence: HardeningEvidence, name: string): string | null {
  let value: string | null = null;
  for (const path of [...evidence.folder('/etc/sysctl.d').filter((one) => one.endsWith('.conf')), '/etc/sysctl.conf'])
    value = lastValue(evidence.text(path) ?? '', name) ?? value;
  return value;
}

const kernel = SYSCTL_ROWS.map(
  ([name, want, severity, title, sources, more = []]): HardeningCheck => ({
    id: `sysctl-${name.replace(/[._]/g, '-')}`,
    category: 'kernel',
    sources,
    severity,
    title,
    why: 'It makes the work of somebody who is half in easier.',
    command: `sysctl ${name}`,
    reload: `sysctl -p ${SYSCTL}`,
    judge: (evidence) => {
      const value = evidence.kernel(name) ?? sysctlFile(evidence, name);
      if (value === null && evidence.mounts !== null) return ABSENT;
      const seen = `${name} is ${value ?? 'not set in any file'}`;
      if (value !== null && [want, ...more].includes(value.trim())) return good(seen);
      // What /etc/sysctl.conf sets is read after all other files: it is corrected where it stands.
      const last = evidence.text(SYSCTL_LAST);
      const path = last !== null && lastValue(last, name) !== null ? SYSCTL_LAST : SYSCTL;
      return bad(seen, [{ kind: 'file', path, text: lastSet(evidence.text(path) ?? '', `${name} = ${want}`) }]);
    },
  }),
);

const FSTAB = '/etc/fstab';
/** A mount line of /proc/mounts or fstab (fstab(5)): device, folder, type, options. */
const mountOf = (text: string, path: string) =>
  activeLines(text)
    .map(({ line }) => line.split(/\s+/))
    .findLast(([, folder]) => folder === path);
const mounts = (
  [
    ['/tmp', ['nodev', 'nosuid', 'noexec'], '1.1.2.1'],
    ['/dev/shm', ['nodev', 'nosuid', 'noexec'], '1.1.2.2'],
    ['/var/tmp', ['nodev', 'nosuid', 'noexec'], '1.1.2.5'],
    ['/home', ['nodev', 'nosuid'], '1.1.2.3'],
  ] as const
).map(
  ([path, wanted, number]): HardeningCheck => ({
    id: `mount${path.replaceAll('/', '-')}`,
    category: 'mounts',
    sources: [`CIS Debian 12 ${number}`, 'ANSSI-BP-028 R28'],
    severity: 'low',
    title: `${path} allows more than it needs`,
    why: 'What somebody brings there can be run with more rights.',
    command: `findmnt ${path}`,
    reload: `mount -o remount ${path}`,
    judge: (evidence) => {
      const fstab = evidence.text(FSTAB) ?? '';
      const row = mountOf(evidence.mounts ?? fstab, path);
      if (!row) return ABSENT;
      const missing = wanted.filter((option) => !(row[3] ?? '').split(',').includes(option));
      if (missing.length === 0) return good(`${path}: ${row[3]}`);
      const seen = `${path} is mounted without ${missing.join(', ')}`;
      if (!mountOf(fstab, path))
        return bad(seen, [
          {
            kind: 'file',
            path: FSTAB,
            text: lastSet(
              fstab,
              `${row[0]} ${path} ${row[2]} ${[row[3] ?? 'defaults', ...missing].join(',').slice(0, 300)} 0 0`,
            ),
          },
        ]);
      const text = replaceLines(fstab, (line) => {
        const parts = line.trim().split(/\s+/);
        return parts[1] === path ? line.replace(/^(\s*\S+\s+\S+\s+\S+\s+)(\S+)/, `$1$2,${missing.join(',')}`) : line;
      });
      return bad(seen, [{ kind: 'file', path: FSTAB, text }]);
    },
  }),
);

const MODES: readonly (readonly [path: string, most: number, severity: Severity, source: string])[] = [
  ['/etc/passwd', 0o644, 'high', 'CIS Debian 12 7.1.1'],
  ['/etc/group', 0o644, 'high', 'CIS Debian 12 7.1.3'],
  ['/etc/shadow', 0o640, 'critical', 'CIS Debian 12 7.1.5'],
  ['/etc/gshadow', 0o640, 'critical', 'CIS Debian 12 7.1.7'],
  ['/etc/ssh/sshd_config', 0o644, 'medium', 'CIS Debian 12 5.1.1'],
  ['/etc/ssh/ssh_host_rsa_key', 0o600, 'high', 'CIS Debian 12 5.1.2'],
  ['/etc/ssh/ssh_host_ed25519_key', 0o600, 'high', 'CIS Debian 12 5.1.2'],
  ['/etc/ssh/ssh_host_ecdsa_key', 0o600, 'high', 'CIS Debian 12 5.1.2'],
  ['/etc/crontab', 0o644, 'medium', 'CIS Debian 12 2.4.1.2'],
  ['/etc/sudoers', 0o440, 'high', 'ANSSI-BP-028 R50'],
];
const files = MODES.map(
  ([path, most, severity, source]): HardeningCheck => ({
    id: `mode${path.replaceAll(/[/_]/g, '-')}`,
    category: 'files',
    sources: [...new Set([source, 'ANSSI-BP-028 R50'])],
    severity,
    title: `${path} may be read or changed by too many`,
    why: 'Passwords, keys or rights leak, or change.',
    command: `stat -c '%a %U' ${path}`,
    reload: '',
    judge: (evidence) => {
      const mode = evidence.mode(path);
      if (!mode) return ABSENT;
      const seen = `${path} is ${mode.bits.toString(8)}, of ${mode.owner}`;
      // Root may have write permission where the table says read only: it may anyway.
      return (mode.bits & ~(most | 0o200) & 0o7777) === 0
        ? good(seen)
        : bad(seen, [{ kind: 'mode', path, bits: mode.bits & (most | 0o200) }]);
    },
  }),
);

export const LINUX_CHECKS: readonly HardeningCheck[] = [...sshd, ...kernel, ...mounts, ...files, ...SYSTEM_CHECKS];

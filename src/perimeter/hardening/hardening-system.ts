/** Checks of a Linux server, the second half: passwords, sudo, updates, logs, time, firewall, services. */

import type { Severity } from '../../core/index.ts';
import { activeLines, lastSet, lastValue, replaceLines } from './hardening-formats.ts';
import type { Category, Change, HardeningCheck, Verdict } from './hardening-model.ts';

const good = (seen: string): Verdict => ({ state: 'good', seen });
const bad = (seen: string, changes: readonly Change[], how?: string): Verdict => ({
  state: 'bad',
  seen,
  changes,
  ...(how === undefined ? {} : { how }),
});
const ABSENT: Verdict = { state: 'absent' };

interface Keyed {
  readonly id: string;
  readonly category: Category;
  readonly path: string;
  readonly key: string;
  readonly section?: string;
  readonly standard: string | null;
  readonly isGood: (value: string) => boolean;
  readonly line: string;
  readonly severity: Severity;
  readonly title: string;
  readonly why: string;
  readonly sources: readonly string[];
  readonly reload: string;
}

/** One `key = value` of one file, the last one counts. */
export function keyed(o: Keyed): HardeningCheck {
  const { id, category, path, key, section, severity, title, why, sources, reload } = o;
  return {
    id,
    category,
    severity,
    title,
    why,
    sources,
    reload,
    command: `grep -i '${key}' ${path}`,
    judge: (evidence) => {
      const text = evidence.text(path);
      if (text === null) return ABSENT;
      const value = lastValue(text, key, section) ?? o.standard;
      const seen = `${key} is ${value ?? 'not set'} in ${path}`;
      return value !== null && o.isGood(value)
        ? good(seen)
        : bad(seen, [{ kind: 'file', path, text: lastSet(text, o.line, section) }]);
    },
  };
}

const FAILLOCK = keyed({
  id: 'faillock-deny',
  category: 'accounts',
  path: '/etc/security/faillock.conf',
  key: 'deny',
  standard: '3',
  isGood: (value) => Number(value) >= 1 && Number(value) <= 5,
  line: 'deny = 5',
  severity: 'medium',
  title: 'Passwords may be guessed without end',
  why: 'Nobody is locked out after wrong ones.',
  sources: ['CIS Debian 12 5.3.3.1.1', 'ANSSI-BP-028 R31'],
  reload: '',
});
/** Its file counts for nothing while no PAM stack asks the module (pam_faillock(8)). */
const faillock: HardeningCheck = {
  ...FAILLOCK,
  command: 'grep pam_faillock /etc/pam.d/common-auth; grep deny /etc/security/faillock.conf',
  judge: (evidence) => {
    const stacks = ['/etc/pam.d/common-auth', '/etc/pam.d/system-auth'].map((path) => evidence.text(path));
    const asked = stacks.some(
      (text) => text !== null && activeLines(text).some(({ line }) => /pam_faillock\.so/.test(line)),
    );
    if (asked || stacks.every((text) => text === null)) return FAILLOCK.judge(evidence);
    if (evidence.text('/etc/security/faillock.conf') === null) return ABSENT;
    return bad(
      'pam_faillock stands in no PAM stack: what faillock.conf says is not asked',
      [],
      'Add pam_faillock with pam-auth-update (a profile in /usr/share/pam-configs), with a second session of root open until it was tried.',
    );
  },
};

const accounts: readonly HardeningCheck[] = [
  keyed({
    id: 'pwquality-length',
    category: 'accounts',
    path: '/etc/security/pwquality.conf',
    key: 'minlen',
    standard: '8',
    isGood: (value) => Number(value) >= 12,
    line: 'minlen = 14',
    severity: 'medium',
    title: 'Short passwords are allowed',
    why: 'Short ones are guessed.',
    sources: ['CIS Debian 12 5.3.3.2.2', 'ANSSI-BP-028 R31'],
    reload: '',
  }),
  faillock,
  keyed({
    id: 'login-umask',
    category: 'accounts',
    path: '/etc/login.defs',
    key: 'UMASK',
    standard: '022',
    isGood: (value) => (Number.parseInt(value, 8) & 0o027) === 0o027,
    line: 'UMASK 027',
    severity: 'low',
    title: 'New files are readable by all',
    why: 'People read each other’s files.',
    sources: ['CIS Debian 12 5.4.3.3', 'ANSSI-BP-028 R36'],
    reload: '',
  }),
  keyed({
    id: 'password-hash',
    category: 'accounts',
    path: '/etc/login.defs',
    key: 'ENCRYPT_METHOD',
    standard: 'DES',
    isGood: (value) => /^(yescrypt|sha512)$/i.test(value),
    line: 'ENCRYPT_METHOD YESCRYPT',
    severity: 'medium',
    title: 'Passwords are stored with a weak hash',
    why: 'A stolen file gives them away.',
    sources: ['CIS Debian 12 5.4.1.4', 'ANSSI-BP-028 R68'],
    reload: '',
  }),
  {
    id: 'pam-nullok',
    category: 'accounts',
    sources: ['CIS Debian 12 5.3.3.4.1'],
    severity: 'medium',
    title: 'PAM lets accounts without a password in',
    why: 'An account that was made in a hurry is open.',
    command: 'grep nullok /etc/pam.d/common-auth',
    reload: '',
    judge: (evidence) => {
      const path = '/etc/pam.d/common-auth';
      const text = evidence.text(path);
      if (text === null) return ABSENT;
      if (!activeLines(text).some(({ line }) => /\bnullok\b/.test(line)))
        return good('nullok does not stand in common-auth');
      return bad('nullok stands in common-auth', [
        { kind: 'file', path, text: replaceLines(text, (line) => line.replace(/\s+nullok(_secure)?\b/, '')) },
      ]);
    },
  },
  {
    id: 'sudo-pty',
    category: 'accounts',
    sources: ['CIS Debian 12 5.2.2', 'ANSSI-BP-028 R39'],
    severity: 'low',
    title: 'sudo runs without a terminal of its own',
    why: 'A program left behind keeps the administrator’s terminal.',
    command: 'sudo grep -r use_pty /etc/sudoers /etc/sudoers.d',
    reload: 'visudo -c',
    judge: (evidence) => {
      const text = evidence.text('/etc/sudoers');
      if (text === null) return ABSENT;
      const all = [text, ...evidence.folder('/etc/sudoers.d').map((path) => evidence.text(path) ?? '')].join('\n');
      if (/^\s*Defaults\s+(?:[^#\n]*,\s*)?use_pty\b/m.test(all)) return good('Defaults use_pty');
      return bad('use_pty is not set', [
        { kind: 'file', path: '/etc/sudoers', text: lastSet(text, 'Defaults use_pty') },
      ]);
    },
  },
  {
    id: 'sudo-nopasswd',
    category: 'accounts',
    sources: ['CIS Debian 12 5.2.4', 'ANSSI-BP-028 v1.2 R59'],
    severity: 'medium',
    title: 'sudo asks some for no password',
    why: 'Whoever runs a program as that user is root.',
    command: 'sudo grep -r NOPASSWD /etc/sudoers /etc/sudoers.d',
    reload: 'visudo -c',
    judge: (evidence) => {
      const paths = ['/etc/sudoers', ...evidence.folder('/etc/sudoers.d')].filter(
        (path) => evidence.text(path) !== null,
      );
      if (paths.length === 0) return ABSENT;
      const found = paths.filter((path) =>
        activeLines(evidence.text(path) ?? '').some(
          ({ line }) => /NOPASSWD\s*:/.test(line) && /NOPASSWD\s*:\s*ALL/.test(line),
        ),
      );
      if (found.length === 0) return good('NOPASSWD: ALL stands nowhere');
      return bad(
        `NOPASSWD: ALL stands in ${found.join(', ')}`,
        found.map((path) => ({
          kind: 'file',
          path,
          text: replaceLines(evidence.text(path) ?? '', (line) => line.replace(/NOPASSWD\s*:\s*(?=ALL)/, '')),
        })),
        'See first that these users have a password; automation gets single commands instead of ALL.',
      );
    },
  },
];

const AUTO = '/etc/apt/apt.conf.d/20auto-upgrades';
const JOURNALD = '/etc/systemd/journald.conf';
const others: readonly HardeningCheck[] = [
  {
    id: 'automatic-updates',
    category: 'updates',
    sources: ['BSI OPS.1.1.3.A15', 'ANSSI-BP-028 R61'],
    severity: 'medium',
    title: 'Security updates are not installed by themselves',
    why: 'A hole is used within days of its publication.',
    command: 'apt-config dump APT::Periodic',
    reload: 'systemctl enable --now apt-daily-upgrade.timer',
    judge: (evidence) => {
      if (evidence.folder('/etc/apt/apt.conf.d').length === 0) return ABSENT;
      const all = evidence
        .folder('/etc/apt/apt.conf.d')
        .map((path) => evidence.text(path) ?? '')
        .join('\n');
      const on = [...all.matchAll(/^\s*APT::Periodic::Unattended-Upgrade\s+"(\d+)"/gm)].at(-1)?.[1];
      if (on !== undefined && on !== '0') return good('Unattended-Upgrade is on');
      return bad(
        `Unattended-Upgrade is ${on === undefined ? 'not set' : 'off'}`,
        [
          {
            kind: 'file',
            path: AUTO,
            text: 'APT::Periodic::Update-Package-Lists "1";\nAPT::Periodic::Unattended-Upgrade "1";\n',
          },
        ],
        'Needs the package unattended-upgrades. Devices of the clinic are patched with their maker.',
      );
    },
  },
  keyed({
    id: 'journald-persistent',
    category: 'logging',
    path: JOURNALD,
    key: 'Storage',
    section: 'Journal',
    standard: 'auto',
    isGood: (value) => value === 'persistent',
    line: 'Storage=persistent',
    severity: 'low',
    title: 'The journal may be lost at a restart',
    why: 'Traces of a break-in go with it.',
    sources: ['CIS Debian 12 6.1.2.4', 'BSI OPS.1.1.5'],
    reload: 'systemctl restart systemd-journald',
  }),
  keyed({
    id: 'auditd-full',
    category: 'logging',
    path: '/etc/audit/auditd.conf',
    key: 'max_log_file_action',
    standard: 'ROTATE',
    isGood: (value) => /^(keep_logs|rotate)$/i.test(value),
    line: 'max_log_file_action = keep_logs',
    severity: 'low',
    title: 'The audit log is thrown away when it is full',
    why: 'Traces of a break-in go with it.',
    sources: ['CIS Debian 12 6.2.2.2', 'ANSSI-BP-028 R73'],
    reload: 'systemctl restart auditd',
  }),
  {
    id: 'time-service',
    category: 'time',
    sources: ['CIS Debian 12 2.3.1.1', 'BSI OPS.1.1.5', 'ANSSI-BP-028 R71'],
    severity: 'medium',
    title: 'Nothing keeps the clock right',
    why: 'Logs of several servers cannot be put together.',
    command: 'timedatectl',
    reload: 'systemctl enable --now systemd-timesyncd',
    judge: (evidence) => {
      const wants = evidence
        .folder('/etc/systemd/system/sysinit.target.wants')
        .concat(evidence.folder('/etc/systemd/system/multi-user.target.wants'));
      const on =
        ['chrony', 'ntp', 'ntpsec', 'systemd-timesyncd', 'openntpd'].find((name) =>
          wants.some((path) => path.endsWith(`/${name}.service`)),
        ) ?? (evidence.text('/etc/chrony/chrony.conf') !== null ? 'chrony' : undefined);
      if (on !== undefined) return good(`${on} is there`);
      if (wants.length === 0) return { state: 'unknown', why: 'systemd’s folders are not there' };
      return bad(
        'No time service is switched on',
        [],
        'systemctl enable --now systemd-timesyncd, with the hospital’s own time server in /etc/systemd/timesyncd.conf.',
      );
    },
  },
  {
    id: 'firewall',
    category: 'firewall',
    sources: ['CIS Debian 12 4.1.1', 'BSI SYS.1.1.A19', 'ANSSI-BP-028 R80'],
    severity: 'medium',
    title: 'No firewall is set up',
    why: 'Whatever is installed by chance is open to all.',
    command: 'sudo nft list ruleset',
    reload: 'ufw enable, or systemctl enable --now nftables',
    judge: (evidence) => {
      const ufw = evidence.text('/etc/ufw/ufw.conf');
      const nft = evidence.text('/etc/nftables.conf');
      if (ufw !== null && /^\s*ENABLED\s*=\s*yes/im.test(ufw)) return good('ufw is enabled');
      if (nft !== null && /policy\s+drop|\bdrop\b/.test(nft)) return good('nftables.conf drops');
      if (evidence.folder('/etc/firewalld').length > 0 || evidence.text('/etc/iptables/rules.v4') !== null)
        return good('firewalld or iptables has rules');
      if (ufw !== null)
        return bad(
          'ufw is not enabled',
          [
            {
              kind: 'file',
              path: '/etc/ufw/ufw.conf',
              text: lastSet(
                replaceLines(ufw, (line) => line.replace(/^\s*ENABLED\s*=.*$/i, '')),
                'ENABLED=yes',
              ),
            },
          ],
          'Allow SSH first: ufw allow OpenSSH.',
        );
      if (nft !== null)
        return bad(
          'nftables.conf drops nothing',
          [{ kind: 'file', path: '/etc/nftables.conf', text: NFT }],
          'The rules allow SSH and what was begun from here; add the ports of this server before they are loaded.',
        );
      return { state: 'unknown', why: 'neither ufw nor nftables is installed' };
    },
  },
  {
    id: 'inetd',
    category: 'services',
    sources: ['CIS Debian 12 2.1.19', 'ANSSI-BP-028 R62', 'BSI SYS.1.3.A6'],
    severity: 'high',
    title: 'inetd starts services without encryption',
    why: 'telnet, rsh and tftp ask for little and hide nothing.',
    command: 'grep -v ^# /etc/inetd.conf',
    reload: 'systemctl reload inetd',
    judge: (evidence) => {
      const text = evidence.text('/etc/inetd.conf');
      if (text === null) return ABSENT;
      const old = /^(telnet|shell|login|exec|rsh|rlogin|rexec|tftp|finger|talk|ntalk|chargen|echo|discard|daytime)\s/;
      const found = activeLines(text).filter(({ line }) => old.test(line));
      if (found.length === 0) return good('inetd starts none of them');
      return bad(`inetd starts ${found.map(({ line }) => line.split(/\s/)[0]).join(', ')}`, [
        {
          kind: 'file',
          path: '/etc/inetd.conf',
          text: replaceLines(text, (line) => (old.test(line.trim()) ? `# ${line}` : line)),
        },
      ]);
    },
  },
];
const NFT = `#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority filter; policy drop;
    ct state established,related accept
    iif lo accept
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
  }
}
`;

export const SYSTEM_CHECKS: readonly HardeningCheck[] = [...accounts, ...others];

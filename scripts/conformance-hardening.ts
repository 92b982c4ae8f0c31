/** This machine's configuration as our checks, Lynis and the open SCAP content (Debian 11's, the newest that Debian 12 has) judge it. */

import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { collectFolder } from '../src/perimeter/hardening/hardening-collect.ts';
import { judgeServer } from '../src/perimeter/hardening/hardening-judge.ts';
import { has } from '../src/perimeter/testing/perimeter-lab.ts';

const run = promisify(execFile);
const CONTENT = '/usr/share/xml/scap/ssg/content/ssg-debian11-oval.xml';
/** Our check → the definitions that ask the same; all have to hold. */
const OVAL: Readonly<Record<string, readonly string[]>> = {
  'sshd-root-login': ['sshd_disable_root_login'],
  'sshd-empty-passwords': ['sshd_disable_empty_passwords'],
  'sshd-rhosts': ['sshd_disable_rhosts'],
  'sshd-x11': ['sshd_disable_x11_forwarding'],
  'sshd-user-environment': ['sshd_do_not_permit_user_env'],
  'sysctl-kernel-randomize-va-space': ['sysctl_kernel_randomize_va_space_runtime'],
  'sysctl-kernel-kptr-restrict': ['sysctl_kernel_kptr_restrict_runtime'],
  'sysctl-fs-suid-dumpable': ['sysctl_fs_suid_dumpable_runtime'],
  'sysctl-fs-protected-hardlinks': ['sysctl_fs_protected_hardlinks_runtime'],
  'sysctl-fs-protected-symlinks': ['sysctl_fs_protected_symlinks_runtime'],
  'mode-etc-passwd': ['file_permissions_etc_passwd'],
  'mode-etc-group': ['file_permissions_etc_group'],
  'mode-etc-shadow': ['file_permissions_etc_shadow'],
  'mode-etc-gshadow': ['file_permissions_etc_gshadow'],
  'mode-etc-ssh-ssh-host-rsa-key': ['file_permissions_sshd_private_key'],
  'mount-dev-shm': ['mount_option_dev_shm_nodev', 'mount_option_dev_shm_nosuid'],
  'pam-nullok': ['no_empty_passwords'],
  'sudo-pty': ['sudo_add_use_pty'],
  'sudo-nopasswd': ['sudo_remove_nopasswd'],
};
/** Our check → what Lynis says in its report when it is not content. */
const LYNIS: Readonly<Record<string, RegExp>> = {
  ...Object.fromEntries(
    [
      'kernel.kptr_restrict',
      'kernel.unprivileged_bpf_disabled',
      'kernel.sysrq',
      'kernel.randomize_va_space',
      'kernel.dmesg_restrict',
      'fs.protected_hardlinks',
      'fs.protected_symlinks',
      'fs.suid_dumpable',
      'net.ipv4.conf.all.accept_redirects',
      'net.ipv4.conf.all.send_redirects',
      'net.ipv4.conf.all.rp_filter',
      'net.ipv4.conf.all.log_martians',
      'net.ipv4.conf.default.accept_redirects',
      'net.ipv6.conf.all.accept_redirects',
      'net.ipv4.tcp_syncookies',
      'net.ipv4.icmp_echo_ignore_broadcasts',
    ].map((name) => [`sysctl-${name.replace(/[._]/g, '-')}`, new RegExp(`field:${name.replaceAll('.', '\\.')};`)]),
  ),
  'login-umask': /AUTH-9328/,
  'automatic-updates': /PKGS-7420/,
  firewall: /FIRE-4590|FIRE-4512/,
};
const LYNIS_TESTS = 'KRNL-6000 AUTH-9328 PKGS-7420 FIRE-4590 FIRE-4512';
/** Where the two are meant to differ, and why. */
const EXPLAINED: Readonly<Record<string, string>> = {
  'OpenSCAP sshd-root-login':
    'it wants the line itself; ours takes sshd’s own default (prohibit-password), under which no password of root is taken',
  'OpenSCAP sshd-empty-passwords': 'it wants the line itself; sshd’s default is no',
  'OpenSCAP sshd-rhosts': 'it wants the line itself; sshd’s default is yes',
  'OpenSCAP sshd-user-environment': 'it wants the line itself; sshd’s default is no',
  'OpenSCAP pam-nullok': 'it reads /etc/pam.d/system-auth, which Debian does not have; nullok stands in common-auth',
  'Lynis sysctl-kernel-unprivileged-bpf-disabled':
    'it takes 1 only; 2 forbids it just as well until root allows it again (kernel documentation, sysctl/kernel)',
  'Lynis sysctl-net-ipv4-conf-all-rp-filter':
    'it takes 1 only; ours takes 2 (loose) too, as CIS does not and routers need',
  'Lynis sysctl-kernel-kptr-restrict': 'it takes 2 only; ours takes 1 as well',
};

type State = 'good' | 'bad';

async function openscap(): Promise<Map<string, State>> {
  const found = new Map<string, State>();
  for (const [id, names] of Object.entries(OVAL)) {
    const results = await Promise.all(
      names.map(async (name) => {
        const { stdout } = await run('oscap', ['oval', 'eval', '--id', `oval:ssg-${name}:def:1`, CONTENT]);
        return /: (true|false)$/m.exec(stdout)?.[1];
      }),
    );
    if (results.every((one) => one !== undefined))
      found.set(id, results.every((one) => one === 'true') ? 'good' : 'bad');
  }
  return found;
}

async function lynis(): Promise<Map<string, State>> {
  const dir = mkdtempSync(join(tmpdir(), 'conformance-lynis-'));
  const report = join(dir, 'report');
  const args = ['audit', 'system', '--quick', '--no-colors', '--tests', LYNIS_TESTS];
  // Its exit code counts warnings.
  await run('lynis', [...args, '--logfile', join(dir, 'log'), '--report-file', report]).catch(() => null);
  const said = readFileSync(report, 'utf8');
  rmSync(dir, { recursive: true, force: true });
  return new Map(Object.entries(LYNIS).map(([id, pattern]) => [id, pattern.test(said) ? 'bad' : 'good'] as const));
}

export async function conformanceHardening(_dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const ours = new Map(judgeServer(collectFolder('/')).map(({ check, verdict }) => [check.id, verdict]));
  const lines: string[] = [];
  let ok = true;
  for (const [who, program, look] of [
    ['OpenSCAP', 'oscap', openscap],
    ['Lynis', 'lynis', lynis],
  ] as const) {
    if (!has(program)) {
      lines.push(`${who} is not installed, not compared`);
      continue;
    }
    const theirs = await look();
    const both = [...theirs].filter(([id]) => ['good', 'bad'].includes(ours.get(id)?.state ?? ''));
    const other = both.filter(([id, state]) => ours.get(id)?.state !== state);
    lines.push(`${who}: ${both.length} checks asked by both, ${both.length - other.length} judged alike`);
    for (const [id, state] of other) {
      const verdict = ours.get(id);
      const why = EXPLAINED[`${who} ${id}`];
      ok &&= why !== undefined;
      lines.push(
        `  ${id}: ours ${verdict?.state} (${verdict && 'seen' in verdict ? verdict.seen : ''}), ${who} ${state}: ${why ?? 'not explained'}`,
      );
    }
    const absent = [...theirs.keys()].filter((id) => ours.get(id)?.state === 'absent');
    if (absent.length > 0) lines.push(`  not on this machine for ours: ${absent.join(', ')}`);
  }
  return { name: 'hardening of this machine side by side with Lynis and OpenSCAP', ok, lines };
}

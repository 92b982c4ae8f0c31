/** Collects evidence: from a machine through its reader, or from a folder with copies of its files. Nothing is changed. */

import { lstatSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import type { MachineReader } from '../../core/index.ts';
import type { HardeningEvidence } from './hardening-model.ts';

const FILE_BYTES_MAX = 1024 * 1024;
const FILES_MAX = 500;

const FILES = [
  '/etc/ssh/sshd_config',
  '/etc/sysctl.conf',
  '/etc/fstab',
  '/etc/security/pwquality.conf',
  '/etc/security/faillock.conf',
  '/etc/login.defs',
  '/etc/pam.d/common-auth',
  '/etc/sudoers',
  '/etc/systemd/journald.conf',
  '/etc/systemd/timesyncd.conf',
  '/etc/audit/auditd.conf',
  '/etc/chrony/chrony.conf',
  '/etc/ufw/ufw.conf',
  '/etc/nftables.conf',
  '/etc/iptables/rules.v4',
  '/etc/inetd.conf',
  '/etc/nginx/nginx.conf',
  '/etc/apache2/apache2.conf',
  '/etc/redis/redis.conf',
  '/etc/samba/smb.conf',
];
const FOLDERS = [
  '/etc/ssh/sshd_config.d',
  '/etc/sysctl.d',
  '/etc/sudoers.d',
  '/etc/apt/apt.conf.d',
  '/etc/systemd/system/sysinit.target.wants',
  '/etc/systemd/system/multi-user.target.wants',
  '/etc/firewalld',
  '/etc/nginx/conf.d',
  '/etc/nginx/sites-enabled',
  '/etc/apache2/conf-enabled',
  '/etc/apache2/mods-enabled',
  '/etc/apache2/sites-enabled',
];
const POSTGRES = Array.from({ length: 10 }, (_, i) => 11 + i).flatMap((version) =>
  ['postgresql.conf', 'pg_hba.conf'].map((name) => `/etc/postgresql/${version}/main/${name}`),
);
const MODES = [
  '/etc/passwd',
  '/etc/group',
  '/etc/shadow',
  '/etc/gshadow',
  '/etc/ssh/sshd_config',
  '/etc/ssh/ssh_host_rsa_key',
  '/etc/ssh/ssh_host_ed25519_key',
  '/etc/ssh/ssh_host_ecdsa_key',
  '/etc/crontab',
  '/etc/sudoers',
];

/** Reads a machine beforehand, so that the checks stay pure. */
export async function collectMachine(machine: MachineReader): Promise<HardeningEvidence> {
  const texts = new Map<string, string>();
  const folders = new Map<string, string[]>();
  for (const folder of FOLDERS) {
    const names = ((await machine.names(folder)) ?? [])
      .filter((name) => /^[\w.@:-]{1,128}$/.test(name))
      .toSorted()
      .slice(0, FILES_MAX);
    folders.set(
      folder,
      names.map((name) => `${folder}/${name}`),
    );
  }
  for (const path of [...FILES, ...POSTGRES, ...[...folders.values()].flat()].slice(0, FILES_MAX * 2)) {
    const text = await machine.text(path);
    if (text !== null && text.length <= FILE_BYTES_MAX) texts.set(path, text);
  }
  const stat = await machine.run('stat', ['-L', '-c', '%a %U %n', ...MODES]);
  const modes = new Map<string, { bits: number; owner: string }>();
  for (const line of stat?.stdout.split('\n') ?? []) {
    const match = /^([0-7]{1,4}) (\S{1,64}) (\/.{1,200})$/.exec(line);
    if (match)
      modes.set(match[3] as string, { bits: Number.parseInt(match[1] as string, 8), owner: match[2] as string });
  }
  const kernel = new Map<string, string>();
  const { LINUX_CHECKS } = await import('./hardening-linux.ts');
  for (const { command, category } of LINUX_CHECKS) {
    if (category !== 'kernel') continue;
    const name = command.replace(/^sysctl /, '');
    const value = await machine.text(`/proc/sys/${name.replaceAll('.', '/')}`);
    if (value !== null) kernel.set(name, value.trim());
  }
  return {
    text: (path) => texts.get(path) ?? null,
    folder: (path) => folders.get(path) ?? [],
    mode: (path) => modes.get(path) ?? null,
    kernel: (name) => kernel.get(name) ?? null,
    mounts: (await machine.text('/proc/mounts')) ?? '',
  };
}

/** A folder that holds copies of a server’s files under their own paths; links that lead out of it are not followed. */
export function collectFolder(root: string): HardeningEvidence {
  const base = realpathSync(resolve(root));
  // Copies of files say nothing of what runs: only the machine itself does.
  const running = (path: string): string | null => {
    try {
      return readFileSync(path, 'utf8').trim();
    } catch {
      return null;
    }
  };
  const inside = (path: string): string | null => {
    try {
      const real = realpathSync(join(base, path));
      return real === base || real.startsWith(base === sep ? sep : base + sep) ? real : null;
    } catch {
      return null;
    }
  };
  return {
    text: (path) => {
      const real = inside(path);
      if (real === null || !statSync(real).isFile() || statSync(real).size > FILE_BYTES_MAX) return null;
      return readFileSync(real, 'utf8');
    },
    folder: (path) => {
      const real = inside(path);
      if (real === null || !statSync(real).isDirectory()) return [];
      return readdirSync(real)
        .toSorted()
        .slice(0, FILES_MAX)
        .map((name) => `${path}/${name}`);
    },
    mode: (path) => {
      const real = inside(path);
      if (real === null) return null;
      const stats = lstatSync(real);
      return { bits: stats.mode & 0o7777, owner: String(stats.uid) };
    },
    kernel: (name) => (base === sep ? running(`/proc/sys/${name.replaceAll('.', '/')}`) : null),
    mounts: base === sep ? (running('/proc/mounts') ?? '') : null,
  };
}

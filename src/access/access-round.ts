/** Looks at how people get into this machine: sshd, PAM, accounts and their second factor, and the disk behind it all. */

import {
  type Account,
  type Evidence,
  type FindingObservation,
  type MachineReader,
  type RoundContext,
  type RoundResult,
  rfc3339,
} from '../core/index.ts';
import {
  judgeSshd,
  membersOf,
  pamAsksSecondFactor,
  parsePasswd,
  parseSshd,
  passwordStates,
  type SshVerdict,
} from './access-parse.ts';

const DAY_MS = 86_400_000;
const ADMIN_GROUPS = ['sudo', 'wheel', 'admin', 'root'];
const SSHD_TEST = ['-T', '-C', 'user=nobody,host=localhost,addr=192.0.2.1'];

type AssetRef = RoundContext['asset'];

export async function accessRound(context: RoundContext): Promise<RoundResult> {
  const { machine, clock, asset, onProgress } = context;
  const now = clock.now();
  const notSeen: string[] = [];
  const findings: FindingObservation[] = [];
  onProgress('Reading sshd’s effective settings');
  const pam = await pamState(machine);
  const ssh = await sshVerdict(machine, pam.sshd, notSeen);
  if (ssh) findings.push(...sshFindings(ssh, asset, now));
  onProgress('Reading accounts');
  const { accounts, emptyPasswords } = await readAccounts(
    machine,
    ssh?.verdict ?? null,
    pam.login,
    asset,
    now,
    notSeen,
  );
  for (const name of emptyPasswords) findings.push(emptyPassword(name, asset, now));
  onProgress('Looking at disk encryption');
  const disk = await diskEncrypted(machine);
  if (disk === null)
    notSeen.push(
      'Disk encryption: the device behind / is not visible (a container or a virtual disk without /sys/block).',
    );
  else if (!disk.encrypted) findings.push(diskReadable(disk.device, asset, now));
  const judged = ['disk-not-encrypted'];
  if (ssh) judged.push('ssh-password-alone', 'ssh-root-password', 'ssh-empty-passwords');
  if (machine.isRoot) judged.push('empty-password');
  return { room: 'access', judgedKinds: judged, findings, accounts, notSeen };
}

async function pamState(machine: MachineReader): Promise<{ sshd: boolean; login: boolean }> {
  const common = (await machine.text('/etc/pam.d/common-auth')) ?? (await machine.text('/etc/pam.d/system-auth')) ?? '';
  const everywhere = pamAsksSecondFactor(common);
  return {
    sshd: everywhere || pamAsksSecondFactor((await machine.text('/etc/pam.d/sshd')) ?? ''),
    login: everywhere || pamAsksSecondFactor((await machine.text('/etc/pam.d/login')) ?? ''),
  };
}

interface SshView {
  readonly verdict: SshVerdict;
  readonly command: string;
}

async function sshVerdict(
  machine: MachineReader,
  pamSecondFactor: boolean,
  notSeen: string[],
): Promise<SshView | null> {
  const effective = await machine.run('sshd', SSHD_TEST);
  if (effective?.code === 0 && effective.stdout !== '')
    return {
      verdict: judgeSshd(parseSshd(effective.stdout), pamSecondFactor),
      command: `sudo sshd ${SSHD_TEST.join(' ')}`,
    };
  const config = await machine.text('/etc/ssh/sshd_config');
  if (config === null) {
    if (effective !== null)
      notSeen.push('sshd’s settings: `sshd -T` and /etc/ssh/sshd_config cannot be read; run as root.');
    return null;
  }
  let text = config;
  for (const name of (await machine.names('/etc/ssh/sshd_config.d')) ?? [])
    if (name.endsWith('.conf')) text = `${(await machine.text(`/etc/ssh/sshd_config.d/${name}`)) ?? ''}\n${text}`;
  notSeen.push('sshd’s effective settings (`sshd -T` needs root): judged from the configuration files instead.');
  return {
    verdict: judgeSshd(parseSshd(text), pamSecondFactor),
    command: 'cat /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf',
  };
}

function sshFindings(view: SshView, asset: AssetRef, now: number): FindingObservation[] {
  const { verdict, command } = view;
  const found: FindingObservation[] = [];
  const make = (
    kind: string,
    severity: FindingObservation['severity'],
    title: string,
    what: string,
    how: string,
    days: number,
  ) =>
    found.push({
      room: 'access',
      kind,
      key: 'sshd',
      severity,
      asset,
      title,
      evidence: [{ what, seen: rfc3339(now), command }],
      fix: { title: `Ask for a second factor on SSH at ${asset.name}`, how, effort: 'hours', disrupts: true },
      due: rfc3339(now + days * DAY_MS),
      exercise: false,
    });
  if (verdict.passwordAlone)
    make(
      'ssh-password-alone',
      'high',
      `A password alone opens SSH on ${asset.name}`,
      'sshd takes a password without a second factor',
      'Set "AuthenticationMethods publickey,keyboard-interactive" with pam_oath or pam_u2f, or "PasswordAuthentication no" and "KbdInteractiveAuthentication no" with keys only. Keep a session open while you try it.',
      14,
    );
  if (verdict.rootByPassword)
    make(
      'ssh-root-password',
      'critical',
      `root signs in by password over SSH on ${asset.name}`,
      'PermitRootLogin yes, with passwords',
      'Set "PermitRootLogin prohibit-password" and use a personal account with sudo.',
      3,
    );
  if (verdict.emptyPasswords)
    make(
      'ssh-empty-passwords',
      'critical',
      `SSH on ${asset.name} takes empty passwords`,
      'PermitEmptyPasswords yes',
      'Set "PermitEmptyPasswords no".',
      1,
    );
  return found;
}

async function readAccounts(
  machine: MachineReader,
  ssh: SshVerdict | null,
  pamSecondFactor: boolean,
  asset: AssetRef,
  now: number,
  notSeen: string[],
): Promise<{ accounts: NonNullable<RoundResult['accounts']>; emptyPasswords: string[] }> {
  const passwd = await machine.text('/etc/passwd');
  if (passwd === null) {
    notSeen.push('Accounts: /etc/passwd cannot be read.');
    return { accounts: [], emptyPasswords: [] };
  }
  const admins = membersOf((await machine.text('/etc/group')) ?? '', ADMIN_GROUPS);
  const shadow = await machine.text('/etc/shadow');
  if (shadow === null) notSeen.push('Which accounts have a password: /etc/shadow is readable by root only.');
  const states = passwordStates(shadow ?? '');
  const emptyPasswords: string[] = [];
  const accounts = parsePasswd(passwd).map((account) => {
    const state = states.get(account.name);
    if (state === 'empty') emptyPasswords.push(account.name);
    const factor = secondFactorOf(state, ssh, pamSecondFactor);
    const what: Evidence = {
      what: `${account.name}: shell ${account.shell}, password ${state ?? 'unknown'}, SSH ${ssh ? (ssh.passwordAlone ? 'takes a password alone' : 'takes no password alone') : 'unknown'}`,
      seen: rfc3339(now),
      command: `getent passwd ${account.name.replace(/[^\w.-]/g, '')}`,
    };
    return {
      name: account.name,
      service: asset.name,
      asset: asset.id,
      privileged: account.uid === 0 || admins.has(account.name),
      external: null,
      second_factor: factor,
      evidence: [what],
    };
  });
  return { accounts, emptyPasswords };
}

/** What protects an account beside its password. A locked password and keys only is not a second factor: it is unknown. */
function secondFactorOf(
  state: 'set' | 'empty' | 'locked' | undefined,
  ssh: SshVerdict | null,
  pam: boolean,
): Account['second_factor'] {
  if (pam && (ssh === null || ssh.secondFactor)) return 'enforced';
  if (state === undefined || ssh === null) return 'unknown';
  if (state === 'locked') return 'unknown';
  if (ssh.secondFactor) return 'enforced';
  return 'none';
}

function emptyPassword(name: string, asset: AssetRef, now: number): FindingObservation {
  return {
    room: 'access',
    kind: 'empty-password',
    key: name,
    severity: 'critical',
    asset,
    title: `The account ${name} on ${asset.name} has an empty password`,
    evidence: [
      {
        what: `The password field of ${name} in /etc/shadow is empty`,
        seen: rfc3339(now),
        command: 'sudo awk -F: \'$2==""{print $1}\' /etc/shadow',
      },
    ],
    fix: {
      title: `Lock or set the empty passwords on ${asset.name}`,
      how: `sudo passwd -l ${name.replace(/[^\w.-]/g, '')}`,
      effort: 'minutes',
      disrupts: false,
    },
    due: rfc3339(now + DAY_MS),
    exercise: false,
  };
}

/** The device behind `/`, followed down through device-mapper to a LUKS volume. Null when it cannot be seen. */
async function diskEncrypted(machine: MachineReader): Promise<{ device: string; encrypted: boolean } | null> {
  const mounts = (await machine.text('/proc/self/mounts')) ?? '';
  const device = mounts
    .split('\n')
    .map((line) => line.split(' '))
    .find((columns) => columns[1] === '/')?.[0];
  if (!device?.startsWith('/dev/')) return null;
  const target = await machine.link(device);
  let name = (target ?? device).split('/').at(-1) ?? '';
  for (let depth = 0; depth < 8; depth++) {
    const uuid = await machine.text(`/sys/block/${name}/dm/uuid`);
    if (uuid?.startsWith('CRYPT-')) return { device, encrypted: true };
    const [below] = (await machine.names(`/sys/block/${name}/slaves`)) ?? [];
    if (below === undefined) break;
    name = below;
  }
  const known = (await machine.names('/sys/class/block'))?.includes(name) ?? false;
  return known ? { device, encrypted: false } : null;
}

function diskReadable(device: string, asset: AssetRef, now: number): FindingObservation {
  return {
    room: 'access',
    kind: 'disk-not-encrypted',
    key: '/',
    severity: 'medium',
    asset,
    title: `The disk of ${asset.name} is readable by whoever holds it`,
    detail:
      'No LUKS volume lies under /. A virtual machine’s storage may be encrypted below, which is not visible from inside.',
    evidence: [
      {
        what: `/ lies on ${device}, without encryption that this machine knows of`,
        seen: rfc3339(now),
        command: 'lsblk -o NAME,TYPE,MOUNTPOINT,FSTYPE',
      },
    ],
    fix: {
      title: `Encrypt the disk of ${asset.name} or record that its storage is`,
      how: 'Reinstall with LUKS, or accept this finding with the name of who vouches for the storage’s encryption.',
      effort: 'days',
      disrupts: true,
    },
    due: rfc3339(now + 90 * DAY_MS),
    exercise: false,
  };
}

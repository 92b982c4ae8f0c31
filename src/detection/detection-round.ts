/** Looks at whether this machine can be watched at all: recent guessing in its own log-in records, and a right clock. */

import {
  type Evidence,
  type FindingObservation,
  type MachineReader,
  type RoundContext,
  type RoundResult,
  rfc3339,
} from '../core/index.ts';

const DAY_MS = 86_400_000;
/** So many failed log-ins of one address in the last day are guessing, not mistyping. */
const GUESSES_MIN = 20;
const ADDRESSES_SHOWN = 20;

export async function detectionRound(context: RoundContext): Promise<RoundResult> {
  const { machine, clock, asset, onProgress } = context;
  const now = clock.now();
  const notSeen: string[] = [];
  const findings: FindingObservation[] = [];
  const judged: string[] = [];
  onProgress('Reading recent log-in records');
  const log = await authRecords(machine);
  if (log === null)
    notSeen.push(
      `Recent log-ins: neither the journal nor /var/log/auth.log ${machine.isRoot ? 'holds any' : 'can be read; run as root or join the group adm'}.`,
    );
  else {
    judged.push('password-guessing');
    const guesses = countFailures(log.text);
    const loud = [...guesses].filter(([, count]) => count >= GUESSES_MIN).sort((a, b) => b[1] - a[1]);
    if (loud.length > 0) findings.push(guessing(loud, log.command, asset, now));
  }
  onProgress('Looking at the clock');
  const clockState = await timeSync(machine);
  if (clockState === null)
    notSeen.push('Time synchronisation: timedatectl and chronyc do not answer (a container shares its host’s clock).');
  else {
    judged.push('clock-not-synchronised');
    if (!clockState.synchronised) findings.push(clockLoose(clockState.what, asset, now));
  }
  return { room: 'detection', judgedKinds: judged, findings, notSeen };
}

async function authRecords(machine: MachineReader): Promise<{ text: string; command: string } | null> {
  const journal = await machine.run('journalctl', [
    '-q',
    '--no-pager',
    '-o',
    'short',
    '-t',
    'sshd',
    '-t',
    'sshd-session',
    '--since',
    '-1 day',
    '-n',
    '200000',
  ]);
  if (journal?.code === 0 && journal.stdout !== '')
    return { text: journal.stdout, command: 'journalctl -t sshd --since -1d | grep "Failed password"' };
  for (const path of ['/var/log/auth.log', '/var/log/secure']) {
    const text = await machine.text(path);
    if (text !== null) return { text, command: `grep "Failed password" ${path}` };
  }
  return null;
}

/** Failed passwords by address. The address is read from the end: a user name may hold anything, also " from ". */
export function countFailures(text: string): Map<string, number> {
  const counts = new Map<string, number>();
  for (const line of text.split('\n')) {
    if (!line.includes('Failed password for ')) continue;
    const from = line.lastIndexOf(' from ');
    const address = line.slice(from + 6).split(' ', 1)[0] as string;
    if (from < 0 || !/^[0-9a-fA-F.:]{2,45}$/.test(address)) continue;
    if (counts.has(address) || counts.size < 100_000) counts.set(address, (counts.get(address) ?? 0) + 1);
  }
  return counts;
}

/** timedatectl(1), else chronyc(1); null when neither can tell. */
async function timeSync(machine: MachineReader): Promise<{ synchronised: boolean; what: string } | null> {
  const timedate = await machine.run('timedatectl', ['show', '-p', 'NTPSynchronized', '--value'], 5000);
  const answer = timedate?.code === 0 ? timedate.stdout.trim() : '';
  if (answer === 'yes' || answer === 'no')
    return { synchronised: answer === 'yes', what: `timedatectl: NTPSynchronized=${answer}` };
  const chrony = await machine.run('chronyc', ['-n', 'tracking'], 5000);
  if (chrony?.code !== 0) return null;
  const leap = /Leap status\s*:\s*(.{1,40})/.exec(chrony.stdout)?.[1]?.trim() ?? 'unknown';
  return { synchronised: leap === 'Normal', what: `chronyc: leap status ${leap}` };
}

type AssetRef = RoundContext['asset'];

function guessing(
  loud: readonly (readonly [string, number])[],
  command: string,
  asset: AssetRef,
  now: number,
): FindingObservation {
  const tries = loud.reduce((sum, [, count]) => sum + count, 0);
  const evidence: Evidence[] = loud.slice(0, ADDRESSES_SHOWN).map(([address, count]) => ({
    what: `${count} failed passwords from ${address} in the last day`,
    seen: rfc3339(now),
    command,
    data: { address, count },
  }));
  return {
    room: 'detection',
    kind: 'password-guessing',
    key: 'sshd',
    severity: 'medium',
    asset,
    title: `${tries} passwords were guessed at on ${asset.name} from ${loud.length} ${loud.length === 1 ? 'address' : 'addresses'} in the last day`,
    evidence,
    fix: {
      title: `Close SSH on ${asset.name} to strangers, or take keys only`,
      how: 'Allow port 22 only from the management network or the VPN; turn password log-in off.',
      effort: 'minutes',
      disrupts: true,
    },
    due: rfc3339(now + 7 * DAY_MS),
    exercise: false,
  };
}

function clockLoose(what: string, asset: AssetRef, now: number): FindingObservation {
  return {
    room: 'detection',
    kind: 'clock-not-synchronised',
    key: 'clock',
    severity: 'medium',
    asset,
    title: `The clock of ${asset.name} is not synchronised: events from it cannot be put in order`,
    evidence: [{ what, seen: rfc3339(now), command: 'timedatectl' }],
    fix: {
      title: 'Synchronise clocks by NTP',
      how: 'sudo timedatectl set-ntp true, or install chrony and point it at the hospital’s time server.',
      effort: 'minutes',
      disrupts: false,
    },
    due: rfc3339(now + 30 * DAY_MS),
    exercise: false,
  };
}

/** Looks at this machine's packages: what is installed, which updates wait, and what still runs old code. */

import {
  type Evidence,
  type FindingObservation,
  type MachineReader,
  type RoundContext,
  type RoundResult,
  rfc3339,
} from '../core/index.ts';
import {
  type InstalledPackage,
  type PendingUpdate,
  parseAptSimulation,
  parseDnfUpdates,
  parseDpkg,
  parseRpm,
} from './patching-parse.ts';

const DAY_MS = 86_400_000;
/** Package lists older than this say nothing about today's updates. */
const LISTS_STALE_DAYS = 7;
/** How long a security update may wait, by what it is: two weeks is the term of common hospital policies (e.g. UK DSPT). */
const SECURITY_DUE_DAYS = 14;
const OTHER_DUE_DAYS = 90;
const PROCESSES_MAX = 20_000;

export async function patchingRound(context: RoundContext): Promise<RoundResult> {
  const { machine, clock, asset, onProgress } = context;
  const now = clock.now();
  const notSeen: string[] = [];
  const findings: FindingObservation[] = [];
  const judged: string[] = [];
  onProgress('Listing installed packages');
  const os = await osName(machine);
  const inventory = await installed(machine);
  if (!inventory) notSeen.push('Installed packages: neither dpkg nor rpm answers on this machine.');
  onProgress('Looking for pending updates');
  const pending = await pendingUpdates(machine);
  if (pending === null) notSeen.push('Pending updates: neither apt-get nor dnf answers on this machine.');
  else {
    judged.push('pending-update');
    findings.push(...pending.updates.map((update) => missingUpdate(update, pending.command, asset, now)));
    const lists = await listsAge(machine, now);
    judged.push('stale-package-lists');
    if (lists !== null && lists > LISTS_STALE_DAYS) findings.push(staleLists(lists, asset, now));
    if (lists === null) notSeen.push('The age of the package lists: no list has been fetched yet (apt-get update).');
  }
  const reboot = await rebootNeeded(machine, inventory ?? []);
  judged.push('restart-needed');
  if (reboot) findings.push(restartNeeded(reboot, 'the machine', asset, now));
  const old = await oldLibraries(machine);
  if (!machine.isRoot)
    notSeen.push('Services that still run an old library: only own processes are visible; run as root to see all.');
  for (const [service, files] of old)
    findings.push(
      restartNeeded(`${service} still uses ${files.join(', ')} from before an update`, service, asset, now),
    );
  return {
    room: 'patching',
    // Without root, other users' processes are unseen: what was found by root must not be called fixed.
    judgedKinds: machine.isRoot ? judged : judged.filter((kind) => kind !== 'restart-needed'),
    findings,
    asset: os === null ? {} : { os },
    software: (inventory ?? []).map((item) => ({ ...item, ...(os === null ? {} : { release: os }) })),
    notSeen,
  };
}

async function osName(machine: MachineReader): Promise<string | null> {
  const release = await machine.text('/etc/os-release');
  const match = /^PRETTY_NAME="?([^"\n]{1,200})/m.exec(release ?? '');
  return match?.[1] ?? null;
}

async function installed(machine: MachineReader): Promise<InstalledPackage[] | null> {
  const dpkg = await machine.run('dpkg-query', [
    '-W',
    '-f=${db:Status-Abbrev}\\t${Package}\\t${Version}\\t${Architecture}\\t${source:Package}\\t${source:Version}\\n',
  ]);
  if (dpkg?.code === 0) return parseDpkg(dpkg.stdout);
  const rpm = await machine.run('rpm', [
    '-qa',
    '--qf',
    '%{NAME}\\t%{EPOCH}:%{VERSION}-%{RELEASE}\\t%{ARCH}\\t%{SOURCERPM}\\n',
  ]);
  return rpm?.code === 0 ? parseRpm(rpm.stdout) : null;
}

async function pendingUpdates(machine: MachineReader): Promise<{ updates: PendingUpdate[]; command: string } | null> {
  const apt = await machine.run('apt-get', ['-s', '-o', 'Debug::NoLocking=true', 'dist-upgrade'], 60_000);
  if (apt?.code === 0) return { updates: parseAptSimulation(apt.stdout), command: 'apt-get -s dist-upgrade' };
  const dnf = await machine.run('dnf', ['-q', '-C', 'updateinfo', 'list', '--updates'], 60_000);
  if (dnf && dnf.code !== 127)
    return { updates: parseDnfUpdates(dnf.stdout), command: 'dnf updateinfo list --updates' };
  return null;
}

async function listsAge(machine: MachineReader, now: number): Promise<number | null> {
  const names = await machine.names('/var/lib/apt/lists');
  const times: number[] = [];
  for (const name of names ?? []) {
    if (!/_(InRelease|Release|Packages)$/.test(name)) continue;
    // The file keeps the server's date; the folder's own files change when they are fetched anew.
    times.push((await machine.changedMs(`/var/lib/apt/lists/${name}`)) ?? 0);
  }
  const fetched = await machine.changedMs('/var/lib/apt/lists/partial');
  if (fetched !== null && times.length > 0) times.push(fetched);
  return times.length === 0 ? null : Math.floor((now - Math.max(...times)) / DAY_MS);
}

async function rebootNeeded(machine: MachineReader, inventory: readonly InstalledPackage[]): Promise<string | null> {
  if ((await machine.text('/run/reboot-required')) !== null)
    return 'The system asks for a restart (/run/reboot-required)';
  const running = (await machine.text('/proc/sys/kernel/osrelease'))?.trim();
  if (!running) return null;
  const kernels = inventory.filter((item) => /^linux-image-\d/.test(item.name)).map((item) => item.name.slice(12));
  // In a container the kernel is the host's: none installed here means nothing to compare with.
  if (kernels.length === 0 || kernels.includes(running)) return null;
  return `Kernel ${running} runs, but is no longer installed (${kernels.slice(0, 3).join(', ')})`;
}

/** Processes that map a library that was replaced on disk, as Debian's `needrestart` looks for them. */
async function oldLibraries(machine: MachineReader): Promise<Map<string, string[]>> {
  const services = new Map<string, string[]>();
  const pids = ((await machine.names('/proc')) ?? []).filter((name) => /^\d+$/.test(name)).slice(0, PROCESSES_MAX);
  for (const pid of pids) {
    const maps = await machine.text(`/proc/${pid}/maps`);
    if (!maps?.includes('(deleted)')) continue;
    const files = new Set<string>();
    for (const line of maps.split('\n')) {
      if (!line.endsWith(' (deleted)') || !line.includes('r-x')) continue;
      const start = line.indexOf('/');
      const path = start < 0 ? '' : line.slice(start, -10);
      if (/^\/(usr\/)?lib.*\.so/.test(path)) files.add(path);
    }
    if (files.size === 0) continue;
    const name = (await machine.text(`/proc/${pid}/comm`))?.trim() ?? `process ${pid}`;
    services.set(name, [...files].slice(0, 4));
  }
  return services;
}

type AssetRef = RoundContext['asset'];
const evidence = (what: string, now: number, command: string, data?: Evidence['data']): Evidence => ({
  what,
  seen: rfc3339(now),
  command,
  ...(data === undefined ? {} : { data }),
});

function missingUpdate(update: PendingUpdate, command: string, asset: AssetRef, now: number): FindingObservation {
  return {
    room: 'patching',
    kind: 'pending-update',
    key: update.name,
    severity: update.security ? 'high' : 'low',
    asset,
    title: `${update.name} ${update.installed} waits for ${update.security ? 'its security update' : 'an update'} ${update.candidate}`,
    detail: `Offered by ${update.origin}.`,
    evidence: [
      evidence(`${update.name}: installed ${update.installed}, available ${update.candidate}`, now, command, {
        ...update,
      }),
    ],
    fix: {
      title: update.security
        ? `Install the security updates on ${asset.name}`
        : `Install the other updates on ${asset.name}`,
      how: update.security
        ? 'sudo apt-get update && sudo apt-get upgrade  (or dnf upgrade --security), in a maintenance window where services restart.'
        : 'sudo apt-get upgrade, with the next maintenance window.',
      effort: 'minutes',
      disrupts: true,
    },
    due: rfc3339(now + (update.security ? SECURITY_DUE_DAYS : OTHER_DUE_DAYS) * DAY_MS),
    exercise: false,
  };
}

function staleLists(days: number, asset: AssetRef, now: number): FindingObservation {
  return {
    room: 'patching',
    kind: 'stale-package-lists',
    key: 'apt',
    severity: 'medium',
    asset,
    title: `The package lists of ${asset.name} are ${days} days old: newer updates are not known`,
    evidence: [evidence(`Newest list is ${days} days old`, now, 'ls -l --time-style=long-iso /var/lib/apt/lists')],
    fix: {
      title: 'Fetch package lists every day',
      how: 'sudo apt-get update; install unattended-upgrades to have it done daily.',
      effort: 'minutes',
      disrupts: false,
    },
    due: rfc3339(now + LISTS_STALE_DAYS * DAY_MS),
    exercise: false,
  };
}

function restartNeeded(what: string, service: string, asset: AssetRef, now: number): FindingObservation {
  return {
    room: 'patching',
    kind: 'restart-needed',
    key: service,
    severity: 'medium',
    asset,
    title:
      service === 'the machine'
        ? `${asset.name} runs an old kernel until it is restarted`
        : `${service} on ${asset.name} runs old code until it is restarted`,
    detail: `${what}.`,
    evidence: [
      evidence(
        what,
        now,
        service === 'the machine'
          ? 'uname -r; ls /boot'
          : `grep -l deleted /proc/$(pgrep -o -x ${service.replace(/[^\w.-]/g, '')})/maps`,
      ),
    ],
    fix: {
      title: `Restart ${service === 'the machine' ? asset.name : service}`,
      how: service === 'the machine' ? 'Restart in a maintenance window.' : `sudo systemctl restart ${service}`,
      effort: 'minutes',
      disrupts: true,
    },
    due: rfc3339(now + SECURITY_DUE_DAYS * DAY_MS),
    exercise: false,
  };
}

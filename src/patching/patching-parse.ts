/** Reads what package managers print: dpkg-query, rpm, the simulation of apt-get, the advisories of dnf. */

export interface InstalledPackage {
  readonly ecosystem: 'deb' | 'rpm';
  readonly name: string;
  readonly version: string;
  readonly arch: string;
  readonly source_name?: string;
  readonly source_version?: string;
}

export interface PendingUpdate {
  readonly name: string;
  readonly installed: string;
  readonly candidate: string;
  readonly origin: string;
  readonly security: boolean;
}

const PACKAGES_MAX = 50_000;
const NAME_MAX = 200;
const cut = (text: string | undefined) => (text ?? '').slice(0, NAME_MAX);

/** Lines of `dpkg-query -W` with status, name, version, architecture, source name and source version by tabs. */
export function parseDpkg(text: string): InstalledPackage[] {
  const packages: InstalledPackage[] = [];
  for (const line of text.split('\n')) {
    const [status, name, version, arch, source, sourceVersion] = line.split('\t');
    // dpkg-query(1): the second letter is the state; "i" is installed.
    if (status?.[1] !== 'i' || !name || !version || packages.length >= PACKAGES_MAX) continue;
    packages.push({
      ecosystem: 'deb',
      name: cut(name),
      version: cut(version),
      arch: cut(arch),
      ...(source ? { source_name: cut(source) } : {}),
      ...(sourceVersion ? { source_version: cut(sourceVersion) } : {}),
    });
  }
  return packages;
}

/** Lines of `rpm -qa` with name, epoch:version-release, architecture and source package by tabs. */
export function parseRpm(text: string): InstalledPackage[] {
  const packages: InstalledPackage[] = [];
  for (const line of text.split('\n')) {
    const [name, version, arch, source] = line.split('\t');
    if (!name || !version || name === 'gpg-pubkey' || packages.length >= PACKAGES_MAX) continue;
    packages.push({
      ecosystem: 'rpm',
      name: cut(name),
      version: cut(version.replace(/^\(none\):/, '')),
      arch: cut(arch),
      ...(source && source !== '(none)' ? { source_name: cut(source.replace(/-[^-]*-[^-]*$/, '')) } : {}),
    });
  }
  return packages;
}

/** Lines `Inst name [installed] (candidate origin, origin [arch])` of `apt-get -s dist-upgrade`. */
export function parseAptSimulation(text: string): PendingUpdate[] {
  const updates: PendingUpdate[] = [];
  for (const line of text.split('\n')) {
    if (!line.startsWith('Inst ') || updates.length >= PACKAGES_MAX) continue;
    const open = line.indexOf(' (');
    const close = line.indexOf(')', open);
    const head = line.slice(5, open).split(' ');
    const installed = head[1]?.startsWith('[') ? head[1].slice(1).replace(/\]$/, '') : null;
    // Without an installed version it is a new dependency, not an update.
    if (open < 0 || close < 0 || installed === null) continue;
    const inside = line.slice(open + 2, close);
    const space = inside.indexOf(' ');
    const origin = inside.slice(space + 1).replace(/ \[[^\]]*\]$/, '');
    updates.push({
      name: cut(head[0]),
      installed: cut(installed),
      candidate: cut(inside.slice(0, space)),
      origin: cut(origin),
      // Debian: "Debian-Security:12/stable-security"; Ubuntu: "Ubuntu:24.04/noble-security".
      security: /security/i.test(origin),
    });
  }
  return updates;
}

/** Lines `ADVISORY severity/Sec. package-version-release.arch` of `dnf updateinfo list --updates`. */
export function parseDnfUpdates(text: string): PendingUpdate[] {
  const updates = new Map<string, PendingUpdate>();
  for (const line of text.split('\n')) {
    const [advisory, kind, full] = line.trim().split(/\s+/);
    if (!advisory || !kind || !full || updates.size >= PACKAGES_MAX) continue;
    const parts = /^(.{1,150})-([^-]{1,80}-[^-]{1,80})\.[a-z0-9_]{1,12}$/.exec(full);
    if (!parts) continue;
    const name = parts[1] as string;
    const security = /Sec\./i.test(kind);
    const before = updates.get(name);
    updates.set(name, {
      name,
      installed: 'an older version',
      candidate: parts[2] as string,
      origin: advisory,
      security: security || before?.security === true,
    });
  }
  return [...updates.values()];
}

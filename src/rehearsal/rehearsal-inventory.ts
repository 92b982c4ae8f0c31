/** What the generated hospital's machines have installed, its register of devices, and advisories about both. Advisory numbers are the exercise's own. */

import type { Hospital, Host } from './rehearsal-hospital.ts';
import type { Random } from './rehearsal-random.ts';

/** Package, the version with the hole, the one without, and what the exercise says of the hole. */
const HOLES = [
  ['openssl', '3.0.11-1~deb12u2', '3.0.14-1~deb12u1', 'A crafted certificate ends the process'],
  ['openssh', '1:9.2p1-2+deb12u2', '1:9.2p1-2+deb12u3', 'A race lets a stranger run code before the log-in'],
  ['curl', '7.88.1-10+deb12u4', '7.88.1-10+deb12u7', 'A long host name overflows a buffer'],
  ['glibc', '2.36-9+deb12u3', '2.36-9+deb12u7', 'A character set overflows a buffer'],
  ['nginx', '1.22.1-9', '1.22.1-9+deb12u1', 'Crafted video files read beyond a buffer'],
  ['postgresql-15', '15.5-0+deb12u1', '15.8-0+deb12u1', 'A view leaks rows'],
  ['sudo', '1.9.13p3-1+deb12u1', '1.9.13p3-1+deb12u2', 'A crafted chroot runs code as root'],
] as const;
const HARMLESS = [
  ['bash', '5.2.15-2+b7'],
  ['coreutils', '9.1-1'],
  ['systemd', '252.26-1~deb12u2'],
  ['rsyslog', '8.2302.0-1'],
] as const;

const isServer = (host: Host) => host.role !== 'ward' && host.role !== 'device' && host.role !== 'firewall';

/** Columns host and purl: most servers are behind in something, some are not. */
export function hospitalSoftware(hospital: Hospital, random: Random): string {
  const rows = ['host,purl'];
  for (const host of hospital.hosts.filter(isServer)) {
    const behind = random.chance(0.7);
    for (const [name, bad, good] of HOLES) {
      if (name === 'nginx' && host.role !== 'portal') continue;
      if (name === 'postgresql-15' && host.name !== 'ehr-db-1') continue;
      rows.push(`${host.name},${purl(name, behind && random.chance(0.5) ? bad : good)}`);
    }
    for (const [name, version] of HARMLESS) rows.push(`${host.name},${purl(name, version)}`);
  }
  return `${rows.join('\n')}\n`;
}

const purl = (name: string, version: string) =>
  `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=amd64&distro=debian-12`;

/** Debian's advisories in the exercise, as OSV records. */
export function exerciseAdvisories(atMs: number): object[] {
  return HOLES.map(([name, , fixed, summary], index) => ({
    id: `EXERCISE-2026-${String(index + 1).padStart(4, '0')}`,
    modified: new Date(atMs).toISOString(),
    published: new Date(atMs - (index + 2) * 6 * 86_400_000).toISOString(),
    summary: `Exercise: ${summary}`,
    severity: [
      {
        type: 'CVSS_V3',
        score:
          index < 3 ? 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' : 'CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:N/A:N',
      },
    ],
    affected: [
      {
        package: { ecosystem: 'Debian:12', name },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
      },
    ],
  }));
}

const KINDS: Readonly<Record<string, readonly [string, string, string]>> = {
  pump: ['Exercise Infusion', 'FlowSure 4', 'life-sustaining'],
  monitor: ['Exercise Monitoring', 'VitalView 8', 'life-sustaining'],
  ct: ['Exercise Imaging', 'Toma 64', 'diagnostic'],
  mr: ['Exercise Imaging', 'Magna 3T', 'diagnostic'],
  us: ['Exercise Imaging', 'Sono 5', 'diagnostic'],
};

/** The register of devices that biomedical engineering keeps. */
export function deviceRegister(hospital: Hospital, random: Random): string {
  const rows = ['name,vendor,model,software version,ip,type,criticality,owner'];
  for (const host of hospital.hostsOf('device')) {
    const [vendor, model, criticality] = KINDS[host.name.split('-')[0] ?? ''] ?? ['unknown', 'unknown', 'unknown'];
    const version = `${1 + random.int(3)}.${random.int(9)}.${random.int(20)}`;
    rows.push(
      [host.name, vendor, model, version, host.address, 'medical device', criticality, 'Biomedical engineering'].join(
        ',',
      ),
    );
  }
  return `${rows.join('\n')}\n`;
}

/** A generated hospital: about 60 hosts and devices and 600 members of staff, none of them real. */

import type { Random } from './rehearsal-random.ts';

export interface Host {
  readonly name: string;
  readonly address: string;
  readonly role:
    | 'portal'
    | 'vpn'
    | 'mail'
    | 'directory'
    | 'files'
    | 'pacs'
    | 'interface'
    | 'firewall'
    | 'server'
    | 'ward'
    | 'device';
}

export interface Hospital {
  readonly hosts: readonly Host[];
  readonly staff: readonly string[];
  /** The one whose password is weak. */
  readonly victim: string;
  hostsOf(role: Host['role']): readonly Host[];
}

const FIRST = [
  'ada',
  'ben',
  'cleo',
  'dara',
  'elif',
  'finn',
  'gita',
  'hugo',
  'ines',
  'jan',
  'kira',
  'liam',
  'mona',
  'nils',
  'olga',
  'paul',
  'rosa',
  'sami',
  'tara',
  'yusuf',
];
const LAST = [
  'adler',
  'baker',
  'costa',
  'diaz',
  'evans',
  'farah',
  'grant',
  'haas',
  'ito',
  'jones',
  'khan',
  'lopez',
  'meyer',
  'novak',
  'okoro',
  'patel',
  'quinn',
  'rossi',
  'silva',
  'tanaka',
  'ueda',
  'vogel',
  'weber',
  'xu',
  'young',
  'zhang',
  'berg',
  'cohen',
  'dubois',
  'ferri',
];

const FIXED: readonly [Host['role'], readonly string[]][] = [
  ['portal', ['portal-1', 'portal-2']],
  ['vpn', ['vpn-1']],
  ['mail', ['mail-1']],
  ['directory', ['dc-1', 'dc-2']],
  ['files', ['files-1']],
  ['pacs', ['pacs-1']],
  ['interface', ['hl7-1']],
  ['firewall', ['fw-1']],
  ['server', ['ehr-db-1', 'ehr-app-1', 'lab-1', 'pharmacy-1', 'backup-1', 'print-1']],
];
const WARDS = 24;
const DEVICES: readonly [string, number][] = [
  ['pump', 8],
  ['monitor', 6],
  ['ct', 2],
  ['mr', 1],
  ['us', 3],
];

export function createHospital(random: Random): Hospital {
  const hosts: Host[] = [];
  const add = (role: Host['role'], name: string, net: number) => {
    hosts.push({
      name,
      role,
      address: `10.20.${net}.${10 + hosts.filter((host) => host.address.startsWith(`10.20.${net}.`)).length}`,
    });
  };
  for (const [role, names] of FIXED)
    for (const name of names) add(role, name, role === 'portal' || role === 'vpn' || role === 'mail' ? 1 : 2);
  for (let i = 1; i <= WARDS; i++) add('ward', `ward-${String(i).padStart(2, '0')}`, 3);
  for (const [kind, count] of DEVICES) for (let i = 1; i <= count; i++) add('device', `${kind}-${i}`, 4);
  const staff = FIRST.flatMap((first) => LAST.map((last) => `${first}.${last}`));
  return {
    hosts,
    staff,
    victim: random.pick(staff),
    hostsOf: (role) => hosts.filter((host) => host.role === role),
  };
}

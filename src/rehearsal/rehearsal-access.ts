/** Exports of the generated hospital's identity systems, as its administrators would hand them over. Nobody in them is real. */

import type { Hospital } from './rehearsal-hospital.ts';
import type { Random } from './rehearsal-random.ts';

const DAY_MS = 86_400_000;
const DOMAIN = 'north-hospital.example';
const BASE = 'DC=north-hospital,DC=example';

/** Path of a file and its text. */
export function accessExports(hospital: Hospital, random: Random, nowMs: number): ReadonlyMap<string, string> {
  return new Map([
    ['entra-registration.json', registration(hospital, random)],
    ['entra-policies.json', POLICIES],
    ['directory.ldif', directory(hospital, random, nowMs)],
    ['backup-1/etc/ssh/sshd_config', 'PasswordAuthentication yes\nPermitRootLogin prohibit-password\nUsePAM yes\n'],
    ['backup-1/etc/passwd', 'root:x:0:0::/root:/bin/bash\nbackup-op:x:1001:1001::/home/backup-op:/bin/bash\n'],
    ['backup-1/etc/group', 'sudo:x:27:backup-op\n'],
    ['backup-1/etc/pam.d/sshd', 'auth required pam_unix.so\n'],
  ]);
}

/** Two thirds have registered something; most of those who have not are in one shift. */
function registration(hospital: Hospital, random: Random): string {
  const value = hospital.staff.map((name, index) => {
    const registered = name !== hospital.victim && random.chance(0.68);
    return {
      id: `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`,
      userPrincipalName: `${name}@${DOMAIN}`,
      userDisplayName: name.replace('.', ' '),
      isMfaRegistered: registered,
      isAdmin: index % 120 === 7,
      userType: 'member',
      methodsRegistered: registered ? ['microsoftAuthenticatorPush'] : [],
    };
  });
  return JSON.stringify({ value });
}

/** A policy that looks complete, and leaves the old protocols open. */
const POLICIES = JSON.stringify({
  value: [
    {
      displayName: 'Exercise: second factor for everybody',
      state: 'enabled',
      conditions: {
        users: { includeUsers: ['All'] },
        applications: { includeApplications: ['All'] },
        clientAppTypes: ['browser', 'mobileAppsAndDesktopClients'],
      },
      grantControls: { operator: 'OR', builtInControls: ['mfa'] },
    },
  ],
});

const fileTime = (ms: number): string => String((BigInt(Math.floor(ms)) + 11_644_473_600_000n) * 10_000n);

/** Active Directory: some who have not signed in for long, accounts of wards, administrators with a card and without. */
function directory(hospital: Hospital, random: Random, nowMs: number): string {
  const entry = (name: string, control: number, lastMs: number | null, more: readonly string[] = []) =>
    [
      `dn: CN=${name},OU=Staff,${BASE}`,
      'objectClass: person',
      'objectClass: user',
      `sAMAccountName: ${name}`,
      `userAccountControl: ${control}`,
      ...(lastMs === null ? [] : [`lastLogonTimestamp: ${fileTime(lastMs)}`]),
      ...more,
      '',
    ].join('\n');
  const admins = `memberOf: CN=Domain Admins,CN=Users,${BASE}`;
  const staff = hospital.staff
    .slice(0, 120)
    .map((name) => entry(name, 512, nowMs - random.int(random.chance(0.1) ? 200 : 20) * DAY_MS));
  return [
    ...staff,
    entry('ward3', 66_048, nowMs - DAY_MS),
    entry('reception', 66_048, nowMs - DAY_MS),
    entry('adm-north', 512, nowMs - DAY_MS, [admins]),
    entry('adm-south', 262_656, nowMs - DAY_MS, [admins]),
    entry('svc-backup', 66_048, nowMs - DAY_MS, ['servicePrincipalName: backup/backup-1']),
  ].join('\n');
}

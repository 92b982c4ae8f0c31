/** Checks of a Windows server from exports: `reg export` files and `auditpol /get /category:* /r`. Changes are commands for people. */

import type { Severity } from '../../core/index.ts';
import type { Category } from './hardening-model.ts';

/** Value of a registry key, as the export writes it: a number, or text. */
export type Registry = ReadonlyMap<string, ReadonlyMap<string, number | string>>;

const KEYS_MAX = 200_000;
const VALUES_MAX = 2000;

/** Reads a .reg export (UTF-8, or UTF-16 with its mark); names in lower case. */
export function parseRegistry(bytes: Buffer): Registry {
  const text = bytes[0] === 0xff && bytes[1] === 0xfe ? bytes.toString('utf16le', 2) : bytes.toString('utf8');
  const found = new Map<string, Map<string, number | string>>();
  let current: Map<string, number | string> | null = null;
  for (const line of text.split(/\r?\n/)) {
    const key = /^\[([^\]]{1,1024})\]\s*$/.exec(line)?.[1];
    if (key !== undefined) {
      const name = key.toLowerCase().replace(/^hkey_local_machine\\/, 'hklm\\');
      current = found.get(name) ?? new Map();
      if (found.size < KEYS_MAX) found.set(name, current);
      continue;
    }
    const value = /^"([^"\\]{1,255})"=(?:dword:([0-9a-f]{1,8})|"([^"]{0,1024})")\s*$/i.exec(line);
    if (value && current && current.size < VALUES_MAX)
      current.set(
        (value[1] as string).toLowerCase(),
        value[2] === undefined ? (value[3] ?? '') : Number.parseInt(value[2], 16),
      );
  }
  return found;
}

export interface WindowsCheck {
  readonly id: string;
  readonly category: Category;
  readonly key: string;
  readonly value: string;
  /** What counts where the value is not there. */
  readonly standard: number | string | null;
  readonly isGood: (value: number | string | null) => boolean;
  readonly want: number;
  readonly severity: Severity;
  readonly title: string;
  readonly why: string;
  readonly sources: readonly string[];
}

const is =
  (...wanted: (number | string)[]) =>
  (value: number | string | null) =>
    value !== null && wanted.includes(value);
const row = (
  id: string,
  key: string,
  value: string,
  standard: number | string | null,
  isGood: WindowsCheck['isGood'],
  want: number,
  severity: Severity,
  title: string,
  why: string,
  ...sources: string[]
): WindowsCheck => ({
  id: `windows-${id}`,
  category: 'windows',
  key,
  value,
  standard,
  isGood,
  want,
  severity,
  title,
  why,
  sources,
});
const SYSTEM = 'HKLM\\SYSTEM\\CurrentControlSet';
const POLICY = 'HKLM\\SOFTWARE\\Policies\\Microsoft';
export const WINDOWS_CHECKS: readonly WindowsCheck[] = [
  row(
    'smb1',
    `${SYSTEM}\\Services\\LanmanServer\\Parameters`,
    'SMB1',
    0,
    is(0),
    0,
    'high',
    'SMB 1 is on',
    'WannaCry and NotPetya spread over it.',
    'CIS Windows Server 2022 v3.0.0 18.4.4',
    'DISA WN22-00-000390',
  ),
  row(
    'smb1-client',
    `${SYSTEM}\\Services\\mrxsmb10`,
    'Start',
    4,
    is(4),
    4,
    'medium',
    'The SMB 1 client is on',
    'It speaks to forged servers.',
    'CIS Windows Server 2022 v3.0.0 18.4.3',
    'DISA WN22-00-000400',
  ),
  row(
    'smb-signing',
    `${SYSTEM}\\Services\\LanmanServer\\Parameters`,
    'RequireSecuritySignature',
    0,
    is(1),
    1,
    'medium',
    'SMB signing is not required',
    'Log-ins can be relayed.',
    'CIS Windows Server 2022 v3.0.0 2.3.9.2',
    'DISA WN22-SO-000190',
  ),
  row(
    'lsa-protection',
    `${SYSTEM}\\Control\\Lsa`,
    'RunAsPPL',
    0,
    is(1, 2),
    1,
    'high',
    'LSA is not protected',
    'Passwords are read out of memory (mimikatz).',
    'CIS Windows Server 2022 v3.0.0 18.9.26.2',
    'BSI SYS.1.2.3.A5',
  ),
  row(
    'wdigest',
    `${SYSTEM}\\Control\\SecurityProviders\\WDigest`,
    'UseLogonCredential',
    0,
    is(0),
    0,
    'high',
    'Passwords stand in memory in clear',
    'Whoever is administrator once reads them all.',
    'CIS Windows Server 2022 v3.0.0 18.4.8',
    'DISA WN22-CC-000020',
  ),
  row(
    'lm-level',
    `${SYSTEM}\\Control\\Lsa`,
    'LmCompatibilityLevel',
    3,
    is(5),
    5,
    'medium',
    'Old NTLM is accepted',
    'Its answers are broken quickly.',
    'CIS Windows Server 2022 v3.0.0 2.3.11.7',
    'DISA WN22-SO-000310',
  ),
  row(
    'nla',
    `${SYSTEM}\\Control\\Terminal Server\\WinStations\\RDP-Tcp`,
    'UserAuthentication',
    0,
    is(1),
    1,
    'high',
    'Remote desktop needs no NLA',
    'The log-in screen, and its faults, are reached before anybody proves who they are.',
    'CIS Windows Server 2022 v3.0.0 18.10.56.3.9.4',
    'BSI SYS.1.2.3.A6',
  ),
  row(
    'laps',
    `HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\LAPS`,
    'BackupDirectory',
    0,
    is(1, 2),
    2,
    'medium',
    'LAPS is off',
    'The same administrator’s password opens every machine.',
    'CIS Windows Server 2022 v3.0.0 18.9.25.1',
  ),
  row(
    'defender',
    `${POLICY}\\Windows Defender`,
    'DisableAntiSpyware',
    0,
    is(0),
    0,
    'critical',
    'Defender is switched off',
    'Known malware runs.',
    'CIS Windows Server 2022 v3.0.0 18.10.42.17',
  ),
  row(
    'defender-realtime',
    `${POLICY}\\Windows Defender\\Real-Time Protection`,
    'DisableRealtimeMonitoring',
    0,
    is(0),
    0,
    'high',
    'Defender does not watch',
    'Known malware runs.',
    'CIS Windows Server 2022 v3.0.0 18.10.42.10.2',
  ),
  row(
    'script-block',
    `${POLICY}\\Windows\\PowerShell\\ScriptBlockLogging`,
    'EnableScriptBlockLogging',
    0,
    is(1),
    1,
    'medium',
    'PowerShell does not log what it runs',
    'Attacks that live in PowerShell leave no trace.',
    'CIS Windows Server 2022 v3.0.0 18.10.86.1',
    'DISA WN22-CC-000460',
  ),
  row(
    'command-line',
    `HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System\\Audit`,
    'ProcessCreationIncludeCmdLine_Enabled',
    0,
    is(1),
    1,
    'medium',
    'Processes are logged without their command line',
    'What was run cannot be told.',
    'CIS Windows Server 2022 v3.0.0 18.9.3.1',
    'DISA WN22-CC-000090',
  ),
  row(
    'uac',
    `HKLM\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System`,
    'EnableLUA',
    1,
    is(1),
    1,
    'high',
    'User account control is off',
    'Everything an administrator opens runs with all rights.',
    'CIS Windows Server 2022 v3.0.0 2.3.17.6',
    'DISA WN22-SO-000430',
  ),
  row(
    'anonymous',
    `${SYSTEM}\\Control\\Lsa`,
    'RestrictAnonymous',
    0,
    is(1),
    1,
    'low',
    'Anybody lists accounts and shares',
    'Names are half of a log-in.',
    'CIS Windows Server 2022 v3.0.0 2.3.10.3',
    'DISA WN22-SO-000230',
  ),
];

export interface WindowsVerdict {
  readonly check: WindowsCheck;
  readonly state: 'good' | 'bad' | 'unknown';
  readonly seen: string;
}

/** A key that is not in the export was not exported, or is not there: only what the standard settles is judged. */
export function judgeRegistry(registry: Registry): WindowsVerdict[] {
  return WINDOWS_CHECKS.map((check) => {
    const key = registry.get(check.key.toLowerCase());
    const value = key?.get(check.value.toLowerCase()) ?? null;
    if (key === undefined) return { check, state: 'unknown', seen: `${check.key} is not in the export` };
    const counts = value ?? check.standard;
    return {
      check,
      state: check.isGood(counts) ? 'good' : 'bad',
      seen: `${check.value} is ${value ?? `not set (${check.standard})`}`,
    };
  });
}

/** What is run to set it. */
export const windowsCommand = (check: WindowsCheck): string =>
  `reg add "${check.key}" /v ${check.value} /t REG_DWORD /d ${check.want} /f`;

const AUDIT: readonly (readonly [guid: string, name: string, wants: RegExp, source: string])[] = [
  ['{0cce9215-69ae-11d9-bed3-505054503030}', 'Logon', /success and failure/i, 'CIS Windows Server 2022 v3.0.0 17.5.4'],
  [
    '{0cce923f-69ae-11d9-bed3-505054503030}',
    'Credential Validation',
    /success and failure/i,
    'CIS Windows Server 2022 v3.0.0 17.1.1',
  ],
  ['{0cce922b-69ae-11d9-bed3-505054503030}', 'Process Creation', /success/i, 'CIS Windows Server 2022 v3.0.0 17.3.2'],
  [
    '{0cce9237-69ae-11d9-bed3-505054503030}',
    'Security Group Management',
    /success/i,
    'CIS Windows Server 2022 v3.0.0 17.2.5',
  ],
  [
    '{0cce922f-69ae-11d9-bed3-505054503030}',
    'Audit Policy Change',
    /success/i,
    'CIS Windows Server 2022 v3.0.0 17.7.1',
  ],
];

export interface AuditRow {
  readonly id: string;
  readonly guid: string;
  readonly name: string;
  readonly state: 'good' | 'bad' | 'unknown';
  readonly seen: string;
  readonly source: string;
  readonly command: string;
  /** What is audited now: what undoing goes back to. */
  readonly success: boolean;
  readonly failure: boolean;
}

/** What `auditpol /get /category:* /r` says, by the number of the subcategory: its names are translated, numbers are not. */
export function judgeAuditpol(csv: string): AuditRow[] {
  const rows = csv
    .slice(0, 1_000_000)
    .split(/\r?\n/)
    .map((line) => line.split(','));
  return AUDIT.map(([guid, name, wants, source]) => {
    const found = rows.find((cells) => cells.some((cell) => cell.trim().toLowerCase() === guid));
    const at = found?.findIndex((cell) => cell.trim().toLowerCase() === guid) ?? -1;
    const seen = found?.[at + 1]?.trim() ?? '';
    return {
      id: `windows-audit-${name.toLowerCase().replaceAll(' ', '-')}`,
      guid,
      name,
      source,
      command: `auditpol /set /subcategory:"${guid}" /success:enable /failure:enable`,
      seen: found ? `${name}: ${seen}` : `${name} is not in the export`,
      state: !found ? 'unknown' : wants.test(seen) ? 'good' : 'bad',
      success: /success/i.test(seen),
      failure: /failure/i.test(seen),
    };
  });
}

/** Changes of Windows settings as PowerShell scripts that people can read, apply, undo and check; nothing here runs them. */

import type { AuditRow, Registry, WindowsCheck } from './hardening-windows.ts';

const quoted = (text: string) => `'${text.replaceAll("'", "''")}'`;
/** One line, whatever stands in an export. */
const comment = (text: string) => `# ${text.replace(/\p{Cc}/gu, ' ')}`;

const literal = (value: number | string | null) =>
  value === null ? '$null' : typeof value === 'number' ? String(value) : quoted(value.replace(/\p{Cc}/gu, ' '));

/** The value that the export holds; null where it is not set. */
export const valueBefore = (check: WindowsCheck, registry: Registry): number | string | null =>
  registry.get(check.key.toLowerCase())?.get(check.value.toLowerCase()) ?? null;

/** What puts the value back, for people who set it by hand. */
export const windowsUndo = (check: WindowsCheck, before: number | string | null): string =>
  before === null
    ? `reg delete "${check.key}" /v ${check.value} /f`
    : `reg add "${check.key}" /v ${check.value} /t ${typeof before === 'number' ? 'REG_DWORD' : 'REG_SZ'} /d ${typeof before === 'number' ? before : `"${before.replace(/[\p{Cc}"%]/gu, ' ')}"`} /f`;

const frame = (head: readonly string[], state: string, apply: string, undo: string) =>
  `${head.join('\r\n')}
#
# powershell -ExecutionPolicy Bypass -File THIS-FILE apply   changes it
# powershell -ExecutionPolicy Bypass -File THIS-FILE undo    puts back what was there
# powershell -ExecutionPolicy Bypass -File THIS-FILE check   says whether it is applied
[CmdletBinding(SupportsShouldProcess)]
param([Parameter(Mandatory)][ValidateSet('apply', 'undo', 'check')][string]$Do)
$ErrorActionPreference = 'Stop'
function Refuse { Write-Error 'It is not what was judged: nothing was changed.' -ErrorAction Continue; exit 3 }
${state}
switch ($Do) {
  'apply' {
    if (-not (Same $now $before)) { Refuse }
${apply}
  }
  'undo' {
    if (-not (Same $now $after)) { Refuse }
${undo}
  }
  'check' {
    if (Same $now $after) { 'yes'; exit 0 } else { 'no'; exit 1 }
  }
}
`.replace(/\r?\n/g, '\r\n');

/** A registry value: changed only when it is still what the export says, and put back exactly, also to not being there. */
export function registryScript(check: WindowsCheck, registry: Registry): string {
  const before = valueBefore(check, registry);
  const key = quoted(check.key.replace(/^HKLM\\/, 'HKLM:\\'));
  const head = [
    comment(check.title),
    comment(check.why),
    comment(`Source: ${check.sources.join('; ')}`),
    comment(`${check.key}\\${check.value}: ${before ?? 'not set'} -> ${check.want}`),
  ];
  const state = `$key = ${key}
$name = ${quoted(check.value)}
$before = ${literal(before)}
$after = ${check.want}
function Same($a, $b) { if ($null -eq $a -or $null -eq $b) { return ($null -eq $a -and $null -eq $b) } return $a -eq $b }
$now = $null
if (Test-Path -LiteralPath $key) { $now = (Get-Item -LiteralPath $key).GetValue($name, $null) }`;
  const apply = `    if (-not (Test-Path -LiteralPath $key)) { New-Item -Path $key -Force | Out-Null }
    New-ItemProperty -LiteralPath $key -Name $name -PropertyType DWord -Value $after -Force | Out-Null`;
  const kind = typeof before === 'string' ? 'String' : 'DWord';
  const undo =
    before === null
      ? '    Remove-ItemProperty -LiteralPath $key -Name $name'
      : `    New-ItemProperty -LiteralPath $key -Name $name -PropertyType ${kind} -Value $before -Force | Out-Null`;
  return frame(head, state, apply, undo);
}

const switches = (success: boolean, failure: boolean) =>
  `/success:${success ? 'enable' : 'disable'} /failure:${failure ? 'enable' : 'disable'}`;

/** The settings in which auditpol's CSV is written on every Windows: numbers, for its words are translated. */
export const auditUndo = (row: Pick<AuditRow, 'guid' | 'success' | 'failure'>): string =>
  `auditpol /set /subcategory:"${row.guid}" ${switches(row.success, row.failure)}`;

/** An audit policy, by the number of its subcategory. */
export function auditScript(row: AuditRow): string {
  const number = (success: boolean, failure: boolean) => (success ? 1 : 0) + (failure ? 2 : 0);
  const set = (success: boolean, failure: boolean) =>
    `    if ($PSCmdlet.ShouldProcess($guid)) { auditpol /set "/subcategory:$guid" ${switches(success, failure)} | Out-Null }`;
  const head = [
    comment(`"${row.name}" is not audited`),
    comment(`Source: ${row.source}`),
    comment(`${row.seen} -> Success and Failure`),
  ];
  // The backup form of auditpol has the setting as a number: 0 none, 1 success, 2 failure, 3 both.
  const state = `$guid = ${quoted(row.guid)}
$before = ${number(row.success, row.failure)}
$after = 3
function Same($a, $b) { return $a -eq $b }
$file = [IO.Path]::GetTempFileName()
auditpol /backup "/file:$file" | Out-Null
$row = Get-Content -LiteralPath $file | Where-Object { $_ -match [regex]::Escape($guid) } | Select-Object -First 1
Remove-Item -LiteralPath $file
$now = 0
if ($row) { $now = [int](($row -split ',')[-1]) }`;
  return frame(head, state, set(true, true), set(row.success, row.failure));
}

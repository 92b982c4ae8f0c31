import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { has } from '../testing/perimeter-lab.ts';
import {
  judgeAuditpol,
  parseRegistry,
  WINDOWS_CHECKS,
  type WindowsCheck,
  windowsCommand,
} from './hardening-windows.ts';
import { auditScript, auditUndo, registryScript, valueBefore, windowsUndo } from './hardening-windows-script.ts';

const check = (id: string) => WINDOWS_CHECKS.find((one) => one.id === id) as WindowsCheck;
const exported = (key: string, line: string) =>
  parseRegistry(
    Buffer.from(
      `Windows Registry Editor Version 5.00\r\n\r\n[${key.replace('HKLM', 'HKEY_LOCAL_MACHINE')}]\r\n${line}\r\n`,
    ),
  );

test.each([
  [
    'a number',
    '"SMB1"=dword:00000001',
    '$before = 1',
    '-PropertyType DWord -Value $before',
    'reg add "KEY" /v SMB1 /t REG_DWORD /d 1 /f',
  ],
  [
    'nothing',
    '"Other"=dword:00000001',
    '$before = $null',
    'Remove-ItemProperty -LiteralPath $key -Name $name',
    'reg delete "KEY" /v SMB1 /f',
  ],
  [
    'text',
    `"SMB1"="it's on"`,
    "$before = 'it''s on'",
    '-PropertyType String -Value $before',
    `reg add "KEY" /v SMB1 /t REG_SZ /d "it's on" /f`,
  ],
] as const)('undo goes back to %s', (_what, line, before, put, byHand) => {
  const smb1 = check('windows-smb1');
  const registry = exported(smb1.key, line);
  const script = registryScript(smb1, registry);
  const [applying, undoing] = [script.indexOf("'apply' {"), script.indexOf("'undo' {")];
  expect(script).toContain(before);
  expect(script).toContain('$after = 0');
  expect(script.slice(applying, undoing)).toContain('-Value $after');
  expect(script.slice(undoing)).toContain(put);
  expect(script.match(/Refuse \}/g)).toHaveLength(2);
  expect(windowsUndo(smb1, valueBefore(smb1, registry))).toBe(byHand.replace('KEY', smb1.key));
});

test('every Windows check has a change and its undo, and nothing of an export ends a line or a quote', () => {
  for (const one of WINDOWS_CHECKS) {
    const registry = new Map([
      [one.key.toLowerCase(), new Map([[one.value.toLowerCase(), "x'\n; Remove-Item C:\\ #"]])],
    ]);
    const script = registryScript(one, registry);
    expect(script).toContain("$before = 'x'' ; Remove-Item C:\\ #'");
    expect(
      script.split('\r\n').filter((line) => /Remove-Item C:/.test(line) && !/^(#|\$before = ')/.test(line)),
    ).toEqual([]);
    expect(windowsCommand(one)).toContain(`/d ${one.want} `);
  }
});

const AUDIT = (setting: string) =>
  `Machine Name,Policy Target,Subcategory,Subcategory GUID,Inclusion Setting,Exclusion Setting\r\nS,System,X,{0CCE922B-69AE-11D9-BED3-505054503030},${setting},\r\n`;
test.each([
  ['No Auditing', '$before = 0', '/success:disable /failure:disable'],
  ['Failure', '$before = 2', '/success:disable /failure:enable'],
] as const)('an audit policy of "%s" comes back', (setting, before, switches) => {
  const row = judgeAuditpol(AUDIT(setting)).find(({ name }) => name === 'Process Creation');
  if (!row) throw new Error('not judged');
  expect(row.state).toBe('bad');
  const script = auditScript(row);
  expect(script).toContain(before);
  expect(script.slice(script.indexOf("'undo' {"))).toContain(switches);
  expect(auditUndo(row)).toContain(switches);
});

// PowerShell is not in Debian: where somebody has it, its own parser reads the scripts.
test.skipIf(!has('pwsh'))('PowerShell reads the scripts without a fault', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'windows-script-'));
  const file = join(dir, 'x.ps1');
  writeFileSync(file, registryScript(check('windows-nla'), new Map()));
  const faults = `$f = $null; [void][Management.Automation.Language.Parser]::ParseFile('${file}', [ref]$null, [ref]$f); $f.Count`;
  expect(execFileSync('pwsh', ['-NoProfile', '-Command', faults], { encoding: 'utf8' }).trim()).toBe('0');
  await rm(dir, { recursive: true });
});

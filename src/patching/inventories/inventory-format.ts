/** Tells what an inventory file is by its first bytes; null when they say nothing. */

import { bytesOf, headOf } from '../patching-input.ts';
import { looksLikeRegister } from './inventory-register.ts';

export const INVENTORY_FORMATS = [
  'cyclonedx-json',
  'cyclonedx-xml',
  'spdx-json',
  'spdx-tag-value',
  'osquery-rows',
  'osquery-log',
  'dpkg-status',
  'rpm-list',
  'apk-database',
  'apk-list',
  'systeminfo',
  'hotfix-table',
  'powershell-json',
  'sw-vers',
  'system-profiler',
  'csv',
  'register',
  'xlsx',
] as const;
export type InventoryFormat = (typeof INVENTORY_FORMATS)[number];

const HEAD_CHARS = 32_768;

export async function formatOf(path: string): Promise<InventoryFormat | null> {
  const magic = await headOf(path, 4);
  if (magic.length === 4 && magic.readUInt32LE(0) === 0x0403_4b50) return 'xlsx';
  let head = '';
  for await (const chunk of bytesOf(path)) {
    head += Buffer.from(chunk).subarray(0, HEAD_CHARS).toString('utf8');
    if (head.length >= HEAD_CHARS) break;
  }
  head = head.replace(/^\uFEFF/, '').trimStart();
  if (head.startsWith('<')) return head.includes('cyclonedx.org/schema/bom') ? 'cyclonedx-xml' : null;
  if (head.startsWith('{')) return objectFormat(head);
  if (head.startsWith('[')) return arrayFormat(head);
  return textFormat(head);
}

function objectFormat(head: string): InventoryFormat | null {
  if (/"bomFormat"\s{0,8}:\s{0,8}"CycloneDX"/.test(head) || head.includes('cyclonedx.org/schema'))
    return 'cyclonedx-json';
  if (head.includes('"SPDX') || head.includes('"spdxVersion"') || head.includes('spdx.org/rdf')) return 'spdx-json';
  if (/"(hostIdentifier|snapshot|columns|diffResults)"/.test(head)) return 'osquery-log';
  if (/"SP(Applications|Software|Hardware)DataType"/.test(head)) return 'system-profiler';
  return isPowerShell(head) ? 'powershell-json' : null;
}

const isPowerShell = (head: string) =>
  /"(HotFixID|WindowsProductName|OsBuildNumber|WindowsUBR|CurrentBuild(?:Number)?|Win32_OperatingSystem)"/.test(head) ||
  (head.includes('"BuildNumber"') && head.includes('"Caption"'));

function arrayFormat(head: string): InventoryFormat | null {
  if (isPowerShell(head)) return 'powershell-json';
  const known =
    (head.includes('"name"') && head.includes('"version"')) ||
    /"(hotfix_id|hardware_serial|hostIdentifier)"/.test(head);
  return known ? 'osquery-rows' : null;
}

function textFormat(head: string): InventoryFormat | null {
  if (/^Package: /m.test(head) && /^(Version|Status): /m.test(head)) return 'dpkg-status';
  if (/^SPDXVersion:/m.test(head)) return 'spdx-tag-value';
  if (/^C:Q1/m.test(head) && /^P:/m.test(head) && /^V:/m.test(head)) return 'apk-database';
  if (/^ProductVersion:\s/m.test(head) && /^ProductName:\s/m.test(head)) return 'sw-vers';
  if (/^[^:\n]{2,40}:\s+\S+\s*$/m.test(head) && /:\s+Microsoft Windows/.test(head) && /\d+\.\d+\.\d+ /.test(head))
    return 'systeminfo';
  if (/^Source\s+Description\s+HotFixID/m.test(head)) return 'hotfix-table';
  const line = head.split('\n', 1)[0]?.trim() ?? '';
  if (
    /^[\w.+-]+\t[^\t]+\t[^\t]*\t[^\t]*$/.test(line) ||
    /^[\w.+~^-]+\.(x86_64|noarch|i[3-6]86|aarch64|ppc64le|s390x)$/.test(line)
  )
    return 'rpm-list';
  if (/^\S+-[0-9][^\s-]*-r[0-9]+(\s|$)/.test(line)) return 'apk-list';
  // A title may stand above the headings.
  if (head.split('\n', 20).some((row) => looksLikeRegister(row.split(/[,;\t]/).map(unquoted)))) return 'register';
  return /[,;\t]/.test(line) ? 'csv' : null;
}

const unquoted = (cell: string) => cell.trim().replace(/^"|"$/g, '');

/** Windows: the text and CSV of `systeminfo`, `Get-HotFix`, and PowerShell's JSON of both; builds with their UBR. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { bounded } from '../patching-package.ts';
import { factsOf, type HostFacts, type Listed, macOf, serialOf } from './inventory-facts.ts';

const KB = /\bKB([0-9]{5,9})\b/gi;
const TEXT_CHARS_MAX = 4 * 1024 * 1024;

/**
 * `systeminfo` prints labels in the system's language; what is read here is the same in all of them: the values with
 * "10.0.19045 … 19045", "KB5034441", and addresses. The host's name is the first value.
 */
export function* readSystemInfo(text: string, faults: Faults): Generator<Listed> {
  const blocks = text
    .slice(0, TEXT_CHARS_MAX)
    .split(/\r?\n(?=(?:Host Name|Hostname|Nom de l.h.te|Nombre de host)[^:\n]{0,20}:)/);
  for (const block of blocks) yield* oneSystem(block, faults);
}

function* oneSystem(text: string, faults: Faults): Generator<Listed> {
  const pairs = text
    .split(/\r?\n/)
    .map((line) => /^([^:]{2,60}):\s+(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map((match) => [(match[1] as string).trim(), (match[2] as string).trim()] as const);
  const [first] = pairs;
  if (!first || first[1] === '') return faults.add('A systeminfo text without a host name');
  const host = first[1].slice(0, 200);
  const name = pairs.find(([, value]) => /^Microsoft Windows/i.test(value))?.[1] ?? '';
  const version = pairs.map(([, value]) => /^(\d{1,2}\.\d{1,2}\.\d{3,6})\b/.exec(value)?.[1]).find(Boolean);
  if (name === '' || version === undefined) faults.add('A systeminfo text without Windows version');
  else yield windows(host, name, version);
  const hotfixes = [...text.matchAll(KB)].map((match) => match[1] as string);
  const addresses = [...text.matchAll(/\[\d{2}\]:\s+((?:\d{1,3}\.){3}\d{1,3})\b/g)].map((match) => match[1] as string);
  const value = (label: RegExp) => pairs.find(([key]) => label.test(key))?.[1];
  yield {
    host,
    facts: {
      ...factsOf({
        os: name,
        vendor: value(/^System Manufacturer|^Systemhersteller/i),
        model: value(/^System Model|^Systemmodell/i),
        owner: value(/^Registered Owner|^Registrierter Benutzer/i),
      }),
      class: /server/i.test(name) ? 'server' : 'workstation',
      ...(hotfixes.length > 0 ? { hotfixes } : {}),
      ...(addresses.length > 0 ? { addresses } : {}),
    },
  };
}

function windows(host: string | null, name: string, version: string, arch = ''): Listed {
  const plain = name.replace(/^Microsoft /i, '').trim();
  const software = bounded({
    ecosystem: 'windows',
    name: plain,
    version,
    ...(arch ? { arch: arch.slice(0, 32) } : {}),
  });
  return software ? { host, software } : { host, facts: { os: plain.slice(0, 200) } };
}

/** `Get-HotFix`: a table with Source, Description, HotFixID, InstalledBy, InstalledOn. */
export async function* readHotFixTable(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
  for await (const line of lines) {
    const kb = /^(\S+)\s.*?\bKB([0-9]{5,9})\b/i.exec(line.slice(0, 1000));
    if (kb) yield { host: (kb[1] as string).slice(0, 200), facts: { hotfixes: [kb[2] as string] } };
    else if (line.trim() !== '' && !/^(Source|-{3,})/.test(line.trim())) faults.add('A line without a KB number');
  }
}

/**
 * PowerShell as JSON: `Get-HotFix | ConvertTo-Json` (rows with HotFixID), `Get-ComputerInfo | ConvertTo-Json`
 * (WindowsProductName, OsVersion, OsBuildNumber, WindowsUBR), `Get-CimInstance Win32_OperatingSystem | ConvertTo-Json`.
 */
export function* readPowerShell(value: unknown, faults: Faults): Generator<Listed> {
  for (const row of Array.isArray(value) ? value : [value]) {
    if (!isObject(row)) faults.add('A row that cannot be read');
    else if (textAt(row, 'HotFixID') !== '') yield* hotFix(row, faults);
    else yield* computer(row, faults);
  }
}

function* hotFix(row: Json, faults: Faults): Generator<Listed> {
  const kb = /^KB([0-9]{5,9})$/i.exec(textAt(row, 'HotFixID').trim());
  if (!kb) return faults.add('A hotfix without a KB number');
  yield {
    host: textAt(row, 'CSName') || textAt(row, 'PSComputerName') || textAt(row, 'Source') || null,
    facts: { hotfixes: [kb[1] as string] },
  };
}

function* computer(row: Json, faults: Faults): Generator<Listed> {
  const host =
    textAt(row, 'CsName') ||
    textAt(row, 'CSName') ||
    textAt(row, 'CsDNSHostName') ||
    textAt(row, 'PSComputerName') ||
    null;
  const name =
    textAt(row, 'OsName') || textAt(row, 'Caption') || textAt(row, 'WindowsProductName') || textAt(row, 'ProductName');
  const base =
    textAt(row, 'OsVersion') ||
    textAt(row, 'Version') ||
    `10.0.${textAt(row, 'CurrentBuild') || textAt(row, 'CurrentBuildNumber')}`;
  const ubr = textAt(row, 'WindowsUBR') || textAt(row, 'UBR');
  const release = textAt(row, 'OSDisplayVersion') || textAt(row, 'WindowsVersion') || textAt(row, 'DisplayVersion');
  if (name === '' || !/^\d{1,2}\.\d{1,2}\.\d{3,6}/.test(base)) return faults.add('A computer without Windows version');
  const version = ubr !== '' && base.split('.').length === 3 ? `${base}.${ubr}` : base;
  const full =
    release !== '' && !name.includes(release) && /^\d{2}H\d$|^\d{4}$/.test(release)
      ? `${name} Version ${release}`
      : name;
  yield windows(host, full, version, textAt(row, 'OsArchitecture') || textAt(row, 'OSArchitecture'));
  const hotfixes = listAt(row, 'OsHotFixes')
    .filter(isObject)
    .map((fix) => textAt(fix, 'HotFixID').replace(/^KB/i, ''));
  const macs = listAt(row, 'CsNetworkAdapters')
    .filter(isObject)
    .map((one) => macOf(textAt(one, 'MACAddress')))
    .filter((mac) => mac !== null);
  const facts: HostFacts = {
    ...factsOf({
      os: full,
      serial: serialOf(textAt(row, 'BiosSeralNumber') || textAt(row, 'BiosSerialNumber')) ?? '',
      vendor: textAt(row, 'CsManufacturer'),
      model: textAt(row, 'CsModel'),
    }),
    class: /server/i.test(full) ? 'server' : 'workstation',
    ...(hotfixes.length > 0 ? { hotfixes } : {}),
    ...(macs.length > 0 ? { macs } : {}),
  };
  yield { host, facts };
}

/** macOS: `sw_vers`, and the JSON of `system_profiler SPApplicationsDataType SPSoftwareDataType SPHardwareDataType`. */
export function* readSwVers(text: string, faults: Faults): Generator<Listed> {
  const version = /^ProductVersion:\s*([0-9.]{1,20})/m.exec(text)?.[1];
  const build = /^BuildVersion:\s*([0-9A-Za-z]{1,20})/m.exec(text)?.[1];
  if (version === undefined) return faults.add('A sw_vers text without a version');
  yield { host: null, software: { ecosystem: 'macos', name: 'macOS', version } };
  yield { host: null, facts: factsOf({ os: `macOS ${version}${build ? ` (${build})` : ''}` }) };
}

export function* readSystemProfiler(value: Json, faults: Faults): Generator<Listed> {
  const software = listAt(value, 'SPSoftwareDataType').find(isObject);
  const hardware = listAt(value, 'SPHardwareDataType').find(isObject);
  const host = software ? textAt(software, 'local_host_name') || null : null;
  const version = /macOS\s+([0-9.]+)|Mac OS X\s+([0-9.]+)/.exec(software ? textAt(software, 'os_version') : '');
  if (version)
    yield { host, software: { ecosystem: 'macos', name: 'macOS', version: (version[1] ?? version[2]) as string } };
  yield {
    host,
    facts: {
      ...factsOf({
        os: software ? textAt(software, 'os_version') : '',
        serial: hardware ? (serialOf(textAt(hardware, 'serial_number')) ?? '') : '',
        uuid: hardware ? textAt(hardware, 'platform_UUID') : '',
        model: hardware ? textAt(hardware, 'machine_model') : '',
        vendor: hardware ? 'Apple' : '',
      }),
      class: 'workstation',
    },
  };
  for (const app of listAt(value, 'SPApplicationsDataType')) {
    if (!isObject(app)) continue;
    const name = textAt(app, '_name');
    const found =
      textAt(app, 'version') === '' ? null : bounded({ ecosystem: 'macos-app', name, version: textAt(app, 'version') });
    if (found) yield { host, software: found };
    else faults.add('An application without name or version');
  }
}

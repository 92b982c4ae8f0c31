/** osquery: rows of its tables, and logged results as snapshots, differential events and batches. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { bounded, type SoftwareRecord } from '../patching-package.ts';
import { factsOf, type HostFacts, type Listed, macOf, serialOf } from './inventory-facts.ts';
import { rpmName, sourceOf } from './inventory-packages.ts';

/** A table: from one of its rows, software, or what it says of the host. */
type Reader = (row: Json) => SoftwareRecord | HostFacts | null;
const named =
  (ecosystem: string): Reader =>
  (row) =>
    textAt(row, 'name') === '' || textAt(row, 'version') === ''
      ? null
      : bounded({ ecosystem, name: textAt(row, 'name'), version: textAt(row, 'version') });

const TABLES: Readonly<Record<string, Reader>> = {
  deb_packages: osqueryDeb,
  rpm_packages: osqueryRpm,
  npm_packages: named('npm'),
  python_packages: named('pypi'),
  homebrew_packages: named('homebrew'),
  chocolatey_packages: named('chocolatey'),
  programs: named('windows-program'),
  apps: (row) =>
    bounded({
      ecosystem: 'macos-app',
      name: (textAt(row, 'bundle_name') || textAt(row, 'name')).replace(/\.app$/, ''),
      version: textAt(row, 'bundle_short_version') || textAt(row, 'bundle_version'),
    }),
  patches: (row) => {
    const kb = /^KB([0-9]{5,9})$/i.exec(textAt(row, 'hotfix_id').trim());
    return kb ? { hotfixes: [kb[1] as string] } : null;
  },
  os_version: osVersion,
  system_info: (row) => ({
    ...factsOf({
      uuid: textAt(row, 'uuid'),
      serial: serialOf(textAt(row, 'hardware_serial')) ?? '',
      vendor: textAt(row, 'hardware_vendor'),
      model: textAt(row, 'hardware_model'),
    }),
  }),
  interface_details: (row) => {
    const mac = macOf(textAt(row, 'mac'));
    return mac === null ? {} : { macs: [mac] };
  },
  interface_addresses: (row) => {
    const address = textAt(row, 'address').split('%', 1)[0] as string;
    return /^(127\.|::1$|fe80|169\.254\.)/.test(address) || address.length > 64 || address === ''
      ? {}
      : { addresses: [address] };
  },
  kernel_info: (row) => factsOf({ kernel: textAt(row, 'version') }),
  process_memory_map: oldCode,
};

/** The table that a query's name speaks of, or that its columns give away. */
function tableOf(query: string, row: Json): string | null {
  const lower = query.toLowerCase();
  for (const table of Object.keys(TABLES)) if (lower.includes(table)) return table;
  if ('hotfix_id' in row) return 'patches';
  if ('hardware_serial' in row) return 'system_info';
  if ('mac' in row && 'interface' in row) return 'interface_details';
  if ('address' in row && 'interface' in row) return 'interface_addresses';
  if ('bundle_identifier' in row || 'bundle_short_version' in row) return 'apps';
  if ('platform' in row && 'major' in row) return 'os_version';
  if ('pseudo' in row && 'path' in row) return 'process_memory_map';
  if ('identifying_number' in row || 'install_source' in row) return 'programs';
  if ('release' in row || (lower.includes('rpm') && !lower.includes('deb'))) return 'rpm_packages';
  if ('source' in row || 'revision' in row || lower.includes('deb')) return 'deb_packages';
  return 'name' in row && 'version' in row ? 'deb_packages' : null;
}

/** An array of rows (`osqueryi --json`), or of logged results. */
export async function* readOsqueryRows(chunks: AsyncIterable<Uint8Array>, faults: Faults): AsyncGenerator<Listed> {
  for await (const piece of jsonPieces(chunks)) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else if (!isObject(piece.value)) continue;
    else if (isResult(piece.value)) yield* result(piece.value, faults);
    else yield* listed(piece.value, textAt(piece.value, 'hostIdentifier') || null, '', false, faults);
  }
}

/** Logged results, one JSON object a line. */
export async function* readOsqueryLog(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
  for await (const line of lines) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      faults.add('A line that is no JSON');
      continue;
    }
    if (!isObject(value) || !isResult(value)) faults.add('A line that is no result');
    else yield* result(value, faults);
  }
}

const isUuid = (text: string) => /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text);

/** Managers of osquery name hosts by their hardware's UUID, and decorate results with the name that people know. */
function hostOf(value: Json): { host: string | null; uuid: string } {
  const id = textAt(value, 'hostIdentifier');
  const more = isObject(value.decorations) ? value.decorations : {};
  const uuid = [textAt(more, 'host_uuid'), id].find(isUuid) ?? '';
  const name = isUuid(id) ? textAt(more, 'hostname') || textAt(more, 'computer_name') : '';
  return { host: (name || id).slice(0, 200) || null, uuid: uuid.toUpperCase() };
}

const isResult = (value: Json) =>
  Array.isArray(value.snapshot) || isObject(value.columns) || isObject(value.diffResults);

function* result(value: Json, faults: Faults): Generator<Listed> {
  const { host, uuid } = hostOf(value);
  const query = textAt(value, 'name');
  const seconds = Number(textAt(value, 'unixTime'));
  if (host !== null && seconds > 1e9 && seconds < 4e9) yield { host, facts: { seenMs: seconds * 1000 } };
  if (uuid !== '') yield { host, facts: { uuid } };
  if (Array.isArray(value.snapshot) && query.toLowerCase().includes('process_memory_map'))
    yield { host, facts: { oldCode: [] } };
  const rows = (list: readonly unknown[], gone: boolean) =>
    list.filter(isObject).flatMap((row) => [...listed(row, host, query, gone, faults, !Array.isArray(value.snapshot))]);
  if (Array.isArray(value.snapshot)) yield* rows(value.snapshot, false);
  else if (isObject(value.diffResults)) {
    // A batch: what went is said before what came, so that an upgrade ends with the newer one.
    yield* rows(listAt(value.diffResults, 'removed'), true);
    yield* rows(listAt(value.diffResults, 'added'), false);
  } else if (isObject(value.columns)) {
    const action = textAt(value, 'action');
    if (action !== 'added' && action !== 'removed' && action !== 'snapshot')
      faults.add('A result whose action is not known');
    else yield* rows([value.columns], action === 'removed');
  }
}

function* listed(
  row: Json,
  host: string | null,
  query: string,
  gone: boolean,
  faults: Faults,
  partial = false,
): Generator<Listed> {
  const table = tableOf(query, row);
  const status = textAt(row, 'status');
  if (table === 'deb_packages' && status !== '' && !status.endsWith(' installed')) return;
  const read = table === null ? null : (TABLES[table] as Reader)(row);
  if (read === null) faults.add('A row without name or version');
  else if (!('ecosystem' in read)) {
    if (!gone) yield { host, facts: read };
  } else if (read.version === '') faults.add('A row without name or version');
  else yield { host, software: read, ...(gone ? { gone } : {}), ...(partial ? { partial } : {}) };
}

function osqueryRpm(row: Json): SoftwareRecord | null {
  const epoch = textAt(row, 'epoch');
  const release = textAt(row, 'release');
  const source = rpmName(textAt(row, 'source').replace(/\.rpm$/, ''));
  const version = textAt(row, 'version');
  if (version === '') return null;
  return bounded({
    ecosystem: 'rpm',
    name: textAt(row, 'name'),
    version: `${epoch === '' || epoch === '0' ? '' : `${epoch}:`}${version}${release === '' ? '' : `-${release}`}`,
    ...(textAt(row, 'arch') === '' ? {} : { arch: textAt(row, 'arch') }),
    ...(source ? { source_name: source.name } : {}),
  });
}

// osquery's `version` of deb_packages is the whole version, its `revision` only the last part of it again.
function osqueryDeb(row: Json): SoftwareRecord | null {
  const name = textAt(row, 'name');
  return bounded({
    ecosystem: 'deb',
    name,
    version: textAt(row, 'version'),
    source_name: name,
    ...sourceOf(textAt(row, 'source')),
    ...(textAt(row, 'arch') === '' ? {} : { arch: textAt(row, 'arch') }),
  });
}

function osVersion(row: Json): SoftwareRecord | HostFacts | null {
  const name = textAt(row, 'name');
  const platform = textAt(row, 'platform');
  if (platform === 'windows' || /windows/i.test(name)) {
    const ubr = textAt(row, 'revision');
    const build = textAt(row, 'version') || `10.0.${textAt(row, 'build')}`;
    return bounded({
      ecosystem: 'windows',
      name: name.replace(/^Microsoft /i, ''),
      version: ubr !== '' && build.split('.').length === 3 ? `${build}.${ubr}` : build,
      ...(textAt(row, 'arch') === '' ? {} : { arch: textAt(row, 'arch').slice(0, 32) }),
    });
  }
  if (platform === 'darwin' || /^(macOS|Mac OS X)/.test(name))
    return bounded({ ecosystem: 'macos', name: 'macOS', version: textAt(row, 'version') });
  const version = /^[0-9.]+/.exec(textAt(row, 'version'))?.[0] ?? '';
  return factsOf({ os: `${name} ${version}`, release: `${name} ${version}` });
}

/** A mapped library that is no longer on disk: `SELECT … FROM process_memory_map WHERE path LIKE '%(deleted)'`. */
function oldCode(row: Json): HostFacts {
  const path = textAt(row, 'path').slice(0, 200);
  if (!/\.so[^/]* \(deleted\)$/.test(path)) return {};
  return { oldCode: [`${textAt(row, 'name') || `process ${textAt(row, 'pid')}`} uses ${path.slice(0, -10)}`] };
}

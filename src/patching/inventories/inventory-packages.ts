/** Lists of packages: osquery's deb and rpm tables, the dpkg status file, `rpm -qa`, `apk list` databases. */

import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { jsonPieces } from '../patching-json-items.ts';
import { bounded, type SoftwareRecord } from '../patching-package.ts';
import type { ListedSoftware } from './inventory-cyclonedx.ts';

/** `name (version)` of dpkg's Source and of osquery's `source`; the version only where it differs. */
function sourceOf(text: string): { source_name?: string; source_version?: string } {
  const bracket = text.indexOf(' (');
  if (text === '') return {};
  if (bracket < 0) return { source_name: text };
  return { source_name: text.slice(0, bracket), source_version: text.slice(bracket + 2).replace(/\)$/, '') };
}

/** /var/lib/dpkg/status: paragraphs; only packages that are installed. */
export async function* readDpkgStatus(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<ListedSoftware> {
  let fields = new Map<string, string>();
  const take = (): SoftwareRecord | null | undefined => {
    const status = fields.get('status');
    if (fields.size === 0 || (status !== undefined && !status.endsWith(' installed'))) return undefined;
    const version = fields.get('version') ?? '';
    const software = bounded({
      ecosystem: 'deb',
      name: fields.get('package') ?? '',
      version,
      source_name: fields.get('package') ?? '',
      ...sourceOf(fields.get('source') ?? ''),
      ...(fields.has('architecture') ? { arch: fields.get('architecture') as string } : {}),
    });
    return version === '' ? null : software;
  };
  const flush = () => {
    const software = take();
    fields = new Map();
    if (software === null) faults.add('A paragraph without package or version');
    return software ? { host: null, software } : null;
  };
  for await (const line of lines) {
    if (line.trim() === '') {
      const done = flush();
      if (done) yield done;
      continue;
    }
    const colon = line.indexOf(':');
    if (colon > 0 && !/^\s/.test(line) && fields.size < 64)
      fields.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim());
  }
  const done = flush();
  if (done) yield done;
}

/** `rpm -qa`: `name-version-release.arch` a line, or name, [epoch:]version-release, arch and source RPM by tabs. */
export async function* readRpmList(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<ListedSoftware> {
  for await (const raw of lines) {
    const line = raw.trim();
    if (line === '' || line.startsWith('gpg-pubkey')) continue;
    const software = line.includes('\t') ? rpmColumns(line.split('\t')) : rpmName(line);
    if (software === null) faults.add('A line that is no package');
    else yield { host: null, software };
  }
}

function rpmName(line: string): SoftwareRecord | null {
  const dot = line.lastIndexOf('.');
  const release = line.lastIndexOf('-', dot);
  const version = line.lastIndexOf('-', release - 1);
  if (dot < 0 || release < 0 || version < 1 || /\s/.test(line)) return null;
  return bounded({
    ecosystem: 'rpm',
    name: line.slice(0, version),
    version: line.slice(version + 1, dot),
    arch: line.slice(dot + 1),
  });
}

function rpmColumns(columns: readonly string[]): SoftwareRecord | null {
  const [name = '', version = '', arch = '', source = ''] = columns;
  const named = source.endsWith('.src.rpm') ? rpmName(source.slice(0, -4)) : null;
  if (version === '') return null;
  return bounded({
    ecosystem: 'rpm',
    name,
    version: version.replace(/^(\(none\)|0):/, ''),
    ...(arch === '' || arch === '(none)' ? {} : { arch }),
    ...(named ? { source_name: named.name } : {}),
  });
}

/** osquery: an array of rows, or logged results `{hostIdentifier, name, snapshot: […]}`, one object a line. */
export async function* readOsqueryRows(
  chunks: AsyncIterable<Uint8Array>,
  faults: Faults,
): AsyncGenerator<ListedSoftware> {
  for await (const piece of jsonPieces(chunks)) {
    if (piece.kind === 'fault') faults.add(piece.what);
    else if (isObject(piece.value)) yield* osqueryRow(piece.value, null, '', faults);
  }
}

export async function* readOsqueryLog(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<ListedSoftware> {
  for await (const line of lines) {
    if (line.trim() === '') continue;
    let value: unknown;
    try {
      value = JSON.parse(line);
    } catch {
      faults.add('A line that is no JSON');
      continue;
    }
    if (!isObject(value)) faults.add('A line that is no result');
    else if (!Array.isArray(value.snapshot)) faults.add('A differential result: only snapshots say what is installed');
    else
      for (const row of listAt(value, 'snapshot'))
        if (isObject(row))
          yield* osqueryRow(row, textAt(value, 'hostIdentifier') || null, textAt(value, 'name'), faults);
  }
}

function* osqueryRow(row: Json, host: string | null, query: string, faults: Faults): Generator<ListedSoftware> {
  const name = textAt(row, 'name');
  const rpm = 'release' in row || (query.includes('rpm') && !query.includes('deb'));
  const software = rpm ? osqueryRpm(row, name) : osqueryDeb(row, name);
  const status = textAt(row, 'status');
  if (status !== '' && !status.endsWith(' installed')) return;
  if (software === null || software.version === '') faults.add('A row without name or version');
  else yield { host: host ?? (textAt(row, 'hostIdentifier') || null), software };
}

function osqueryRpm(row: Json, name: string): SoftwareRecord | null {
  const epoch = textAt(row, 'epoch');
  const release = textAt(row, 'release');
  const named = rpmName(textAt(row, 'source').replace(/\.rpm$/, ''));
  return bounded({
    ecosystem: 'rpm',
    name,
    version: `${epoch === '' || epoch === '0' ? '' : `${epoch}:`}${textAt(row, 'version')}${release === '' ? '' : `-${release}`}`,
    ...(textAt(row, 'arch') === '' ? {} : { arch: textAt(row, 'arch') }),
    ...(named ? { source_name: named.name } : {}),
  });
}

// osquery's `version` of deb_packages is the whole version, its `revision` only the last part of it again.
function osqueryDeb(row: Json, name: string): SoftwareRecord | null {
  return bounded({
    ecosystem: 'deb',
    name,
    version: textAt(row, 'version'),
    source_name: name,
    ...sourceOf(textAt(row, 'source')),
    ...(textAt(row, 'arch') === '' ? {} : { arch: textAt(row, 'arch') }),
  });
}

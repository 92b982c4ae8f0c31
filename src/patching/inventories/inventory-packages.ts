/** Lists of packages: the dpkg status file, `rpm -qa`, apk's database and what `apk list` prints. */

import type { Faults } from '../patching-input.ts';
import { bounded, type SoftwareRecord } from '../patching-package.ts';
import type { Listed } from './inventory-facts.ts';

/** `name (version)` of dpkg's Source and of osquery's `source`; the version only where it differs. */
export function sourceOf(text: string): { source_name?: string; source_version?: string } {
  const bracket = text.indexOf(' (');
  if (text === '') return {};
  if (bracket < 0) return { source_name: text };
  return { source_name: text.slice(0, bracket), source_version: text.slice(bracket + 2).replace(/\)$/, '') };
}

/** /var/lib/dpkg/status: paragraphs; only packages that are installed. */
export async function* readDpkgStatus(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
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
export async function* readRpmList(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
  for await (const raw of lines) {
    const line = raw.trim();
    if (line === '' || line.startsWith('gpg-pubkey')) continue;
    const software = line.includes('\t') ? rpmColumns(line.split('\t')) : rpmName(line);
    if (software === null) faults.add('A line that is no package');
    else yield { host: null, software };
  }
}

export function rpmName(line: string): SoftwareRecord | null {
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

/** /lib/apk/db/installed (apk-tools, "Installed database V2"): one letter a field, an empty line after each package. */
export async function* readApkDatabase(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
  let fields = new Map<string, string>();
  const flush = (): Listed | null => {
    const [name = '', version = '', origin = '', arch = ''] = ['P', 'V', 'o', 'A'].map((key) => fields.get(key));
    const empty = fields.size === 0;
    fields = new Map();
    if (empty) return null;
    const software =
      version === ''
        ? null
        : bounded({
            ecosystem: 'apk',
            name,
            version,
            ...(origin === '' ? {} : { source_name: origin }),
            ...(arch === '' ? {} : { arch }),
          });
    if (software) return { host: null, software };
    faults.add('A paragraph without package or version');
    return null;
  };
  for await (const line of lines) {
    if (line.trim() === '') {
      const done = flush();
      if (done) yield done;
    } else if (/^[A-Za-z]:/.test(line) && !fields.has(line[0] as string))
      fields.set(line[0] as string, line.slice(2).trim());
  }
  const done = flush();
  if (done) yield done;
}

/** `apk list -I`: `name-version arch {origin} (licence) [installed]`; `apk info -v`: `name-version`. */
export async function* readApkList(lines: AsyncIterable<string>, faults: Faults): AsyncGenerator<Listed> {
  for await (const raw of lines) {
    const line = raw.trim().slice(0, 1000);
    if (line === '' || line.startsWith('WARNING')) continue;
    const [full = '', arch = '', origin = ''] = line.split(/\s+/, 3);
    const name = /^(.+)-([0-9][^-]*-r[0-9]+)$/.exec(full);
    const software = name
      ? bounded({
          ecosystem: 'apk',
          name: name[1] as string,
          version: name[2] as string,
          ...(arch === '' ? {} : { arch }),
          ...(origin.startsWith('{') ? { source_name: origin.replace(/[{}]/g, '') } : {}),
        })
      : null;
    if (software) yield { host: null, software };
    else faults.add('A line that is no package');
  }
}

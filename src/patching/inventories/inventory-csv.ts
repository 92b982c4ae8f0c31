/** Tables of software whose columns are told, or known by the usual headings. */

import type { Faults } from '../patching-input.ts';
import { bounded, parsePurl, type SoftwareRecord } from '../patching-package.ts';
import { columnPlaces } from '../patching-table.ts';
import type { Listed } from './inventory-facts.ts';
import { readSystemInfo } from './inventory-windows.ts';

const USUAL = {
  host: ['host', 'hostname', 'computer', 'computer name', 'asset', 'device', 'machine'],
  ecosystem: ['ecosystem', 'type', 'package type'],
  name: ['name', 'package', 'software', 'product', 'software name', 'application'],
  version: ['version', 'software version', 'installed version'],
  source: ['source', 'source name', 'source package'],
  release: ['release', 'distribution', 'os', 'os release'],
  arch: ['arch', 'architecture'],
  purl: ['purl', 'package url'],
} as const;
type Column = keyof typeof USUAL;
/** Which heading holds what: `{host: 'Computer', name: 'Product'}`. */
export type ColumnMap = Partial<Record<Column, string>>;

export async function* readSoftwareRows(
  rows: AsyncIterable<readonly string[]> | Iterable<readonly string[]>,
  faults: Faults,
  columns: ColumnMap,
): AsyncGenerator<Listed> {
  let places: Map<Column, number> | null = null;
  let hotfixes: readonly string[] | null = null;
  for await (const row of rows) {
    if (hotfixes) {
      yield* windowsRow(hotfixes, row, faults);
      continue;
    }
    if (places === null) {
      if (row.some((cell) => /^hotfix(?:id|\(s\))$/i.test(cell.trim()))) {
        hotfixes = row;
        continue;
      }
      places = columnPlaces<Column>(row, USUAL, columns);
      if (!places.has('purl') && (!places.has('name') || !places.has('version')))
        return faults.add('A table without columns for name and version');
      continue;
    }
    const read = rowSoftware(row, places);
    if (read === null) faults.add('A row without name or version');
    else yield read;
  }
}

/** A row of `systeminfo /fo csv`, or of exported `Get-HotFix`. */
function* windowsRow(headings: readonly string[], row: readonly string[], faults: Faults): Generator<Listed> {
  const at = (heading: RegExp) => row[headings.findIndex((one) => heading.test(one.trim()))]?.trim() ?? '';
  const kb = /^KB([0-9]{5,9})$/i.exec(at(/^hotfixid$/i));
  if (kb)
    yield {
      host: (at(/^(?:csname|source|pscomputername)$/i) || null)?.slice(0, 200) ?? null,
      facts: { hotfixes: [kb[1] as string] },
    };
  else if (headings.some((one) => /^hotfix\(s\)$/i.test(one.trim())))
    yield* readSystemInfo(row.map((cell, i) => `${headings[i] ?? ''}: ${cell}`).join('\n'), faults);
  else faults.add('A row without a KB number');
}

function rowSoftware(row: readonly string[], places: ReadonlyMap<Column, number>): Listed | null {
  const at = (column: Column) => row[places.get(column) ?? -1]?.trim() ?? '';
  const fromPurl = parsePurl(at('purl'));
  const version = at('version') || (fromPurl?.version ?? '');
  const plain: SoftwareRecord = {
    ecosystem: at('ecosystem').toLowerCase().slice(0, 64) || 'unknown',
    name: at('name'),
    version,
    ...(at('source') === '' ? {} : { source_name: at('source') }),
    ...(at('release') === '' ? {} : { release: at('release') }),
    ...(at('arch') === '' ? {} : { arch: at('arch') }),
  };
  const software = fromPurl ? { ...fromPurl, version } : bounded(plain);
  return software === null || version === '' ? null : { host: at('host') || null, software };
}

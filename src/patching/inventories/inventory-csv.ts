/** Tables of software whose columns are told, or known by the usual headings. */

import type { Faults } from '../patching-input.ts';
import { bounded, parsePurl, type SoftwareRecord } from '../patching-package.ts';
import { columnPlaces, tableRows } from '../patching-table.ts';
import type { ListedSoftware } from './inventory-cyclonedx.ts';

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

export async function* readCsv(
  lines: AsyncIterable<string>,
  faults: Faults,
  columns: ColumnMap,
): AsyncGenerator<ListedSoftware> {
  let places: Map<Column, number> | null = null;
  for await (const row of tableRows(lines, faults)) {
    if (places === null) {
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

function rowSoftware(row: readonly string[], places: ReadonlyMap<Column, number>): ListedSoftware | null {
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

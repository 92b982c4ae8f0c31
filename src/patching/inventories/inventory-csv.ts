/** Tables (RFC 4180, with `,`, `;` or tab) whose columns are told, or known by the usual headings. */

import type { Faults } from '../patching-input.ts';
import { bounded, parsePurl, type SoftwareRecord } from '../patching-package.ts';
import type { ListedSoftware } from './inventory-cyclonedx.ts';

const COLUMNS = ['host', 'ecosystem', 'name', 'version', 'source', 'release', 'arch', 'purl'] as const;
type Column = (typeof COLUMNS)[number];
/** Which heading holds what: `{host: 'Computer', name: 'Product'}`. */
export type ColumnMap = Partial<Record<Column, string>>;

const USUAL: Readonly<Record<Column, readonly string[]>> = {
  host: ['host', 'hostname', 'computer', 'computer name', 'asset', 'device', 'machine'],
  ecosystem: ['ecosystem', 'type', 'package type'],
  name: ['name', 'package', 'software', 'product', 'software name', 'application'],
  version: ['version', 'software version', 'installed version'],
  source: ['source', 'source name', 'source package'],
  release: ['release', 'distribution', 'os', 'os release'],
  arch: ['arch', 'architecture'],
  purl: ['purl', 'package url'],
};
const ROW_CHARS_MAX = 64 * 1024;
const CELLS_MAX = 200;

export async function* readCsv(
  lines: AsyncIterable<string>,
  faults: Faults,
  columns: ColumnMap,
): AsyncGenerator<ListedSoftware> {
  let places: Map<Column, number> | null = null;
  let separator = ',';
  let row = '';
  for await (const line of lines) {
    row = row === '' ? line : `${row}\n${line}`;
    if (row.length > ROW_CHARS_MAX) {
      faults.add('A row that is too long or has a quote without an end');
      row = '';
      continue;
    }
    // An odd number of quotes: the row goes on in the next line.
    if (row.split('"').length % 2 === 0) continue;
    const text = row.replace(/^\uFEFF/, '');
    row = '';
    if (text.trim() === '') continue;
    if (places === null) {
      separator = [',', ';', '\t'].toSorted((a, b) => text.split(b).length - text.split(a).length)[0] as string;
      places = findColumns(cells(text, separator), columns);
      if (!places.has('purl') && (!places.has('name') || !places.has('version')))
        return faults.add('A table without columns for name and version');
      continue;
    }
    const read = rowSoftware(cells(text, separator), places);
    if (read === null) faults.add('A row without name or version');
    else yield read;
  }
  if (row !== '') faults.add('A row that is too long or has a quote without an end');
}

function findColumns(headings: readonly string[], columns: ColumnMap): Map<Column, number> {
  const lower = headings.map((heading) => heading.trim().toLowerCase());
  const found = new Map<Column, number>();
  for (const column of COLUMNS) {
    const told = columns[column]?.trim().toLowerCase();
    const place =
      told === undefined ? lower.findIndex((heading) => USUAL[column].includes(heading)) : lower.indexOf(told);
    if (place >= 0) found.set(column, place);
  }
  return found;
}

function rowSoftware(row: readonly string[], places: ReadonlyMap<Column, number>): ListedSoftware | null {
  const at = (column: Column) => row[places.get(column) ?? -1]?.trim() ?? '';
  const host = at('host') || null;
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
  return software === null || version === '' ? null : { host, software };
}

function cells(text: string, separator: string): string[] {
  const found: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const char = text[i] as string;
    if (quoted) {
      if (char !== '"') cell += char;
      else if (text[i + 1] === '"') cell += text[i++];
      else quoted = false;
    } else if (char === '"' && cell === '') quoted = true;
    else if (char === separator) {
      if (found.length >= CELLS_MAX) return found;
      found.push(cell);
      cell = '';
    } else cell += char;
  }
  found.push(cell);
  return found;
}

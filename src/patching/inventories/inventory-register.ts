/**
 * Asset registers and MDS2-style lists of devices, from CSV or Excel: what each row says of a host, and its software
 * where it has some. The row of headings is found among the first ones; headings are told or usual ones.
 */

import type { Faults } from '../patching-input.ts';
import { bounded } from '../patching-package.ts';
import { columnPlaces } from '../patching-table.ts';
import { classOf, criticalityOf, factsOf, type HostFacts, type Listed, macOf, serialOf } from './inventory-facts.ts';

const USUAL = {
  host: [
    'name',
    'host',
    'hostname',
    'host name',
    'computer',
    'computer name',
    'asset',
    'asset name',
    'asset tag',
    'asset id',
    'asset number',
    'inventory number',
    'inventarnummer',
    'device name',
    'device id',
    'equipment number',
    'cmms id',
  ],
  vendor: ['vendor', 'manufacturer', 'manufacturer name', 'make', 'company', 'hersteller', 'oem'],
  model: [
    'model',
    'device model',
    'model name',
    'model number',
    'device',
    'product',
    'product name',
    'typ',
    'modell',
    'equipment',
  ],
  version: [
    'version',
    'software version',
    'software revision',
    'firmware',
    'firmware version',
    'software release',
    'sw version',
    'release',
    'softwarestand',
  ],
  serial: ['serial', 'serial number', 'serial no', 'serial no.', 's/n', 'sn', 'seriennummer'],
  ip: ['ip', 'ip address', 'address', 'ip-adresse', 'ipv4', 'addresses'],
  mac: ['mac', 'mac address', 'mac-adresse', 'ethernet', 'physical address'],
  os: ['os', 'operating system', 'os name', 'platform', 'betriebssystem'],
  class: ['class', 'type', 'device type', 'category', 'asset type', 'kind', 'description'],
  owner: ['owner', 'responsible', 'contact', 'custodian'],
  department: ['department', 'ward', 'location', 'unit', 'cost centre', 'cost center', 'abteilung', 'station'],
  criticality: ['criticality', 'clinical criticality', 'risk class', 'risk', 'importance', 'device risk'],
  external: ['external', 'internet facing', 'internet-facing', 'exposed', 'public'],
  pair: ['redundancy', 'redundancy pair', 'pair', 'cluster', 'redundant with', 'ha group'],
} as const;
type Column = keyof typeof USUAL;
export type RegisterColumns = Partial<Record<Column, string>>;
const HEADINGS_WITHIN = 20;
const CELL_CHARS_MAX = 250;

/** Whether headings speak of devices or hosts and not of packages. */
export function looksLikeRegister(headings: readonly string[]): boolean {
  const places = columnPlaces<Column>(headings, USUAL, {});
  const lower = headings.map((heading) => heading.trim().toLowerCase());
  const software = ['package', 'purl', 'software name', 'ecosystem', 'application'].some((word) =>
    lower.includes(word),
  );
  const says = (['vendor', 'model', 'serial', 'mac', 'ip', 'criticality', 'department', 'class'] as const).filter(
    (column) => places.has(column),
  );
  return !software && says.length >= 2;
}

/** Headings that somebody told speak of devices or hosts, and not of packages. */
export const tellsRegister = (told: Readonly<Record<string, string | undefined>>): boolean =>
  (
    [
      'vendor',
      'model',
      'serial',
      'ip',
      'mac',
      'class',
      'owner',
      'department',
      'criticality',
      'external',
      'pair',
    ] as const
  ).some((column) => told[column] !== undefined);

export async function* readRegister(
  rows: AsyncIterable<readonly string[]> | Iterable<readonly string[]>,
  faults: Faults,
  told: RegisterColumns,
): AsyncGenerator<Listed> {
  let places: Map<Column, number> | null = null;
  let looked = 0;
  for await (const row of rows) {
    if (places === null) {
      const found = columnPlaces<Column>(row, USUAL, told);
      const enough = (found.has('host') || found.has('serial')) && found.size >= 2;
      if (enough) places = found;
      else if (++looked >= HEADINGS_WITHIN) return faults.add('A table without headings for name and what it is');
      continue;
    }
    yield* rowFacts(row, places, faults);
  }
  if (places === null) faults.add('A table without headings for name and what it is');
}

function* rowFacts(row: readonly string[], places: ReadonlyMap<Column, number>, faults: Faults): Generator<Listed> {
  const at = (column: Column) => (row[places.get(column) ?? -1] ?? '').trim().slice(0, CELL_CHARS_MAX);
  const host = at('host') || at('serial');
  if (host === '') return faults.add('A row without a name');
  const macs = at('mac')
    .split(/[\s,;]+/)
    .map(macOf)
    .filter((mac) => mac !== null);
  const addresses = at('ip')
    .split(/[\s,;]+/)
    .filter((text) => /^[0-9a-fA-F.:]{3,45}$/.test(text) && /[.:]/.test(text));
  const kind = classOf(at('class')) ?? (at('vendor') !== '' && at('model') !== '' ? classOf(at('model')) : null);
  const criticality = criticalityOf(at('criticality'));
  const external = /^(?:yes|y|true|1|ja|x)$/i.test(at('external'))
    ? true
    : /^(?:no|n|false|0|nein)$/i.test(at('external'))
      ? false
      : null;
  const facts: HostFacts = {
    ...factsOf({
      vendor: at('vendor'),
      model: at('model'),
      version: at('version'),
      serial: serialOf(at('serial')) ?? '',
      os: at('os'),
      owner: at('owner'),
      department: at('department'),
      pair: at('pair'),
    }),
    ...(macs.length > 0 ? { macs } : {}),
    ...(addresses.length > 0 ? { addresses } : {}),
    ...(kind === null ? {} : { class: kind }),
    ...(criticality === null ? {} : { criticality }),
    ...(external === null ? {} : { external }),
  };
  yield { host, facts };
  // A device's own software is a product that advisories may name; its operating system may be known by its build.
  const own =
    at('model') === '' || at('version') === ''
      ? null
      : bounded({ ecosystem: 'product', name: at('model'), version: at('version') });
  if (own) yield { host, software: own };
}

/** The door of inventories: tells what a file is and reads its software, host by host. */

import { basename } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import { bytesOf, Faults, headOf, linesOf, textOf } from '../patching-input.ts';
import type { SoftwareRecord } from '../patching-package.ts';
import { type ColumnMap, readCsv } from './inventory-csv.ts';
import { type ListedSoftware, readCycloneDxJson, readCycloneDxXml } from './inventory-cyclonedx.ts';
import { readDpkgStatus, readOsqueryLog, readOsqueryRows, readRpmList } from './inventory-packages.ts';
import { readSpdxJson } from './inventory-spdx.ts';

export const INVENTORY_FORMATS = [
  'cyclonedx-json',
  'cyclonedx-xml',
  'spdx-json',
  'osquery-rows',
  'osquery-log',
  'dpkg-status',
  'rpm-list',
  'csv',
] as const;
export type InventoryFormat = (typeof INVENTORY_FORMATS)[number];

export interface Inventory {
  readonly file: string;
  readonly format: InventoryFormat;
  readonly hosts: ReadonlyMap<string, readonly SoftwareRecord[]>;
  readonly faults: ReadonlyMap<string, number>;
}

export interface InventoryOptions {
  readonly format?: InventoryFormat;
  /** Whose software it is, where the file does not say. */
  readonly asset?: string;
  /** "Debian:12", where packages do not say. */
  readonly release?: string;
  readonly columns?: ColumnMap;
}

/** More than a hospital's hosts × packages in one file; beyond is counted. */
const RECORDS_MAX = 20_000_000;
const HOST_RECORDS_MAX = 200_000;
const XML_BYTES_MAX = 256 * 1024 * 1024;

export async function readInventory(path: string, options: InventoryOptions = {}): Promise<Inventory> {
  const format = options.format ?? (await formatOf(path));
  if (format === null)
    throw new AsepsisError('INPUT_UNREADABLE', `${path} is no inventory that is known; name its format with --format.`);
  const faults = new Faults();
  const hosts = new Map<string, Set<SoftwareRecord>>();
  // The same text in a hundred thousand records is kept once.
  const texts = new Map<string, SoftwareRecord>();
  const fallback = options.asset ?? nameOf(path);
  let records = 0;
  for await (const { host, software } of recordsOf(path, format, faults, options)) {
    if (++records > RECORDS_MAX) {
      faults.add('More records than can be held');
      break;
    }
    const name = (host ?? fallback).slice(0, 256);
    const full = software.release || !options.release ? software : { ...software, release: options.release };
    const key = `${full.ecosystem}\n${full.name}\n${full.version}\n${full.arch ?? ''}\n${full.source_name ?? ''}\n${full.source_version ?? ''}\n${full.release ?? ''}`;
    const list = hosts.get(name) ?? new Set();
    hosts.set(name, list);
    const known = texts.get(key);
    if (known !== undefined && list.has(known)) continue;
    if (list.size >= HOST_RECORDS_MAX) {
      faults.add('More packages on one asset than can be held');
      continue;
    }
    if (known === undefined) texts.set(key, full);
    list.add(known ?? full);
  }
  return { file: path, format, hosts: new Map([...hosts].map(([name, list]) => [name, [...list]])), faults };
}

function recordsOf(
  path: string,
  format: InventoryFormat,
  faults: Faults,
  options: InventoryOptions,
): AsyncIterable<ListedSoftware> {
  const lines = () => linesOf(bytesOf(path), faults);
  switch (format) {
    case 'cyclonedx-json':
      return readCycloneDxJson(bytesOf(path), faults);
    case 'cyclonedx-xml':
      return xmlRecords(path, faults);
    case 'spdx-json':
      return readSpdxJson(bytesOf(path), faults);
    case 'osquery-rows':
      return readOsqueryRows(bytesOf(path), faults);
    case 'osquery-log':
      return readOsqueryLog(lines(), faults);
    case 'dpkg-status':
      return readDpkgStatus(lines(), faults);
    case 'rpm-list':
      return readRpmList(lines(), faults);
    case 'csv':
      return readCsv(lines(), faults, options.columns ?? {});
  }
}

async function* xmlRecords(path: string, faults: Faults): AsyncGenerator<ListedSoftware> {
  yield* readCycloneDxXml(await textOf(path, XML_BYTES_MAX), faults);
}

const nameOf = (path: string) =>
  basename(path)
    .replace(/\.(gz|json|xml|csv|txt|cdx|spdx|bom)+$/i, '')
    .slice(0, 256) || 'asset';

/** What the first bytes say; null when they say nothing. */
async function formatOf(path: string): Promise<InventoryFormat | null> {
  let head = '';
  for await (const chunk of bytesOf(path)) {
    head = Buffer.from(chunk)
      .subarray(0, 16_384)
      .toString('utf8')
      .replace(/^\uFEFF/, '')
      .trimStart();
    break;
  }
  if (head === '') await headOf(path);
  if (head.startsWith('<')) return head.includes('cyclonedx.org/schema/bom') ? 'cyclonedx-xml' : null;
  if (head.startsWith('{')) {
    if (/"bomFormat"\s{0,8}:\s{0,8}"CycloneDX"/.test(head) || head.includes('cyclonedx.org/schema'))
      return 'cyclonedx-json';
    if (head.includes('"SPDX') || head.includes('"spdxVersion"') || head.includes('spdx.org/rdf')) return 'spdx-json';
    if (head.includes('"hostIdentifier"') || head.includes('"snapshot"') || head.includes('"columns"'))
      return 'osquery-log';
    return null;
  }
  if (head.startsWith('[')) return head.includes('"name"') && head.includes('"version"') ? 'osquery-rows' : null;
  if (/^Package: /m.test(head) && /^(Version|Status): /m.test(head)) return 'dpkg-status';
  const line = head.split('\n', 1)[0]?.trim() ?? '';
  if (
    /^[\w.+-]+\t[^\t]+\t[^\t]*\t[^\t]*$/.test(line) ||
    /^[\w.+~^-]+\.(x86_64|noarch|i[3-6]86|aarch64|ppc64le|s390x)$/.test(line)
  )
    return 'rpm-list';
  return /[,;\t]/.test(line) ? 'csv' : null;
}

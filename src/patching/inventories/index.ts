/** The door of inventories: tells what a file is and reads its software and facts, host by host. */

import { basename } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import { Faults } from '../patching-input.ts';
import type { SoftwareRecord } from '../patching-package.ts';
import { type HostFacts, joinFacts, type Listed, type ListedProduct } from './inventory-facts.ts';
import { formatOf, INVENTORY_FORMATS, type InventoryFormat } from './inventory-format.ts';
import { type AnyColumns, listedIn } from './inventory-read.ts';

export type { HostFacts, ListedProduct } from './inventory-facts.ts';
export { joinFacts } from './inventory-facts.ts';
export { INVENTORY_FORMATS, type InventoryFormat };

export interface Inventory {
  readonly file: string;
  readonly format: InventoryFormat;
  readonly hosts: ReadonlyMap<string, readonly SoftwareRecord[]>;
  /** What else the file says of its hosts. */
  readonly facts: ReadonlyMap<string, HostFacts>;
  /** What a differential result says was removed. */
  readonly gone: ReadonlyMap<string, readonly SoftwareRecord[]>;
  /** Hosts of which the file says only what changed, or which it could not tell to the end. */
  readonly partial: ReadonlySet<string>;
  /** What the documents are about. */
  readonly products: ReadonlyMap<string, readonly ListedProduct[]>;
  readonly faults: ReadonlyMap<string, number>;
}

export interface InventoryOptions {
  readonly format?: InventoryFormat;
  /** Whose software it is, where the file does not say. */
  readonly asset?: string;
  /** "Debian:12", where packages do not say. */
  readonly release?: string;
  readonly columns?: AnyColumns;
}

/** More than a hospital's hosts × packages in one file; beyond is counted. */
const RECORDS_MAX = 20_000_000;
const HOST_RECORDS_MAX = 200_000;
const HOSTS_MAX = 200_000;
const PRODUCTS_MAX = 100;

export async function readInventory(path: string, options: InventoryOptions = {}): Promise<Inventory> {
  // Who tells headings tells that it is a table, whatever stands above them.
  const table = Object.keys(options.columns ?? {}).length > 0 ? 'csv' : null;
  const format = options.format ?? (await formatOf(path)) ?? table;
  if (format === null)
    throw new AsepsisError('INPUT_UNREADABLE', `${path} is no inventory that is known; name its format with --format.`);
  const faults = new Faults();
  const gathered = gather(options.asset ?? nameOf(path), faults);
  for await (const listed of listedIn(path, format, faults, options.columns ?? {})) if (!gathered.take(listed)) break;
  return { file: path, format, ...gathered.done(options.release), faults };
}

/** Faults after which nobody knows what else stood there: what is missing then is not gone. */
const CUT = [
  'The JSON ends in the middle',
  'The JSON is nested too deeply',
  'XML with a DOCTYPE or a broken tag',
  'A part is too large',
  'A line is too long',
  'More rows than are read',
  'More cells than are read',
  'More records than can be held',
  'More packages on one asset than can be held',
] as const;

interface HostPart {
  readonly list: Map<string, SoftwareRecord>;
  readonly gone: Map<string, SoftwareRecord>;
  readonly products: ListedProduct[];
  facts: HostFacts;
  partial: boolean;
}

const keyOf = (one: SoftwareRecord) =>
  `${one.ecosystem}\n${one.name}\n${one.version}\n${one.arch ?? ''}\n${one.source_name ?? ''}\n${one.source_version ?? ''}\n${one.release ?? ''}`;

function gather(fallback: string, faults: Faults) {
  const parts = new Map<string, HostPart>();
  // The same text in a hundred thousand records is kept once.
  const texts = new Map<string, SoftwareRecord>();
  let records = 0;
  const partOf = (host: string | null): HostPart | null => {
    const name = (host ?? fallback).trim().slice(0, 256);
    const known = parts.get(name);
    if (known) return known;
    if (parts.size >= HOSTS_MAX) {
      faults.add('More assets than can be held');
      return null;
    }
    const part: HostPart = { list: new Map(), gone: new Map(), products: [], facts: {}, partial: false };
    parts.set(name, part);
    return part;
  };
  return {
    /** False when nothing more is taken. */
    take(listed: Listed): boolean {
      if (++records > RECORDS_MAX) {
        faults.add('More records than can be held');
        return false;
      }
      const part = partOf(listed.host);
      if (part === null) return true;
      if ('facts' in listed) part.facts = joinFacts(part.facts, listed.facts);
      else if ('product' in listed) {
        if (part.products.length < PRODUCTS_MAX) part.products.push(listed.product);
      } else takeSoftware(part, listed);
      return true;
    },
    done(release: string | undefined) {
      const hosts = new Map<string, readonly SoftwareRecord[]>();
      const facts = new Map<string, HostFacts>();
      const gone = new Map<string, readonly SoftwareRecord[]>();
      const products = new Map<string, readonly ListedProduct[]>();
      const partial = new Set<string>();
      const cut = CUT.some((what) => faults.has(what));
      for (const [name, part] of parts) {
        const own = part.facts.release ?? release;
        hosts.set(name, released([...part.list.values()], own));
        facts.set(name, own === undefined ? part.facts : { ...part.facts, release: own });
        if (part.gone.size > 0) gone.set(name, released([...part.gone.values()], own));
        if (part.products.length > 0) products.set(name, part.products);
        if (part.partial || cut) partial.add(name);
      }
      return { hosts, facts, gone, products, partial };
    },
  };

  function takeSoftware(part: HostPart, listed: Extract<Listed, { software: SoftwareRecord }>): void {
    const key = keyOf(listed.software);
    if (listed.partial) part.partial = true;
    if (listed.gone) {
      part.list.delete(key);
      part.gone.set(key, listed.software);
      return;
    }
    part.gone.delete(key);
    if (part.list.has(key)) return;
    if (part.list.size >= HOST_RECORDS_MAX) {
      faults.add('More packages on one asset than can be held');
      return;
    }
    const known = texts.get(key);
    if (known === undefined) texts.set(key, listed.software);
    part.list.set(key, known ?? listed.software);
  }
}

/** Packages of a distribution that do not say its release get the host's. */
function released(list: readonly SoftwareRecord[], release: string | undefined): readonly SoftwareRecord[] {
  if (release === undefined) return list;
  const needs = (one: SoftwareRecord) => !one.release && ['deb', 'rpm', 'apk'].includes(one.ecosystem);
  return list.some(needs) ? list.map((one) => (needs(one) ? { ...one, release } : one)) : list;
}

const nameOf = (path: string) =>
  basename(path)
    .replace(/\.(gz|json|xml|csv|txt|cdx|spdx|bom|xlsx|log)+$/i, '')
    .slice(0, 256) || 'asset';

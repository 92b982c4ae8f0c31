/** What each source said of each asset, kept as a file of its own; and all of them together as the asset's software. */

import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { AssetId } from '../core/index.ts';
import { type HostFacts, joinFacts, type ListedProduct } from './inventories/index.ts';
import type { SoftwareRecord } from './patching-package.ts';

export interface InventoryPart {
  readonly source: string;
  readonly format: string;
  readonly atMs: number;
  readonly facts: HostFacts;
  readonly software: readonly SoftwareRecord[];
  readonly products: readonly ListedProduct[];
}

const PART_BYTES_MAX = 256 * 1024 * 1024;
const pack = promisify(gzip);
const unpack = promisify(gunzip);

export interface PartStore {
  put(asset: AssetId, part: InventoryPart): Promise<void>;
  all(asset: AssetId): Promise<InventoryPart[]>;
  assets(): Promise<AssetId[]>;
}

export function openParts(folder: string): PartStore {
  const place = (asset: AssetId) => join(folder, asset);
  const fileOf = (source: string) => `${createHash('sha256').update(source).digest('hex').slice(0, 24)}.json.gz`;
  return {
    async put(asset, part) {
      await mkdir(place(asset), { recursive: true, mode: 0o700 });
      const target = join(place(asset), fileOf(part.source));
      const temporary = `${target}.${process.pid}.new`;
      await writeFile(temporary, await pack(JSON.stringify(part), { level: 3 }), { mode: 0o600 });
      await rename(temporary, target);
    },
    async all(asset) {
      const names = await readdir(place(asset)).catch(() => []);
      const found: InventoryPart[] = [];
      for (const name of names.filter((one) => one.endsWith('.json.gz')).sort()) {
        const path = join(place(asset), name);
        try {
          const bytes = await unpack(await readFile(path), { maxOutputLength: PART_BYTES_MAX });
          found.push(JSON.parse(bytes.toString('utf8')) as InventoryPart);
        } catch {
          // A file that a fault of the disk spoilt must not hide the other sources; the source sends it again.
          await rm(path, { force: true });
        }
      }
      return found;
    },
    assets: async () => (await readdir(folder).catch(() => [])).filter((name) => name.startsWith('ast_')) as AssetId[],
  };
}

/** Software that one program of the machine lists: what a newer list does not have is gone. */
const WHOLE_LISTS = new Set([
  'deb',
  'rpm',
  'apk',
  'windows',
  'windows-program',
  'macos',
  'macos-app',
  'homebrew',
  'chocolatey',
]);

export interface WholeInventory {
  readonly software: readonly SoftwareRecord[];
  readonly facts: HostFacts;
  readonly products: readonly ListedProduct[];
  readonly newestMs: number;
  /** Where sources contradict each other. */
  readonly notes: readonly string[];
}

/** Of lists of the same kind the newest counts; bills of materials of single products stand beside each other. */
export function joinParts(parts: readonly InventoryPart[]): WholeInventory {
  const newestFirst = parts.toSorted((a, b) => b.atMs - a.atMs || (a.source < b.source ? -1 : 1));
  const takenBy = new Map<string, string>();
  const software: SoftwareRecord[] = [];
  const notes: string[] = [];
  let facts: HostFacts = {};
  for (const part of newestFirst) {
    const fresh = { ...part.facts };
    // What runs and what was installed is as old as its list: an older one says nothing of today.
    if (facts.kernel !== undefined) delete (fresh as { kernel?: string }).kernel;
    if (facts.hotfixes !== undefined) delete (fresh as { hotfixes?: readonly string[] }).hotfixes;
    if (facts.oldCode !== undefined) delete (fresh as { oldCode?: readonly string[] }).oldCode;
    facts = joinFacts(facts, fresh);
    const own = new Set(part.software.map((one) => one.ecosystem).filter((one) => WHOLE_LISTS.has(one)));
    const before = new Map([...own].flatMap((one) => (takenBy.has(one) ? [[one, takenBy.get(one) as string]] : [])));
    for (const [ecosystem, other] of before)
      notes.push(`${part.source} and ${other} both list ${ecosystem} packages; the newer list of ${other} counts`);
    for (const one of part.software) if (!before.has(one.ecosystem)) software.push(one);
    for (const one of own) if (!takenBy.has(one)) takenBy.set(one, part.source);
  }
  const { release } = facts;
  const needs = (one: SoftwareRecord) => !one.release && ['deb', 'rpm', 'apk'].includes(one.ecosystem);
  return {
    software: release === undefined ? software : software.map((one) => (needs(one) ? { ...one, release } : one)),
    facts,
    products: newestFirst.flatMap((part) => part.products).slice(0, 200),
    newestMs: newestFirst[0]?.atMs ?? 0,
    notes,
  };
}

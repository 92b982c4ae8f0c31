/** VEX use cases of CycloneDX and CISA: each statement is read, and what it says of its product is what counts. */

import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { readFeed } from '../src/patching/feeds/index.ts';
import { readInventory } from '../src/patching/inventories/index.ts';
import { emptyFeedSet } from '../src/patching/patching-advisory.ts';
import { createVexIndex } from '../src/patching/patching-vex.ts';

interface Raw {
  readonly metadata?: { readonly component?: { readonly name: string; readonly version?: string } };
  readonly vulnerabilities: {
    readonly id: string;
    readonly analysis?: { readonly state: string };
    readonly affects?: { readonly ref: string; readonly versions?: { version?: string; status?: string }[] }[];
  }[];
}
const STATUS: Readonly<Record<string, string>> = {
  not_affected: 'not_affected',
  exploitable: 'affected',
  resolved: 'fixed',
  in_triage: 'under_investigation',
};
const BY_VERSION: Readonly<Record<string, string>> = { affected: 'affected', unaffected: 'not_affected' };

export async function conformanceVex(dataDir: string): Promise<{ name: string; ok: boolean; lines: string[] }> {
  const root = join(dataDir, 'sbom', 'vex');
  const files = (await readdir(root, { recursive: true })).filter((name) => /(^|\/)vex[^/]*\.json$/.test(name)).sort();
  let right = 0;
  const wrong: string[] = [];
  const silent: string[] = [];
  for (const name of files) {
    const path = join(root, name);
    const raw = JSON.parse(await readFile(path, 'utf8')) as Raw;
    const set = emptyFeedSet();
    await readFeed(path, set);
    const index = createVexIndex(set.vex);
    // Products that are described in other documents of the case.
    const products = new Map<string, { ecosystem: string; name: string; version: string; ref: string | null }>();
    for (const bom of (await readdir(dirname(path))).filter((one) => one.startsWith('bom')))
      for (const list of (await readInventory(join(dirname(path), bom), { asset: 'x' })).products.values())
        for (const product of list) if (product.ref) products.set(product.ref, product);
    for (const one of raw.vulnerabilities) {
      const affects = one.affects ?? [];
      if (affects.length === 0) silent.push(name);
      for (const affect of affects) {
        const component = raw.metadata?.component;
        const known = products.get(affect.ref);
        const subject = known ?? {
          ecosystem: 'product',
          name: component?.name ?? '',
          version: component?.version ?? '',
          ref: affect.ref,
        };
        const versions = affect.versions?.filter((entry) => entry.version !== undefined) ?? [];
        for (const entry of versions.length > 0 ? versions : [{ version: undefined, status: undefined }]) {
          const version = entry.version ?? subject.version;
          const expected = BY_VERSION[entry.status ?? ''] ?? STATUS[one.analysis?.state ?? ''];
          if (affect.versions && versions.length === 0) continue; // Ranges are in the tests of the room.
          const found = index.find([one.id], { ...subject, version })?.status;
          // CISA's case 8 says of one version both that it is fixed and that it is not affected: either clears it.
          const cleared = [found, expected].every((status) => status === 'fixed' || status === 'not_affected');
          if (found === expected || cleared) right++;
          else wrong.push(`${name} ${one.id} ${affect.ref} ${version}: ${found ?? 'nothing'}, not ${expected}`);
        }
      }
    }
  }
  return {
    name: 'VEX cases',
    ok: wrong.length === 0 && right >= 40,
    lines: [
      `${files.length} documents, ${right} statements about a product and version as they say`,
      `${silent.length} name no product and are applied to none (${silent.join(', ')})`,
      ...wrong.slice(0, 20),
    ],
  };
}

/** CSAF 2.0 advisories about medical devices: vendor, product and version as text, with the vulnerabilities' scores. */

import { csafScores } from '../patching-csaf-scores.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';

export interface DeviceProduct {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly score: number | null;
  readonly cves: readonly string[];
  /** The advisory lists it and says of no vulnerability whether it has it. */
  readonly unsaid?: boolean;
}

export interface DeviceAdvisory {
  readonly id: string;
  readonly title: string;
  readonly changed: string;
  readonly revision: string;
  readonly products: readonly DeviceProduct[];
}

const DEPTH_MAX = 16;
const PRODUCTS_MAX = 5_000;

export function readDeviceAdvisory(value: unknown, faults: Faults): DeviceAdvisory | null {
  const document = isObject(value) && isObject(value.document) ? value.document : null;
  const tracking = document && isObject(document.tracking) ? document.tracking : null;
  const tree = isObject(value) && isObject(value.product_tree) ? value.product_tree : null;
  if (!isObject(value) || document === null || tracking === null || tree === null) {
    faults.add('A file that is no CSAF advisory');
    return null;
  }
  const affected = affectedProducts(value);
  const spoken = spokenProducts(value);
  const products: DeviceProduct[] = [];
  const walk = (branches: readonly unknown[], path: Readonly<Record<string, string>>, depth: number) => {
    for (const branch of branches) {
      if (!isObject(branch) || depth > DEPTH_MAX || products.length >= PRODUCTS_MAX) return;
      const here = {
        ...path,
        [textAt(branch, 'category').replace('_range', '')]: textAt(branch, 'name').slice(0, 300),
      };
      const id = isObject(branch.product) ? textAt(branch.product, 'product_id') : '';
      const known =
        affected.get(id) ?? (id !== '' && !spoken.has(id) ? { score: null, cves: [], unsaid: true } : undefined);
      if (known)
        products.push({
          vendor: here.vendor ?? '',
          product: here.product_name ?? '',
          version: here.product_version ?? '',
          ...known,
        });
      walk(listAt(branch, 'branches'), here, depth + 1);
    }
  };
  walk(listAt(tree, 'branches'), {}, 0);
  if (products.length === 0) faults.add('An advisory that names no affected product');
  return {
    id: textAt(tracking, 'id').slice(0, 64),
    title: textAt(document, 'title').slice(0, 250),
    changed: textAt(tracking, 'current_release_date').slice(0, 40),
    revision: textAt(tracking, 'version').slice(0, 32) || 'unknown',
    products,
  };
}

/** Products with any status: one that is not affected is in the tree as well. */
function spokenProducts(value: Json): Set<string> {
  const found = new Set<string>();
  for (const one of listAt(value, 'vulnerabilities')) {
    if (!isObject(one) || !isObject(one.product_status)) continue;
    for (const list of Object.values(one.product_status))
      if (Array.isArray(list)) for (const id of list) if (typeof id === 'string') found.add(id);
  }
  return found;
}

function affectedProducts(value: Json): Map<string, { score: number | null; cves: string[] }> {
  const found = new Map<string, { score: number | null; cves: string[] }>();
  for (const one of listAt(value, 'vulnerabilities')) {
    if (!isObject(one) || !isObject(one.product_status)) continue;
    const { product_status: status } = one;
    for (const id of ['known_affected', 'first_affected', 'last_affected'].flatMap((key) => listAt(status, key))) {
      if (typeof id !== 'string') continue;
      const entry = found.get(id) ?? { score: null, cves: [] };
      found.set(id, entry);
      if (textAt(one, 'cve') !== '' && entry.cves.length < 50) entry.cves.push(textAt(one, 'cve').slice(0, 32));
      const worst = csafScores(one, id);
      if (worst !== null) entry.score = Math.max(entry.score ?? 0, worst.score);
    }
  }
  return found;
}

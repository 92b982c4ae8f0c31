/** The product tree of a CSAF 2.0 document (sections 3.2.2 and 3.2.3.2): each product id with what it names. */

import { isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { parsePurl } from '../patching-package.ts';
import { windowsProduct } from '../patching-windows.ts';

export interface CsafProduct {
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string | null;
  /** "vers:deb/<2.0" and other ranges, as they stand. */
  readonly rangeText: string | null;
  readonly arch: string | null;
  /** The product that it is a component of, where that is no distribution. */
  readonly within?: { readonly name: string; readonly version: string | null };
}

const DEPTH_MAX = 16;
const PRODUCTS_MAX = 200_000;

interface Named {
  readonly vendor: string;
  readonly product: string;
  readonly version: string;
  readonly range: string;
  readonly purl: string;
  readonly cpe: string;
  readonly name: string;
}

/** Products by their ids; a component in a platform carries the platform's release. */
export function csafProducts(tree: Json): Map<string, CsafProduct> {
  const named = new Map<string, Named>();
  const walk = (branches: readonly unknown[], path: Readonly<Record<string, string>>, depth: number) => {
    if (depth > DEPTH_MAX) return;
    for (const branch of branches) {
      if (!isObject(branch) || named.size >= PRODUCTS_MAX) continue;
      const here = { ...path, [textAt(branch, 'category')]: textAt(branch, 'name').slice(0, 500) };
      if (isObject(branch.product)) take(branch.product, here);
      walk(listAt(branch, 'branches'), here, depth + 1);
    }
  };
  const take = (product: Json, path: Readonly<Record<string, string>>) => {
    const helper = isObject(product.product_identification_helper) ? product.product_identification_helper : {};
    named.set(textAt(product, 'product_id'), {
      vendor: path.vendor ?? '',
      product: path.product_name ?? '',
      version: path.product_version ?? '',
      range: path.product_version_range ?? '',
      purl: textAt(helper, 'purl'),
      cpe: textAt(helper, 'cpe'),
      name: textAt(product, 'name').slice(0, 500),
    });
  };
  walk(listAt(tree, 'branches'), {}, 0);
  for (const product of listAt(tree, 'full_product_names')) if (isObject(product)) take(product, {});
  const found = new Map<string, CsafProduct>();
  for (const [id, one] of named) found.set(id, plainProduct(one, null));
  for (const relation of listAt(tree, 'relationships')) {
    if (!isObject(relation) || !isObject(relation.full_product_name) || found.size >= PRODUCTS_MAX) continue;
    const component = named.get(textAt(relation, 'product_reference'));
    const platform = named.get(textAt(relation, 'relates_to_product_reference'));
    const id = textAt(relation.full_product_name, 'product_id');
    if (component) found.set(id, plainProduct(component, platform ?? null));
  }
  return found;
}

function plainProduct(one: Named, platform: Named | null): CsafProduct {
  const purl = one.purl === '' ? null : parsePurl(one.purl);
  if (purl) {
    const spaced = ['rpm', 'deb', 'apk'].includes(purl.ecosystem);
    const release = spaced ? (releaseOf(platform) ?? purl.release ?? '') : '';
    return {
      ecosystem: spaced ? release : purl.ecosystem,
      name: purl.name,
      version: purl.version === '' ? null : purl.version,
      rangeText: one.range || null,
      arch: purl.arch && purl.arch !== 'src' ? purl.arch : null,
      ...(spaced || platform === null
        ? {}
        : { within: { name: platform.product || platform.name, version: platform.version || null } }),
    };
  }
  // "openssl-1:1.1.1k-9.el8_7.x86_64" or "openssl" under a platform: what Red Hat wrote before it wrote purls.
  const release = releaseOf(platform);
  if (platform && release) {
    const whole = /^(.+)-((?:[0-9]+:)?[^-]+-[^-]+)\.([a-z0-9_]+)$/.exec(one.version || one.product || one.name);
    const name = whole ? (whole[1] as string) : one.product || one.version || one.name;
    const arch = whole && whole[3] !== 'src' ? (whole[3] as string) : null;
    return { ecosystem: release, name, version: whole ? (whole[2] as string) : null, rangeText: null, arch };
  }
  // Microsoft's own documents name each edition; all editions of a build have the same updates.
  const windows = /microsoft/i.test(one.vendor) ? windowsProduct(one.product || one.name) : null;
  return {
    ecosystem: windows === null ? 'product' : 'windows',
    name: windows ?? (one.product || one.name),
    version: one.version || null,
    rangeText: one.range || null,
    arch: null,
  };
}

/** "cpe:/o:redhat:enterprise_linux:9::baseos" → "Red Hat:enterprise_linux:9::baseos"; other makers by their names. */
function releaseOf(platform: Named | null): string | null {
  if (platform === null) return null;
  const parts = platform.cpe.replace(/^cpe:(?:\/|2\.3:)/, '').split(':');
  if (parts[1] === 'redhat') return `Red Hat:${parts.slice(2).join(':')}`.replace(/[:*]+$/, '');
  if (parts[1] === 'suse' || /suse/i.test(platform.name)) return platform.name;
  const text = platform.name || platform.product;
  return text === '' ? null : text;
}

/** VEX as OpenVEX documents and as CycloneDX `vulnerabilities` with their analysis. */

import type { Advisory, Affected } from '../patching-advisory.ts';
import { severityOfScore, severityOfVector, severityOfWord } from '../patching-cvss.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import { ecosystemKey, packageKey, packageName, parsePurl, schemeOf } from '../patching-package.ts';
import { EVERY_VERSION, type VersionRange } from '../patching-range.ts';
import { parseVers } from '../patching-range-text.ts';
import type { VexProduct, VexScope, VexStatement, VexStatus } from '../patching-vex.ts';

export type VexSaying = Omit<VexStatement, 'feed'>;
export interface VexDocument {
  readonly id: string;
  readonly date: string;
  readonly statements: readonly VexSaying[];
  /** "Affected" as advisories, so that it opens findings by itself. */
  readonly advisories: readonly Advisory[];
}
const STATEMENTS_MAX = 100_000;

/** A word of a document never meets what every object inherits. */
const wordOf = (words: Readonly<Record<string, VexStatus>>, word: string): VexStatus | undefined =>
  Object.hasOwn(words, word) ? words[word] : undefined;

export const looksLikeOpenVex = (value: unknown): value is Json =>
  isObject(value) && textAt(value, '@context').includes('openvex') && Array.isArray(value.statements);

export const looksLikeCycloneVex = (value: unknown): value is Json =>
  isObject(value) && textAt(value, 'bomFormat') === 'CycloneDX' && Array.isArray(value.vulnerabilities);

const OPENVEX: Readonly<Record<string, VexStatus>> = {
  not_affected: 'not_affected',
  affected: 'affected',
  fixed: 'fixed',
  under_investigation: 'under_investigation',
};

/** OpenVEX 0.2.0: a statement inherits time and products from what stands around it. */
export function readOpenVex(value: Json, faults: Faults): VexDocument {
  const date = textAt(value, 'last_updated') || textAt(value, 'timestamp');
  const statements: VexSaying[] = [];
  for (const one of listAt(value, 'statements').slice(0, STATEMENTS_MAX)) {
    const status = isObject(one) ? wordOf(OPENVEX, textAt(one, 'status')) : undefined;
    if (!isObject(one) || status === undefined) {
      faults.add('A VEX statement whose status is not known');
      continue;
    }
    const vulnerability = isObject(one.vulnerability) ? one.vulnerability : {};
    const names = [
      textAt(one, 'vulnerability'),
      textAt(vulnerability, 'name'),
      ...listAt(vulnerability, 'aliases').filter((alias) => typeof alias === 'string'),
    ].filter((name) => name !== '' && name.length <= 128);
    const products = listAt(one, 'products').flatMap((product) => openProducts(product));
    if (names.length === 0 || products.length === 0)
      faults.add('A VEX statement that names no product or vulnerability');
    else
      statements.push({
        names,
        status,
        products,
        why: whyOf([textAt(one, 'justification'), textAt(one, 'impact_statement'), textAt(one, 'action_statement')]),
        date: textAt(one, 'last_updated') || textAt(one, 'timestamp') || date,
      });
  }
  return documentOf(textAt(value, '@id').slice(0, 200) || 'OpenVEX', date, statements);
}

/** The product itself, or its parts where the statement names them. */
function openProducts(product: unknown): VexProduct[] {
  if (typeof product === 'string') return purlProduct(product);
  if (!isObject(product)) return [];
  const ids = isObject(product.identifiers) ? product.identifiers : {};
  const names = [textAt(product, '@id'), textAt(ids, 'purl')].filter(Boolean);
  const parts = listAt(product, 'subcomponents').flatMap((part) => openProducts(part));
  // A part inside of one product: elsewhere the same part may be reached.
  if (parts.length > 0) return parts.map((part) => ({ ...part, within: scopeOf(names) }));
  return names.flatMap((name) => purlProduct(name)).slice(0, 1);
}

/** A product by its package URL of any type (images too), or by a name that no inventory will say. */
function scopeOf(names: readonly string[]): VexScope {
  for (const name of names) {
    const purl = parsePurl(name);
    if (purl) return { ecosystem: purl.ecosystem, name: purl.name, version: purl.version || null, bom: null };
  }
  return { ecosystem: 'product', name: names[0] ?? '', version: null, bom: null };
}

function purlProduct(text: string): VexProduct[] {
  const purl = parsePurl(text);
  if (purl === null) return [];
  const scheme = schemeOf(purl.ecosystem);
  if (scheme === null) return [];
  const spaced = ['deb', 'rpm', 'apk'].includes(purl.ecosystem);
  const vendor = /^pkg:[a-z]+\/([^/@?#]+)\//.exec(text)?.[1] ?? '';
  const ecosystem = spaced ? ecosystemKey(purl.release ?? vendor) : ecosystemKey(purl.ecosystem);
  const name = packageName(scheme, spaced ? (purl.source_name ?? purl.name) : purl.name);
  return [{ ecosystem, name, version: purl.version || null, range: null, ref: null }];
}

const CYCLONE: Readonly<Record<string, VexStatus>> = {
  not_affected: 'not_affected',
  false_positive: 'not_affected',
  exploitable: 'affected',
  resolved: 'fixed',
  resolved_with_pedigree: 'fixed',
  in_triage: 'under_investigation',
};
const BY_VERSION: Readonly<Record<string, VexStatus>> = {
  affected: 'affected',
  unaffected: 'not_affected',
  unknown: 'under_investigation',
};

/** CycloneDX 1.4 and later: `analysis.state` with `affects`, whose refs are of this document or a BOM-Link to another one. */
export function readCycloneVex(value: Json, faults: Faults): VexDocument {
  const metadata = isObject(value.metadata) ? value.metadata : {};
  const date = textAt(metadata, 'timestamp');
  const parts = new Map<string, Json>();
  const collect = (one: unknown, depth: number) => {
    if (!isObject(one) || depth > 32) return;
    if (textAt(one, 'bom-ref') !== '') parts.set(textAt(one, 'bom-ref'), one);
    for (const inner of listAt(one, 'components')) collect(inner, depth + 1);
  };
  collect(metadata.component, 0);
  for (const one of listAt(value, 'components')) collect(one, 0);
  const statements: VexSaying[] = [];
  const about = isObject(metadata.component) ? metadata.component : null;
  for (const one of listAt(value, 'vulnerabilities').slice(0, STATEMENTS_MAX)) {
    if (!isObject(one)) faults.add('A vulnerability that cannot be read');
    else statements.push(...cycloneStatements(one, { parts, about }, date, faults));
  }
  const found = documentOf(textAt(value, 'serialNumber').slice(0, 200) || 'CycloneDX VEX', date, statements);
  return {
    ...found,
    advisories: found.advisories.map((advisory) => rated(advisory, listAt(value, 'vulnerabilities'))),
  };
}

/** The parts of a document by their references, and what it is about. */
interface CycloneParts {
  readonly parts: ReadonlyMap<string, Json>;
  readonly about: Json | null;
}

function* cycloneStatements(
  one: Json,
  parts: CycloneParts,
  documentDate: string,
  faults: Faults,
): Generator<VexSaying> {
  const analysis = isObject(one.analysis) ? one.analysis : null;
  const state = analysis ? wordOf(CYCLONE, textAt(analysis, 'state')) : undefined;
  const names = [
    textAt(one, 'id'),
    ...listAt(one, 'references').map((reference) => (isObject(reference) ? textAt(reference, 'id') : '')),
  ].filter((name) => name !== '' && name.length <= 128);
  if (analysis === null || state === undefined || names.length === 0)
    return faults.add('A vulnerability without an analysis');
  const shared = {
    names,
    why: whyOf([textAt(analysis, 'justification'), textAt(analysis, 'detail')]),
    date: textAt(analysis, 'lastUpdated') || textAt(one, 'updated') || documentDate,
  };
  const byStatus = new Map<VexStatus, VexProduct[]>();
  for (const affect of listAt(one, 'affects')) {
    if (!isObject(affect)) continue;
    const product = cycloneProduct(textAt(affect, 'ref'), parts);
    if (product === null) {
      faults.add('A VEX statement about a part that is not in the document');
      continue;
    }
    for (const { version, range, status } of cycloneVersions(affect, product, state, faults))
      byStatus.set(status, [...(byStatus.get(status) ?? []), { ...product, version, range }]);
  }
  if (byStatus.size === 0) return faults.add('A VEX statement that names no product');
  for (const [status, products] of byStatus) yield { ...shared, status, products };
}

function cycloneProduct(ref: string, { parts, about }: CycloneParts): VexProduct | null {
  const link = /^(urn:cdx:[^#]{1,100})#(.{1,500})$/.exec(ref);
  const own = parts.get(link ? decodeRef(link[2] as string) : ref);
  const within = withinOf(link ? (link[1] as string) : null, own, about);
  const [fromPurl] = purlProduct(own ? textAt(own, 'purl') || ref : link ? decodeRef(link[2] as string) : ref);
  if (fromPurl) return { ...fromPurl, ref: link ? ref : null, ...within };
  if (own)
    return {
      ecosystem: 'product',
      name: textAt(own, 'name'),
      version: textAt(own, 'version') || null,
      range: null,
      ref: link ? ref : null,
      ...within,
    };
  return link ? { ecosystem: 'product', name: '', version: null, range: null, ref } : null;
}

/** A part of another bill of materials, or of what this document is about, is spoken of there and nowhere else. */
function withinOf(bom: string | null, own: Json | undefined, about: Json | null): { within?: VexScope } {
  if (bom !== null) return { within: { ecosystem: 'product', name: '', version: null, bom } };
  if (own === undefined || about === null || own === about) return {};
  const purl = parsePurl(textAt(about, 'purl'));
  const name = purl?.name ?? textAt(about, 'name');
  if (name === '') return {};
  const version = purl?.version || textAt(about, 'version') || null;
  return { within: { ecosystem: purl?.ecosystem ?? 'product', name, version, bom: null } };
}

function decodeRef(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function cycloneVersions(
  affect: Json,
  product: VexProduct,
  state: VexStatus,
  faults: Faults,
): { version: string | null; range: VersionRange | null; status: VexStatus }[] {
  const listed = listAt(affect, 'versions').filter(isObject);
  if (listed.length === 0) return [{ version: product.version, range: null, status: state }];
  return listed.flatMap((one) => {
    // Without a status of its own the analysis counts ("affected" is only the default of the field).
    const status = wordOf(BY_VERSION, textAt(one, 'status')) ?? state;
    const text = textAt(one, 'range');
    const range = text === '' ? null : parseVers(text);
    if (text !== '' && range === null) {
      faults.add('A range that cannot be read');
      return [];
    }
    const version = textAt(one, 'version') || null;
    return version === null && range === null ? [] : [{ version: range === null ? version : null, range, status }];
  });
}

const whyOf = (texts: readonly string[]) => texts.filter(Boolean).join(': ').slice(0, 400);

function documentOf(id: string, date: string, statements: readonly VexSaying[]): VexDocument {
  return { id, date, statements, advisories: statements.flatMap((one, i) => vexAdvisory(id, i, one)) };
}

function vexAdvisory(document: string, number: number, one: VexSaying): Advisory[] {
  if (one.status !== 'affected' && one.status !== 'under_investigation') return [];
  const affected = one.products
    .map(
      (product): VexProduct =>
        product.within && product.within.name !== '' ? { ...product, ...product.within, range: null } : product,
    )
    .filter((product) => product.name !== '')
    .map((product): Affected => {
      const scheme = schemeOf(product.ecosystem) ?? 'generic';
      const exact = product.version === null ? [] : [product.version];
      const intervals = product.range?.intervals ?? (product.version === null ? [EVERY_VERSION] : []);
      const open = one.status === 'under_investigation';
      return {
        key: packageKey(product.ecosystem, packageName(scheme, product.name)),
        range: open
          ? null
          : {
              scheme,
              intervals,
              exact: product.range ? product.range.exact : exact,
              except: product.range?.except ?? [],
            },
        note: open ? 'under investigation by its maker' : 'affected, as its maker says',
      };
    });
  if (affected.length === 0) return [];
  return [
    {
      id: `${document}#${number}`.slice(0, 250),
      names: one.names,
      summary: one.why,
      severity: null,
      published: one.date || null,
      affected,
    },
  ];
}

const METHODS: Readonly<Record<string, string>> = {
  CVSSv2: '',
  CVSSv3: 'CVSS:3.0/',
  CVSSv31: 'CVSS:3.1/',
  CVSSv4: 'CVSS:4.0/',
};

/** CycloneDX names the version beside the vector, and tools leave it out of the vector. */
function ratingVector(rating: Json): string {
  const vector = textAt(rating, 'vector');
  const method = textAt(rating, 'method');
  const prefix = Object.hasOwn(METHODS, method) ? (METHODS[method] as string) : 'CVSS:3.1/';
  return vector.startsWith('CVSS') || vector === '' ? vector : `${prefix}${vector}`;
}

function rated(advisory: Advisory, vulnerabilities: readonly unknown[]): Advisory {
  const own = vulnerabilities.filter(isObject).find((one) => advisory.names.includes(textAt(one, 'id')));
  for (const rating of own ? listAt(own, 'ratings').filter(isObject) : []) {
    const { score } = rating;
    const severity =
      severityOfVector(ratingVector(rating)) ??
      severityOfWord(textAt(rating, 'severity')) ??
      (typeof score === 'number' && score >= 0 && score <= 10 ? severityOfScore(score) : null);
    if (severity !== null) return { ...advisory, severity };
  }
  return advisory;
}

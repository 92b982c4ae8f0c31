/** CSAF 2.0 security advisories and VEX (Red Hat, SUSE, Microsoft, device makers): affected packages, and statements of VEX. */

import type { Severity } from '../../core/index.ts';
import { type Advisory, type Affected, type FeedRef, shortRange } from '../patching-advisory.ts';
import { csafScores } from '../patching-csaf-scores.ts';
import { severityOfWord } from '../patching-cvss.ts';
import { type Faults, isObject, type Json, listAt, textAt } from '../patching-input.ts';
import {
  compareVersions,
  ecosystemKey,
  packageKey,
  packageName,
  schemeOf,
  VERSION_CHARS_MAX,
  type VersionScheme,
} from '../patching-package.ts';
import { EVERY_VERSION, type Interval, type VersionRange } from '../patching-range.ts';
import { parseNativeRange, parseVers } from '../patching-range-text.ts';
import type { VexProduct, VexStatement, VexStatus } from '../patching-vex.ts';
import { type CsafProduct, csafProducts } from './feed-csaf-tree.ts';

export interface CsafDocument {
  readonly id: string;
  readonly changed: string;
  readonly revision: string;
  readonly publisher: string;
  readonly withdrawn: boolean;
  readonly advisories: readonly Advisory[];
  readonly vex: readonly Omit<VexStatement, 'feed'>[];
}

const VULNERABILITIES_MAX = 5_000;
const STATUS: Readonly<Record<string, VexStatus>> = {
  known_not_affected: 'not_affected',
  under_investigation: 'under_investigation',
};

export const looksLikeCsaf = (value: unknown): value is Json =>
  isObject(value) && isObject(value.document) && isObject(value.document.tracking);

/** Null, with the fault counted, when it is no CSAF document. */
export function readCsaf(value: unknown, faults: Faults): CsafDocument | null {
  const document = isObject(value) && isObject(value.document) ? value.document : null;
  const tracking = document && isObject(document.tracking) ? document.tracking : null;
  if (!isObject(value) || document === null || tracking === null || textAt(tracking, 'id') === '') {
    faults.add('A file that is no CSAF document');
    return null;
  }
  const id = textAt(tracking, 'id').slice(0, 128);
  const changed = textAt(tracking, 'current_release_date').slice(0, 40);
  const products = isObject(value.product_tree) ? csafProducts(value.product_tree) : new Map<string, CsafProduct>();
  const about = { id, changed, title: textAt(document, 'title').slice(0, 400), severity: aggregate(document) };
  const advisories: Advisory[] = [];
  const vex: Omit<VexStatement, 'feed'>[] = [];
  for (const one of listAt(value, 'vulnerabilities').slice(0, VULNERABILITIES_MAX)) {
    if (!isObject(one)) continue;
    const advisory = advisoryOf(one, products, about, faults);
    if (advisory) advisories.push(advisory);
    vex.push(...vexOf(one, products, changed));
  }
  return {
    id,
    changed,
    revision: textAt(tracking, 'version').slice(0, 32) || 'unknown',
    publisher: isObject(document.publisher) ? textAt(document.publisher, 'name').slice(0, 100) : '',
    withdrawn: /withdrawn|rejected/i.test(textAt(document, 'category')) || isWithdrawn(tracking),
    advisories,
    vex,
  };
}

const isWithdrawn = (tracking: Json) => {
  const last = listAt(tracking, 'revision_history').at(-1);
  return isObject(last) && /\bwithdrawn\b|\bretracted\b/i.test(textAt(last, 'summary').slice(0, 500));
};

function aggregate(document: Json): Severity | null {
  return isObject(document.aggregate_severity) ? severityOfWord(textAt(document.aggregate_severity, 'text')) : null;
}

const cveOf = (one: Json): string => {
  const cve = textAt(one, 'cve');
  if (cve !== '') return cve.slice(0, 32);
  for (const id of listAt(one, 'ids')) if (isObject(id)) return textAt(id, 'text').slice(0, 64);
  return '';
};

function advisoryOf(
  one: Json,
  products: ReadonlyMap<string, CsafProduct>,
  about: { id: string; changed: string; title: string; severity: Severity | null },
  faults: Faults,
): Advisory | null {
  const status = isObject(one.product_status) ? one.product_status : {};
  const of = (...keys: readonly string[]) =>
    keys
      .flatMap((key) => listAt(status, key))
      .flatMap((id) => (typeof id === 'string' ? (products.get(id) ?? []) : []));
  const affected = mergeProducts(
    of('known_affected', 'first_affected', 'last_affected'),
    of('fixed', 'first_fixed'),
    faults,
  );
  const name = cveOf(one);
  if (affected.length === 0) return null;
  const worst = csafScores(one);
  const word = listAt(one, 'threats')
    .filter(isObject)
    .filter((threat) => textAt(threat, 'category') === 'impact')
    .map((threat) => severityOfWord(textAt(threat, 'details')))
    .find((severity) => severity !== null);
  return {
    id: name === '' || name === about.id ? about.id : `${about.id}/${name}`,
    names: [...new Set([name, about.id].filter(Boolean))],
    summary: (textAt(one, 'title') || about.title).slice(0, 400),
    severity: word ?? worst?.severity ?? about.severity,
    published: textAt(one, 'release_date').slice(0, 40) || about.changed || null,
    ...(worst?.vector ? { vector: worst.vector } : {}),
    affected,
  };
}

/** Products of one name together: what is affected, and from which version on it is repaired. */
function mergeProducts(affected: readonly CsafProduct[], fixed: readonly CsafProduct[], faults: Faults): Affected[] {
  const groups = new Map<string, { affected: CsafProduct[]; fixed: CsafProduct[]; key: string; ecosystem: string }>();
  for (const [list, side] of [
    [affected, 'affected'],
    [fixed, 'fixed'],
  ] as const)
    for (const product of list) {
      const ecosystem = ecosystemKey(product.ecosystem);
      const scheme = schemeOf(ecosystem);
      if (scheme === null || product.name === '' || product.name.length > 256) {
        faults.add('A product of a kind whose versions we cannot order');
        continue;
      }
      const key = packageKey(ecosystem, packageName(scheme, product.name));
      const group = groups.get(key) ?? { affected: [], fixed: [], key, ecosystem };
      groups.set(key, group);
      group[side].push(product);
    }
  return [...groups.values()].map(affectedOf);
}

function affectedOf(group: {
  affected: CsafProduct[];
  fixed: CsafProduct[];
  key: string;
  ecosystem: string;
}): Affected {
  const scheme = schemeOf(group.ecosystem) ?? 'generic';
  const versions = group.fixed
    .map((one) => one.version)
    .filter((one) => one !== null && one.length <= VERSION_CHARS_MAX);
  const arches = [...new Set([...group.affected, ...group.fixed].map((one) => one.arch))];
  const shared = {
    key: group.key,
    // Which hotfix supersedes which is not said here: hosts are judged by their build.
    ...(group.ecosystem === 'windows' ? { fixedBy: [] } : {}),
    ...(arches.includes(null) || arches.length === 0 || arches.includes('noarch')
      ? {}
      : { arches: arches as string[] }),
  };
  const range = (intervals: readonly Interval[], exact: readonly string[]): VersionRange => ({
    scheme,
    intervals,
    exact,
    except: [],
  });
  if (versions.length > 0) {
    return { ...shared, range: shortRange(range(untilFixed(scheme, versions as string[]), [])) };
  }
  const texts = group.affected.map((one) => one.rangeText).filter((text) => text !== null);
  const read = texts.map((text) => (text.startsWith('vers:') ? parseVers(text) : parseNativeRange(scheme, text)));
  const exact = group.affected.map((one) => one.version).filter((version) => version !== null);
  if (texts.length > 0) {
    if (read.some((one) => one === null)) return { ...shared, range: null, note: 'a range that cannot be read' };
    return {
      ...shared,
      range: range(
        read.flatMap((one) => one?.intervals ?? []),
        exact,
      ),
    };
  }
  if (exact.length > 0) return { ...shared, range: range([], exact) };
  return group.affected.length > 0
    ? { ...shared, range: range([EVERY_VERSION], []), note: 'no fix yet' }
    : { ...shared, range: null, note: 'no fixed version given' };
}

/** Several fixed versions of one name are streams beside each other (module streams): each repairs its own major version. */
function untilFixed(scheme: VersionScheme, versions: readonly string[]): Interval[] {
  const byMajor = new Map<string, string>();
  for (const version of versions) {
    const major = /^(?:[0-9]+:)?[0-9]+/.exec(version)?.[0] ?? '';
    const known = byMajor.get(major);
    if (known === undefined || compareVersions(scheme, version, known) > 0) byMajor.set(major, version);
  }
  const sorted = [...byMajor].toSorted((a, b) => compareVersions(scheme, a[1], b[1]));
  return sorted.map(([major, to], i) => ({ ...EVERY_VERSION, from: i === 0 ? null : major, to, fixed: true }));
}

function* vexOf(
  one: Json,
  products: ReadonlyMap<string, CsafProduct>,
  date: string,
): Generator<Omit<VexStatement, 'feed'>> {
  const status = isObject(one.product_status) ? one.product_status : {};
  const name = cveOf(one);
  if (name === '') return;
  const flags = listAt(one, 'flags').filter(isObject);
  for (const [key, word] of Object.entries(STATUS)) {
    const named = listAt(status, key).flatMap((id) => (typeof id === 'string' ? (products.get(id) ?? []) : []));
    if (named.length === 0) continue;
    const why = word === 'not_affected' ? flags.map((flag) => textAt(flag, 'label')).filter(Boolean) : [];
    yield {
      names: [name],
      status: word,
      products: named.map(vexProduct).filter((product) => product !== null),
      why: [...new Set(why)].join(', ').slice(0, 400) || word.replaceAll('_', ' '),
      date,
    };
  }
}

function vexProduct(product: CsafProduct): VexProduct | null {
  const ecosystem = ecosystemKey(product.ecosystem);
  const scheme = schemeOf(ecosystem);
  if (scheme === null) return null;
  const range = product.rangeText === null ? null : parseVers(product.rangeText);
  if (product.rangeText !== null && range === null) return null;
  // A component of a device is spoken of inside that device alone.
  const within = product.within ? { within: { ecosystem: 'product', bom: null, ...product.within } } : {};
  return { ecosystem, name: packageName(scheme, product.name), version: product.version, range, ref: null, ...within };
}

export function csafFeed(publisher: string, date: string, revision: string, fallback: string): FeedRef {
  const dated = !Number.isNaN(Date.parse(date));
  return {
    name: publisher === '' ? 'CSAF' : `${publisher} CSAF`.slice(0, 120),
    version: revision,
    date: dated ? new Date(date).toISOString() : fallback,
    dateOf: dated ? 'newest advisory' : 'file',
  };
}

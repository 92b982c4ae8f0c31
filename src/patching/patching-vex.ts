/** VEX: what makers say of a vulnerability in their products; the newest statement about a product and version counts. */

import type { FeedRef } from './patching-advisory.ts';
import { inRange, type VersionRange } from './patching-range.ts';
import { compareVersions, schemeOf } from './versions/index.ts';

export type VexStatus = 'not_affected' | 'affected' | 'fixed' | 'under_investigation';

/** A product as a statement names it; null where it does not say, which holds for all. */
export interface VexProduct {
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string | null;
  readonly range: VersionRange | null;
  /** "urn:cdx:<serial>/<version>#<bom-ref>" */
  readonly ref: string | null;
  readonly within?: VexScope;
}

/** Whose part a product is: what is said of it holds nowhere else. */
export interface VexScope {
  readonly ecosystem: string;
  /** "" where only the bill of materials is told. */
  readonly name: string;
  readonly version: string | null;
  /** "urn:cdx:<serial>/<version>" */
  readonly bom: string | null;
}

export interface VexStatement {
  readonly names: readonly string[];
  readonly status: VexStatus;
  readonly products: readonly VexProduct[];
  /** Why it is not affected, or what to do. */
  readonly why: string;
  readonly date: string;
  readonly feed: FeedRef;
}

/** Who is asked about: a package, or what a whole bill of materials is about. */
export interface VexSubject {
  readonly ecosystem: string;
  readonly name: string;
  readonly version: string;
  readonly ref?: string | null;
}

export interface VexIndex {
  readonly size: number;
  /**
   * The statement that counts for this vulnerability in this subject; null when nobody speaks of it.
   *
   * @param around the products that the subject is a part of
   */
  find(names: readonly string[], subject: VexSubject, around?: readonly VexSubject[]): VexStatement | null;
  /** Whether any statement speaks of the subject at all. */
  knows(subject: VexSubject): boolean;
}

const keyOf = (ecosystem: string, name: string) => `${ecosystem.split(':', 1)[0]}\n${name.toLowerCase()}`;

export function createVexIndex(statements: readonly VexStatement[]): VexIndex {
  const byKey = new Map<string, Map<string, { statement: VexStatement; product: VexProduct }[]>>();
  const scopes = new Set<string>();
  const add = (key: string, statement: VexStatement, product: VexProduct) => {
    const names = byKey.get(key) ?? new Map<string, { statement: VexStatement; product: VexProduct }[]>();
    byKey.set(key, names);
    for (const name of statement.names) names.set(name, [...(names.get(name) ?? []), { statement, product }]);
  };
  for (const statement of statements)
    for (const product of statement.products) {
      if (product.name !== '') add(keyOf(product.ecosystem, product.name), statement, product);
      if (product.ref !== null) add(product.ref, statement, product);
      if (product.within) for (const key of scopeKeys(product.within)) scopes.add(key);
    }
  const listsOf = (subject: VexSubject) =>
    [byKey.get(keyOf(subject.ecosystem, subject.name)), subject.ref ? byKey.get(subject.ref) : undefined].filter(
      (one) => one !== undefined,
    );
  return {
    size: statements.length,
    knows: (subject) =>
      listsOf(subject).length > 0 ||
      scopes.has(keyOf(subject.ecosystem, subject.name)) ||
      scopes.has(bomOf(subject) ?? ''),
    find(names, subject, around = []) {
      let best: VexStatement | null = null;
      for (const list of listsOf(subject))
        for (const name of names)
          for (const { statement, product } of list.get(name) ?? [])
            if (
              speaksOf(product, subject) &&
              inScope(product.within, [subject, ...around]) &&
              (best === null || outweighs(statement, best))
            )
              best = statement;
      return best;
    },
  };
}

const bomOf = ({ ref }: VexSubject): string | null => ref?.split('#', 1)[0] ?? null;
const scopeKeys = ({ ecosystem, name, bom }: VexScope): string[] => [
  ...(name === '' ? [] : [keyOf(ecosystem, name)]),
  ...(bom === null ? [] : [bom]),
];

function inScope(within: VexScope | undefined, subjects: readonly VexSubject[]): boolean {
  if (within === undefined) return true;
  return subjects.some((subject) => {
    if (within.bom !== null && within.bom === bomOf(subject)) return true;
    if (within.name === '' || keyOf(within.ecosystem, within.name) !== keyOf(subject.ecosystem, subject.name))
      return false;
    return speaksOf({ ...within, range: null, ref: null }, subject);
  });
}

function speaksOf(product: VexProduct, subject: VexSubject): boolean {
  const scheme = schemeOf(subject.ecosystem) ?? 'generic';
  if (product.version !== null && product.version !== '')
    return subject.version === '' || compareVersions(scheme, product.version, subject.version) === 0;
  if (product.range === null) return true;
  return subject.version !== '' && inRange(product.range, subject.version).affected === true;
}

const HARM: Readonly<Record<VexStatus, number>> = { affected: 3, under_investigation: 2, fixed: 1, not_affected: 0 };

/** The newer one; of the same time the one that asks for more care. */
function outweighs(a: VexStatement, b: VexStatement): boolean {
  const [left, right] = [Date.parse(a.date) || 0, Date.parse(b.date) || 0];
  if (left !== right) return left > right;
  return HARM[a.status] > HARM[b.status];
}

/** Whether the statement takes a vulnerability off the list. */
export const clears = (statement: VexStatement | null): statement is VexStatement =>
  statement !== null && (statement.status === 'not_affected' || statement.status === 'fixed');

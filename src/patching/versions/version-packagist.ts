/**
 * Packagist versions as PHP's version_compare orders them. A literal "#" stands there for "any number"; it equals all
 * of them, so that the order is total over versions without it.
 */

import { compareDigits, isDigit } from './version-order.ts';

// Checked by how a part begins, in this order (ext/standard/versioning.c); a number counts as "#".
const FORMS: readonly (readonly [string, number])[] = [
  ['dev', 0],
  ['alpha', 1],
  ['a', 1],
  ['beta', 2],
  ['b', 2],
  ['RC', 3],
  ['rc', 3],
  ['#', 4],
  ['pl', 5],
  ['p', 5],
];
const NUMBER = 4;

export function comparePackagist(a: string, b: string): number {
  const left = parts(a);
  const right = parts(b);
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const order = comparePart(left[i] as string, right[i] as string);
    if (order !== 0) return order;
  }
  return left.length > shared ? tail(left, shared) : -tail(right, shared);
}

/** How a version with more parts compares with one that ends before `at`. */
function tail(list: readonly string[], at: number): number {
  for (let i = at; i < list.length; i++) {
    const part = list[i] as string;
    if (isDigit(part.charCodeAt(0))) return 1;
    const order = form(part) - NUMBER;
    if (order !== 0) return order;
  }
  return 0;
}

function comparePart(a: string, b: string): number {
  if (isDigit(a.charCodeAt(0)) && isDigit(b.charCodeAt(0))) return compareDigits(a, b);
  return form(a) - form(b);
}

function form(part: string): number {
  if (isDigit(part.charCodeAt(0))) return NUMBER;
  return FORMS.find(([name]) => part.startsWith(name))?.[1] ?? -1;
}

function parts(version: string): string[] {
  const text = version.trim().replace(/^[vV](?=[0-9])/, '');
  return text.match(/[0-9]+|[^0-9.\-_+]+/g) ?? [];
}

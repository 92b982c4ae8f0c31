/**
 * Alpine versions by apk-package(5): `number{.number}{letter}{_suffix{number}}{~hash}{-r#}`. What does not follow the
 * grammar is still ordered: by the part that does, and below a version that ends there.
 */

import { compareDigits, compareLists, compareText, isDigit, isLower } from './version-order.ts';

const SUFFIXES = ['alpha', 'beta', 'pre', 'rc', '', 'cvs', 'svn', 'git', 'hg', 'p'] as const;
const NO_SUFFIX = SUFFIXES.indexOf('');

interface Suffix {
  readonly weight: number;
  readonly number: string | null;
}

interface ApkVersion {
  readonly numbers: readonly string[];
  readonly letter: string;
  readonly suffixes: readonly Suffix[];
  readonly build: string | null;
  /** What is left after the grammar: null nothing, "" something after or in the build part. */
  readonly tail: string | null;
}

export function compareApk(a: string, b: string): number {
  const left = parse(a.trim());
  const right = parse(b.trim());
  return (
    compareNumbers(left.numbers, right.numbers) ||
    compareText(left.letter, right.letter) ||
    compareLists(left.suffixes, right.suffixes, compareSuffix, (item) => NO_SUFFIX - item.weight) ||
    compareDigits(left.build ?? '0', right.build ?? '0') ||
    endRank(left) - endRank(right) ||
    compareText(left.tail ?? '', right.tail ?? '')
  );
}

// Broken tail < no build part < build part.
const endRank = (version: ApkVersion) => (version.tail !== null ? 0 : version.build === null ? 1 : 2);

// A number after the first that begins with 0 compares as a fraction does: 1.01 < 1.1 (apk_version.c).
function compareNumbers(a: readonly string[], b: readonly string[]): number {
  const first = compareDigits(a[0] ?? '', b[0] ?? '');
  if (first !== 0) return first;
  return compareLists(
    a,
    b,
    (left, right) => {
      if (left === a[0] && right === b[0]) return 0;
      const zeros = Number(!left.startsWith('0')) - Number(!right.startsWith('0'));
      return zeros || (left.startsWith('0') ? compareText(left, right) : compareDigits(left, right));
    },
    () => -1,
  );
}

function compareSuffix(a: Suffix, b: Suffix): number {
  const order = a.weight - b.weight;
  if (order !== 0) return order;
  if (a.number === null || b.number === null) return Number(a.number !== null) - Number(b.number !== null);
  return compareDigits(a.number, b.number);
}

function parse(text: string): ApkVersion {
  let at = 0;
  const digits = () => {
    const start = at;
    while (isDigit(text.charCodeAt(at))) at++;
    return text.slice(start, at);
  };
  const numbers: string[] = [];
  if (isDigit(text.charCodeAt(at))) numbers.push(digits());
  while (numbers.length > 0 && text[at] === '.' && isDigit(text.charCodeAt(at + 1))) {
    at++;
    numbers.push(digits());
  }
  const letter = isLower(text.charCodeAt(at)) ? (text[at++] as string) : '';
  const suffixes: Suffix[] = [];
  while (text[at] === '_') {
    const weight = SUFFIXES.findIndex((name) => name !== '' && text.startsWith(name, at + 1));
    if (weight < 0) break;
    at += 1 + (SUFFIXES[weight] as string).length;
    const number = digits();
    suffixes.push({ weight, number: number === '' ? null : number });
  }
  // A commit hash says nothing about order.
  if (text[at] === '~') {
    at++;
    while (/^[0-9a-f]$/.test(text[at] ?? '')) at++;
  }
  if (text[at] !== '-')
    return { numbers, letter, suffixes, build: null, tail: at < text.length ? text.slice(at) : null };
  if (text[at + 1] !== 'r') return { numbers, letter, suffixes, build: null, tail: '' };
  at += 2;
  const build = digits();
  return { numbers, letter, suffixes, build: build || '0', tail: at < text.length ? '' : null };
}

/** Semantic Versioning 2.0.0 section 11 (npm, crates.io, Go, …), and Dart's variant in which the build part counts too. */

import { allDigits, compareDigits, compareLists, compareText, isDigit } from './version-order.ts';

interface Semver {
  readonly core: readonly [string, string, string];
  readonly pre: readonly string[];
  readonly build: readonly string[];
}

export function compareSemver(a: string, b: string): number {
  const left = parseSemver(a);
  const right = parseSemver(b);
  return compareCore(left.core, right.core) || comparePre(left.pre, right.pre);
}

/** Dart's pub_semver: as above, then no build part before one, and build parts as pre-release parts. */
export function comparePub(a: string, b: string): number {
  const left = parseSemver(a);
  const right = parseSemver(b);
  return (
    compareCore(left.core, right.core) ||
    comparePre(left.pre, right.pre) ||
    compareLists(left.build, right.build, compareIdentifier, () => -1)
  );
}

/** Dot-separated identifiers: none at all is the release and comes last; numbers before words. */
export function comparePre(a: readonly string[], b: readonly string[]): number {
  if (a.length === 0 || b.length === 0) return Number(a.length === 0) - Number(b.length === 0);
  return compareLists(a, b, compareIdentifier, () => -1);
}

function compareIdentifier(a: string, b: string): number {
  const left = allDigits(a);
  const right = allDigits(b);
  if (left && right) return compareDigits(a, b);
  return left === right ? compareText(a, b) : left ? -1 : 1;
}

function compareCore(a: Semver['core'], b: Semver['core']): number {
  return compareDigits(a[0], b[0]) || compareDigits(a[1], b[1]) || compareDigits(a[2], b[2]);
}

function parseSemver(version: string): Semver {
  let text = version.trim();
  if (/^[vV=]/.test(text)) text = text.slice(1);
  const plus = text.indexOf('+');
  const build = plus < 0 ? [] : text.slice(plus + 1).split('.');
  if (plus >= 0) text = text.slice(0, plus);
  const core: [string, string, string] = ['0', '0', '0'];
  let at = 0;
  for (let i = 0; i < 3; i++) {
    const start = at;
    while (isDigit(text.charCodeAt(at))) at++;
    core[i] = text.slice(start, at);
    if (text[at] !== '.' || !isDigit(text.charCodeAt(at + 1))) break;
    at++;
  }
  // Not semver, but seen: "1.2.3rc1" is before 1.2.3, and "1.2.3.4" says no more than 1.2.3.
  const rest = text.slice(at);
  const dash = rest.startsWith('-') ? rest.slice(1) : rest.startsWith('.') ? afterDash(rest) : rest;
  return { core, pre: dash === '' ? [] : dash.split('.'), build };
}

function afterDash(text: string): string {
  const dash = text.indexOf('-');
  return dash < 0 ? '' : text.slice(dash + 1);
}

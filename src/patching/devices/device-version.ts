/** The versions that medical advisories write in free text ("prior to 2.1.3", "1.0 through 1.4", "2.X", "vers:all/*"). */

import { compareVersions } from '../patching-package.ts';

export type VersionSaying =
  | { readonly kind: 'all' }
  /** All of these hold together. */
  | { readonly kind: 'bounds'; readonly bounds: readonly Bound[] }
  | { readonly kind: 'list'; readonly versions: readonly string[] }
  /** No version: a date, model numbers, or words; kept for the question. */
  | { readonly kind: 'other' };

interface Bound {
  readonly operator: '<' | '<=' | '>' | '>=';
  readonly version: string;
}
export type VersionAnswer = 'in' | 'out' | 'unknown';

const TEXT_CHARS_MAX = 300;
const VERSION = /^v?(?:vm|s)?[a-z]{0,2}\.?[0-9]+(?:[._][0-9a-z]+)*[a-z]?$/;
const WORDS: readonly (readonly [RegExp, string])[] = [
  [/\b(?:all )?(?:software |firmware )?versions? (?=[<>=0-9v])/g, ''],
  [/\b(?:prior to|before|earlier than|below|older than|lower than|less than)\b/g, '<'],
  [/\b(?:up to and including|through and including|up to|until)\b/g, '<='],
  [/\b(?:later than|newer than|after|above)\b/g, '>'],
  [/\b(?:starting with|starting from|from)\b/g, '>='],
];

/** Reads the text; what is no version is `other`, never a guess. */
export function readVersionText(raw: string): VersionSaying {
  let text = raw.slice(0, TEXT_CHARS_MAX).trim().toLowerCase().replace(/\s+/g, ' ');
  if (/^(?:vers:all\/\*|vers:[a-z]+\/\*|all|all versions|all versions are affected|\*)$/.test(text))
    return { kind: 'all' };
  text = text.replace(/\((?:end-of-life|integrated into)[^)]{0,80}\)/g, '').trim();
  // Words that stand after their version, and ranges between two.
  text = text.replace(
    /(\S+),? (?:and|or) (?:below|earlier|prior|older|lower|all prior versions|prior versions|earlier versions)$/,
    '<= $1',
  );
  text = text.replace(/(\S+),? (?:and|or) (?:above|later|newer|higher)$/, '>= $1');
  text = text.replace(/(?:^|\bversions? )([a-z._]{0,8}[0-9]\S*) (?:through|thru|to|-) (\S+)$/, '>= $1 | <= $2');
  for (const [words, sign] of WORDS) text = text.replace(words, sign);
  const parts = text
    .split(/\s*\|\s*|\s*,\s*|\s+and\s+/)
    .map((part) => part.trim())
    .filter(Boolean);
  const bounds: Bound[] = [];
  const versions: string[] = [];
  for (const part of parts) {
    const match = /^(<=|>=|<|>)?\s*(?:version\s+)?(\S+)$/.exec(part);
    const version = match?.[2] ?? '';
    if (!match || !isVersion(version)) return { kind: 'other' };
    if (match[1]) bounds.push({ operator: match[1] as Bound['operator'], version: plain(version) });
    else versions.push(plain(version));
  }
  if (bounds.length > 0 && versions.length === 0)
    return joinable(bounds) ? { kind: 'bounds', bounds } : { kind: 'other' };
  return versions.length > 0 && bounds.length === 0 ? { kind: 'list', versions } : { kind: 'other' };
}

// One lower and one upper bound at most: more are several ranges, and the text does not say which belong together.
const joinable = (bounds: readonly Bound[]) =>
  bounds.length <= 2 &&
  bounds.filter((bound) => bound.operator.startsWith('<')).length <= 1 &&
  bounds.filter((bound) => bound.operator.startsWith('>')).length <= 1;

const isDateLike = (text: string) => text.includes('/') || /^(?:19|20)[0-9]{2}$/.test(text);
/** A version that can be compared: not a part number, which has letters in it and no dots. */
function isVersion(text: string): boolean {
  return text.length <= 40 && VERSION.test(text) && !isDateLike(text) && (/[._]/.test(text) || text.length <= 3);
}
const plain = (version: string) =>
  version
    .toLowerCase()
    .replace(/^v(?=[0-9])/, '')
    .replaceAll('_', '.');

/** Letters before the first digit: "b.06.18" and "6.18" are not the same kind of version. */
const prefix = (version: string) => /^[a-z.]*/.exec(version)?.[0] ?? '';

export function judgeVersion(saying: VersionSaying, deviceVersion: string): VersionAnswer {
  if (saying.kind === 'all') return 'in';
  const version = plain(deviceVersion.trim().replace(/^(?:version|ver\.?|software|firmware|sw|fw)\s+/i, ''));
  if (saying.kind === 'other' || !isVersion(version)) return 'unknown';
  const others = saying.kind === 'list' ? saying.versions : saying.bounds.map((bound) => bound.version);
  if (others.some((other) => prefix(other) !== prefix(version))) return 'unknown';
  if (saying.kind === 'list') return saying.versions.some((other) => listed(version, other)) ? 'in' : 'out';
  return saying.bounds.every(({ operator, version: bound }) => holds(operator, compare(version, bound))) ? 'in' : 'out';
}

function listed(version: string, other: string): boolean {
  if (other.endsWith('.x')) return version === other.slice(0, -2) || version.startsWith(other.slice(0, -1));
  return compare(version, other) === 0;
}

function holds(operator: Bound['operator'], order: number): boolean {
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>' ? order > 0 : order >= 0;
}

/** "2.3" and "2.3.0" are the same version of a device. */
function compare(a: string, b: string): number {
  return compareVersions('rpm', a.replace(/(?:\.0+)+$/, ''), b.replace(/(?:\.0+)+$/, ''));
}

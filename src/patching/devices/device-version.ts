/**
 * The versions that medical advisories write in free text ("prior to 2.1.3", "1.0 through 1.4", "Rev J-M", "2.X",
 * "1.8.4 Service Pack 01", "vers:all/*"). What is no version is `other`, never a guess.
 */

import { compareVersions } from '../patching-package.ts';

export type VersionSaying =
  | { readonly kind: 'all' }
  /** One of these ranges holds; in each all bounds together. */
  | { readonly kind: 'bounds'; readonly ranges: readonly (readonly Bound[])[] }
  | { readonly kind: 'list'; readonly versions: readonly string[] }
  /** No version: a date, model numbers, or words; kept for the question. */
  | { readonly kind: 'other' };

interface Bound {
  readonly operator: '<' | '<=' | '>' | '>=';
  readonly version: string;
}
export type VersionAnswer = 'in' | 'out' | 'unknown';

const TEXT_CHARS_MAX = 300;
const PARTS_MAX = 40;
const ALL =
  /^(?:vers:all\/\*|vers:[a-z]+\/\*|\*|all|any|all (?:current |known |supported |released )?(?:software |firmware )?(?:versions?|releases?|models?)(?: are affected| of .{1,80})?)$/;
const WORDS: readonly (readonly [RegExp, string])[] = [
  [
    /\b(?:prior to|before|earlier than|below|older than|lower than|less than|preceding|pre-)\s*(?:and including )?/g,
    '<',
  ],
  [/\b(?:up to and including|through and including|up to|until|at or below)\b/g, '<='],
  [/\b(?:later than|newer than|after|above|greater than|higher than)\b/g, '>'],
  [/\b(?:starting (?:with|from)|beginning with|from|since|at least)\b/g, '>='],
  [/≤|=</g, '<='],
  [/≥|=>/g, '>='],
  // Only what stands before a version or a sign: "Version 2" and "version prior to 2" say the same.
  [
    /\b(?:all )?(?:software |firmware )?(?:versions?|ver\.?|releases?|revisions?|rev\.?|firmware|software|fw|sw)(?=\s*(?:[<>=]|v?[a-z]?[0-9.]|[a-z]\b))/g,
    '',
  ],
];
/** Words of a version that count to it: "1.1.3 MR Build 11", "1.8.4 Service Pack 01", "4.20 SR1", "2023.3_Build_9342". */
const TAIL: readonly (readonly [RegExp, string])[] = [
  [/[\s_]+service pack[\s_]*0*([0-9]+)/g, '.sp$1'],
  [/[\s_]+(sp|sr|hf|patch|update)[\s_]*0*([0-9]+)\b/g, '.$1$2'],
  [/[\s_(]+build[\s_]*0*([0-9]+)\)?/g, '.build$1'],
  [/[\s_]+mr(?=[.\s]|$)/g, '.mr'],
  [/([0-9])\s+([a-z][0-9]{1,3})\b/g, '$1.$2'],
];

export function readVersionText(raw: string): VersionSaying {
  let text = raw.slice(0, TEXT_CHARS_MAX).trim().toLowerCase().replace(/\s+/g, ' ').replace(/[–—]/g, '-');
  text = text.replace(/\((?:end-of-life|integrated into|inclusive)[^)]{0,80}\)/g, '').trim();
  if (ALL.test(text)) return { kind: 'all' };
  if (text.startsWith('*')) return { kind: 'all' };
  const firmware = /\bfirmware (?:version )?(v?[a-z]?\.?[0-9][a-z0-9.]{1,30})(?:,|$)/.exec(text);
  if (firmware && text.includes(',')) text = firmware[1] as string;
  for (const [pattern, tail] of TAIL) text = text.replace(pattern, tail);
  // Words that stand after their version, and ranges between two.
  text = text.replace(
    /(\S+),? (?:and|or)(?: all)? (?:below|earlier|prior|older|lower|previous|all prior versions?|prior versions?|earlier versions?|earlier releases?|below versions?)(?: (?:versions?|releases?))?$/,
    '<= $1',
  );
  text = text.replace(
    /(\S+),? (?:and|or)(?: all)? (?:above|later|newer|higher|up|subsequent)(?: versions?)?$/,
    '>= $1',
  );
  text = text.replace(
    /(?:^|\b(?:versions?|rev(?:isions?)?\.?|releases?) )(?:between )?([a-z._]{0,8}[0-9][^\s|]*|[a-z]) ?(?:through|thru|to|and|-) ?(?=[a-z._]{0,8}[0-9]|[a-z]$)([^\s|]+)$/,
    (all, from: string, to: string) => (/\band\b/.test(all) && !/between/.test(all) ? all : `>= ${from} | <= ${to}`),
  );
  text = text.replace(/^([a-z]{0,3}[0-9]\S*) (<=?) (\S+)$/, '>= $1 | $2 $3');
  for (const [words, sign] of WORDS) text = text.replace(words, sign);
  return fromParts(text);
}

function fromParts(text: string): VersionSaying {
  const parts = text
    .split(/\s*\|\s*|\s*,\s*|\s*;\s*|\s+and\s+|\s+or\s+|\s*&\s*/)
    .map((part) => part.trim())
    .filter(Boolean);
  if (parts.length > PARTS_MAX) return { kind: 'other' };
  const bounds: Bound[] = [];
  const versions: string[] = [];
  for (const part of parts) {
    // "S4 A.07.107": a model before its version.
    const match = /^(<=|>=|<|>|=)?\s*(?:version\s+)?(?:[a-z]{1,3}[0-9]{1,3} (?=[a-z]\.[0-9]))?(\S+)$/.exec(part);
    const version = match?.[2] ?? '';
    if (!match || !isVersion(version, match[1] !== undefined)) return { kind: 'other' };
    if (match[1] && match[1] !== '=') bounds.push({ operator: match[1] as Bound['operator'], version: plain(version) });
    else versions.push(plain(version));
  }
  if (bounds.length > 0 && versions.length === 0) {
    const ranges = rangesOf(bounds);
    return ranges === null ? { kind: 'other' } : { kind: 'bounds', ranges };
  }
  return versions.length > 0 && bounds.length === 0 ? { kind: 'list', versions } : { kind: 'other' };
}

/** Lower and upper in turn are ranges beside each other when each begins after the one before; else nobody can tell. */
function rangesOf(bounds: readonly Bound[]): Bound[][] | null {
  const lower = (bound: Bound) => bound.operator.startsWith('>');
  if (bounds.length <= 2 && bounds.filter(lower).length <= 1 && bounds.filter((bound) => !lower(bound)).length <= 1)
    return [[...bounds]];
  if (bounds.length % 2 !== 0) return null;
  const ranges: Bound[][] = [];
  for (let i = 0; i < bounds.length; i += 2) {
    const [from, to] = [bounds[i] as Bound, bounds[i + 1] as Bound];
    if (!lower(from) || lower(to) || shape(from.version) !== shape(to.version) || compare(from.version, to.version) > 0)
      return null;
    const before = ranges.at(-1)?.[1];
    if (before && compare(before.version, from.version) >= 0) return null;
    ranges.push([from, to]);
  }
  return ranges;
}

const isDateLike = (text: string) =>
  text.includes('/') ||
  /^(?:19|20)[0-9]{2}$/.test(text) ||
  /^(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)/.test(text);
const VERSION_START = /^v?[a-z]{0,3}\.?[0-9][a-z0-9._-]*$/;
/** A version that can be compared: not a part number, which is long and has no dots. A letter alone is a revision. */
function isVersion(text: string, signed: boolean): boolean {
  if (text.length > 48 || isDateLike(text)) return false;
  if (/^[a-z]$/.test(text)) return true;
  if (!VERSION_START.test(text) || /[a-z]{7}/.test(text)) return false;
  return /[._]/.test(text) || text.length <= 3 || (signed && text.length <= 4);
}
const plain = (version: string) =>
  version
    .toLowerCase()
    .replace(/^v(?=[0-9])/, '')
    .replace(/\.$/, '')
    .replaceAll('_', '.');

/** Kinds of version that can be compared with each other: numbers, revisions by one letter, numbers after a word. */
function shape(version: string): string {
  const letters = /^[a-z]*/.exec(version)?.[0] ?? '';
  return letters.length <= 1 ? (letters === '' ? 'number' : 'letter') : letters;
}

const DEVICE_WORDS = /^(?:versions?|ver\.?|software|firmware|release|revision|rev\.?|sw|fw)\s*[:.]?\s*/i;

export function judgeVersion(saying: VersionSaying, deviceVersion: string): VersionAnswer {
  if (saying.kind === 'all') return 'in';
  if (saying.kind === 'other') return 'unknown';
  let text = deviceVersion.trim().toLowerCase().slice(0, 100);
  for (let i = 0; i < 3 && DEVICE_WORDS.test(text); i++) text = text.replace(DEVICE_WORDS, '');
  for (const [pattern, tail] of TAIL) text = text.replace(pattern, tail);
  const version = plain(text);
  if (!isVersion(version, true)) return 'unknown';
  if (saying.kind === 'list') return judgeList(saying.versions, version);
  let answer: VersionAnswer = 'out';
  for (const range of saying.ranges) {
    if (range.some((bound) => shape(bound.version) !== shape(version))) return 'unknown';
    if (range.every(({ operator, version: bound }) => holds(operator, version, bound))) answer = 'in';
    // "1.3" may be any build of 1.3; a bound inside of it cannot be told.
    else if (
      answer === 'out' &&
      range.some(
        ({ version: bound }) =>
          bound.startsWith(`${version}.`) && /\.(?:build|sp|sr|mr|hf)/.test(bound.slice(version.length)),
      )
    )
      answer = 'unknown';
  }
  return answer;
}

function judgeList(versions: readonly string[], version: string): VersionAnswer {
  let answer: VersionAnswer = 'out';
  for (const other of versions) {
    if (shape(other) !== shape(version)) {
      if (answer === 'out') answer = 'unknown';
    } else if (listed(version, other)) return 'in';
    else if (other.startsWith(`${version}.`) && /\.(?:build|sp|sr|mr|hf)/.test(other.slice(version.length)))
      answer = 'unknown';
  }
  return answer;
}

function listed(version: string, other: string): boolean {
  if (other.endsWith('.x')) return version === other.slice(0, -2) || version.startsWith(other.slice(0, -1));
  return compare(version, other) === 0;
}

/** "< 2.x" is before any 2; "<= 2.x" holds for all of them. */
function holds(operator: Bound['operator'], version: string, bound: string): boolean {
  if (bound.endsWith('.x')) {
    const base = bound.slice(0, -2);
    const within = version === base || version.startsWith(`${base}.`);
    if (within) return operator === '<=' || operator === '>=';
    return holds(operator, version, base);
  }
  // A revision by its letter alone holds for all that begin with it.
  const order = /^[a-z]$/.test(bound) ? version.charCodeAt(0) - bound.charCodeAt(0) : compare(version, bound);
  if (operator === '<') return order < 0;
  if (operator === '<=') return order <= 0;
  return operator === '>' ? order > 0 : order >= 0;
}

/** "2.3" and "2.3.0" are the same version of a device. */
const compare = (a: string, b: string): number => compareVersions('generic', a, b);

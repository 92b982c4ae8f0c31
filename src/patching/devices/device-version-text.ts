/**
 * The versions that medical advisories write in free text ("prior to and including R3.1", "1.0 through 1.4", "7.x before 7.0.5",
 * "Rev J-M", "all versions except 3.2", "vers:intdot/>=1.0|<1.5"), as ranges. What is no version is `other`, never a guess.
 */

import { compareParts, isPatchLevel, isVersion, plainVersion, shapeOf } from './device-version-order.ts';

export type Operator = '<' | '<=' | '>' | '>=' | '=';
export interface Bound {
  readonly operator: Operator;
  readonly version: string;
}

export type VersionSaying =
  | { readonly kind: 'all' }
  /** One of these ranges holds, in each all bounds together; and none of the exceptions. */
  | {
      readonly kind: 'bounds' | 'list';
      readonly ranges: readonly (readonly Bound[])[];
      readonly except: readonly string[];
      /** It holds under a condition that the text names beside: "with the wireless option". */
      readonly condition: boolean;
    }
  /** No version: a date, model numbers, or words; kept for the question. */
  | { readonly kind: 'other' };

const OTHER: VersionSaying = { kind: 'other' };
const TEXT_CHARS_MAX = 300;
const TOKENS_MAX = 160;
const ALL =
  /^\(?(?:vers:[a-z]+\/\*|\*|all|any|all (?:current |known |supported |released )?(?:software |firmware |product )?(?:versions?|releases?|models?)(?: are affected| of .{1,80})?)\)?$/;
/** What is said in brackets and changes nothing. */
const ASIDE = /^(?:end-of-life.*|integrated into.*|inclusive|all builds|all versions?|latest|current|and all prior)$/;

/** Phrases as signs; the longer ones first. Each is one pass over a short text. */
const PHRASES: readonly (readonly [RegExp, string])[] = [
  [/\(?\b(?:but )?(?:not including|exclusive|excluding)\b(?! versions?\b| v?[0-9])\)?/g, ' '],
  [
    /\b(?:prior to|before|earlier than|older than|lower than|less than|below|up to|through|until),? (?:and|or),? (?:including|inclusive of|equal to|equals)\b,?/g,
    ' <= ',
  ],
  [/\b(?:no|not) (?:later|newer|higher|greater) than\b|\bat or below\b|\bup to\b|\buntil\b/g, ' <= '],
  [/\b(?:later than|newer than|higher than|greater than|above|after),? or,? (?:equal to|equals)\b/g, ' >= '],
  [
    /\b(?:no|not) (?:earlier|older|lower|less) than\b|\bat least\b|\b(?:starting|beginning) (?:with|from|at)\b|\bfrom\b|\bsince\b/g,
    ' >= ',
  ],
  [
    /\b(?:prior to|before|earlier than|below|older than|lower than|less than|preceding|under)\b|\bpre-(?=v?[0-9])/g,
    ' < ',
  ],
  [/\b(?:later than|newer than|after|above|greater than|higher than|beyond)\b/g, ' > '],
  [/≤|=</g, ' <= '],
  [/≥|=>/g, ' >= '],
];
const VERSION = '(?:v\\.?|r)?[a-z]{0,3}\\.?[0-9][a-z0-9._*+-]*|[a-z]';
const OLDER =
  '(?:all )?(?:below|earlier|prior|older|lower|previous|under|preceding|all prior|all earlier|all previous)';
const NEWER = '(?:all )?(?:above|later|newer|higher|up|upwards?|subsequent|greater|beyond)';
const KINDS = '(?: (?:software |firmware )?(?:versions?|releases?|revisions?|builds?))?';
const AFTERWARDS: readonly (readonly [RegExp, string])[] = [
  [
    new RegExp(
      `(?<![a-z0-9.])(${VERSION}),? (?:and|or|&|/) ${OLDER}${KINDS}(?! (?:to|than|and including|or equal)\\b)(?![a-z])`,
      'g',
    ),
    '<= $1',
  ],
  [new RegExp(`(?<![a-z0-9.])(${VERSION}),? (?:and|or|&|/) ${NEWER}${KINDS}(?! than\\b)(?![a-z])`, 'g'), '>= $1'],
  [/(?<![a-z0-9.])(v?[0-9][a-z0-9._]*) ?\+(?![a-z0-9])/g, '>= $1'],
  [
    new RegExp(`\\bbetween (?:versions? )?(${VERSION}) and (?:versions? )?(${VERSION})(?![a-z0-9])`, 'g'),
    '>= $1 <= $2',
  ],
];
/** Words that say nothing beside a version. */
const NOISE = new Set(
  (
    'all any version versions ver ver. v software firmware release releases revision revisions rev rev. build fw sw the of is are ' +
    'affected both either only inclusive included inclusively also is: number'
  ).split(' '),
);
const SEPARATORS = new Set(['|', ',', ';', '&', 'and', 'or', 'as', 'well']);
const UNTIL = new Set(['-', 'to', 'through', 'thru', '..']);
const OPERATORS = new Set<string>(['<', '<=', '>', '>=', '=']);

type Token = { readonly is: 'operator' | 'version' | 'separator' | 'until'; readonly text: string };

export function readVersionText(raw: string): VersionSaying {
  let text = raw.slice(0, TEXT_CHARS_MAX).trim().toLowerCase().replace(/\s+/g, ' ').replace(/[–—−]/g, '-');
  if (ALL.test(text) || text.startsWith('*')) return { kind: 'all' };
  const firmware = /\bfirmware (?:version )?(v?[a-z]?\.?[0-9][a-z0-9.]{1,30})(?:,|$)/.exec(text);
  if (firmware && text.includes(',')) text = firmware[1] as string;
  text = decoded(text);
  const apart = setApart(text);
  const exceptions = apart.except === '' ? [] : exactVersions(apart.except);
  if (exceptions === null) return OTHER;
  if (ALL.test(apart.text))
    return exceptions.length === 0
      ? { kind: 'all' }
      : { kind: 'bounds', ranges: [[]], except: exceptions, condition: apart.condition };
  const tokens = tokensOf(signed(apart.text));
  const ranges = tokens === null ? null : rangesOf(tokens);
  if (ranges === null || ranges.length === 0) return OTHER;
  const exact = ranges.every((range) => range.length === 1 && range[0]?.operator === '=');
  return { kind: exact ? 'list' : 'bounds', ranges, except: exceptions, condition: apart.condition };
}

/** "vers:generic/>=1.0|<2.0" says the same in a scheme of its own. */
function decoded(text: string): string {
  if (!text.startsWith('vers:')) return text;
  const inner = text.slice(text.indexOf('/') + 1);
  try {
    return decodeURIComponent(inner);
  } catch {
    return inner;
  }
}

/** Takes exceptions, brackets and conditions out of the text. */
function setApart(whole: string): { text: string; except: string; condition: boolean } {
  let except = '';
  let condition = false;
  // "1.2(3)a" is one version.
  let text = whole.replace(/(?<=[0-9])\(([0-9]{1,4})\)(?=[a-z0-9.]{0,8}(?:[\s,;|)]|$))/g, '.$1');
  text = text.replace(/\(([^()]{0,120})\)/g, (_all, inside: string) => {
    const out = /^\s*(?:except|excluding|other than|but not)(?: for)? (.+)$/.exec(inside);
    if (/^(?:but )?(?:not including|exclusive)$/.test(inside.trim())) return ' ';
    if (out) except = out[1] as string;
    else if (/^build [0-9]/.test(inside.trim())) return ` ${inside}`;
    else if (!ASIDE.test(inside.trim())) condition = true;
    return ' ';
  });
  const out = /^(.{1,200}?),? (?:except|excluding|other than|but not)(?: for)? (.{1,100})$/.exec(text);
  if (out) {
    text = out[1] as string;
    except = out[2] as string;
  }
  // "2.1 and 2.2 running on Windows XP": which of them run there is a question.
  const beside =
    /^(.{1,200}?[0-9a-z]) (?:running|when|if|used|installed|that|which|with|on|in|for|where) .{1,200}$/.exec(text);
  if (beside && /[0-9]/.test(beside[1] as string)) {
    text = beside[1] as string;
    condition = true;
  }
  return { text: text.trim(), except, condition };
}

function exactVersions(text: string): string[] | null {
  const tokens = tokensOf(signed(text));
  if (tokens === null || tokens.some((token) => token.is !== 'version' && token.is !== 'separator')) return null;
  return tokens.filter((token) => token.is === 'version').map((token) => token.text);
}

function signed(text: string): string {
  let said = withTails(text);
  for (const [phrase, sign] of AFTERWARDS) said = said.replace(phrase, sign);
  for (const [phrase, sign] of PHRASES) said = said.replace(phrase, sign);
  return said;
}

/** Short words before a version that are none of its letters ("AP 3.0" has two). */
const PLAIN_WORDS = new Set(
  'to or and as rev ver rel fw sw sp sr hf mr all any the is of are pre not but for was has up at by in on no old new run thru'.split(
    ' ',
  ),
);

/** Words of a version that count to it: "1.1.3 MR Build 11", "1.8.4 Service Pack 01", "4.20 SR1", "2023.3_Build_9342". */
export function withTails(text: string): string {
  return text
    .replace(/(?<![a-z0-9.])([a-z]{2,3}) (?=[0-9]{1,4}\.[0-9])/g, (all, word: string) =>
      PLAIN_WORDS.has(word) ? all : word,
    )
    .replace(/(?<=[0-9][a-z]?)[\s_]+service pack[\s_]*0*([0-9]+)/g, '.sp$1')
    .replace(/(?<=[0-9][a-z]?)[\s_]+(sp|sr|hf|patch|update|hotfix)[\s_]*0*([0-9]+)\b/g, '.$1$2')
    .replace(/(?<=[0-9])[\s_]+mr(?=[.\s]|$)/g, '.mr')
    .replace(/(?<=[0-9a-z])[\s_(]+build[\s_]*0*([0-9]+)\)?/g, '.build$1')
    .replace(/([0-9])\s+([a-z][0-9]{1,3})\b/g, '$1.$2')
    .replace(
      /\b(service pack|sp|sr|hf|patch|update|hotfix)[\s_]+0*([0-9]+)\b/g,
      (_all, word: string, number: string) => (word === 'service pack' ? `sp${number}` : `${word}${number}`),
    );
}

/** Null when a word is met that nobody knows here. */
function tokensOf(text: string): Token[] | null {
  const words = text
    .replace(/(<=|>=|<|>|(?<![<>])=)/g, ' $1 ')
    .replace(/\s*([|,;&])\s*/g, ' $1 ')
    .split(/\s+/)
    .filter(Boolean);
  if (words.length > TOKENS_MAX) return null;
  const tokens: Token[] = [];
  for (const word of words) {
    if (OPERATORS.has(word)) tokens.push({ is: 'operator', text: word });
    else if (SEPARATORS.has(word)) tokens.push({ is: 'separator', text: word });
    else if (UNTIL.has(word)) tokens.push({ is: 'until', text: word });
    else if (NOISE.has(word)) continue;
    else {
      const read = versionTokens(word, tokens.at(-1)?.is === 'operator');
      if (read === null) return null;
      tokens.push(...read);
    }
  }
  return tokens;
}

function versionTokens(word: string, afterSign: boolean): Token[] | null {
  const version = (text: string): Token => ({ is: 'version', text: plainVersion(text) });
  const parts = word.split('-');
  if (parts.length === 2) {
    const [from, to] = parts.map(plainVersion) as [string, string];
    if (isVersion(from, true) && isVersion(to, true) && shapeOf(from) === shapeOf(to))
      return [version(from), { is: 'until', text: '-' }, version(to)];
  }
  // "S4 A.07.107": a model before its version.
  if (/^[a-z]{1,3}[0-9]{1,3}$/.test(word) && !afterSign && !isVersion(plainVersion(word), false)) return null;
  const plain = plainVersion(word);
  return isVersion(plain, afterSign) || isPatchLevel(plain) ? [version(word)] : null;
}

/** Bounds and versions in their order as ranges beside each other; null when nobody can tell how they belong together. */
function rangesOf(tokens: readonly Token[]): Bound[][] | null {
  const ranges: Bound[][] = [];
  const bounds: Bound[] = [];
  let i = 0;
  const at = (place: number) => tokens[place];
  const versionAt = (place: number) => (at(place)?.is === 'version' ? (at(place) as Token).text : null);
  while (i < tokens.length) {
    const token = at(i) as Token;
    if (token.is === 'separator') {
      i++;
      continue;
    }
    if (token.is === 'operator' || token.is === 'until') {
      const version = versionAt(i + 1);
      if (version === null) return null;
      const operator = token.is === 'until' ? '<=' : (token.text as Operator);
      // "<= S4 A.07.107": what stands between sign and version is a model.
      const later = operator !== '=' && /^[a-z]{1,3}[0-9]{1,3}$/.test(version) ? versionAt(i + 2) : null;
      const model = later !== null && /^[a-z]\.[0-9]/.test(later);
      if (operator === '=') ranges.push([{ operator, version }]);
      else bounds.push({ operator, version: model ? (later as string) : version });
      i += model ? 3 : 2;
      continue;
    }
    const next = at(i + 1);
    const other = versionAt(i + 2);
    const upper = next?.is === 'until' || (next?.is === 'operator' && next.text.startsWith('<'));
    if (upper && other !== null) {
      const operator = next?.is === 'until' ? '<=' : (next?.text as Operator);
      const to = isPatchLevel(other) ? `${token.text}.${other}` : other;
      if (shapeOf(token.text) !== shapeOf(to) || compareParts(token.text, to) > 0) return null;
      ranges.push([
        { operator: '>=', version: token.text },
        { operator, version: to },
      ]);
      i += 3;
    } else {
      if (isPatchLevel(token.text)) return null;
      ranges.push([{ operator: '=', version: token.text }]);
      i++;
    }
  }
  const bounded = pairsOf(bounds);
  return bounded === null ? null : [...bounded, ...ranges];
}

/** Lower and upper in turn are ranges beside each other when each begins after the one before; else nobody can tell. */
function pairsOf(bounds: readonly Bound[]): Bound[][] | null {
  const isLower = (bound: Bound) => bound.operator.startsWith('>');
  if (bounds.length <= 1) return bounds.map((bound) => [bound]);
  const lower = bounds.filter(isLower);
  const upper = bounds.filter((bound) => !isLower(bound));
  if (lower.length === 1 && upper.length === 1) {
    const [from, to] = [lower[0] as Bound, upper[0] as Bound];
    if (shapeOf(from.version) !== shapeOf(to.version)) return null;
    return compareParts(from.version, to.version) <= 0 ? [[from, to]] : [[to], [from]];
  }
  // Several upper bounds are one for each of several lines of a product, or say the same twice: the one above counts.
  if (lower.length === 0) return upper.map((bound) => [bound]);
  if (bounds.length % 2 !== 0) return null;
  const ranges: Bound[][] = [];
  for (let i = 0; i < bounds.length; i += 2) {
    const [from, to] = [bounds[i] as Bound, bounds[i + 1] as Bound];
    if (!isLower(from) || isLower(to) || shapeOf(from.version) !== shapeOf(to.version)) return null;
    if (compareParts(from.version, to.version) > 0) return null;
    const before = ranges.at(-1)?.[1];
    if (before && compareParts(before.version, from.version) >= 0) return null;
    ranges.push([from, to]);
  }
  return ranges;
}

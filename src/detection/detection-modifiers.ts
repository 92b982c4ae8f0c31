/** Turns `field|modifier|…: values` into an expression: all modifiers of the Sigma specification 2.1 and pySigma's aliases. */

import { parseCidr } from './detection-cidr.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { createRegex } from './detection-regex.ts';
import {
  all,
  any,
  type Comparison,
  type Expr,
  not,
  PlaceholderFault,
  RuleFault,
  type Test,
  type TimePart,
} from './detection-rule.ts';
import {
  base64,
  base64Offsets,
  hasWildcard,
  joinPatterns,
  literalPattern,
  modeOf,
  parsePattern,
  plainText,
  type SigmaPattern,
  STAR,
  utf8Bytes,
  utf16Bytes,
  windash,
} from './detection-value.ts';

export type Scalar = string | number | boolean | null;

const TIME_PARTS: readonly string[] = ['minute', 'hour', 'day', 'week', 'month', 'year'];
const COMPARISONS: readonly string[] = ['lt', 'lte', 'gt', 'gte'];
const KNOWN = new Set([
  'contains',
  'startswith',
  'endswith',
  'all',
  'cased',
  'exists',
  'neq',
  'windash',
  're',
  'i',
  'm',
  's',
  'cidr',
  'base64',
  'base64offset',
  'utf16le',
  'utf16be',
  'utf16',
  'wide',
  'expand',
  'fieldref',
  'ignorecase',
  'multiline',
  'dotall',
  'utf8',
  ...TIME_PARTS,
  ...COMPARISONS,
]);
const REGEX_FLAG: Readonly<Record<string, 'i' | 'm' | 's'>> = {
  i: 'i',
  m: 'm',
  s: 's',
  ignorecase: 'i',
  multiline: 'm',
  dotall: 's',
};

/** A value on its way through text modifiers: a pattern, or bytes once it was encoded. */
type Piece = { readonly pattern: SigmaPattern } | { readonly bytes: string };

const toBytes = (piece: Piece): string => {
  if ('bytes' in piece) return piece.bytes;
  const text = plainText(piece.pattern);
  if (text === null) throw new RuleFault('a value that is encoded may hold no wildcards');
  return utf8Bytes(text);
};
const toPattern = (piece: Piece): SigmaPattern => ('pattern' in piece ? piece.pattern : literalPattern(piece.bytes));

function encodeWide(piece: Piece, kind: 'le' | 'be' | 'bom'): Piece {
  const text = 'pattern' in piece ? plainText(piece.pattern) : null;
  if (text === null) throw new RuleFault('a value that is encoded may hold no wildcards');
  return { bytes: utf16Bytes(text, kind) };
}

function modifyText(pieces: readonly Piece[], modifier: string): Piece[] {
  const around = (before: SigmaPattern, after: SigmaPattern) =>
    pieces.map((piece) => ({ pattern: joinPatterns(before, toPattern(piece), after) }));
  switch (modifier) {
    case 'contains':
      return around([STAR], [STAR]);
    case 'startswith':
      return around([], [STAR]);
    case 'endswith':
      return around([STAR], []);
    case 'windash':
      return pieces.flatMap((piece) => windash(toPattern(piece)).map((pattern) => ({ pattern })));
    case 'wide':
    case 'utf16le':
      return pieces.map((piece) => encodeWide(piece, 'le'));
    case 'utf16be':
      return pieces.map((piece) => encodeWide(piece, 'be'));
    case 'utf16':
      return pieces.map((piece) => encodeWide(piece, 'bom'));
    case 'base64':
      return pieces.map((piece) => ({ pattern: literalPattern(base64(toBytes(piece))) }));
    case 'base64offset':
      return pieces.flatMap((piece) =>
        base64Offsets(toBytes(piece)).map((text) => ({ pattern: literalPattern(text) })),
      );
    default:
      return [...pieces];
  }
}

interface Reading {
  readonly field: string;
  readonly modifiers: readonly string[];
  readonly has: (modifier: string) => boolean;
}

const leaf = (reading: Reading, test: Test): Expr => ({ t: 'test', field: reading.field, test });

function needNumber(value: Scalar, what: string): number {
  const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) throw new RuleFault(`${what} needs a number`);
  return number;
}

/** Modifiers that decide the kind of test; null when the value is text. */
function special(reading: Reading, value: Scalar): Expr | null {
  const { has } = reading;
  const op = reading.modifiers.find((m): m is Comparison => COMPARISONS.includes(m));
  const part = reading.modifiers.find((m): m is TimePart => TIME_PARTS.includes(m));
  if (has('exists')) {
    const wanted = typeof value === 'string' ? value.toLowerCase() === 'true' : value;
    if (typeof wanted !== 'boolean') throw new RuleFault('exists needs true or false');
    return leaf(reading, { kind: 'exists', exists: wanted });
  }
  if (part) return leaf(reading, { kind: 'time', part, op: op ?? 'eq', number: needNumber(value, part) });
  if (op) return leaf(reading, { kind: 'compare', op, number: needNumber(value, op) });
  if (has('re')) {
    if (typeof value !== 'string' && typeof value !== 'number') throw new RuleFault('re needs a text');
    const flags = { i: false, m: false, s: false };
    for (const m of reading.modifiers) {
      const flag = REGEX_FLAG[m];
      if (flag) flags[flag] = true;
    }
    return leaf(reading, { kind: 'regex', regex: createRegex(String(value), flags) });
  }
  if (has('cidr')) {
    const cidr = typeof value === 'string' ? parseCidr(value) : null;
    if (!cidr) throw new RuleFault('cidr needs a network such as 10.0.0.0/8');
    return leaf(reading, { kind: 'cidr', cidr });
  }
  if (has('fieldref')) {
    if (typeof value !== 'string') throw new RuleFault('fieldref needs the name of a field');
    const mode = (['startswith', 'endswith', 'contains'] as const).find(has) ?? 'equals';
    return leaf(reading, { kind: 'fieldref', other: value, mode, cased: has('cased') });
  }
  return null;
}

function textTests(reading: Reading, value: Scalar): Expr {
  if (value === null) return leaf(reading, { kind: 'null' });
  const text = String(value);
  let pieces: Piece[] = [{ pattern: typeof value === 'string' ? parsePattern(value) : literalPattern(text) }];
  for (const modifier of reading.modifiers) pieces = modifyText(pieces, modifier);
  const cased = reading.has('cased');
  const tests = pieces.map((piece): Expr => {
    // A keyword stands anywhere in the event, whatever wildcards surround it.
    const bare = toPattern(piece);
    const pattern = reading.field === '' ? joinPatterns([STAR], bare, [STAR]) : bare;
    return leaf(reading, { kind: 'text', ...modeOf(pattern), cased });
  });
  return any(tests);
}

const PLACEHOLDER = /%([^%\s]+)%/g;
export type Placeholders = Readonly<Record<string, readonly Scalar[]>>;

/** `expand`: each value with each combination of the values that its placeholders stand for. */
function expand(values: readonly Scalar[], given: Placeholders): Scalar[] {
  const missing = new Set<string>();
  const out = values.flatMap((value): Scalar[] => {
    if (typeof value !== 'string') return [value];
    const names = [...new Set([...value.matchAll(PLACEHOLDER)].map((found) => found[1] as string))];
    for (const name of names) if (!Object.hasOwn(given, name)) missing.add(name);
    if (missing.size > 0) return [];
    let texts: Scalar[] = [value];
    for (const name of names) {
      const marked = `%${name}%`;
      texts = texts.flatMap((text) =>
        (given[name] ?? []).map((one) => (text === marked ? one : String(text).replaceAll(marked, () => String(one)))),
      );
      if (texts.length > LIMIT.ruleValuesMax) throw new RuleFault('the placeholders have too many values');
    }
    return texts;
  });
  if (missing.size > 0) throw new PlaceholderFault([...missing]);
  return out;
}

/** A text of wildcards only matches everything that is there. */
function settle(expr: Expr): Expr {
  if (expr.t !== 'test' || expr.test.kind !== 'text') return expr;
  const { mode, pattern } = expr.test;
  const everything = mode !== 'equals' && pattern.length === 0 && !hasWildcard(pattern);
  if (!everything) return expr;
  return expr.field === '' ? { t: 'const', value: true } : { ...expr, test: { kind: 'exists', exists: true } };
}

/**
 * The expression of one line of a selection. An empty field name means keywords.
 *
 * @throws RuleFault when a modifier is unknown or does not fit its value
 */
export function readField(
  key: string,
  written: readonly Scalar[],
  isList: boolean,
  placeholders: Placeholders = {},
): Expr {
  const [field = '', ...rest] = key.split('|');
  const modifiers = rest.map((m) => (m === 'C' || m === 'c' ? 'cased' : m.trim().toLowerCase()));
  for (const modifier of modifiers) {
    if (!KNOWN.has(modifier)) throw new RuleFault(`the modifier "${modifier.slice(0, 32)}" is not known`);
  }
  if (modifiers.some((m) => REGEX_FLAG[m]) && !modifiers.includes('re')) {
    throw new RuleFault('i, m and s belong behind re');
  }
  const values = modifiers.includes('expand') ? expand(written, placeholders) : written;
  if (values.length > LIMIT.ruleValuesMax) throw new RuleFault('there are too many values');
  const reading: Reading = { field: field.trim(), modifiers, has: (m) => modifiers.includes(m) };
  if (isList && written.length === 0) throw new RuleFault('the list of values is empty');
  // A placeholder that stands for nothing fits nothing.
  if (values.length === 0) return { t: 'const', value: reading.has('neq') };
  const tests = values.map((value) => settle(special(reading, value) ?? textTests(reading, value)));
  const joined = reading.has('all') ? all(tests) : any(tests);
  return reading.has('neq') ? not(joined) : joined;
}

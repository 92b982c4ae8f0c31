/** Sigma's text values: wildcards and escapes (specification 2.1, "Wildcards"), and what modifiers turn them into. */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { TextMode } from './detection-rule.ts';

/** Any number of characters, and exactly one. */
export const STAR = 1;
export const ONE = 2;
/** Literal pieces and wildcards, never two literals side by side. */
export type SigmaPattern = readonly (string | typeof STAR | typeof ONE)[];

function push(out: (string | typeof STAR | typeof ONE)[], piece: string | typeof STAR | typeof ONE): void {
  const last = out.at(-1);
  if (typeof piece === 'string') {
    if (piece === '') return;
    if (typeof last === 'string') out[out.length - 1] = last + piece;
    else out.push(piece);
  } else if (piece !== STAR || last !== STAR) out.push(piece);
}

/** Reads wildcards and escapes: `\*` is a star, `\\` one backslash, `\\*` a backslash and a wildcard, `\x` stays. */
export function parsePattern(text: string): SigmaPattern {
  const out: (string | typeof STAR | typeof ONE)[] = [];
  let literal = '';
  for (let i = 0; i < text.length; i++) {
    const c = text.charAt(i);
    const next = text.charAt(i + 1);
    if (c === '\\' && (next === '*' || next === '?' || next === '\\')) {
      literal += next;
      i++;
    } else if (c === '*' || c === '?') {
      push(out, literal);
      literal = '';
      push(out, c === '*' ? STAR : ONE);
    } else literal += c;
  }
  push(out, literal);
  return out;
}

export const literalPattern = (text: string): SigmaPattern => (text === '' ? [] : [text]);

/** Joins patterns, so that a modifier can put a wildcard before or behind one. */
export function joinPatterns(...patterns: readonly SigmaPattern[]): SigmaPattern {
  const out: (string | typeof STAR | typeof ONE)[] = [];
  for (const pattern of patterns) for (const piece of pattern) push(out, piece);
  return out;
}

export const hasWildcard = (pattern: SigmaPattern): boolean => pattern.some((piece) => typeof piece !== 'string');

/** The text of a pattern without wildcards, or null. */
export function plainText(pattern: SigmaPattern): string | null {
  if (hasWildcard(pattern)) return null;
  return (pattern[0] as string | undefined) ?? '';
}

/** How a pattern is compared fastest, and the pattern that is left once the outer wildcards are the mode. */
export function modeOf(pattern: SigmaPattern): { mode: TextMode; pattern: SigmaPattern } {
  const head = pattern[0] === STAR;
  const tail = pattern.length > 1 && pattern.at(-1) === STAR;
  const inner = pattern.slice(head ? 1 : 0, tail ? -1 : undefined);
  if (hasWildcard(inner)) return { mode: 'glob', pattern };
  if (!head && !tail) return { mode: 'equals', pattern };
  if (head && (tail || pattern.length === 1)) return { mode: 'contains', pattern: inner };
  return { mode: head ? 'endswith' : 'startswith', pattern: inner };
}

/** Lower-cases the literal pieces. */
export function lowerPattern(pattern: SigmaPattern): SigmaPattern {
  return pattern.map((piece) => (typeof piece === 'string' ? piece.toLowerCase() : piece));
}

/**
 * Whether the whole text fits the pattern. Greedy with one point to come back to, so at most pattern × text steps and
 * no recursion.
 */
export function globMatches(pattern: SigmaPattern, text: string): boolean {
  let p = 0;
  let t = 0;
  let starAt = -1;
  let starText = 0;
  while (p < pattern.length || t < text.length) {
    const piece = pattern[p];
    if (piece === STAR) {
      starAt = p++;
      starText = t;
      continue;
    }
    if (piece === ONE && t < text.length) {
      p++;
      t++;
      continue;
    }
    if (typeof piece === 'string' && text.startsWith(piece, t)) {
      p++;
      t += piece.length;
      continue;
    }
    if (starAt < 0) return false;
    const anchor = pattern[starAt + 1];
    starText = typeof anchor === 'string' ? text.indexOf(anchor, starText + 1) : starText + 1;
    if (starText < 0 || starText > text.length) return false;
    p = starAt + 1;
    t = starText;
  }
  return true;
}

const DASHES = ['-', '/', '\u2013', '\u2014', '\u2015'];
const WORD = /\w/;

/** `windash`: every dash or slash that starts an option in turn as each dash that Windows programs take for one. */
export function windash(pattern: SigmaPattern): SigmaPattern[] {
  const places: number[] = [];
  const flat = pattern.flatMap((piece): (string | 1 | 2)[] => (typeof piece === 'string' ? piece.split('') : [piece]));
  flat.forEach((piece, i) => {
    const before = flat[i - 1];
    const after = flat[i + 1];
    const starts = !(typeof before === 'string' && WORD.test(before));
    if ((piece === '-' || piece === '/') && starts && typeof after === 'string' && WORD.test(after)) places.push(i);
  });
  if (places.length === 0) return [pattern];
  const build = (chosen: readonly string[]): SigmaPattern => {
    const copy = [...flat];
    places.forEach((at, i) => {
      copy[at] = chosen[i] as string;
    });
    return joinPatterns(copy as SigmaPattern);
  };
  if (places.length > LIMIT.windashCombinedMax) {
    return [pattern, ...DASHES.map((dash) => build(places.map(() => dash)))];
  }
  let choices: string[][] = [[]];
  for (let i = 0; i < places.length; i++) choices = choices.flatMap((c) => DASHES.map((dash) => [...c, dash]));
  return choices.map(build);
}

/** Bytes as they travel between `wide`/`utf16…` and `base64…`: one character a byte. */
export const utf8Bytes = (text: string): string => Buffer.from(text, 'utf8').toString('latin1');
export function utf16Bytes(text: string, kind: 'le' | 'be' | 'bom'): string {
  const bytes = Buffer.from(text, 'utf16le');
  if (kind === 'be') bytes.swap16();
  return (kind === 'bom' ? '\xff\xfe' : '') + bytes.toString('latin1');
}

export const base64 = (bytes: string): string => Buffer.from(bytes, 'latin1').toString('base64');

/** The three ways in which text can stand inside longer base64: only characters that depend on nothing else are kept. */
export function base64Offsets(bytes: string): string[] {
  return [0, 1, 2].map((offset) => {
    const encoded = Buffer.from('\0'.repeat(offset) + bytes, 'latin1')
      .toString('base64')
      .replace(/=+$/, '');
    const from = [0, 2, 3][offset] as number;
    const loose = (bytes.length + offset) % 3 === 0 ? 0 : 1;
    return encoded.slice(from, encoded.length - loose);
  });
}

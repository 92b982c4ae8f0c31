/**
 * Maven versions by the POM reference ("Version Order Specification"): ".word" < "-word" < "-number" < ".number". That
 * order has circles (2.0-1 < 2.0.rc < 2.0 < 2.0-1); it is total where no zero stands before a ".word".
 */

import { compareDigits, compareText, isDigit, withoutZeros } from './version-order.ts';

interface Token {
  readonly dot: boolean;
  readonly text: string;
  readonly numeric: boolean;
}

const KNOWN = ['alpha', 'beta', 'milestone', 'rc', 'snapshot', '', 'sp'];
const RELEASE_WORDS = new Set(['', 'ga', 'final', 'release']);
const SHORT: Readonly<Record<string, string>> = { a: 'alpha', b: 'beta', m: 'milestone' };
const RANK_END = 1;

export function compareMaven(a: string, b: string): number {
  const left = parse(a);
  const right = parse(b);
  const shared = Math.min(left.length, right.length);
  for (let i = 0; i < shared; i++) {
    const order = compareToken(left[i] as Token, right[i] as Token);
    if (order !== 0) return order;
  }
  return tail(left, shared) - tail(right, shared);
}

/** The place of what is left beside the end of the other version, for which zeros count as nothing. */
function tail(tokens: readonly Token[], from: number): number {
  const rest = tokens.slice(from).find((token) => !isZero(token));
  return rest ? rank(rest) : RANK_END;
}

const isZero = (token: Token | undefined) => token?.numeric === true && token.text === '';

// Words before a release, the end, words after it, "-number", ".number".
function rank(token: Token): number {
  if (token.numeric) return token.dot ? 4 : 3;
  const known = KNOWN.indexOf(token.text);
  return known >= 0 && known < KNOWN.indexOf('') ? 0 : 2;
}

function compareToken(a: Token, b: Token): number {
  const order = rank(a) - rank(b);
  if (order !== 0) return order;
  if (a.numeric) return compareDigits(a.text, b.text);
  return Number(b.dot) - Number(a.dot) || wordRank(a) - wordRank(b) || compareText(a.text, b.text);
}

function wordRank(token: Token): number {
  const known = KNOWN.indexOf(token.text);
  return known < 0 ? KNOWN.length : known;
}

function parse(version: string): Token[] {
  const kept: Token[] = [];
  for (const token of tokens(version.trim().toLowerCase())) {
    // Zeros before a hyphen say nothing; a release word says nothing anywhere.
    if (!token.dot) dropZeros(kept);
    if (token.numeric || !RELEASE_WORDS.has(token.text)) kept.push(token);
    else if (kept.length === 0) kept.push({ dot: true, text: '', numeric: true });
  }
  dropZeros(kept);
  return kept;
}

function dropZeros(list: Token[]): void {
  while (list.length > 1 && isZero(list.at(-1))) list.pop();
}

function tokens(text: string): Token[] {
  const found: Token[] = [];
  let dot = true;
  let start = 0;
  const push = (end: number, beforeDigit: boolean) => {
    const raw = text.slice(start, end);
    if (raw === '' || isDigit(raw.charCodeAt(0))) found.push({ dot, text: withoutZeros(raw), numeric: true });
    else
      found.push({ dot, text: raw === 'cr' ? 'rc' : ((beforeDigit ? SHORT[raw] : undefined) ?? raw), numeric: false });
  };
  for (let at = 0; at < text.length; at++) {
    const char = text[at];
    if (char === '.' || char === '-') {
      push(at, false);
      dot = char === '.';
      start = at + 1;
    } else if (at > start && isDigit(text.charCodeAt(at)) !== isDigit(text.charCodeAt(at - 1))) {
      push(at, isDigit(text.charCodeAt(at)));
      dot = false;
      start = at;
    }
  }
  push(text.length, false);
  return found;
}

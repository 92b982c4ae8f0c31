/** The search language's parser: text in, a small tree out; recursive descent, bounded, every error with its position. */

import { AsepsisError, LIMITS } from '../core/index.ts';

export type Match =
  | { readonly kind: 'exists' }
  | { readonly kind: 'equals'; readonly value: string }
  /** The texts around the wildcards: `a*b` is `['a', 'b']`. */
  | { readonly kind: 'wild'; readonly parts: readonly string[] }
  /** Both ends count where `open` is false; null is no bound. */
  | { readonly kind: 'range'; readonly min: number | null; readonly max: number | null; readonly open: boolean };

export type Query =
  | { readonly kind: 'all' }
  | { readonly kind: 'and' | 'or'; readonly items: readonly Query[] }
  | { readonly kind: 'not'; readonly item: Query }
  /** Free text: the raw record has these texts in this order. */
  | { readonly kind: 'text'; readonly parts: readonly string[] }
  | { readonly kind: 'field'; readonly name: string; readonly match: Match; readonly at: number };

export function badQuery(what: string, at: number): AsepsisError {
  return new AsepsisError('BAD_QUERY', `${what} at position ${at + 1}.`);
}

type Token =
  | { readonly kind: '(' | ')' | 'end'; readonly at: number }
  | { readonly kind: 'and' | 'or' | 'not' | 'minus'; readonly at: number }
  /** `field:` directly before a value or a bracket. */
  | { readonly kind: 'name'; readonly name: string; readonly at: number }
  | { readonly kind: 'value'; readonly value: Value; readonly at: number };

/** A word or a phrase: its texts between unescaped wildcards. */
interface Value {
  readonly parts: readonly string[];
  readonly quoted: boolean;
}

const NAME = /^[A-Za-z_@][\w.@-]{0,127}$/;
const SPACE = /\s/;
const OPERATORS: Readonly<Record<string, 'and' | 'or' | 'not'>> = { AND: 'and', OR: 'or', NOT: 'not' };

/** Reads one token at a time, so that a long text is never held twice. */
function createLexer(text: string) {
  let at = 0;

  const quoted = (): Value => {
    const start = at;
    at += 1;
    let value = '';
    for (;;) {
      if (at >= text.length) throw badQuery('A quote that is not closed', start);
      const c = text[at] as string;
      at += 1;
      if (c === '"') return { parts: [value], quoted: true };
      if (c === '\\' && at < text.length) value += text[at++];
      else value += c;
    }
  };

  /** A word up to a space, bracket or quote; stops after `name:` when it may be a field's name. */
  const word = (mayName: boolean): { name: string } | Value => {
    const parts: string[] = [];
    let value = '';
    let plain = true;
    while (at < text.length) {
      const c = text[at] as string;
      if (SPACE.test(c) || c === '(' || c === ')' || c === '"') break;
      at += 1;
      if (c === ':' && mayName && plain && NAME.test(value)) return { name: value };
      if (c === '\\' && at < text.length) {
        value += text[at++];
        plain = false;
      } else if (c === '*') {
        parts.push(value);
        value = '';
        plain = false;
      } else value += c;
    }
    return { parts: [...parts, value], quoted: false };
  };

  return (afterName: boolean): Token => {
    while (!afterName && at < text.length && SPACE.test(text[at] as string)) at += 1;
    const start = at;
    const c = text[at];
    if (c === undefined || (afterName && SPACE.test(c))) return { kind: 'end', at: start };
    if (c === '(' || c === ')') {
      at += 1;
      return { kind: c, at: start };
    }
    if (c === '"') return { kind: 'value', value: quoted(), at: start };
    const following = text[at + 1];
    if (c === '-' && !afterName && following !== undefined && !SPACE.test(following)) {
      at += 1;
      return { kind: 'minus', at: start };
    }
    const found = word(!afterName);
    if ('name' in found) return { kind: 'name', name: found.name, at: start };
    const raw = text.slice(start, at);
    const operator = !afterName && Object.hasOwn(OPERATORS, raw) ? OPERATORS[raw] : undefined;
    return operator === undefined ? { kind: 'value', value: found, at: start } : { kind: operator, at: start };
  };
}

/**
 * Reads a query.
 *
 * @throws AsepsisError `BAD_QUERY` with the position, counted from 1
 */
export function parseQuery(text: string): Query {
  if (text.length > LIMITS.queryCharsMax) {
    throw badQuery(`A query has at most ${LIMITS.queryCharsMax} characters; too long`, LIMITS.queryCharsMax);
  }
  const next = createLexer(text);
  let token = next(false);
  const advance = (afterName = false): Token => {
    token = next(afterName);
    return token;
  };

  const either = (depth: number, field: string | null): Query => {
    const items = [both(depth, field)];
    while (token.kind === 'or') {
      advance();
      items.push(both(depth, field));
    }
    return join('or', items);
  };

  const both = (depth: number, field: string | null): Query => {
    const items = [unary(depth, field)];
    for (;;) {
      if (token.kind === 'and') advance();
      else if (token.kind === 'end' || token.kind === ')' || token.kind === 'or') return join('and', items);
      items.push(unary(depth, field));
    }
  };

  const unary = (depth: number, field: string | null): Query => {
    if (depth > LIMITS.queryDepthMax) throw badQuery('Too many brackets inside each other', token.at);
    if (token.kind === 'not' || token.kind === 'minus') {
      advance();
      return { kind: 'not', item: unary(depth + 1, field) };
    }
    return primary(depth, field);
  };

  const primary = (depth: number, field: string | null): Query => {
    const { kind, at } = token;
    if (kind === '(') {
      advance();
      const inner = either(depth + 1, field);
      if ((token as Token).kind !== ')') throw badQuery('A bracket that is not closed', at);
      advance();
      return inner;
    }
    if (kind === 'name') {
      const { name } = token;
      if (field !== null) throw badQuery('A field inside the brackets of another field', at);
      const after = advance(true);
      if (after.kind === '(') return primary(depth, name);
      if (after.kind !== 'value') throw badQuery(`Nothing after ${name}:`, at);
      return leaf(name, at);
    }
    if (kind === 'value') return leaf(field, at);
    throw badQuery(kind === 'end' ? 'Something is missing' : 'Something else was expected', at);
  };

  const leaf = (field: string | null, at: number): Query => {
    const { value } = token as Token & { kind: 'value' };
    advance();
    if (field !== null) return { kind: 'field', name: field, match: fieldMatch(value, at), at };
    return { kind: 'text', parts: value.parts };
  };

  if (token.kind === 'end') return { kind: 'all' };
  const query = either(1, null);
  const rest = token as Token;
  if (rest.kind !== 'end') throw badQuery('A bracket that was not opened', rest.at);
  return query;
}

function join(kind: 'and' | 'or', items: Query[]): Query {
  return items.length === 1 ? (items[0] as Query) : { kind, items };
}

const NUMBER = /^-?\d{1,18}(?:\.\d{1,9})?$/;

function fieldMatch(value: Value, at: number): Match {
  const first = value.parts[0] ?? '';
  if (value.parts.length > 1)
    return value.parts.every((part) => part === '') ? { kind: 'exists' } : { kind: 'wild', parts: value.parts };
  if (value.quoted) return { kind: 'equals', value: first };
  const compare = /^([<>]=?)(.*)$/s.exec(first);
  if (compare !== null) {
    const bound = compare[2] as string;
    if (!NUMBER.test(bound)) throw badQuery(`A number was expected after ${compare[1]}`, at);
    const open = !(compare[1] as string).endsWith('=');
    const number = Number(bound);
    return first.startsWith('>')
      ? { kind: 'range', min: number, max: null, open }
      : { kind: 'range', min: null, max: number, open };
  }
  const range = /^(-?[\d.]{1,28}?)\.\.(-?[\d.]{1,28})$/.exec(first);
  if (range !== null && NUMBER.test(range[1] as string) && NUMBER.test(range[2] as string)) {
    return { kind: 'range', min: Number(range[1]), max: Number(range[2]), open: false };
  }
  return { kind: 'equals', value: first };
}

/** The parser: what it makes of queries, and that it answers or refuses, with a position, whatever it is given. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AsepsisError, LIMITS } from '../core/index.ts';
import { parseQuery, type Query } from './archive-query.ts';

const field = (name: string, match: unknown) => expect.objectContaining({ kind: 'field', name, match });
const equals = (value: string) => ({ kind: 'equals', value });

test.each<[string, unknown]>([
  ['', { kind: 'all' }],
  ['  ', { kind: 'all' }],
  ['word', { kind: 'text', parts: ['word'] }],
  ['"a b \\" \\\\"', { kind: 'text', parts: ['a b " \\'] }],
  ['wo*rd', { kind: 'text', parts: ['wo', 'rd'] }],
  ['wo\\*rd', { kind: 'text', parts: ['wo*rd'] }],
  ['user:alice', field('user', equals('alice'))],
  ['user:"a b"', field('user', equals('a b'))],
  ['user:"a*"', field('user', equals('a*'))],
  ['user:a*', field('user', { kind: 'wild', parts: ['a', ''] })],
  ['user:*', field('user', { kind: 'exists' })],
  ['src_ip:fe80::1', field('src_ip', equals('fe80::1'))],
  ['status:>=400', field('status', { kind: 'range', min: 400, max: null, open: false })],
  ['status:<-1.5', field('status', { kind: 'range', min: null, max: -1.5, open: true })],
  ['status:400..499', field('status', { kind: 'range', min: 400, max: 499, open: false })],
  ['a\\:b', { kind: 'text', parts: ['a:b'] }],
  [
    'a b',
    {
      kind: 'and',
      items: [
        { kind: 'text', parts: ['a'] },
        { kind: 'text', parts: ['b'] },
      ],
    },
  ],
  ['-a', { kind: 'not', item: { kind: 'text', parts: ['a'] } }],
  ['a-b', { kind: 'text', parts: ['a-b'] }],
  [
    '- a',
    {
      kind: 'and',
      items: [
        { kind: 'text', parts: ['-'] },
        { kind: 'text', parts: ['a'] },
      ],
    },
  ],
  ['user:(a OR b)', { kind: 'or', items: [field('user', equals('a')), field('user', equals('b'))] }],
])('reads %j', (text, expected) => {
  expect(parseQuery(text)).toEqual(expected);
});

test('AND binds more than OR, NOT most', () => {
  const shape = (query: Query): unknown => {
    if (query.kind === 'text') return query.parts[0];
    if (query.kind === 'not') return ['not', shape(query.item)];
    return query.kind === 'and' || query.kind === 'or' ? [query.kind, ...query.items.map(shape)] : query.kind;
  };
  expect(shape(parseQuery('a OR b c AND NOT d OR (e OR f) g'))).toEqual([
    'or',
    'a',
    ['and', 'b', 'c', ['not', 'd']],
    ['and', ['or', 'e', 'f'], 'g'],
  ]);
});

test.each<[string, number]>([
  ['(a', 1],
  ['a)', 2],
  ['a AND', 6],
  ['OR a', 1],
  ['user:', 1],
  ['user: a', 1],
  ['x "abc', 3],
  ['status:>x', 1],
  ['user:(a host:b)', 9],
  ['()', 2],
  ['NOT', 4],
])('refuses %j at position %i', (text, position) => {
  expect(() => parseQuery(text)).toThrow(`at position ${position}.`);
});

test('is bounded in length and depth', () => {
  expect(() => parseQuery('a'.repeat(LIMITS.queryCharsMax + 1))).toThrow(AsepsisError);
  expect(() => parseQuery(`${'('.repeat(LIMITS.queryDepthMax + 1)}a`)).toThrow('Too many brackets');
  expect(() => parseQuery(`${'NOT '.repeat(LIMITS.queryDepthMax + 1)}a`)).toThrow('Too many brackets');
  const deep = LIMITS.queryDepthMax - 1;
  expect(parseQuery(`${'('.repeat(deep)}a${')'.repeat(deep)}`)).toEqual({ kind: 'text', parts: ['a'] });
});

test('answers or refuses with BAD_QUERY, never anything else', () => {
  const piece = fc.constantFrom(
    '(',
    ')',
    '"',
    '\\',
    ':',
    '*',
    '-',
    ' ',
    'AND ',
    'OR ',
    'NOT ',
    'user:',
    'a',
    '>=',
    '1..2',
    'é',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(piece, { maxLength: 60 }).map((all) => all.join('')),
      ),
      (text) => {
        try {
          parseQuery(text);
        } catch (error) {
          expect(error).toMatchObject({ code: 'BAD_QUERY', message: expect.stringMatching(/at position \d+\.$/) });
        }
      },
    ),
    { numRuns: 2000 },
  );
});

test.each(['constructor', 'toString', 'valueOf'])('%s is a word like others', (word) =>
  expect(parseQuery(word)).toEqual(JSON.parse(JSON.stringify(parseQuery('beacon')).replaceAll('beacon', word))),
);

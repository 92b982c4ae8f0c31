/** Regular expressions: the same answers as JavaScript's engine where both can, refusal where ours cannot, never slow. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createRegex } from './detection-regex.ts';
import { RuleFault } from './detection-rule.ts';

const TEXTS = [
  '',
  'a',
  'ab',
  'aab',
  'abc',
  'b\na',
  'A',
  'a b',
  'foo bar',
  'x1y22',
  'a\n',
  '\u00e9',
  'foo.exe',
  '"q"',
  'aaaa',
  '_a',
];

const atom = fc.constantFrom(
  'a',
  'b',
  '.',
  '\\d',
  '\\w',
  '\\s',
  '\\W',
  '[ab]',
  '[^a]',
  '[a-c1]',
  '\\.',
  'foo',
  '\\b',
  '\\B',
  'x',
);
const { regex } = fc.letrec<{ regex: string }>((tie) => ({
  regex: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    atom,
    fc
      .tuple(atom, fc.constantFrom('*', '+', '?', '{2}', '{1,3}', '{0,}', '*?'))
      .map(([a, q]) => (a.startsWith('\\b') || a.startsWith('\\B') ? a : a + q)),
    fc.array(tie('regex'), { minLength: 1, maxLength: 3 }).map((parts) => parts.join('')),
    fc.array(tie('regex'), { minLength: 2, maxLength: 3 }).map((parts) => `(?:${parts.join('|')})`),
    tie('regex').map((inner) => `(${inner})*`),
    tie('regex').map((inner) => `^${inner}`),
    tie('regex').map((inner) => `${inner}\\z`),
  ),
}));

test('random expressions answer as JavaScript does', () => {
  fc.assert(
    fc.property(
      regex,
      fc.boolean(),
      fc.constantFrom(...TEXTS),
      fc.string({ maxLength: 12 }),
      (source, i, text, other) => {
        const ours = createRegex(source, { i, m: false, s: false });
        const translated = source.replace(/\\.|\./gs, (part) => ({ '.': '[^\\n]', '\\z': '(?![^])' })[part] ?? part);
        const theirs = new RegExp(translated, i ? 'i' : '');
        for (const one of [text, other]) expect(ours.test(one), JSON.stringify([source, one])).toBe(theirs.test(one));
        const { required } = ours;
        if (required && ours.test(text)) expect(required.some((word) => text.toLowerCase().includes(word))).toBe(true);
      },
    ),
    { numRuns: 3000 },
  );
});

describe('facts of the language', () => {
  const cases: [string, string, boolean][] = [
    ['(?i)evil', 'EVIL', true],
    ['a(?i)b', 'aB', true],
    ['a(?i)b', 'AB', false],
    ['(?i:a)b', 'Ab', true],
    ['(?i:a)b', 'AB', false],
    ['^b$', 'a\nb\nc', false],
    ['(?m)^b$', 'a\nb\nc', true],
    ['b$', 'b\n', true],
    ['b\\z', 'b\n', false],
    ['a.b', 'a\nb', false],
    ['(?s)a.b', 'a\nb', true],
    ['[]a]+$', ']a]', true],
    ['[[:digit:]]{3}', 'x123', true],
    ['\\x41\\u0042', 'AB', true],
    ['a{,2}b', 'aab', true],
    ['\\{[0-9]', '{5', true],
    ['x{y', 'x{y', true],
    ['(?P<name>a)', 'a', true],
    ['a(?#note)b', 'ab', true],
    ['\\bcmd\\b', 'run cmd now', true],
    ['\\bcmd\\b', 'cmdlet', false],
    ['(?i)ÄRZTE', 'ärzte', true],
    ['', 'anything', true],
  ];
  for (const [source, text, expected] of cases) {
    test(`/${source}/ on ${JSON.stringify(text)}`, () => expect(createRegex(source).test(text)).toBe(expected));
  }
});

describe('refused with the reason', () => {
  const cases: [string, RegExp][] = [
    ['(a)\\1', /back-reference/],
    ['(?=a)', /look-around/],
    ['(?<!a)b', /look-around/],
    ['(?>a)', /atomic/],
    ['a++', /possessive/],
    ['(a', /bracket does not end/],
    ['a)', /did not begin/],
    ['[a', /class does not end/],
    ['*a', /nothing to repeat/],
    ['[z-a]', /backwards/],
    ['a{3,1}', /ends before/],
    ['\\p{L}', /Unicode/],
    ['((((a{99}){99}){99}){99})', /too large/],
    ['(((){9999}){9999}){9999}', /too large/],
    ['('.repeat(200), /nested/],
    ['a\\', /backslash/],
  ];
  for (const [source, reason] of cases) {
    test(source.slice(0, 30), () => {
      expect(() => createRegex(source)).toThrow(RuleFault);
      expect(() => createRegex(source)).toThrow(reason);
    });
  }
});

test('what makes a backtracking engine hang is answered', () => {
  const long = 'a'.repeat(50_000);
  expect(createRegex('(a+)+$').test(`${long}!`)).toBe(false);
  expect(createRegex('(a|aa)+b').test(long)).toBe(false);
  expect(createRegex('(.*a){20}b').test(long.slice(0, 5000))).toBe(false);
  expect(createRegex('[ab]*a[ab]{12}c').test('ab'.repeat(5000))).toBe(false);
});

test.each(['a{2,}', '.{3,}', '[ab]{2}', '(?i)A{2,}', '\\w{4,}', '[^a]{3,9}'])(
  'runs: %s answers as JavaScript does',
  (source) => {
    const flags = source.startsWith('(?i)') ? 'i' : '';
    const theirs = new RegExp(source.replace('(?i)', ''), flags);
    for (const text of [...TEXTS, 'aAaa', 'bab\nbab', 'xxx'])
      expect(createRegex(source).test(text), JSON.stringify(text)).toBe(theirs.test(text));
  },
);

test('an expression whose states never repeat is followed without remembering them', () => {
  // From every letter a path of its own of 700 places: more states than are kept, three times over.
  const regex = createRegex('[a-z].{700}q');
  const text = 'ab1'.repeat(2000);
  expect(regex.test(text)).toBe(false);
  expect(regex.test(`${text}q`)).toBe(true);
  expect(regex.test('a1'.repeat(100))).toBe(false);
});

/** The fast look for indicators compared with the plain one. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainIndicators } from '../testing/plain-indicators.ts';
import { createFinder } from './indicator-match.ts';
import { buildIndicators, openIndicators } from './indicator-set.ts';
import { readIndicator } from './indicator-value.ts';

test('any text holds what the plain look at its words finds', () => {
  const values = [
    '198.51.100.7',
    '203.0.113.0/24',
    '203.0.112.0/20',
    '2001:db8::7',
    '2001:db8:1::/48',
    'evil.example',
    'x.evil.example',
    'co.uk',
    'bad@mail.example',
    'http://drop.example/a.exe',
    'http://drop.example/a.exe?x=1',
    'http://198.51.100.9:8080/gate',
    'f'.repeat(32),
    `b${'0'.repeat(39)}`,
    'a1'.repeat(32),
  ];
  const list = values.map((text) => readIndicator(text) as NonNullable<ReturnType<typeof readIndicator>>);
  const O = { source: 'list', confidence: 80, untilMs: null };
  const set = openIndicators(buildIndicators(list.map((one) => ({ ...one, ...O }))));
  const finder = createFinder(set);
  const piece = fc.oneof(
    fc.constantFrom(...values.map((text) => text.replace('http://', ''))),
    fc.constantFrom(
      '203.0.113.9',
      '203.0.120.1',
      '2001:db8:1::9',
      'A.Evil.Example',
      '::ffff:198.51.100.7',
      '12:30:11.5',
    ),
    fc.constantFrom(...'.:@/\\"\' \n?#-_=ntub0fF7\u00e9\u0222'.split('')),
    fc.constantFrom(
      '\\n',
      '\\t',
      '\\u000a',
      '\\/',
      'http://',
      'https:\\/\\/',
      'smtp:',
      ':443',
      '00:11:22:33:44:55',
      'setup.exe',
      '..',
    ),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 7 }), fc.boolean(), (pieces, upper) => {
      const joined = pieces.join('');
      const text = upper ? joined.toUpperCase() : joined;
      const found = finder
        .findInText(text, 'text', 1)
        .map(({ index }) => `${set.at(index).type} ${set.at(index).value}`);
      expect(new Set(found)).toEqual(plainIndicators(list, text));
    }),
    { numRuns: 20000 },
  );
});

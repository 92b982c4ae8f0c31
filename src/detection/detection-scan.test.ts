/** The scan finds exactly the literals that stand in the lower-case value, whatever cases and characters it is written in. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BEGIN, END } from './detection-literal.ts';
import { remember } from './detection-memo.ts';
import { createScan } from './detection-scan.ts';

const letters = fc.constantFrom('a', 'b', 'k', 'i', '\\', '.', ' ', '1');
const bare = fc.array(letters, { minLength: 1, maxLength: 14 }).map((parts) => parts.join(''));
const literal = fc
  .tuple(bare, fc.boolean(), fc.boolean())
  .map(([text, begin, end]) => (begin ? BEGIN : '') + text + (end ? END : ''));
const written = fc.constantFrom(
  'a',
  'B',
  'K',
  '\u212a',
  '\u0130',
  '\u0131',
  'é',
  'k',
  'I',
  '\\',
  '.',
  ' ',
  '1',
  '\ud83d\ude00',
);
const value = fc
  .tuple(fc.array(written, { maxLength: 30 }), fc.array(bare, { maxLength: 3 }), fc.integer({ min: 0, max: 200 }))
  .map(([a, b, pad]) => b.join('').toUpperCase() + a.join('') + '-'.repeat(pad) + b.join(''));

const foreign = fc.constantFrom('é', 'aé', '😀', '\u202e', 'k😀', 'ß');
const stands = (text: string, lower: string): boolean => {
  const inner = text.replace(BEGIN, '').replace(END, '');
  if (text.startsWith(BEGIN)) return text.endsWith(END) ? lower === inner : lower.startsWith(inner);
  return text.endsWith(END) ? lower.endsWith(inner) : lower.includes(inner);
};

test('random literals in random values', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.oneof({ weight: 6, arbitrary: literal }, foreign), { minLength: 1, maxLength: 40 }),
      fc.array(value, { maxLength: 12 }),
      (texts, values) => {
        const scan = createScan(new Map(texts.map((text, i) => [text, [i]])), texts.length);
        const memo = remember((text) => scan.find(text));
        for (const one of [...values, ...values, ...values]) {
          const lower = one.toLowerCase();
          const wanted = texts.flatMap((text, i) => (stands(text, lower) ? [i] : []));
          expect([...scan.find(one)].sort((a, b) => a - b)).toEqual(wanted);
          expect([...memo(one)].sort((a, b) => a - b)).toEqual(wanted);
          if (wanted.length > 0) expect(one.length).toBeGreaterThanOrEqual(Math.min(scan.charsMin, one.length));
        }
      },
    ),
    { numRuns: 400 },
  );
});

test('large sets of long and short texts, long values', () => {
  const texts = Array.from(
    { length: 500 },
    (_, i) => `${(i * 7919).toString(36)}${i % 3 === 0 ? '\\x' : '.long.tail'}`,
  );
  const scan = createScan(new Map(texts.map((text, i) => [text, [i]])), texts.length);
  const text = `${'c:\\windows\\'.repeat(40)}${texts[77]?.toUpperCase()} ${'é'.repeat(100)}${texts[444]}`;
  const wanted = texts.flatMap((one, i) => (text.toLowerCase().includes(one) ? [i] : []));
  expect([...scan.find(text)].sort((a, b) => a - b)).toEqual(wanted);
  expect(wanted).toContain(77);
  expect(wanted).toContain(444);
});

test('one payload of several literals is reported once, and several payloads of one literal all', () => {
  const scan = createScan(
    new Map([
      ['abc', [0, 1]],
      ['bcd', [0]],
    ]),
    2,
  );
  expect(scan.find('xABCDx')).toEqual([0, 1]);
  expect(scan.find('x')).toEqual([]);
});

test('the memo leaves a field alone whose values never repeat, and still answers', () => {
  let calls = 0;
  const memo = remember((text) => {
    calls++;
    return text.includes('7') ? [1] : [];
  });
  for (let i = 0; i < 5000; i++) expect(memo(`value-${i}`)).toEqual(`value-${i}`.includes('7') ? [1] : []);
  expect(calls).toBe(5000);
  const repeating = remember((text) => {
    calls++;
    return [text.length];
  });
  calls = 0;
  for (let i = 0; i < 1000; i++) expect(repeating('C:\\Windows\\explorer.exe')).toEqual([23]);
  expect(calls).toBe(2);
});

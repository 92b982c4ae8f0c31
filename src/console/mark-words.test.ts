/** Marking words loses and adds nothing, whatever the text. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { markWords } from './mark-words.ts';

const marked = (text: string, words: string[]) =>
  markWords(text, words)
    .filter((part) => part.marked)
    .map((part) => part.text);

test('marks words whatever their case, the longer of two at one place', () => {
  expect(marked('Failed password for root', ['failed', 'FAILED PASSWORD', 'root'])).toEqual([
    'Failed password',
    'root',
  ]);
  expect(marked('nothing here', ['other', ''])).toEqual([]);
});

test('the parts joined are the text', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.array(fc.string({ unit: 'binary', maxLength: 4 })), (text, words) => {
      expect(
        markWords(text, words)
          .map((part) => part.text)
          .join(''),
      ).toBe(text);
    }),
  );
});

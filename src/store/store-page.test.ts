/** Cursors: what was given comes back, and nothing else is ever taken for a position. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AsepsisError } from '../core/index.ts';
import { decodeCursor, encodeCursor, type Order } from './store-page.ts';

const order: Order = {
  list: 'things',
  direction: 'desc',
  columns: [
    { ref: 'rank', type: 'number' },
    { ref: 'id', type: 'string' },
  ],
};

test('a position comes back as it was', () => {
  const text = fc.string({ unit: 'binary', maxLength: 256 }).filter((value) => !value.includes('\0'));
  fc.assert(
    fc.property(fc.maxSafeInteger(), text, (rank, id) => {
      const position = decodeCursor(order, encodeCursor(order, [rank, id]));
      expect(position).toEqual([Object.is(rank, -0) ? 0 : rank, id]);
    }),
  );
});

test('anything else is a bad request, never a crash and never a position', () => {
  const forged = fc.json().map((json) => Buffer.from(json).toString('base64url'));
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.base64String(), forged), (cursor) => {
      try {
        const [rank, id] = decodeCursor(order, cursor);
        expect([Number.isSafeInteger(rank), typeof id]).toEqual([true, 'string']);
      } catch (error) {
        expect(error).toBeInstanceOf(AsepsisError);
        expect(error).toMatchObject({ code: 'BAD_REQUEST' });
      }
    }),
  );
});

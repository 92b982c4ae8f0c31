/** The bucket over long times gives what was agreed, and never locks out. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBucket } from './ingest-bucket.ts';

test('a batch passes while nothing is owed, and its excess delays the next', () => {
  const bucket = createBucket(100, 0);
  expect(bucket.waitMs(0)).toBe(0);
  bucket.take(350, 0);
  expect(bucket.waitMs(0)).toBe(2500);
  expect(bucket.waitMs(2500)).toBe(0);
});

test('whoever waits as told gets no more than the rate, whatever the batches', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 5, maxLength: 50 }), (batches) => {
      const bucket = createBucket(100, 0);
      let now = 0;
      let all = 0;
      for (const batch of batches) {
        now += bucket.waitMs(now);
        bucket.take(batch, now);
        all += batch;
      }
      // One second's worth at the start, and the last batch may be owed.
      expect(all).toBeLessThanOrEqual(100 + (now / 1000) * 100 + 500 + 1);
    }),
  );
});

test('a clock set back does not lock out', () => {
  const bucket = createBucket(10, 1_000_000);
  bucket.take(20, 1_000_000);
  expect(bucket.waitMs(0)).toBe(1000);
  expect(bucket.waitMs(1000)).toBe(0);
});

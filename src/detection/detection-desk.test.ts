import { expect, test } from 'vitest';
import { needsLead } from './detection-desk.ts';

test('a whole rule is silent for a day at most without a lead; with a condition an analyst decides', () => {
  const day = 86_400_000;
  expect([needsLead(0, day), needsLead(0, day + 1), needsLead(1, 300 * day)]).toEqual([false, true, false]);
});

/** The rules that come along: all load, and all their test events give what they say. */

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { loadRules } from './detection-load.ts';
import { testRules } from './detection-selftest.ts';

const OWN = fileURLToPath(new URL('../../rules', import.meta.url));

test('every own rule loads and says what it is, what to do and where it may be wrong', async () => {
  const { rules, refused } = await loadRules([OWN]);
  expect(refused).toEqual([]);
  for (const rule of rules.filter((one) => one.level !== 'information')) {
    expect(
      rule.tags.some((tag) => /^attack\.t\d{4}/.test(tag)),
      rule.id,
    ).toBe(true);
    expect(rule.falsePositives.length, rule.id).toBeGreaterThan(0);
    expect(rule.response, rule.id).toBeTruthy();
    expect(rule.titleTemplate, rule.id).toBeTruthy();
  }
});

test('every case beside the rules fires exactly the rules it names', async () => {
  const { rules } = await loadRules([OWN]);
  const results = await testRules(rules, [OWN]);
  expect(results.filter((result) => !result.ok)).toEqual([]);
  expect(results.length).toBeGreaterThan(60);
});

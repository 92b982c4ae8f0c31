import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { hsts } from './hsts.ts';

test.each([
  [undefined, 1],
  ['max-age=300', 1],
  ['includeSubDomains', 1],
  ['max-age=63072000; includeSubDomains', 0],
  ['max-age="31536000"', 0],
  ['max-age=0', 1],
])('%s', async (value, findings) => {
  expect(
    await hsts.check(site({ '/': { headers: value === undefined ? {} : { 'strict-transport-security': value } } })),
  ).toHaveLength(findings);
});

import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { referrer } from './referrer.ts';

test.each([
  [{ 'referrer-policy': 'unsafe-url' }, '<html>', 1],
  [{ 'referrer-policy': 'no-referrer' }, '<html>', 0],
  [{}, '<html>', 0],
  [{}, '<html><meta name="referrer" content="unsafe-url">', 1],
  [{ 'referrer-policy': 'unsafe-url, strict-origin' }, '<html>', 0],
])('%j %s', async (headers, body, findings) => {
  expect(await referrer.check(site({ '/': { headers: headers as Record<string, string>, body } }))).toHaveLength(
    findings,
  );
});

import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { csp } from './csp.ts';

test.each([
  [undefined, 1],
  ["default-src 'self'", 0],
  ["default-src 'self'; script-src 'self' 'unsafe-inline'", 1],
  ["script-src 'nonce-abc' 'unsafe-inline' 'strict-dynamic'", 0],
  ["img-src 'self'", 1],
  ['default-src *', 1],
  ['script-src https:', 1],
])('%s', async (value, findings) => {
  expect(
    await csp.check(
      site({ '/': { headers: value === undefined ? {} : { 'content-security-policy': value }, body: '<html>' } }),
    ),
  ).toHaveLength(findings);
});

test('the body of a redirect is no page', async () => {
  const redirect = { status: 301, headers: { location: 'https://site.test/' }, body: '<html>moved</html>' };
  expect(await csp.check(site({ '/': redirect }))).toEqual([]);
});

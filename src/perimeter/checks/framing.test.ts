import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { framing } from './framing.ts';

test.each([
  [{}, 1],
  [{ 'x-frame-options': 'DENY' }, 0],
  [{ 'x-frame-options': 'ALLOW-FROM https://x' }, 1],
  [{ 'content-security-policy': "frame-ancestors 'self'" }, 0],
  [{ 'content-security-policy': 'frame-ancestors *', 'x-frame-options': 'SAMEORIGIN' }, 1],
])('%j', async (headers, findings) => {
  expect(
    await framing.check(site({ '/': { headers: headers as Record<string, string>, body: '<html>' } })),
  ).toHaveLength(findings);
});

test('the body of a redirect is no page', async () => {
  const redirect = { status: 301, headers: { location: 'https://site.test/' }, body: '<html>moved</html>' };
  expect(await framing.check(site({ '/': redirect }))).toEqual([]);
});

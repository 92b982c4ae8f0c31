import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { nosniff } from './nosniff.ts';

test.each([
  [{ 'x-content-type-options': 'nosniff' }, 0],
  [{ 'x-content-type-options': 'NoSniff' }, 0],
  [{ 'x-content-type-options': 'nosniff, nosniff' }, 0],
  [{ 'x-content-type-options': 'sniff' }, 1],
  [{}, 1],
])('%j', async (headers, findings) => {
  expect(
    await nosniff.check(site({ '/': { headers: headers as Record<string, string>, body: '<html>' } })),
  ).toHaveLength(findings);
});

test('the body of a redirect is no page', async () => {
  const redirect = { status: 301, headers: { location: 'https://site.test/' }, body: '<html>moved</html>' };
  expect(await nosniff.check(site({ '/': redirect }))).toEqual([]);
});

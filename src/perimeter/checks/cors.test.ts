import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { cors } from './cors.ts';

test('an origin that is given back with credentials is found; a star, and a list, are not', async () => {
  const echo = (o: { headers?: Readonly<Record<string, string>> } | undefined) => ({
    headers: { 'access-control-allow-origin': o?.headers?.origin ?? '', 'access-control-allow-credentials': 'true' },
  });
  expect(await cors.check(site({ '/': echo }))).toMatchObject([{ kind: 'http-cors', severity: 'high' }]);
  expect(await cors.check(site({ '/': { headers: { 'access-control-allow-origin': '*' } } }))).toEqual([]);
  expect(
    await cors.check(
      site({
        '/': {
          headers: { 'access-control-allow-origin': 'https://ours.test', 'access-control-allow-credentials': 'true' },
        },
      }),
    ),
  ).toEqual([]);
});

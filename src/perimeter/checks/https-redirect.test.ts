import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { httpsRedirect } from './https-redirect.ts';

test('a page in clear is found, a log-in in clear is worse, a redirect to HTTPS is right', async () => {
  expect(await httpsRedirect.check(site({ '/': { body: '<p>x' } }, { tls: false }))).toMatchObject([
    { kind: 'http-without-https', severity: 'medium' },
  ]);
  expect(await httpsRedirect.check(site({ '/': { body: '<input type="password">' } }, { tls: false }))).toMatchObject([
    { key: 'login', severity: 'high' },
  ]);
  const hops = [
    { url: 'http://site.test/', status: 301 },
    { url: 'https://site.test/', status: 200 },
  ];
  expect(await httpsRedirect.check(site({ '/': {} }, { tls: false, hops }))).toEqual([]);
  expect(await httpsRedirect.check(site({ '/': { status: 404 } }, { tls: false }))).toEqual([]);
  expect(await httpsRedirect.check(site({ '/': {} }))).toEqual([]);
});

import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { loginPage } from './login-page.ts';

test('a form with a password only, and basic authentication, are found; a second factor on the page is seen', async () => {
  expect(
    await loginPage.check(site({ '/': { body: '<form><input name=u><input type=password name=p></form>' } })),
  ).toMatchObject([{ kind: 'single-factor-login', severity: 'high' }]);
  expect(
    await loginPage.check(site({ '/': { status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } } })),
  ).toHaveLength(1);
  expect(await loginPage.check(site({ '/': { body: '<input type="password"> or use your passkey' } }))).toEqual([]);
  expect(await loginPage.check(site({ '/': { status: 401, headers: { 'www-authenticate': 'Negotiate' } } }))).toEqual(
    [],
  );
});

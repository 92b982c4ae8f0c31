import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { cookies } from './cookies.ts';

test('a session cookie without its flags is found, its value is not kept', async () => {
  const found = await cookies.check(site({ '/': { cookies: ['PHPSESSID=secret42; path=/'] } }));
  expect(found).toMatchObject([{ key: 'PHPSESSID', severity: 'medium' }]);
  expect(JSON.stringify(found)).not.toContain('secret42');
});
test.each([
  'sid=1; Secure; HttpOnly; SameSite=Lax',
  'theme=dark',
  '__Host-session=x; Secure; HttpOnly; SameSite=Strict; Path=/',
  'csrftoken=1; Secure; SameSite=Lax',
])('%s is fine', async (cookie) => {
  expect(await cookies.check(site({ '/': { cookies: [cookie] } }))).toEqual([]);
});

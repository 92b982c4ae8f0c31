import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { methods } from './methods.ts';

test('TRACE and writing methods that OPTIONS lists are found', async () => {
  expect(
    await methods.check(site({ 'OPTIONS /': { headers: { allow: 'GET, HEAD, POST, OPTIONS, TRACE' } } })),
  ).toMatchObject([{ severity: 'low' }]);
  const [found] = await methods.check(site({ 'OPTIONS /': { headers: { allow: 'GET, PUT, DELETE' } } }));
  expect(found).toMatchObject({ severity: 'medium' });
  expect(found?.command).toContain('curl -X OPTIONS');
  expect(await methods.check(site({ 'OPTIONS /': { headers: { allow: 'GET, HEAD, POST, OPTIONS' } } }))).toEqual([]);
  expect(await methods.check(site({}))).toEqual([]);
});

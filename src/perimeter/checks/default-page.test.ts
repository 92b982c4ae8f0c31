import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { defaultPage } from './default-page.ts';

test.each([
  '<title>Welcome to nginx!</title>',
  '<h1>It works!</h1>',
  '<title>IIS Windows Server</title>',
  '<title>Apache Tomcat/9.0.1</title>',
])('%s', async (body) => {
  expect(await defaultPage.check(site({ '/': { body } }))).toHaveLength(1);
});
test('a page of one’s own', async () => {
  expect(await defaultPage.check(site({ '/': { body: '<title>Hospital</title><p>It works, our new ward' } }))).toEqual(
    [],
  );
});

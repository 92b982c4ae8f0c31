import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { adminPanels } from './admin-panels.ts';

test('a panel that answers is found; one that is forbidden, and a server that says yes to everything, are not', async () => {
  expect(
    await adminPanels.check(
      site({
        '/server-status': {
          body: '<h1>Apache Server Status for x</h1> much more text that is longer than any page that is missing',
        },
      }),
    ),
  ).toMatchObject([{ key: '/server-status', severity: 'medium' }]);
  expect(
    await adminPanels.check(
      site({
        '/manager/html': { status: 401, headers: { 'www-authenticate': 'Basic realm="Tomcat Manager Application"' } },
      }),
    ),
  ).toMatchObject([{ key: '/manager/html', severity: 'high' }]);
  expect(await adminPanels.check(site({ '/server-status': { status: 403, body: 'Apache Server Status' } }))).toEqual(
    [],
  );
  expect(
    await adminPanels.check(site({}, { missing: { status: 200, body: 'phpMyAdmin WordPress Joomla Jenkins' } })),
  ).toEqual([]);
});

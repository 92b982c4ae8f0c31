import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { leftFiles } from './left-files.ts';

test('version control, settings and backups are found by their first bytes; nothing of them is kept', async () => {
  const found = await leftFiles.check(
    site({
      '/.git/HEAD': { body: 'ref: refs/heads/main' },
      '/.env': { body: 'DB_PASSWORD=hunter2' },
      '/backup.zip': { body: 'PK\x03\x04rest' },
      '/id_rsa': { body: '-----BEGIN OPENSSH PRIVATE KEY-----' },
    }),
  );
  expect(found.map(({ key }) => key).toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual([
    '/.env',
    '/.git/HEAD',
    '/backup.zip',
    '/id_rsa',
  ]);
  expect(JSON.stringify(found)).not.toContain('hunter2');
});
test('a page that is served for every path is no backup', async () => {
  const body = '<!doctype html><html>KEY=1 our application</html>';
  expect(
    await leftFiles.check(site({ '/.env': { body }, '/.git/HEAD': { body } }, { missing: { status: 200, body } })),
  ).toEqual([]);
});

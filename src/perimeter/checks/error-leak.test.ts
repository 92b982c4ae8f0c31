import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { errorLeak } from './error-leak.ts';

test('a trace is found in what is missing, and a version in a header; the text of the trace is not kept', async () => {
  const found = await errorLeak.check(
    site(
      { '/': { headers: { server: 'Apache/2.4.57 (Debian)' } } },
      { missing: { status: 500, body: 'Traceback (most recent call last)\n File "/srv/patients.py"' } },
    ),
  );
  expect(found.map(({ kind }) => kind)).toEqual(['http-error-leak', 'http-version-told']);
  expect(JSON.stringify(found)).not.toContain('patients.py');
  expect(await errorLeak.check(site({ '/': { headers: { server: 'nginx' } } }))).toEqual([]);
});

import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { mixedContent } from './mixed-content.ts';

test.each([
  ['<html><script src="http://site.test/a.js">', {}, 1],
  ['<html><form action="http://site.test/in">', { 'content-security-policy': 'upgrade-insecure-requests' }, 1],
  ['<html><script src="http://site.test/a.js">', { 'content-security-policy': 'upgrade-insecure-requests' }, 0],
  ['<html><a href="http://other.test/">', {}, 0],
  ['<html><link rel="canonical" href="http://site.test/">', {}, 0],
])('%s', async (body, headers, findings) => {
  expect(await mixedContent.check(site({ '/': { body, headers: headers as Record<string, string> } }))).toHaveLength(
    findings,
  );
});

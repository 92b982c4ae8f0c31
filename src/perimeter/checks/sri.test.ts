import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { sri } from './sri.ts';

test.each([
  ['<html><script src="https://cdn.test/a.js"></script>', 1],
  ['<html><script src="https://cdn.test/a.js" integrity="sha384-x" crossorigin></script>', 0],
  ['<html><script src="/a.js"></script>', 0],
  ['<html><script src="https://static.site.test/a.js"></script>', 0],
  ['<html><script src="//cdn.test/a.js"></script>', 1],
  ['<html><script src="https://["></script>', 0],
])('%s', async (body, findings) => {
  expect(await sri.check(site({ '/': { body } }))).toHaveLength(findings);
});

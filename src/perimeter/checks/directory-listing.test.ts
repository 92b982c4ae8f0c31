import { expect, test } from 'vitest';
import { site } from '../testing/perimeter-page.ts';
import { directoryListing } from './directory-listing.ts';

test('a listing is found, whatever server writes it; a page that only speaks of indexes is not', async () => {
  for (const body of [
    '<html><head><title>Index of /</title></head><body><h1>Index of /</h1>',
    '<h1>Index of /backup/</h1><pre><a href="../">../</a>',
    '<pre>[To Parent Directory]',
  ])
    expect(await directoryListing.check(site({ '/': {}, '/backup/': { body } }))).toHaveLength(1);
  expect(await directoryListing.check(site({ '/': { body: '<p>The Index of our library' } }))).toEqual([]);
});

/** Does the server list its folders? */

import { type HttpCheck, isReal, weak } from '../perimeter-site.ts';

const FOLDERS = ['/', '/images/', '/uploads/', '/files/', '/backup/', '/static/', '/assets/', '/icons/'];
const LISTING =
  /<title>\s*(Index of \/|Directory listing for|[^<]{0,100} - \/[^<]{0,100}<\/title>\s*<\/head>\s*<body>\s*<h1>)|<h1>\s*Index of \/|\[To Parent Directory\]|<pre><a href="\.\.\/">/i;
const HOW = 'nginx: autoindex off; Apache: Options -Indexes; IIS: <directoryBrowse enabled="false" />';

export const directoryListing: HttpCheck = {
  kind: 'http-directory-listing',
  check: async (site) => {
    for (const path of FOLDERS) {
      const answer = path === '/' ? site.page : await site.get(path, { bodyMax: 64 * 1024 });
      if (answer?.status !== 200 || !LISTING.test(answer.body.slice(0, 16_384))) continue;
      // The icons that come with Apache are no secret.
      if (path === '/icons/' || !(path === '/' || isReal(site, answer))) continue;
      return [
        weak(
          site,
          'http-directory-listing',
          'medium',
          `The folder ${path} is listed`,
          'Files that were never meant to be found are found.',
          `The answer to ${path} is a listing (its names are not kept)`,
          HOW,
          { path, head: false },
        ),
      ];
    }
    return [];
  },
};

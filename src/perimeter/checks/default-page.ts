/** The page that came with the server: nobody looks after it. */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const PAGES: readonly (readonly [RegExp, string])[] = [
  [/<title>\s*Welcome to nginx/i, 'nginx'],
  [/Apache2 (Debian|Ubuntu) Default Page|<title>\s*Test Page for the (Apache|HTTP)|<h1>It works!<\/h1>/i, 'Apache'],
  [/<title>\s*IIS Windows( Server)?\s*<\/title>|iisstart\.png/i, 'IIS'],
  [/<title>\s*Apache Tomcat\/[\d.]+/i, 'Tomcat'],
  [/<title>\s*(Plesk|Default PLESK)/i, 'Plesk'],
  [/<title>\s*Caddy works/i, 'Caddy'],
];
const HOW =
  'Remove the site, or answer with 404: nginx: server { listen 80 default_server; return 444; } Apache: a2dissite 000-default. Ask who put the server there.';

export const defaultPage: HttpCheck = {
  kind: 'http-default-page',
  check: (site) => {
    const page = PAGES.find(([pattern]) => pattern.test(site.page.body.slice(0, 16_384)));
    if (!page) return [];
    return [
      weak(
        site,
        'http-default-page',
        'low',
        `The default page of ${page[1]}`,
        'It says that nobody looks after this server: scanners note it.',
        'The first page is the one that the package brings',
        HOW,
        { head: false },
      ),
    ];
  },
};

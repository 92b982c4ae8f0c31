/** May other sites show this one inside theirs? */

import { type HttpCheck, isHtml, weak } from '../perimeter-site.ts';
import { parseCsp } from './csp.ts';

const HOW = `nginx: add_header Content-Security-Policy "frame-ancestors 'self'" always; add_header X-Frame-Options SAMEORIGIN always;
Apache: Header always set Content-Security-Policy "frame-ancestors 'self'"
Where portals show this site in a frame, list their origins.`;

export const framing: HttpCheck = {
  kind: 'http-framing',
  check: (site) => {
    if (!isHtml(site.page) || site.page.status >= 400) return [];
    const ancestors = parseCsp(site.page.headers['content-security-policy'] ?? '').get('frame-ancestors');
    if (ancestors && !ancestors.includes('*')) return [];
    if (!ancestors && /^\s*(deny|sameorigin)\s*$/i.test(site.page.headers['x-frame-options'] ?? '')) return [];
    return [
      weak(
        site,
        'http-framing',
        'low',
        'Any site may frame this one',
        'People can be made to click on what they do not see.',
        'Neither frame-ancestors nor X-Frame-Options holds',
        HOW,
      ),
    ];
  },
};

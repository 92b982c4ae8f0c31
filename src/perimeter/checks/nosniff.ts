/** May browsers guess what a file is? (Fetch Standard, section "X-Content-Type-Options") */

import { type HttpCheck, isHtml, weak } from '../perimeter-site.ts';

export const nosniff: HttpCheck = {
  kind: 'http-nosniff',
  check: (site) => {
    if (!isHtml(site.page)) return [];
    const [first = ''] = (site.page.headers['x-content-type-options'] ?? '').split(',');
    if (first.trim().toLowerCase() === 'nosniff') return [];
    return [
      weak(
        site,
        'http-nosniff',
        'low',
        'Browsers may guess what a file is',
        'A file that somebody uploaded as a picture can run as script.',
        first === '' ? 'X-Content-Type-Options is not sent' : 'X-Content-Type-Options is not "nosniff"',
        'nginx: add_header X-Content-Type-Options nosniff always; Apache: Header always set X-Content-Type-Options nosniff; IIS: <add name="X-Content-Type-Options" value="nosniff" /> in <customHeaders>',
      ),
    ];
  },
};

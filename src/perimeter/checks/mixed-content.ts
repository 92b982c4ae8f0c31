/** A page over HTTPS that loads parts over HTTP. */

import { type HttpCheck, isHtml, tagsOf, weak } from '../perimeter-site.ts';

const ACTIVE: readonly (readonly [string, string])[] = [
  ['script', 'src'],
  ['iframe', 'src'],
  ['link', 'href'],
  ['object', 'data'],
  ['form', 'action'],
];
const HOW =
  'Change http:// to https:// in the page; Content-Security-Policy: upgrade-insecure-requests helps meanwhile.';

export const mixedContent: HttpCheck = {
  kind: 'http-mixed-content',
  check: (site) => {
    if (!site.tls || !isHtml(site.page)) return [];
    const upgraded = /upgrade-insecure-requests/i.test(site.page.headers['content-security-policy'] ?? '');
    const parts = new Set<string>();
    for (const [name, attribute] of ACTIVE)
      for (const tag of tagsOf(site.page.body, name)) {
        if (name === 'link' && !/stylesheet|manifest|preload/i.test(tag.get('rel') ?? '')) continue;
        if (/^http:\/\//i.test(tag.get(attribute) ?? '')) parts.add(name);
      }
    if (parts.size === 0 || (upgraded && !parts.has('form'))) return [];
    return [
      weak(
        site,
        'http-mixed-content',
        parts.has('form') ? 'medium' : 'low',
        'Parts of a protected page come in clear',
        'Somebody in the path changes the script, or reads the form.',
        `Over http://: ${[...parts].join(', ')}`,
        HOW,
        { effort: 'hours', head: false },
      ),
    ];
  },
};

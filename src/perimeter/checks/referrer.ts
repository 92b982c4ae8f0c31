/** Does the site tell others the full addresses that its visitors come from? */

import { type HttpCheck, isHtml, tagsOf, weak } from '../perimeter-site.ts';

const HOW =
  'nginx: add_header Referrer-Policy strict-origin-when-cross-origin always; Apache: Header always set Referrer-Policy strict-origin-when-cross-origin';

/** Browsers without a header use strict-origin-when-cross-origin: only what asks for more is a weakness. */
export const referrer: HttpCheck = {
  kind: 'http-referrer',
  check: (site) => {
    if (!isHtml(site.page)) return [];
    const metas = [...tagsOf(site.page.body, 'meta', 100)]
      .filter((tag) => tag.get('name')?.toLowerCase() === 'referrer')
      .map((tag) => tag.get('content') ?? '');
    const policy = [...(site.page.headers['referrer-policy'] ?? '').split(','), ...metas]
      .map((word) => word.trim().toLowerCase())
      .filter((word) => word !== '')
      .at(-1);
    if (policy !== 'unsafe-url' && policy !== 'no-referrer-when-downgrade') return [];
    return [
      weak(
        site,
        'http-referrer',
        'low',
        `Referrer-Policy ${policy} tells other sites whole addresses`,
        'Names and numbers in addresses reach third parties.',
        `The policy is ${policy}`,
        HOW,
      ),
    ];
  },
};

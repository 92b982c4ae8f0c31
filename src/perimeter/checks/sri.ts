/** Scripts from other hosts carry a hash (W3C Subresource Integrity). */

import { type HttpCheck, isHtml, tagsOf, weak } from '../perimeter-site.ts';

const HOW =
  'Keep the script on your own server, or add integrity="sha384-…" crossorigin="anonymous" (openssl dgst -sha384 -binary FILE | openssl base64 -A).';

export const sri: HttpCheck = {
  kind: 'http-script-integrity',
  check: (site) => {
    if (!isHtml(site.page)) return [];
    const hosts = new Set<string>();
    for (const tag of tagsOf(site.page.body, 'script')) {
      const source = tag.get('src') ?? '';
      if (!/^(https?:)?\/\//i.test(source) || tag.has('integrity')) continue;
      try {
        const { hostname } = new URL(source, site.origin);
        if (hostname !== site.host && !hostname.endsWith(`.${site.host}`) && !site.host.endsWith(`.${hostname}`))
          hosts.add(hostname.slice(0, 100));
      } catch {}
    }
    if (hosts.size === 0) return [];
    return [
      weak(
        site,
        'http-script-integrity',
        'low',
        'Scripts of other hosts run unchecked',
        'Whoever takes over one of those hosts runs code on this site.',
        `Without integrity: ${[...hosts].slice(0, 8).join(', ')}`,
        HOW,
        { effort: 'hours', head: false },
      ),
    ];
  },
};

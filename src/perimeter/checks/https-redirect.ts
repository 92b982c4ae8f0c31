/** Does plain HTTP lead to HTTPS, at once and on the same host? */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const HOW = `nginx: server { listen 80; server_name NAME; return 301 https://$host$request_uri; }
Apache: Redirect permanent / https://NAME/
IIS: URL Rewrite rule from {HTTPS} = off to https://{HTTP_HOST}/{R:1}, 301.`;

export const httpsRedirect: HttpCheck = {
  kind: 'http-without-https',
  check: (site) => {
    if (site.tls) return [];
    const { hops, last, fault, outside } = site.redirects;
    const second = hops[1]?.url ?? (outside === null ? last?.headers.location : outside) ?? '';
    const first = hops[0];
    const leads = first !== undefined && first.status >= 300 && first.status < 400 && second.startsWith('https://');
    if (leads) return [];
    // A server that only says no, or only sends elsewhere, carries nothing worth protecting.
    if (last && last.status >= 400 && last.status !== 401) return [];
    const login = last !== null && (last.status === 401 || /type=["']?password/i.test(last.body));
    const seen =
      fault === 'loop' ? 'Its redirects go in a circle' : `It answers ${last?.status ?? 0} without leading to https://`;
    return [
      weak(
        site,
        'http-without-https',
        login ? 'high' : site.outside ? 'medium' : 'low',
        login ? 'A log-in crosses in clear' : 'Pages cross in clear',
        login ? 'Passwords are readable in the path.' : 'Anybody in the path reads and changes pages.',
        seen,
        HOW,
        { key: login ? 'login' : 'page', disrupts: true },
      ),
    ];
  },
};

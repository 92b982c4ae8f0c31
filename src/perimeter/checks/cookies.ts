/** Session cookies carry Secure, HttpOnly and SameSite (RFC 6265bis). */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const SESSION = /sess|sid|auth|token|jwt|login|user|csrf|xsrf/i;
const HOW = `Set-Cookie: NAME=…; Secure; HttpOnly; SameSite=Lax; Path=/ (better: the prefix __Host-).
PHP: session.cookie_secure = 1, session.cookie_httponly = 1, session.cookie_samesite = "Lax". nginx in front: proxy_cookie_flags ~ secure httponly samesite=lax;
Apache: Header always edit Set-Cookie (.*) "$1; Secure; HttpOnly; SameSite=Lax"`;

export const cookies: HttpCheck = {
  kind: 'http-cookie',
  check: (site) =>
    site.page.cookies.flatMap((cookie) => {
      const [pair = '', ...rest] = cookie.split(';').map((part) => part.trim());
      const name = pair.split('=')[0]?.slice(0, 64) ?? '';
      const has = (flag: string) => rest.some((part) => part.toLowerCase().split('=')[0] === flag);
      if (!SESSION.test(name) || /^(expires|deleted)/i.test(pair.split('=')[1] ?? '')) return [];
      const missing: string[] = [];
      if (!has('secure') && site.tls) missing.push('Secure');
      // A token that scripts of the page send back is meant to be read by them.
      if (!has('httponly') && !/csrf|xsrf/i.test(name)) missing.push('HttpOnly');
      if (!has('samesite')) missing.push('SameSite');
      if (rest.some((part) => /^samesite=none$/i.test(part)) && !has('secure'))
        missing.push('Secure with SameSite=None');
      if (missing.length === 0) return [];
      const grave = missing.includes('HttpOnly') || missing.includes('Secure');
      return [
        weak(
          site,
          'http-cookie',
          grave ? 'medium' : 'low',
          `The cookie ${name} lacks ${missing.join(', ')}`,
          'A session can be stolen by a script or in the path, and with it the log-in.',
          `Set-Cookie ${name} without ${missing.join(', ')} (its value is not kept)`,
          HOW,
          { key: name },
        ),
      ];
    }),
};

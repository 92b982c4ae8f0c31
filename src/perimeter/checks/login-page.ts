/** A log-in page, and whether a second factor shows: evidence for access. */

import { type HttpCheck, tagsOf, weak } from '../perimeter-site.ts';

const SECOND =
  /webauthn|passkey|one-time|authenticator|totp|\bmfa\b|\b2fa\b|second factor|security key|saml|openid|oauth|sign in with|adfs/i;
const HOW =
  'Put the site behind the gateway that asks for a second factor, or switch one on in the application (single sign-on, passkeys, one-time codes).';

export const loginPage: HttpCheck = {
  kind: 'single-factor-login',
  check: (site) => {
    const basic = site.page.status === 401 && /^(basic|digest)\b/i.test(site.page.headers['www-authenticate'] ?? '');
    const password = [...tagsOf(site.page.body, 'input')].some((tag) => tag.get('type')?.toLowerCase() === 'password');
    if (!basic && !(password && !SECOND.test(site.page.body.slice(0, 200_000)))) return [];
    const seen = basic
      ? `It asks for ${(site.page.headers['www-authenticate'] ?? '').split(/[ ,]/)[0]} authentication`
      : 'A form asks for a password; no sign of a second factor is on the page';
    return [
      weak(
        site,
        'single-factor-login',
        site.outside ? 'high' : 'low',
        'A log-in with a password only',
        'A password that was guessed or fished is enough.',
        seen,
        HOW,
        { key: 'web', effort: 'days', head: false },
      ),
    ];
  },
};

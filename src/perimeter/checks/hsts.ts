/** Strict-Transport-Security (RFC 6797): there, long enough, and said once. */

import { type HttpCheck, weak } from '../perimeter-site.ts';

const SIX_MONTHS_SEC = 15_768_000;
const HOW = `Start with a short time and raise it: max-age=300, then 63072000.
nginx: add_header Strict-Transport-Security "max-age=63072000" always;
Apache: Header always set Strict-Transport-Security "max-age=63072000"
IIS: <hsts enabled="true" max-age="63072000" redirectHttpToHttps="true" />`;

export const hsts: HttpCheck = {
  kind: 'http-hsts',
  check: (site) => {
    if (!site.tls) return [];
    const value = site.page.headers['strict-transport-security'];
    const make = (title: string, seen: string) => [
      weak(site, 'http-hsts', 'low', title, 'A first visit over http:// can be caught and kept there.', seen, HOW),
    ];
    if (value === undefined) return make('No HSTS', 'The answer has no Strict-Transport-Security');
    const age = /(?:^|[;,])\s*max-age\s*=\s*"?(\d{1,12})"?/i.exec(value)?.[1];
    if (age === undefined)
      return make('HSTS that browsers ignore', `Strict-Transport-Security has no max-age: ${value.slice(0, 100)}`);
    if (Number(age) < SIX_MONTHS_SEC) return make('HSTS for a short time only', `max-age is ${age} seconds`);
    return [];
  },
};

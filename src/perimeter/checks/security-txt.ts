/** security.txt (RFC 9116): there, valid, and not over. */

import { type HttpCheck, isHtml, weak } from '../perimeter-site.ts';

const HOW = `Put this at /.well-known/security.txt, and renew it yearly:
Contact: mailto:security@DOMAIN
Expires: one year from now, 2027-01-31T00:00:00Z
Preferred-Languages: en`;

/** What is wrong with a security.txt; empty when it is valid (RFC 9116 section 2.5). */
export function securityTxtFaults(text: string, nowMs: number): string[] {
  const lines = text
    .replace(/^-----BEGIN PGP SIGNED MESSAGE-----[\s\S]*?\r?\n\r?\n/, '')
    .split(/\r?\n/)
    .slice(0, 1000);
  const fields = lines.map((line) => /^([A-Za-z-]{1,40}):\s*(\S.*)$/.exec(line)).filter((match) => match !== null);
  const values = (name: string) =>
    fields.filter((match) => match[1]?.toLowerCase() === name).map((match) => (match[2] ?? '').trim());
  const faults: string[] = [];
  const contacts = values('contact');
  if (contacts.length === 0) faults.push('it has no Contact');
  else if (!contacts.some((value) => /^(mailto:|https:|tel:)/i.test(value))) faults.push('its Contact is no URI');
  const expires = values('expires');
  if (expires.length !== 1) faults.push(expires.length === 0 ? 'it has no Expires' : 'it has more than one Expires');
  else {
    const ms = Date.parse(expires[0] as string);
    if (Number.isNaN(ms)) faults.push('its Expires is no time');
    else if (ms <= nowMs) faults.push('it has expired');
  }
  return faults;
}

export const securityTxt: HttpCheck = {
  kind: 'http-security-txt',
  check: async (site) => {
    if (!site.outside || !site.tls) return [];
    const answer = (await site.get('/.well-known/security.txt', { bodyMax: 64 * 1024 })) ?? null;
    const there = answer?.status === 200 && !isHtml(answer);
    const faults = there ? securityTxtFaults(answer.body, site.nowMs) : ['there is none'];
    if (faults.length === 0) return [];
    return [
      weak(
        site,
        'http-security-txt',
        'information',
        there ? 'security.txt is not valid' : 'No security.txt',
        'Whoever finds a hole does not know whom to tell.',
        faults.join('; '),
        HOW,
        { path: '/.well-known/security.txt', head: false },
      ),
    ];
  },
};

/** Content-Security-Policy (W3C CSP 3): is there one, and does it stop injected scripts? */

import { type HttpCheck, isHtml, weak } from '../perimeter-site.ts';

const HOW = `Begin in report-only mode: Content-Security-Policy-Report-Only. A start for most sites: default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'self'; form-action 'self'
nginx: add_header Content-Security-Policy "…" always; Apache: Header always set Content-Security-Policy "…"`;

/** Directives by name; the first of a name counts (CSP 3 section 2.2.1). */
export function parseCsp(text: string): Map<string, readonly string[]> {
  const found = new Map<string, readonly string[]>();
  for (const part of text.slice(0, 8192).split(';')) {
    const [name, ...values] = part.trim().split(/\s+/);
    if (name && !found.has(name.toLowerCase())) found.set(name.toLowerCase(), values);
  }
  return found;
}

export const csp: HttpCheck = {
  kind: 'http-csp',
  check: (site) => {
    if (!isHtml(site.page) || site.page.status >= 400) return [];
    const text = site.page.headers['content-security-policy'];
    const why = 'A script that somebody injects runs in the visitor’s session.';
    if (text === undefined)
      return [
        weak(site, 'http-csp', 'low', 'No Content-Security-Policy', why, 'The page has no such header', HOW, {
          effort: 'days',
        }),
      ];
    const policy = parseCsp(text);
    const scripts = policy.get('script-src-elem') ?? policy.get('script-src') ?? policy.get('default-src');
    const strict = scripts?.some((value) => /^'(nonce|sha(256|384|512))-|^'strict-dynamic'/i.test(value)) ?? false;
    const bad =
      scripts === undefined
        ? ['no script-src and no default-src']
        : scripts.filter(
            (value) =>
              (value.toLowerCase() === "'unsafe-inline'" && !strict) ||
              value === '*' ||
              /^(https?|data):$/i.test(value),
          );
    if (bad.length === 0) return [];
    return [
      weak(
        site,
        'http-csp',
        'low',
        'A Content-Security-Policy that stops no script',
        why,
        `script-src: ${bad.join(', ')}`,
        HOW,
        { effort: 'days' },
      ),
    ];
  },
};

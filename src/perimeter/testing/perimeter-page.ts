/** A site for tests of checks: answers are written out, and what is not written is not there. */

import type { Ask, HttpAnswer } from '../perimeter-http.ts';
import type { SiteView } from '../perimeter-site.ts';

export interface Page {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly cookies?: readonly string[];
  readonly body?: string;
}

export function answer(url: string, page: Page): HttpAnswer {
  const body = page.body ?? '';
  const headers = { 'content-type': 'text/html', ...page.headers };
  return {
    url,
    status: page.status ?? 200,
    headers,
    cookies: page.cookies ?? [],
    body,
    bodyBytes: Buffer.from(body, 'latin1'),
    cut: false,
    fault: null,
  };
}

/** @param pages answers by path, or by `METHOD path`, or a function of the request */
export function site(
  pages: Readonly<Record<string, Page | ((o: Ask | undefined) => Page)>>,
  o: {
    tls?: boolean;
    outside?: boolean;
    missing?: Page;
    nowMs?: number;
    hops?: readonly { url: string; status: number }[];
    fault?: 'loop';
  } = {},
): SiteView {
  const tls = o.tls ?? true;
  const origin = `${tls ? 'https' : 'http'}://site.test`;
  const get: SiteView['get'] = async (path, ask) => {
    const page = pages[`${ask?.method ?? 'GET'} ${path}`] ?? (ask?.method === undefined ? pages[path] : undefined);
    if (!page) return answer(`${origin}${path}`, o.missing ?? { status: 404, body: 'not found' });
    return answer(`${origin}${path}`, typeof page === 'function' ? page(ask) : page);
  };
  const root = pages['/'] ?? {};
  const page = answer(`${origin}/`, typeof root === 'function' ? root(undefined) : root);
  const hops = o.hops ?? [{ url: `${origin}/`, status: page.status }];
  return {
    origin,
    host: 'site.test',
    tls,
    outside: o.outside ?? true,
    page,
    nowMs: o.nowMs ?? Date.parse('2026-11-25T00:00:00Z'),
    get,
    redirects: { hops, last: page, fault: o.fault ?? null, outside: null },
    missing: answer(`${origin}/asepsis-nothing-is-here`, o.missing ?? { status: 404, body: 'not found' }),
  };
}

/** What the HTTP checks look at: one site, its first page, and a way to ask for more through the gate. */

import type { Severity } from '../core/index.ts';
import type { Ask, HttpAnswer, Redirects } from './perimeter-http.ts';
import { type Fix, fix, quoted, type Weakness } from './perimeter-weakness.ts';

export interface SiteView {
  /** `https://host` or `http://host:8080`. */
  readonly origin: string;
  readonly host: string;
  readonly tls: boolean;
  readonly outside: boolean;
  /** The page that a visitor of this origin ends on, where that is on this host; else the first answer. */
  readonly page: HttpAnswer;
  readonly redirects: Redirects;
  /** The answer to a path that nobody made: what the server says of all that is not there. */
  readonly missing: HttpAnswer | null;
  readonly nowMs: number;
  readonly get: (path: string, o?: Ask) => Promise<HttpAnswer | null>;
}

export interface HttpCheck {
  /** The kind of its findings, as documented. */
  readonly kind: string;
  readonly check: (site: SiteView) => Promise<readonly Weakness[]> | readonly Weakness[];
}

export interface WeakOptions {
  readonly key?: string;
  readonly path?: string;
  readonly head?: boolean;
  readonly effort?: Fix['effort'];
  readonly disrupts?: boolean;
  readonly fixTitle?: string;
}

/** A weakness of a site, with the curl that shows it. */
export function weak(
  site: SiteView,
  kind: string,
  severity: Severity,
  title: string,
  why: string,
  seen: string,
  how: string,
  o: WeakOptions = {},
): Weakness {
  const insecure = site.tls ? 'k' : '';
  return {
    kind,
    ...(o.key === undefined ? {} : { key: o.key }),
    severity,
    title: `${title} on ${site.origin}`,
    why,
    seen,
    command: `curl -s${insecure}${o.head === false ? '' : 'I'} ${quoted(`${site.origin}${o.path ?? '/'}`)}`,
    fix: fix(o.fixTitle ?? `Strengthen the web server ${site.origin}`, how, o.effort ?? 'minutes', o.disrupts ?? false),
  };
}

export const isHtml = (answer: HttpAnswer): boolean =>
  // No browser shows the body of a redirect.
  (answer.status < 300 || answer.status >= 400) &&
  (/html/i.test(answer.headers['content-type'] ?? '') || /^\s*(<!doctype html|<html)/i.test(answer.body.slice(0, 500)));

/** A page like any other that is not there: a server that answers everything with 200 has nothing to show. */
export function isReal(site: SiteView, answer: HttpAnswer | null): answer is HttpAnswer {
  if (answer?.status !== 200) return false;
  if (site.missing?.status !== 200) return true;
  return answer.body !== site.missing.body && Math.abs(answer.body.length - site.missing.body.length) > 32;
}

/** Tags of a page by name with their attributes, at most `max`; linear in the text. */
export function* tagsOf(html: string, name: string, max = 500): Generator<Map<string, string>> {
  const lower = html.toLowerCase();
  let at = 0;
  for (let i = 0; i < max; i++) {
    at = lower.indexOf(`<${name}`, at);
    if (at < 0) return;
    const end = lower.indexOf('>', at);
    if (end < 0) return;
    if (end - at < 8192 && /[\s/>]/.test(lower[at + name.length + 1] ?? ''))
      yield attributesOf(html.slice(at + name.length + 1, end));
    at = end + 1;
  }
}

function attributesOf(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [, name = '', , double, single, bare] of text.matchAll(
    /([a-zA-Z-]{1,40})(\s{0,8}=\s{0,8}(?:"([^"]*)"|'([^']*)'|([^\s"'>]+)))?/g,
  ))
    if (!found.has(name.toLowerCase())) found.set(name.toLowerCase(), double ?? single ?? bare ?? '');
  return found;
}

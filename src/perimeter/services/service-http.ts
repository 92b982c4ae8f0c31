/** HTTP and HTTPS: first page, title, favicon, technologies, what interface it is, and every check. */

import { HTTP_CHECKS } from '../checks/index.ts';
import { type Ask, ask, follow, type HttpAnswer, originOf } from '../perimeter-http.ts';
import type { Probe } from '../perimeter-probe.ts';
import type { SiteView } from '../perimeter-site.ts';
import { oneLine, type Software } from '../perimeter-weakness.ts';
import { known } from './service-http-known.ts';
import { murmur3 } from './service-murmur.ts';

const HEADER_SOFTWARE: readonly (readonly [RegExp, string])[] = [
  [/\bnginx\/(\d[\w.]*)/i, 'nginx'],
  [/\bApache\/(\d[\w.]*)/i, 'apache-httpd'],
  [/\bMicrosoft-IIS\/(\d[\w.]*)/i, 'iis'],
  [/\bOpenSSL\/(\d[\w.]*)/i, 'openssl'],
  [/\bPHP\/(\d[\w.]*)/i, 'php'],
  [/\blighttpd\/(\d[\w.]*)/i, 'lighttpd'],
  [/\bJetty\(?\/?(\d[\w.]*)/i, 'jetty'],
  [/\bopenresty\/(\d[\w.]*)/i, 'openresty'],
  [/\bWerkzeug\/(\d[\w.]*)/i, 'werkzeug'],
];
const PAGE_SOFTWARE: readonly (readonly [RegExp, string])[] = [
  [/<meta name="generator" content="WordPress (\d[\w.]*)/i, 'wordpress'],
  [/<meta name="generator" content="Drupal (\d[\w.]*)/i, 'drupal'],
  [/<meta name="generator" content="Joomla! (\d[\w.]*)/i, 'joomla'],
  [/<meta name="generator" content="TYPO3 CMS (\d[\w.]*)/i, 'typo3'],
  [/jquery[.-](\d+\.\d+\.\d+)(?:\.min)?\.js/i, 'jquery'],
  [/<title>Apache Tomcat\/(\d[\w.]*)/i, 'tomcat'],
];
const TECHNOLOGIES: readonly (readonly [RegExp, string])[] = [
  [/wp-content|wp-includes/i, 'WordPress'],
  [/__NEXT_DATA__/, 'Next.js'],
  [/ng-version=/, 'Angular'],
  [/data-reactroot|react-dom/, 'React'],
  [/__VIEWSTATE/, 'ASP.NET'],
  [/JSESSIONID/, 'Java'],
  [/laravel_session/, 'Laravel'],
  [/csrfmiddlewaretoken/, 'Django'],
  [/typo3(temp|conf)/, 'TYPO3'],
];

const PORTS: readonly number[] = [
  80, 443, 8080, 8443, 8000, 8008, 8081, 8888, 3000, 5000, 9090, 9200, 2375, 2376, 6443, 10250, 10255, 8042, 10443, 631,
  2379, 2380, 5985, 9443,
];
const FIRST_MS = 1500;

function softwareOf(answer: HttpAnswer): Software[] {
  const headers = `${answer.headers.server ?? ''} ${answer.headers['x-powered-by'] ?? ''}`;
  const body = answer.body.slice(0, 65_536);
  const found: Software[] = [];
  for (const [list, text] of [
    [HEADER_SOFTWARE, headers],
    [PAGE_SOFTWARE, body],
  ] as const)
    for (const [pattern, name] of list) {
      const version = pattern.exec(text)?.[1];
      if (version !== undefined) found.push({ name, version: version.slice(0, 64).replace(/\.$/, '') });
    }
  return found;
}

/** The hash that search engines of the internet list favicons by: MurmurHash3 over MIME base64. */
export function faviconHash(bytes: Buffer): number {
  const lines = bytes.toString('base64').match(/.{1,76}/g) ?? [];
  return murmur3(Buffer.from(lines.map((line) => `${line}\n`).join('')));
}

export const http: Probe = {
  service: 'http',
  ports: PORTS,
  anywhere: true,
  look: async (context) => {
    // Elsewhere than on its usual ports a short time decides whether it is HTTP at all.
    if (!PORTS.includes(context.port) && !(await ask(context, '/', { timeMs: FIRST_MS, bodyMax: 1024 }))) return null;
    const redirects = await follow(context, '/');
    const first = redirects.last;
    if (!first) return null;
    const origin = originOf(context);
    const own = redirects.hops.at(-1)?.url.startsWith(`${origin}/`) ?? false;
    const page = own ? first : ((await ask(context, '/')) ?? first);
    const get = (path: string, o?: Ask) => ask(context, path, o);
    const site: SiteView = {
      origin,
      host: context.host,
      tls: context.tls,
      outside: context.outside,
      page,
      redirects,
      missing: await get('/asepsis-nothing-is-here'),
      nowMs: context.nowMs,
      get,
    };
    const weaknesses = [];
    const notSeen: string[] = [];
    for (const { kind, check } of HTTP_CHECKS) {
      if (context.gate.stopped() !== null) break;
      try {
        weaknesses.push(...(await check(site)));
      } catch {
        notSeen.push(`The check ${kind} failed on ${origin}`);
      }
    }
    const interfaceOf = await known(site);
    weaknesses.push(...(interfaceOf?.weaknesses ?? []));
    const icon = await get('/favicon.ico', { bodyMax: 256 * 1024 });
    if (redirects.fault === 'loop' || redirects.fault === 'too-many') notSeen.push(`${origin} redirects in circles`);
    if (redirects.fault === 'out-of-scope')
      notSeen.push(`${origin} leads to ${redirects.outside}, which is not in the scope and was not asked`);
    if (page.fault === 'bomb') notSeen.push(`${origin} answers with a body that unpacks to more than is read`);
    const hints = `${page.body.slice(0, 65_536)} ${page.cookies.map((cookie) => cookie.split('=')[0]).join(' ')}`;
    return {
      service: interfaceOf?.service ?? 'http',
      tls: context.tls,
      banner: oneLine(page.headers.server ?? '') || null,
      software: [...softwareOf(page), ...(interfaceOf?.software ?? [])],
      facts: {
        status: page.status,
        title: oneLine(/<title[^>]{0,100}>([^<]{0,300})/i.exec(page.body.slice(0, 65_536))?.[1] ?? '', 120),
        technologies: TECHNOLOGIES.filter(([pattern]) => pattern.test(hints))
          .map(([, name]) => name)
          .join(', '),
        ...(icon?.status === 200 && icon.bodyBytes.length > 0 && !/html/.test(icon.headers['content-type'] ?? '')
          ? { favicon: faviconHash(icon.bodyBytes) }
          : {}),
        ...(redirects.outside === null ? {} : { leads_to: redirects.outside }),
        ...interfaceOf?.facts,
      },
      weaknesses,
      notSeen,
    };
  },
};

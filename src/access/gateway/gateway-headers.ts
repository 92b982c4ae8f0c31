/** What of a request goes on to the application, and what of its answer to the client. */

import type { Gateway } from './gateway-core.ts';
import { claimsIdentity, type Verdict } from './gateway-decide.ts';
import { addressOf, hostOf, withoutCookies } from './gateway-http.ts';
import { headerKey, isOverride } from './gateway-path.ts';
import type { App } from './gateway-policy.ts';
import type { Head } from './gateway-request-head.ts';

/** RFC 9110 section 7.6.1, and what only concerns one connection. */
const HOP_BY_HOP = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);
/** What others say about where a request comes from; we say it anew. */
const FORWARDED =
  /^(?:forwarded|via|x-forwarded-.*|x-real-ip|x-client-ip|x-cluster-client-ip|true-client-ip|cf-connecting-ip|fastly-client-ip|client-ip|x-originating-ip|x-remote-ip|x-remote-addr)$/;
/** Said by us, or about a body that is framed anew. */
const OURS = new Set(['host', 'content-length', 'expect', 'cookie']);

export type Allowed = Extract<Verdict, { kind: 'allow' }>;

function isOurs(name: string, app: App): boolean {
  const key = headerKey(name);
  return (
    name.charCodeAt(0) === 0x3a ||
    OURS.has(key) ||
    HOP_BY_HOP.has(key) ||
    FORWARDED.test(key) ||
    isOverride(key) ||
    claimsIdentity(key, app)
  );
}

/** Browsers send the same few names: their answers are kept, for each application, as many as this. */
const KNOWN_MAX = 500;
const known = new WeakMap<App, Map<string, boolean>>();
function staysBehind(name: string, app: App): boolean {
  const names = known.get(app) ?? new Map<string, boolean>();
  if (names.size === 0) known.set(app, names);
  let found = names.get(name);
  if (found === undefined) {
    found = isOurs(name, app);
    if (names.size >= KNOWN_MAX) names.clear();
    names.set(name, found);
  }
  return found;
}

export const connectionWords = (value: string | string[] | undefined): ReadonlySet<string> | null => {
  if (value === undefined || value === 'keep-alive' || value === 'close') return null;
  return new Set(
    String(value)
      .toLowerCase()
      .split(',')
      .map((word) => word.trim()),
  );
};

/** Headers for the application: the client's, without what is ours to say, and then what we say. */
export function upstreamHeaders(gateway: Gateway, req: Head, allowed: Allowed, keepUpgrade: boolean): string[] {
  const { app } = allowed;
  const settings = gateway.settings();
  const listed = connectionWords(req.headers.connection);
  const out: string[] = [];
  const raw = req.rawHeaders;
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i] as string;
    if (staysBehind(name, app) || listed?.has(name.toLowerCase())) continue;
    out.push(name, raw[i + 1] as string);
  }
  const cookies = withoutCookies(String(req.headers.cookie ?? ''), settings.cookieNames);
  if (cookies !== '') out.push('Cookie', cookies);
  const host = hostOf(req) as string;
  out.push(
    'Host',
    host,
    'X-Forwarded-For',
    addressOf(req, settings.trusted) as string,
    'X-Forwarded-Host',
    host,
    'X-Forwarded-Proto',
    settings.secure ? 'https' : 'http',
  );
  for (const name in allowed.identity) {
    const value = allowed.identity[name] as string;
    if (value !== '') out.push(name, value);
  }
  if (keepUpgrade) out.push('Connection', 'Upgrade', 'Upgrade', 'websocket');
  return out;
}

/** Whether a header of the application's answer goes on to the client: not what concerns the connection, nor cookies under our names. */
export function goesToClient(
  name: string,
  value: string,
  listed: ReadonlySet<string> | null,
  cookieNames: readonly string[],
): boolean {
  const key = name.toLowerCase();
  if (HOP_BY_HOP.has(key) || listed?.has(key)) return false;
  return key !== 'set-cookie' || !cookieNames.includes(value.slice(0, value.indexOf('=')).trim());
}

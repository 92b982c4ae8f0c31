/** HTTP as the gateway reads it: one host, one address, one cookie, small forms; answers with the headers that pages need. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { clientAddress, type NetworkSet } from './gateway-address.ts';
import { readHost } from './gateway-path.ts';
import type { PlainAnswer } from './gateway-plain-answer.ts';
import type { Head } from './gateway-request-head.ts';

export type Req = IncomingMessage | Http2ServerRequest;
export type Res = ServerResponse | Http2ServerResponse | PlainAnswer;

const FORM_BYTES_MAX = 64 * 1024;
const FORM_FIELDS_MAX = 32;

/** The one value of a header; null when it is absent, `undefined` when it is there twice. */
export function single(req: Head, name: string): string | null | undefined {
  const value = req.headers[name];
  if (value === undefined) return null;
  const raw = req.rawHeaders;
  let seen = 0;
  for (let i = 0; i < raw.length; i += 2) {
    const key = raw[i] as string;
    if (key.length === name.length && key.toLowerCase() === name) seen++;
  }
  return seen === 1 && typeof value === 'string' ? value : undefined;
}

/** The host that the client speaks to: `:authority` or the one `Host` header, and both alike where there are two. */
export function hostOf(req: Head): string | null {
  const authority = (req.headers as Record<string, string | undefined>)[':authority'];
  const host = single(req, 'host');
  if (host === undefined) return null;
  const text = authority ?? host;
  if (text === null || text === undefined || (authority !== undefined && host !== null && host !== authority))
    return null;
  const read = readHost(text);
  return read === null ? null : joinHost(read);
}

/** Default ports are left out, so that `app:443` is `app`. */
export function joinHost(read: { host: string; port: string }): string {
  const host = read.host;
  return read.port === '' || read.port === '443' || read.port === '80' ? host : `${host}:${read.port}`;
}

/** The client's address; null when what a trusted proxy says of it does not parse. */
export function addressOf(req: Head, trusted: NetworkSet): string | null {
  const forwarded = single(req, 'x-forwarded-for');
  if (forwarded === undefined) return null;
  return clientAddress(req.socket.remoteAddress ?? '', forwarded, trusted);
}

/**
 * A cookie's value. Null when it is absent, and also when it is there twice: a sibling domain may have added one
 * (cookie tossing), and nobody can say which is ours.
 */
export function cookie(header: string | string[] | undefined, name: string): string | null {
  const text = Array.isArray(header) ? header.join('; ') : (header ?? '');
  let found: string | null = null;
  let from = 0;
  while (from <= text.length) {
    const semicolon = text.indexOf(';', from);
    const end = semicolon < 0 ? text.length : semicolon;
    const equals = text.indexOf('=', from);
    if (equals > 0 && equals < end && text.slice(from, equals).trim() === name) {
      if (found !== null) return null;
      found = text.slice(equals + 1, end).trim();
    }
    from = end + 1;
  }
  return found;
}

/** The header without our own cookies: an application has no use for them. */
export function withoutCookies(header: string, names: readonly string[]): string {
  return header
    .split(';')
    .filter((part) => !names.includes(part.slice(0, part.indexOf('=')).trim()))
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .join('; ');
}

export function setCookie(o: {
  name: string;
  value: string;
  secure: boolean;
  maxAgeSec?: number;
  sameSite?: 'Lax' | 'Strict';
}): string {
  return `${o.name}=${o.value}; Path=/; HttpOnly; SameSite=${o.sameSite ?? 'Lax'}${o.secure ? '; Secure' : ''}${o.maxAgeSec === undefined ? '' : `; Max-Age=${o.maxAgeSec}`}`;
}

/**
 * Whether a changing request comes from a page of this origin: `Origin`, or `Sec-Fetch-Site` where it is absent. What
 * sends neither is no browser, and no browser's cookies are with it.
 */
export function sameOrigin(req: Head, origin: string): boolean {
  const from = single(req, 'origin');
  if (from === undefined) return false;
  if (from !== null) return from === origin;
  const site = single(req, 'sec-fetch-site');
  return site === null || site === 'same-origin';
}

/** Fields of a form; null when it is too large, too slow, of another type, or names a field twice. */
export async function readForm(req: Req, res: Res, withinMs: number): Promise<Map<string, string> | null> {
  const type = String(req.headers['content-type'] ?? '')
    .split(';')[0]
    ?.trim()
    .toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') return null;
  const chunks: Buffer[] = [];
  let bytes = 0;
  const late = setTimeout(() => cut(res), withinMs);
  try {
    for await (const chunk of req) {
      bytes += (chunk as Buffer).length;
      if (bytes > FORM_BYTES_MAX) return null;
      chunks.push(chunk as Buffer);
    }
  } finally {
    clearTimeout(late);
  }
  const fields = new Map<string, string>();
  for (const [name, value] of new URLSearchParams(Buffer.concat(chunks).toString('utf8'))) {
    if (fields.has(name) || fields.size >= FORM_FIELDS_MAX) return null;
    fields.set(name, value);
  }
  return fields;
}

type Headers = Readonly<Record<string, string | string[]>>;

export function send(res: Res, status: number, headers: Headers, body: string | Buffer = ''): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  (res as ServerResponse).writeHead(status, { ...headers, 'content-length': String(bytes.length) });
  (res as ServerResponse).end(bytes);
}

export function sendPage(
  res: Res,
  status: number,
  text: string,
  o: { secure: boolean; formTo?: string; headers?: Headers },
): void {
  send(
    res,
    status,
    {
      'content-type': 'text/html; charset=utf-8',
      'cache-control': 'no-store',
      // Chromium holds redirects after a form to `form-action` too, so the application's origin stands there.
      'content-security-policy': `default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'${o.formTo ? ` ${o.formTo}` : ''}; base-uri 'none'; frame-ancestors 'none'`,
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
      ...(o.secure && { 'strict-transport-security': 'max-age=31536000' }),
      ...o.headers,
    },
    text,
  );
}

export function sendJson(res: Res, status: number, value: object, headers: Headers = {}): void {
  send(
    res,
    status,
    {
      'content-type': 'application/json',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...headers,
    },
    JSON.stringify(value),
  );
}

export function redirect(res: Res, location: string, cookies: readonly string[] = []): void {
  send(res, 303, {
    location,
    'cache-control': 'no-store',
    'referrer-policy': 'same-origin',
    ...(cookies.length > 0 && { 'set-cookie': [...cookies] }),
  });
}

/** Ends an answer that is under way, in either version of HTTP. */
export function cut(res: Res): void {
  if ('stream' in res && res.stream !== null && res.stream !== undefined) res.stream.destroy();
  else (res as ServerResponse).destroy();
}

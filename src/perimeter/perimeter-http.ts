/** GET, HEAD and OPTIONS through the gate: bounded head, body, decompression and redirects; nothing else can be sent. */

import { type IncomingMessage, request } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate, inflateRaw } from 'node:zlib';
import { canonicalAddress } from './perimeter-cidr.ts';
import type { Gate } from './perimeter-gate.ts';
import { secure } from './perimeter-secure.ts';
import { at } from './perimeter-weakness.ts';

export interface HttpAnswer {
  readonly url: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly cookies: readonly string[];
  readonly body: string;
  readonly bodyBytes: Buffer;
  /** The body was longer than what is read, or a compressed one unpacked to more. */
  readonly cut: boolean;
  readonly fault: string | null;
}

export interface Redirects {
  readonly hops: readonly { readonly url: string; readonly status: number }[];
  readonly last: HttpAnswer | null;
  readonly fault: 'loop' | 'too-many' | 'out-of-scope' | 'bad-location' | 'no-answer' | null;
  /** Where an out-of-scope redirect would have led. */
  readonly outside: string | null;
}

export interface Site {
  readonly gate: Gate;
  readonly host: string;
  /** Fixes the address of the host that is looked at. */
  readonly address: string;
  readonly port: number;
  readonly tls: boolean;
}

export type Method = 'GET' | 'HEAD' | 'OPTIONS';
export interface Ask {
  readonly method?: Method;
  readonly headers?: Readonly<Record<string, string>>;
  readonly bodyMax?: number;
  readonly timeMs?: number;
}

const BODY_BYTES_MAX = 512 * 1024;
const UNPACKED_BYTES_MAX = 2 * 1024 * 1024;
const HEAD_BYTES_MAX = 32 * 1024;
const ANSWER_MS = 5000;
const REDIRECTS_MAX = 8;
const URL_CHARS_MAX = 2048;
export const AGENT = 'Asepsis-perimeter/1 (scan of our own servers)';

export const originOf = (site: Pick<Site, 'host' | 'port' | 'tls'>): string => {
  const usual = site.tls ? 443 : 80;
  const host = site.host.includes(':') ? `[${site.host}]` : site.host;
  return `${site.tls ? 'https' : 'http'}://${site.port === usual ? host : at(site.host, site.port)}`;
};

/** One request; null when nothing that is HTTP came back. */
export async function ask(site: Site, path: string, o: Ask = {}): Promise<HttpAnswer | null> {
  const method = o.method ?? 'GET';
  if (method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS')
    throw new TypeError(`${String(method)} is never sent`);
  if (!/^\/[\x21-\x7e]*$/.test(path) && path !== '*') return null;
  const fixed = isIP(site.host) ? {} : { address: site.address };
  const opened = await site.gate.open(
    { host: site.host, port: site.port, ...fixed },
    `http ${method} ${path.slice(0, 80)}`,
  );
  if (opened.kind !== 'open') return null;
  const { socket } = opened;
  const stream = site.tls
    ? await secure(socket, isIP(site.host) ? undefined : site.host, { alpn: ['http/1.1'] })
    : socket;
  if (!stream) return null;
  try {
    return await exchange(stream, site, method, path, o);
  } finally {
    stream.destroy();
    socket.destroy();
  }
}

async function exchange(stream: Socket, site: Site, method: Method, path: string, o: Ask): Promise<HttpAnswer | null> {
  const url = `${originOf(site)}${path === '*' ? '' : path}`;
  const bodyMax = o.bodyMax ?? BODY_BYTES_MAX;
  const answer = await new Promise<{ message: IncomingMessage; body: Buffer; cut: boolean } | null>((resolve) => {
    const timer = setTimeout(() => end(null), o.timeMs ?? ANSWER_MS);
    const chunks: Buffer[] = [];
    let message: IncomingMessage | null = null;
    let size = 0;
    let done = false;
    const end = (result: { message: IncomingMessage; body: Buffer; cut: boolean } | null) => {
      if (done) return;
      done = true;
      clearTimeout(timer);
      // What came before the time was over is an answer too: an endless body is a body.
      resolve(result ?? (message ? { message, body: Buffer.concat(chunks), cut: true } : null));
      outgoing.destroy();
    };
    const outgoing = request({
      createConnection: () => stream,
      method,
      path,
      maxHeaderSize: HEAD_BYTES_MAX,
      setHost: false,
      headers: {
        host: originOf(site).replace(/^https?:\/\//, ''),
        'user-agent': AGENT,
        accept: '*/*',
        'accept-encoding': 'gzip, deflate, br',
        connection: 'close',
        ...o.headers,
      },
    });
    outgoing.on('error', () => end(null));
    outgoing.on('response', (incoming) => {
      message = incoming;
      incoming.on('data', (chunk: Buffer) => {
        size += chunk.length;
        chunks.push(chunk);
        if (size >= bodyMax) end({ message: incoming, body: Buffer.concat(chunks).subarray(0, bodyMax), cut: true });
      });
      incoming.on('end', () => end({ message: incoming, body: Buffer.concat(chunks), cut: false }));
      incoming.on('error', () => end(null));
      incoming.on('close', () => end(null));
    });
    outgoing.on('upgrade', (incoming, upgraded) => {
      upgraded.destroy();
      end({ message: incoming, body: Buffer.alloc(0), cut: false });
    });
    outgoing.on('close', () => end(null));
    outgoing.end();
  });
  if (!answer) return null;
  const unpacked = await unpack(answer.body, answer.message.headers['content-encoding']);
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(answer.message.headers))
    headers[name] = (Array.isArray(value) ? value.join(', ') : (value ?? '')).slice(0, 8192);
  return {
    url,
    status: answer.message.statusCode ?? 0,
    headers,
    cookies: (answer.message.headers['set-cookie'] ?? []).slice(0, 64).map((cookie) => cookie.slice(0, 4096)),
    body: unpacked.bytes.toString('utf8'),
    bodyBytes: unpacked.bytes,
    cut: answer.cut || unpacked.fault === 'bomb',
    fault: unpacked.fault,
  };
}

/** Unpacks at most 2 MiB; a bomb is what it is, and its first bytes are not looked at. */
async function unpack(body: Buffer, encoding: string | undefined): Promise<{ bytes: Buffer; fault: string | null }> {
  const kind = encoding?.trim().toLowerCase() ?? 'identity';
  if (kind === 'identity' || kind === '' || body.length === 0) return { bytes: body, fault: null };
  const o = { maxOutputLength: UNPACKED_BYTES_MAX };
  try {
    if (kind === 'gzip' || kind === 'x-gzip') return { bytes: await promisify(gunzip)(body, o), fault: null };
    if (kind === 'br') return { bytes: await promisify(brotliDecompress)(body, o), fault: null };
    if (kind === 'deflate')
      return { bytes: await promisify(inflate)(body, o).catch(() => promisify(inflateRaw)(body, o)), fault: null };
    return { bytes: Buffer.alloc(0), fault: 'encoding' };
  } catch (error) {
    const bomb = (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    return { bytes: Buffer.alloc(0), fault: bomb ? 'bomb' : 'encoding' };
  }
}

/** Follows redirects as a browser would, but each hop has to pass the gate: nothing is asked of a host out of scope. */
export async function follow(site: Site, path: string): Promise<Redirects> {
  const hops: { url: string; status: number }[] = [];
  const seen = new Set<string>();
  let current: Site = site;
  let where = path;
  let last: HttpAnswer | null = null;
  for (let i = 0; i <= REDIRECTS_MAX; i++) {
    const key = `${originOf(current)}${where}`;
    if (seen.has(key)) return { hops, last, fault: 'loop', outside: null };
    seen.add(key);
    const answer = await ask(current, where);
    if (!answer) return { hops, last, fault: 'no-answer', outside: null };
    last = answer;
    hops.push({ url: answer.url.slice(0, URL_CHARS_MAX), status: answer.status });
    const location = answer.headers.location;
    if (answer.status < 300 || answer.status > 399 || location === undefined)
      return { hops, last, fault: null, outside: null };
    const next = parseLocation(location, answer.url);
    if (!next) return { hops, last, fault: 'bad-location', outside: null };
    const tls = next.protocol === 'https:';
    const host = next.hostname.replace(/^\[|\]$/g, '');
    const port = next.port === '' ? (tls ? 443 : 80) : Number(next.port);
    const [first] = (await site.gate.preview(host, port)).filter(({ decision }) => decision.allowed);
    if (!first?.address) return { hops, last, fault: 'out-of-scope', outside: next.origin.slice(0, 300) };
    const same = canonicalAddress(host) !== null || host === site.host;
    current = { gate: site.gate, host, address: same && host === site.host ? site.address : first.address, port, tls };
    where = `${next.pathname}${next.search}`.slice(0, URL_CHARS_MAX);
  }
  return { hops, last, fault: 'too-many', outside: null };
}

function parseLocation(location: string, base: string): URL | null {
  if (location.length > URL_CHARS_MAX) return null;
  try {
    const url = new URL(location, base);
    return url.protocol === 'http:' || url.protocol === 'https:' ? url : null;
  } catch {
    return null;
  }
}

/** Reads what a server answers to a ClientHello; every length is checked, whatever the server sends. */

import type { Link } from '../perimeter-link.ts';
import { EXT } from './tls-hello.ts';

export interface ServerHello {
  readonly version: number;
  readonly cipher: number;
  readonly compression: number;
  readonly sessionId: Buffer;
  readonly extensions: ReadonlyMap<number, Buffer>;
  /** A HelloRetryRequest: the group that the server wants. */
  readonly retryGroup: number | null;
  readonly shareGroup: number | null;
  readonly share: Buffer | null;
  readonly raw: Buffer;
}

export interface KeyExchange {
  readonly curve: number | null;
  readonly dhBits: number | null;
  readonly dhPrime: string | null;
  readonly signature: number | null;
}

export interface Flight {
  readonly hello: ServerHello;
  readonly certificates: readonly Buffer[];
  readonly ocsp: Buffer | null;
  readonly keyExchange: KeyExchange | null;
  readonly asksClientCertificate: boolean;
}

/** What kind of answer came: suites are only ruled out by an answer, never by silence. */
export type Answer =
  | { readonly kind: 'hello'; readonly hello: ServerHello }
  | { readonly kind: 'alert'; readonly code: number }
  | { readonly kind: 'closed' | 'reset' | 'time' | 'size' | 'refused' | 'not-tls' | 'malformed' };

export interface TlsRecord {
  readonly type: number;
  readonly body: Buffer;
  readonly header: Buffer;
}

/** RFC 8446 section 5.2 (2^14 + 256), with the 2,048 that RFC 5246 section 6.2.3 allowed. */
const RECORD_BYTES_MAX = 16_384 + 2048;
const HANDSHAKE_BYTES_MAX = 128 * 1024;
const CHAIN_MAX = 16;
const EXTENSIONS_MAX = 64;
/** SHA-256 of "HelloRetryRequest" (RFC 8446 section 4.1.3). */
const RETRY = Buffer.from('cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c', 'hex');

export async function readRecord(link: Link): Promise<TlsRecord | 'not-tls' | 'malformed' | null> {
  const header = await link.read(5);
  if (!header) return null;
  const type = header.readUInt8(0);
  if (type < 20 || type > 24 || header.readUInt8(1) !== 3) return 'not-tls';
  const length = header.readUInt16BE(3);
  if (length > RECORD_BYTES_MAX || (length === 0 && type !== 23)) return 'malformed';
  const body = length === 0 ? Buffer.alloc(0) : await link.read(length);
  return body ? { type, body, header } : null;
}

/** Handshake messages out of records, however they are cut. */
export async function* messages(link: Link): AsyncGenerator<{ type: number; body: Buffer; raw: Buffer } | Answer> {
  let held = Buffer.alloc(0);
  for (;;) {
    while (held.length >= 4) {
      const length = held.readUIntBE(1, 3);
      if (length > HANDSHAKE_BYTES_MAX) {
        yield { kind: 'malformed' };
        return;
      }
      if (held.length < 4 + length) break;
      yield { type: held.readUInt8(0), body: held.subarray(4, 4 + length), raw: held.subarray(0, 4 + length) };
      held = held.subarray(4 + length);
    }
    const next = await readRecord(link);
    if (next === 'not-tls' || next === 'malformed') {
      yield { kind: next };
      return;
    }
    if (next === null) {
      yield { kind: (link.ended ?? 'closed') as 'closed' };
      return;
    }
    if (next.type === 21) {
      const [level = 2, code = 0] = next.body;
      // A warning such as "unrecognised name" (RFC 6066 section 3) is followed by the handshake; close_notify ends it.
      if (level === 1 && code !== 0) continue;
      yield { kind: 'alert', code };
      return;
    }
    if (next.type !== 22) {
      yield { kind: 'malformed' };
      return;
    }
    held = Buffer.concat([held, next.body]);
    if (held.length > HANDSHAKE_BYTES_MAX) {
      yield { kind: 'malformed' };
      return;
    }
  }
}

export function parseExtensions(bytes: Buffer): Map<number, Buffer> | null {
  const found = new Map<number, Buffer>();
  let at = 0;
  while (at + 4 <= bytes.length && found.size < EXTENSIONS_MAX) {
    const length = bytes.readUInt16BE(at + 2);
    if (at + 4 + length > bytes.length) return null;
    found.set(bytes.readUInt16BE(at), bytes.subarray(at + 4, at + 4 + length));
    at += 4 + length;
  }
  return found;
}

export function parseServerHello(body: Buffer, raw: Buffer): ServerHello | null {
  if (body.length < 38) return null;
  const sessionLength = body.readUInt8(34);
  const at = 35 + sessionLength;
  if (sessionLength > 32 || body.length < at + 3) return null;
  let extensions: Map<number, Buffer> | null = new Map();
  if (body.length >= at + 5) {
    const length = body.readUInt16BE(at + 3);
    if (at + 5 + length > body.length) return null;
    extensions = parseExtensions(body.subarray(at + 5, at + 5 + length));
    if (!extensions) return null;
  }
  const chosen = extensions.get(EXT.supportedVersions);
  const retry = body.subarray(2, 34).equals(RETRY);
  const share = extensions.get(EXT.keyShare);
  const shareLength = share && share.length >= 4 ? share.readUInt16BE(2) : 0;
  const group = share && share.length >= 2 ? share.readUInt16BE(0) : null;
  return {
    version: chosen?.length === 2 ? chosen.readUInt16BE(0) : body.readUInt16BE(0),
    cipher: body.readUInt16BE(at),
    compression: body.readUInt8(at + 2),
    sessionId: body.subarray(35, at),
    extensions,
    retryGroup: retry ? group : null,
    shareGroup: retry ? null : group,
    share: !retry && share && share.length === 4 + shareLength ? share.subarray(4) : null,
    raw,
  };
}

/** A list of certificates with 24-bit lengths (RFC 5246 section 7.4.2). */
export function parseCertificates(
  body: Buffer,
  extensionsEach: boolean,
): { list: Buffer[]; firstExtensions: Buffer | null } | null {
  let at = 0;
  if (extensionsEach) {
    if (body.length < 1) return null;
    at = 1 + body.readUInt8(0);
  }
  if (body.length < at + 3) return null;
  const end = at + 3 + body.readUIntBE(at, 3);
  if (end > body.length) return null;
  at += 3;
  const list: Buffer[] = [];
  let firstExtensions: Buffer | null = null;
  while (at + 3 <= end && list.length < CHAIN_MAX) {
    const length = body.readUIntBE(at, 3);
    if (at + 3 + length > end) return null;
    list.push(body.subarray(at + 3, at + 3 + length));
    at += 3 + length;
    if (!extensionsEach) continue;
    if (at + 2 > end) return null;
    const more = body.readUInt16BE(at);
    if (at + 2 + more > end) return null;
    firstExtensions ??= body.subarray(at + 2, at + 2 + more);
    at += 2 + more;
  }
  return { list, firstExtensions };
}

/** ServerKeyExchange of ECDHE (RFC 8422 section 5.4) and DHE (RFC 5246 section 7.4.3). */
export function parseKeyExchange(body: Buffer, suite: string, tls12: boolean): KeyExchange | null {
  const none = { curve: null, dhBits: null, dhPrime: null, signature: null };
  let at = 0;
  if (/PSK/.test(suite)) return none;
  if (/ECDH/.test(suite)) {
    if (body.length < 4 || body.readUInt8(0) !== 3) return { ...none };
    at = 4 + body.readUInt8(3);
    const signature = tls12 && body.length >= at + 2 ? body.readUInt16BE(at) : null;
    return { ...none, curve: body.readUInt16BE(1), signature };
  }
  if (!/DHE_|DH_anon/.test(suite) || body.length < 2) return none;
  const length = body.readUInt16BE(0);
  if (2 + length > body.length) return null;
  const prime = body.subarray(2, 2 + length);
  at = 2 + length;
  for (let i = 0; i < 2; i++) {
    if (at + 2 > body.length) return null;
    at += 2 + body.readUInt16BE(at);
  }
  const hex = prime.toString('hex').replace(/^(00)+/, '');
  const bits = hex.length === 0 ? 0 : hex.length * 4 - (Math.clz32(Number.parseInt(hex.slice(0, 2), 16)) - 24);
  const signature = tls12 && body.length >= at + 2 ? body.readUInt16BE(at) : null;
  return { ...none, dhBits: bits, dhPrime: hex.slice(0, 4096), signature };
}

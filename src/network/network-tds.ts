/** SQL Server and its relatives (MS-TDS): whether the log-in is inside TLS, and the password that is only turned around. */

import type { Budget } from './network-budget.ts';
import { be16, le16 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { ntlmLogin } from './network-ntlm.ts';
import type { Report } from './network-report.ts';

const HEADER_BYTES = 8;
const PRELOGIN = 0x12;
const LOGIN7 = 0x10;
const SSPI = 0x11;
const OLD_LOGIN = 0x02;
const ANSWER = 0x04;
const PASSWORD_BYTES_MAX = 512;

/** A packet header (section 2.2.3.1): pre-login with an option table, or a log-in that states its own length. */
export function isTds(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 20 || b[at + 1]! > 1 || be16(b, at + 2) < 20 || b[at + 7] !== 0) return false;
  if (b[at] === PRELOGIN) {
    // The version comes first, and its place is behind the table.
    const place = be16(b, at + 9);
    return b[at + 8] === 0 && be16(b, at + 11) === 6 && place >= 11 && place < 64 && (place - 1) % 5 === 0;
  }
  if (b[at] === LOGIN7) return isLogin7(b, at + HEADER_BYTES, end);
  return b[at] === OLD_LOGIN && isOldLogin(b, at + HEADER_BYTES, end);
}

const isLogin7 = (b: Uint8Array, at: number, end: number): boolean =>
  end - at >= 40 && le16(b, at + 2) === 0 && le16(b, at) >= 86 && b[at + 7]! >= 0x70 && b[at + 7]! <= 0x75;

/** TDS 4 and 5 (Sybase): fixed fields of 30 bytes, each with its length behind. */
const isOldLogin = (b: Uint8Array, at: number, end: number): boolean =>
  end - at >= 124 &&
  b[at + 30]! <= 30 &&
  b[at + 61]! <= 30 &&
  b[at + 92]! <= 30 &&
  b[at + 123]! <= 30 &&
  b[at + 61]! > 0;

/** The encryption option of a pre-login (section 2.2.6.5): 0 the log-in only, 1 and 3 everything, 2 none; -1 when it is not there. */
function encryptionOf(b: Uint8Array, at: number, end: number): number {
  for (let i = at; i + 5 <= end && b[i] !== 0xff; i += 5) {
    const place = at + be16(b, i + 1);
    if (b[i] === 1) return place < end ? b[place]! : -1;
  }
  return -1;
}

/** TLS records of the handshake travel in packets of the pre-login; what was gathered of one direction. */
const GATHERED_BYTES_MAX = 24 * 1024;
const NOTHING = new Uint8Array(0);

export function createTds(report: Report, budget: Budget, createInner: () => Parser): Parser {
  let loginOnly = false;
  let inner: Parser | null = null;
  const gathered: [Uint8Array, Uint8Array] = [NOTHING, NOTHING];

  const keep = (dir: number, bytes: Uint8Array): void => {
    budget.give(gathered[dir as 0 | 1].length);
    gathered[dir as 0 | 1] = bytes.length > 0 && budget.take(bytes.length) ? bytes : NOTHING;
  };
  const handshake = (flow: Flow, dir: number, bytes: Uint8Array): void => {
    inner ??= createInner();
    const all = Buffer.concat([gathered[dir as 0 | 1], bytes]);
    const next = inner.read(flow, dir, all, 0, all.length);
    keep(dir, next < all.length && all.length - next <= GATHERED_BYTES_MAX ? all.slice(next) : NOTHING);
    // Whether the rest is encrypted too was agreed on before.
    flow.sealed = false;
    if (!loginOnly) report.protectedBy(flow);
  };
  /** A record of TLS without an envelope. True when nothing that follows can be read. */
  const record = (flow: Flow): boolean => {
    if (loginOnly) {
      report.weakTls(flow, 'SQL Server encrypts the log-in only', '');
      return false;
    }
    report.protectedBy(flow);
    flow.sealed = true;
    return true;
  };
  const login7 = (flow: Flow, b: Uint8Array, at: number, end: number): void => {
    const place = at + le16(b, at + 44);
    const length = Math.min(le16(b, at + 46) * 2, PASSWORD_BYTES_MAX);
    if (length > 0 && place + length <= end) {
      // Halves of each byte exchanged, then XOR 0xa5 (section 2.2.6.4): hashed as it is, the mapping is one to one.
      report.credential(flow, 'tds', 'obfuscated password', b.slice(place, place + length), 'LOGIN7.Password');
    } else sspi(flow, b, at, end);
  };
  const sspi = (flow: Flow, b: Uint8Array, at: number, end: number): void => {
    const found = ntlmLogin(b, at, end);
    if (found?.version === 'NTLMv1') report.weakLogin(flow, 'tds', 'NTLMv1', found.user, 'SSPI');
    else if (found?.signed === false) report.weakLogin(flow, 'tds', 'NTLM without signing', found.user, 'SSPI');
  };

  return {
    name: 'tds',
    read(flow, dir, b, start, end) {
      let at = start;
      while (at < end) {
        if (end - at < HEADER_BYTES) return at;
        const length = be16(b, at + 2);
        const type = b[at]!;
        if (length < HEADER_BYTES || type < 1 || type > 0x1f) {
          if (type === 0x16 || type === 0x17) record(flow);
          else flow.parser = null;
          return end;
        }
        if (type === 0x17 && b[at + 1] === 3) {
          if (record(flow)) return end;
          at += 5 + be16(b, at + 3);
          continue;
        }
        if (at + length > end) return at;
        const body = at + HEADER_BYTES;
        const stop = at + length;
        const goesOn = gathered[dir as 0 | 1].length > 0;
        if (type === PRELOGIN && (goesOn || (b[body]! >= 0x14 && b[body]! <= 0x17)))
          handshake(flow, dir, b.subarray(body, stop));
        if (type === ANSWER && dir !== flow.client && b[body] === 0) loginOnly = encryptionOf(b, body, stop) === 0;
        if ((type === PRELOGIN && b[body] === 0 && !goesOn) || type === LOGIN7 || type === SSPI || type === OLD_LOGIN)
          flow.client = dir;
        if (type === LOGIN7 && isLogin7(b, body, stop)) login7(flow, b, body, stop);
        else if (type === SSPI) sspi(flow, b, body, stop);
        else if (type === OLD_LOGIN && isOldLogin(b, body, stop))
          report.credential(
            flow,
            'tds',
            'clear password',
            b.slice(body + 62, body + 62 + b[body + 92]!),
            'login.password',
          );
        else if (type === 1 || type === 3) flow.sealed = true;
        if (flow.sealed) return end;
        at = stop;
      }
      return at;
    },
    free() {
      inner?.free?.();
      for (const dir of [0, 1]) keep(dir, NOTHING);
    },
  };
}

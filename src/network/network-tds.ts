/** SQL Server and its relatives (MS-TDS): whether the log-in is inside TLS, and the password that is only turned around. */

import { be16, le16 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { ntlmLogin } from './network-ntlm.ts';
import type { Report } from './network-report.ts';

const HEADER_BYTES = 8;
const PRELOGIN = 0x12;
const LOGIN7 = 0x10;
const SSPI = 0x11;
const OLD_LOGIN = 0x02;
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

export function createTds(report: Report): Parser {
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
          // TLS without an envelope: the log-in is inside.
          if (type === 0x16 || type === 0x17) {
            report.protectedBy(flow);
            flow.sealed = true;
          } else flow.parser = null;
          return end;
        }
        if (type === 0x17 && b[at + 1] === 3) {
          report.protectedBy(flow);
          flow.sealed = true;
          return end;
        }
        if (at + length > end) return at;
        const body = at + HEADER_BYTES;
        const stop = at + length;
        if ((type === PRELOGIN && b[body] === 0) || type === LOGIN7 || type === SSPI || type === OLD_LOGIN)
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
  };
}

/** Kerberos 5 (RFC 4120): tickets and proofs that are encrypted with DES or RC4, over UDP and TCP. */

import { be32 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { berLength } from './network-logins.ts';
import type { Report } from './network-report.ts';

const MESSAGE_BYTES_MAX = 64 * 1024;
const DEPTH_MAX = 14;
const NODES_MAX = 600;

/** AS and TGS, asked and answered, the two that open a session, and the error: application tags 10 to 15 and 30. */
const KINDS: Readonly<Record<number, string>> = {
  106: 'AS-REQ',
  107: 'AS-REP',
  108: 'TGS-REQ',
  109: 'TGS-REP',
  110: 'AP-REQ',
  111: 'AP-REP',
  126: 'KRB-ERROR',
};
/** Encryption types that RFC 6649 and RFC 8429 say not to use. */
const WEAK: Readonly<Record<number, string>> = { 1: 'DES', 2: 'DES', 3: 'DES', 16: '3DES', 23: 'RC4', 24: 'RC4-EXP' };

/** One message: the tag, a sequence, and version 5 in its first or second field. */
export function isKerberos(b: Uint8Array, at: number, end: number): boolean {
  if (KINDS[b[at]!] === undefined) return false;
  const outer = berLength(b, at + 1, end);
  if (!outer || b[outer.at] !== 0x30) return false;
  const inner = berLength(b, outer.at + 1, end);
  if (!inner || inner.at + 5 > end) return false;
  const tag = b[inner.at];
  return (
    (tag === 0xa0 || tag === 0xa1) &&
    b[inner.at + 1] === 3 &&
    b[inner.at + 2] === 2 &&
    b[inner.at + 3] === 1 &&
    b[inner.at + 4] === 5
  );
}

/** The same behind the length that TCP needs (RFC 4120 section 7.2.2). */
export const isKerberosStream = (b: Uint8Array, at: number, end: number): boolean =>
  end - at > 16 && be32(b, at) <= MESSAGE_BYTES_MAX && be32(b, at) > 12 && isKerberos(b, at + 4, end);

export function readKerberos(report: Report, flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void {
  const kind = KINDS[b[at]!] ?? 'message';
  flow.client = b[at] === 0x6a || b[at] === 0x6c || b[at] === 0x6e ? dir : dir ^ 1;
  for (const type of encryptedWith(b, at, end)) {
    const weak = WEAK[type];
    if (weak !== undefined) report.weakLogin(flow, 'kerberos', `Kerberos with ${weak}`, '', kind);
  }
}

/** Types of every EncryptedData in it: a sequence of [0] number, perhaps [1] version, [2] octets (RFC 4120 section 5.2.9). */
function encryptedWith(b: Uint8Array, from: number, limit: number): Set<number> {
  const types = new Set<number>();
  let nodes = 0;
  const visit = (start: number, stop: number, depth: number): void => {
    for (let at = start; at + 2 <= stop && depth < DEPTH_MAX && ++nodes < NODES_MAX; ) {
      const size = berLength(b, at + 1, stop);
      if (!size) return;
      const end = Math.min(stop, size.at + size.length);
      if (b[at] === 0x30) {
        const type = encryptedData(b, size.at, end);
        if (type >= 0) types.add(type);
        else if (isTimestamp(b, size.at)) visit(size.at + 7, end, depth + 1);
      }
      if ((b[at]! & 0x20) !== 0 || b[at] === 4) visit(size.at, end, depth + (b[at] === 4 ? 6 : 1));
      at = size.at + size.length;
    }
  };
  visit(from, limit, 0);
  return types;
}

/** PA-ENC-TIMESTAMP is PA-DATA number 2. */
const isTimestamp = (b: Uint8Array, at: number): boolean =>
  b[at] === 0xa1 && b[at + 1] === 3 && b[at + 2] === 2 && b[at + 4] === 2;

function encryptedData(b: Uint8Array, at: number, end: number): number {
  if (end - at < 12 || b[at] !== 0xa0 || b[at + 1] !== 3 || b[at + 2] !== 2 || b[at + 3] !== 1) return -1;
  let here = at + 5;
  if (b[here] === 0xa1) {
    const version = berLength(b, here + 1, end);
    if (!version || b[version.at] !== 2) return -1;
    here = version.at + version.length;
  }
  const cipher = berLength(b, here + 1, end);
  return b[here] === 0xa2 && cipher !== null && b[cipher.at] === 4 ? b[at + 4]! : -1;
}

export function createKerberos(report: Report): Parser {
  return {
    name: 'kerberos',
    read(flow, dir, b, start, end) {
      let at = start;
      while (end - at >= 4) {
        const length = be32(b, at);
        if (length > MESSAGE_BYTES_MAX) {
          flow.parser = null;
          return end;
        }
        if (at + 4 + length > end) return at;
        if (isKerberos(b, at + 4, at + 4 + length)) readKerberos(report, flow, dir, b, at + 4, at + 4 + length);
        at += 4 + length;
      }
      return at;
    },
  };
}

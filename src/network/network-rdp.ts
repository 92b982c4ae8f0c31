/** Remote desktop (MS-RDPBCGR section 2.2.1): whether network level authentication comes before the session, or TLS at all. */

import { be16, le16, le32, startsWith } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import type { Report } from './network-report.ts';

const REQUEST = 0xe0;
const CONFIRM = 0xd0;
const COOKIE = 'Cookie: msts';

/** A connection request in TPKT (RFC 1006) with the cookie or the negotiation that only remote desktop has. */
export function isRdp(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 11 || b[at] !== 3 || b[at + 1] !== 0) return false;
  const length = be16(b, at + 2);
  if (length < 11 || length > 512 || b[at + 5] !== REQUEST || be16(b, at + 6) !== 0) return false;
  return startsWith(b, at + 11, end, COOKIE) || negotiation(b, at, Math.min(end, at + length), 1) >= 0;
}

/** Where the negotiation of this type stands at the end of the TPDU; -1 without one. */
function negotiation(b: Uint8Array, at: number, stop: number, type: number): number {
  const here = stop - 8;
  return here >= at + 11 && b[here] === type && le16(b, here + 2) === 8 ? here : -1;
}

export function createRdp(report: Report): Parser {
  return {
    name: 'rdp',
    read(flow: Flow, dir, b, start, end) {
      if (end - start < 7) return start;
      const length = be16(b, start + 2);
      const next = start + length;
      if (b[start] !== 3 || length < 7) {
        flow.sealed = true;
        return end;
      }
      if (next > end) return start;
      if (b[start + 5] === REQUEST) {
        flow.client = dir;
        return next;
      }
      if (b[start + 5] !== CONFIRM) return next;
      flow.client = dir ^ 1;
      const at = negotiation(b, start, next, 2);
      const refused = negotiation(b, start, next, 3) >= 0;
      if (refused) return next;
      const chosen = at < 0 ? 0 : le32(b, at + 4);
      // 0 the old encryption with RC4, 1 TLS and the log-in inside the session, 2 and 8 authentication first (CredSSP).
      if (chosen === 0) report.weakLogin(flow, 'rdp', 'RDP without TLS and NLA', '', 'selectedProtocol 0');
      else if (chosen === 1) report.weakLogin(flow, 'rdp', 'RDP without NLA', '', 'selectedProtocol 1');
      if (chosen === 0) flow.sealed = true;
      else {
        flow.parser = null;
        flow.tries = 0;
      }
      return next;
    },
  };
}

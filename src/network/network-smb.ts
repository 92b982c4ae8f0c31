/** Windows file sharing over TCP (MS-CIFS, MS-SMB2): version 1, passwords and NTLM answers in log-ins, signing that is not required. */

import { be24, be32, le16, le32 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { ntlmLogin } from './network-ntlm.ts';
import type { Report } from './network-report.ts';

/** Log-ins stand at the beginning of a message; what follows is files. */
const HEAD_BYTES_MAX = 8 * 1024;
const MESSAGE_BYTES_MAX = 1 << 24;
const NEGOTIATE = 0x72;
const SESSION_SETUP = 0x73;

/** A NetBIOS session message (RFC 1002 section 4.3.1) with SMB inside. */
export function isSmb(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8) return false;
  if (b[at] === 0x81 && b[at + 1] === 0) return be24(b, at + 1) === 68 && b[at + 4] === 0x20;
  return b[at] === 0 && be24(b, at + 1) >= 32 && isSmbHead(b, at + 4);
}

const isSmbHead = (b: Uint8Array, at: number): boolean =>
  b[at + 1] === 0x53 && b[at + 2] === 0x4d && b[at + 3] === 0x42 && b[at]! >= 0xfc;

export function createSmb(report: Report): Parser {
  let old = false;
  let signingRequired = false;
  let clearPasswords = false;

  const login = (flow: Flow, b: Uint8Array, at: number, end: number): boolean => {
    const found = ntlmLogin(b, at, end);
    if (!found) return false;
    if (found.version === 'NTLMv1') report.weakLogin(flow, 'smb', 'NTLMv1', found.user, 'session setup');
    else if (!signingRequired)
      report.weakLogin(flow, 'smb', 'NTLM without required signing', found.user, 'session setup');
    return true;
  };

  /** Lengths of both answers and what they are (MS-CIFS section 2.2.4.53.1). */
  const oldLogin = (flow: Flow, b: Uint8Array, at: number, end: number): void => {
    const words = b[at + 32];
    if (words !== 13) {
      login(flow, b, at, end);
      return;
    }
    const first = le16(b, at + 47);
    const second = le16(b, at + 49);
    const data = at + 61;
    if (data + first + second > end || first + second < 2) return;
    if (clearPasswords) {
      const secret = second > 1 ? b.slice(data + first, data + first + second) : b.slice(data, data + first);
      report.credential(flow, 'smb', 'plain password', secret, 'session setup');
    } else if (first === 24 && second <= 24) report.weakLogin(flow, 'smb', 'NTLMv1', '', 'session setup');
  };

  const oldMessage = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void => {
    const command = b[at + 4];
    const answer = (b[at + 9]! & 0x80) !== 0;
    flow.client = answer ? dir ^ 1 : dir;
    if (answer && command === NEGOTIATE) {
      // Dialect 0xffff: none that both know. The security mode says whether passwords are hashed and messages signed.
      if (b[at + 32] !== 17 || le16(b, at + 33) === 0xffff) return;
      clearPasswords = (b[at + 35]! & 2) === 0;
      signingRequired = (b[at + 35]! & 8) !== 0;
    } else if (!answer && command === SESSION_SETUP) oldLogin(flow, b, at, end);
    if (answer && !old) {
      old = true;
      report.weakLogin(flow, 'smb', 'SMBv1', '', 'negotiate');
    }
  };

  const message = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void => {
    if (end - at < 36 || !isSmbHead(b, at)) return;
    if (b[at] === 0xff) oldMessage(flow, dir, b, at, end);
    else if (b[at] === 0xfd) {
      report.protectedBy(flow);
      flow.sealed = true;
    } else if (b[at] === 0xfe && end - at >= 72) {
      const command = le16(b, at + 12);
      const answer = (le32(b, at + 16) & 1) !== 0;
      flow.client = answer ? dir ^ 1 : dir;
      // Structure size 65 of the answer, then the security mode: 2 is "signing required" (MS-SMB2 section 2.2.4).
      if (command === 0 && answer) signingRequired = (b[at + 66]! & 2) !== 0;
      else if (command === 1 && !answer) login(flow, b, at, end);
    }
  };

  return {
    name: 'smb',
    read(flow, dir, b, start, end) {
      let at = start;
      while (at < end && flow.parser !== null) {
        if (end - at < 4) return at;
        const length = be32(b, at) & 0xffffff;
        const next = at + 4 + length;
        if ((b[at] !== 0 && b[at]! < 0x81) || b[at]! > 0x85 || length > MESSAGE_BYTES_MAX) {
          flow.parser = null;
          return end;
        }
        const head = Math.min(next, at + 4 + HEAD_BYTES_MAX);
        if (head > end) return at;
        if (b[at] === 0) message(flow, dir, b, at + 4, head);
        if (flow.sealed) return end;
        at = next;
      }
      return at;
    },
  };
}

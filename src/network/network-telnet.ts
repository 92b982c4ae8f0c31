/** Telnet log-ins (RFC 854): what the client sends as a line after the server asked for a password. */

import { latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import type { Report } from './network-report.ts';

const LINE_MAX = 128;
/** After this much without a question for a password the session is past its log-in. */
const SERVER_BYTES_MAX = 256 * 1024;

export function isTelnet(b: Uint8Array, at: number, end: number): boolean {
  return end - at >= 3 && b[at] === 0xff && b[at + 1]! >= 0xfb && b[at + 1]! <= 0xfe && b[at + 2]! < 0x30;
}

/** A question for a name that ends what the server sends, without any negotiation before it (RFC 854 needs none). */
export function isLoginPrompt(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 6 || end - at > 2048 || (b[end - 1] !== 0x20 && b[end - 1] !== 0x3a)) return false;
  return /(?:^|[\s>])(?:login|user ?name|user|password): ?$/i.test(latin1(b, Math.max(at, end - 24), end));
}

export function createTelnet(report: Report): Parser {
  let tail = '';
  let typed = '';
  let waiting = false;
  let served = 0;

  const fromClient = (flow: Flow, c: number): void => {
    if (!waiting) return;
    if (c === 0x0d || c === 0x0a) {
      if (typed !== '') report.credential(flow, 'telnet', 'password', typed, 'log-in');
      if (typed !== '') waiting = false;
      typed = '';
    } else if (c >= 32 && typed.length < LINE_MAX) typed += String.fromCharCode(c);
  };
  const fromServer = (c: number): void => {
    served++;
    if (c < 32 && c !== 0x0d && c !== 0x0a) return;
    tail = (tail + String.fromCharCode(c).toLowerCase()).slice(-24);
    if (c !== 0x3a && c !== 0x20) return;
    if (/pass(?:word|wort|code|phrase)[^:\n]{0,8}: ?$/.test(tail)) {
      waiting = true;
      typed = '';
    }
  };

  return {
    name: 'telnet',
    read(flow, dir, b, start, end) {
      let at = start;
      // The server speaks first.
      if (flow.client < 0) flow.client = dir ^ 1;
      while (at < end) {
        const c = b[at]!;
        if (c !== 0xff) {
          if (dir === flow.client) fromClient(flow, c);
          else fromServer(c);
          at++;
          continue;
        }
        if (end - at < 3) return at;
        const command = b[at + 1]!;
        if (command === 0xfa) {
          let stop = at + 2;
          while (stop + 1 < end && !(b[stop] === 0xff && b[stop + 1] === 0xf0)) stop++;
          if (stop + 1 >= end) return end - at > 512 ? end : at;
          at = stop + 2;
        } else at += command >= 0xfb && command <= 0xfe ? 3 : 2;
      }
      if (served > SERVER_BYTES_MAX) flow.sealed = true;
      return end;
    },
    lost: () => true,
  };
}

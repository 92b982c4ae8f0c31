/** OpenVPN, through syslog or in its own file (`2024-12-15 14:11:25 1.2.3.4:1194 TLS Error: …`). */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import {
  find,
  indexOfCode,
  intOf,
  ipWord,
  isDigit,
  lastIndexOfCode,
  skipDigits,
  startsAt,
  tokenEnd,
  word,
} from '../decode-text.ts';
import { readIsoTime } from '../decode-time.ts';

const SOURCE = linux('openvpn');
const FAILED = [
  'AUTH_FAILED',
  'TLS Auth Error',
  'verification failed for peer',
  'PLUGIN_AUTH_USER_PASS_VERIFY failed',
  'authentication failed for username',
];
const TLS_FAILED = ['TLS Error', 'VERIFY ERROR', 'TLS_ERROR', 'OpenSSL: error', 'Authenticate/Decrypt packet error'];

/** A line of OpenVPN's own file; null when nothing in it says so. */
export function decodeOpenvpnLine(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const after = readIsoTime(text, at, end, frame);
  if (after < 0 || text.charCodeAt(after) !== 32) return null;
  const norm = baseNorm(frame, text, after + 1, end, OCSF_CLASS.authentication);
  const peer = peerAt(text, after + 1, end, norm);
  const own =
    peer > after + 1
      ? find(text, 'TLS', peer, end) >= 0 ||
        find(text, 'VERIFY ', peer, end) >= 0 ||
        startsAt(text, 'OpenSSL: ', peer, end) ||
        find(text, '[AF_INET', peer, end) >= 0 ||
        find(text, 'Authentication ', peer, end) >= 0 ||
        find(text, 'AUTH_FAILED', peer, end) >= 0
      : startsAt(text, 'OpenVPN ', after + 1, end) || startsAt(text, 'Incoming Control Channel', after + 1, end);
  if (!own) return null;
  frame.program = 'openvpn';
  return decodeOpenvpn(text, after + 1, end, frame);
}

/** `[name/]1.2.3.4:1194 ` at `at`: into the columns; the offset after it, or `at`. */
function peerAt(text: string, at: number, end: number, norm: Normalised): number {
  const stop = tokenEnd(text, at, Math.min(end, at + 160));
  const named = addressFirst(text, at, stop, norm);
  if (named) return Math.min(stop + 1, end);
  const colon = lastIndexOfCode(text, 58, at, stop);
  if (colon < 0 || !isDigit(text.charCodeAt(colon + 1)) || skipDigits(text, colon + 1, stop) !== stop) return at;
  const slash = lastIndexOfCode(text, 47, at, colon);
  const from = slash < 0 ? at : slash + 1;
  const ip = ipWord(text, from, colon);
  if (!ip) return at;
  norm.src_ip = ip;
  const port = intOf(text, colon + 1, stop);
  if (port <= 65535) norm.src_port = port;
  if (slash > at) norm.user = word(text, at, slash);
  return Math.min(stop + 1, end);
}

/** `1.2.3.4:1194/name`, as some versions write it. */
function addressFirst(text: string, at: number, stop: number, norm: Normalised): boolean {
  const slash = indexOfCode(text, 47, at, stop);
  const colon = slash < 0 ? -1 : lastIndexOfCode(text, 58, at, slash);
  const ip = colon < 0 ? '' : ipWord(text, at, colon);
  const port = ip ? intOf(text, colon + 1, slash) : -1;
  if (port < 0 || port > 65535) return false;
  norm.src_ip = ip;
  norm.src_port = port;
  norm.user = word(text, slash + 1, stop);
  return true;
}

export function decodeOpenvpn(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.service = 'vpn';
  const what = peerAt(text, at, end, norm);
  const opened = find(text, 'Peer Connection Initiated with ', what, end);
  if (opened >= 0) {
    const open = indexOfCode(text, 91, what, opened);
    const name = open < 0 ? (norm.user ?? '') : word(text, open + 1, Math.max(open + 1, opened - 2));
    norm.event_code = 'vpn-connected';
    if (name && name !== 'UNDEF') {
      norm.user = name;
      norm.action = 'logon';
      norm.outcome = 'success';
    } else norm.action = 'connect';
    const bracket = find(text, '[AF_INET', opened, end);
    const from = bracket < 0 ? -1 : indexOfCode(text, 93, bracket, end) + 1;
    if (from > 0 && norm.src_ip === undefined) {
      const user = norm.user;
      peerAt(text, from, end, norm);
      if (user) norm.user = user;
    }
  } else if (FAILED.some((words) => find(text, words, what, end) >= 0)) {
    norm.action = 'logon';
    norm.outcome = 'failure';
    norm.event_code = 'vpn-auth-failed';
    const name = find(text, "username '", what, end);
    const close = name < 0 ? -1 : lastIndexOfCode(text, 39, name + 10, end);
    if (close > 0) norm.user = word(text, name + 10, close);
  } else if (TLS_FAILED.some((words) => find(text, words, what, end) >= 0)) {
    norm.action = 'connect';
    norm.outcome = 'failure';
    norm.event_code = 'vpn-tls-failed';
  } else if (find(text, 'uthentication succeeded', what, end) >= 0) {
    norm.action = 'logon';
    norm.outcome = 'success';
    norm.event_code = 'vpn-auth-ok';
    const name = find(text, "username '", what, end);
    const close = name < 0 ? -1 : indexOfCode(text, 39, name + 10, end);
    if (close > 0) norm.user = word(text, name + 10, close);
  } else if (what === at) {
    norm.class_uid = 0;
    norm.event_code = 'vpn-daemon';
  } else {
    norm.action = 'connect';
    norm.event_code = 'vpn-client';
  }
  return makeEvent(frame, 'syslog/openvpn', SOURCE, norm, NO_FIELDS);
}

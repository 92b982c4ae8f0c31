/** Cisco IOS and ASA messages (`%ASA-4-106023: …`, `%SEC_LOGIN-4-LOGIN_FAILED: …`), with or without syslog header. */

import type { DecodedEvent, Normalised } from '../../../core/index.ts';
import { OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent } from '../decode-frame.ts';
import { logSource } from '../decode-source.ts';
import { find, indexOfCode, intOf, ipWord, isDigit, isIp, skipDigits, skipSpaces, word } from '../decode-text.ts';
import { readBsdTime } from '../decode-time.ts';
import { readPri, severityOfSyslog } from './syslog-header.ts';

const FIREWALL = logSource('cisco', 'firewall', 'asa');
const ASA = logSource('cisco', undefined, 'asa');
const AAA = logSource('cisco', undefined, 'aaa');
const IOS = logSource('cisco', undefined, 'ios');

/** Message numbers of the ASA that deny a connection, and those that build or end one (Cisco ASA syslog guide). */
const DENIED = new Set([
  '106001',
  '106006',
  '106007',
  '106014',
  '106015',
  '106017',
  '106021',
  '106023',
  '710003',
  '733102',
]);
const BUILT = new Set(['302013', '302015', '302020', '302014', '302016', '302021']);
const LOGIN_FAILED = new Set(['605004', '113005', '113015', '109006', '611102', '308001']);
const LOGIN_OK = new Set(['605005', '113012', '113004', '109005', '611101', '113039']);

/**
 * `<189>29: Router1: *Mar  1 00:00:01.123 UTC: %SYS-5-CONFIG_I: …`: everything before the `%` is optional. Null when
 * there is no `%FACILITY-SEVERITY-MNEMONIC:`.
 */
export function decodeCiscoLine(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const limit = Math.min(end, at + 160);
  const percent = find(text, ' %', at, limit);
  if (percent < 0 || !isMnemonic(text, percent + 2, end)) return null;
  let i = readPri(text, at, end, frame);
  const digits = skipDigits(text, i, end);
  if (digits > i && text.charCodeAt(digits) === 58) i = skipSpaces(text, digits + 1, end);
  for (let guard = 0; i < percent && guard < 4; guard++) {
    const code = text.charCodeAt(i);
    const start = code === 42 || code === 46 ? i + 1 : i;
    const after = readBsdTime(text, start, end, frame);
    if (after > 0) {
      const rest = skipSpaces(text, after, end);
      const stop = rest < percent ? indexOfCode(text, 32, rest, percent + 1) : -1;
      if (rest < percent && stop > rest && text.charCodeAt(rest) !== 58 && text.charCodeAt(stop - 1) !== 58)
        frame.host = word(text, rest, stop);
      break;
    }
    const stop = indexOfCode(text, 32, i, percent + 1);
    if (stop < 0) break;
    if (text.charCodeAt(stop - 1) === 58 && !isDigit(code)) frame.host = word(text, i, stop - 1);
    i = skipSpaces(text, stop, end);
  }
  return decodeCisco(text, percent + 1, end, frame);
}

function isMnemonic(text: string, at: number, end: number): boolean {
  const colon = indexOfCode(text, 58, at, Math.min(end, at + 64));
  const dash = indexOfCode(text, 45, at, colon < 0 ? at : colon);
  return dash > at && isDigit(text.charCodeAt(dash + 1)) && text.charCodeAt(dash + 2) === 45;
}

/** The message from its `%` on. */
export function decodeCisco(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (text.charCodeAt(at) !== 37 || !isMnemonic(text, at + 1, end)) return null;
  const colon = indexOfCode(text, 58, at, end);
  const dash = indexOfCode(text, 45, at, colon);
  const facility = word(text, at + 1, dash);
  const code = word(text, dash + 3, colon);
  frame.severityId = severityOfSyslog(text.charCodeAt(dash + 1) - 48);
  frame.program = '';
  const norm = baseNorm(frame, text, skipSpaces(text, colon + 1, end), end);
  norm.event_code = code;
  norm.service = facility.toLowerCase();
  const fields: Fields = { facility, mnemonic: code };
  const asa = facility === 'ASA' || facility === 'PIX' || facility === 'FTD';
  if (DENIED.has(code) || BUILT.has(code)) {
    norm.class_uid = OCSF_CLASS.network;
    norm.action = DENIED.has(code) ? 'deny' : 'allow';
    readEndpoints(text, colon, end, norm, fields);
    fields.action = norm.action;
    return makeEvent(frame, 'syslog/cisco-asa', FIREWALL, norm, fields);
  }
  if (LOGIN_FAILED.has(code) || LOGIN_OK.has(code) || facility === 'SEC_LOGIN') {
    norm.class_uid = OCSF_CLASS.authentication;
    norm.action = 'logon';
    norm.outcome = LOGIN_OK.has(code) || code === 'LOGIN_SUCCESS' ? 'success' : 'failure';
    readLogin(text, colon, end, norm);
    return makeEvent(frame, asa ? 'syslog/cisco-asa' : 'syslog/cisco-ios', AAA, norm, fields);
  }
  return makeEvent(frame, asa ? 'syslog/cisco-asa' : 'syslog/cisco-ios', asa ? ASA : IOS, norm, fields);
}

/** `outside:1.2.3.4/5555`, `from 1.2.3.4/22`, `(1.2.3.4)`: the first address is the source, the second the target. */
function readEndpoints(text: string, at: number, end: number, norm: Normalised, fields: Fields): void {
  let seen = 0;
  for (let i = at; i < end && seen < 2; ) {
    if (!isDigit(text.charCodeAt(i))) {
      i++;
      continue;
    }
    let stop = i;
    while (stop < end && (isDigit(text.charCodeAt(stop)) || text.charCodeAt(stop) === 46)) stop++;
    if (isIp(text, i, stop)) {
      const ip = ipWord(text, i, stop);
      const portEnd = text.charCodeAt(stop) === 47 ? skipDigits(text, stop + 1, end) : stop;
      const port = portEnd > stop ? intOf(text, stop + 1, portEnd) : -1;
      if (seen === 0) {
        norm.src_ip = fields.src_ip = ip;
        if (port >= 0) norm.src_port = fields.src_port = port;
      } else {
        norm.dst_ip = fields.dst_ip = ip;
        if (port >= 0) norm.dst_port = fields.dst_port = port;
      }
      seen++;
      // The translated address in brackets repeats the same end.
      stop = portEnd;
      if (text.charCodeAt(stop) === 32 && text.charCodeAt(stop + 1) === 40)
        stop = Math.max(stop, indexOfCode(text, 41, stop, end));
    }
    i = Math.max(stop, i + 1);
  }
}

/** `[user: admin] [Source: 1.2.3.4]` of IOS; `for user "admin"`, `user = admin`, `from 1.2.3.4/22` of the ASA. */
function readLogin(text: string, at: number, end: number, norm: Normalised): void {
  const user =
    between(text, '[user: ', ']', at, end) ??
    between(text, 'user "', '"', at, end) ??
    between(text, 'user = ', ' ', at, end);
  if (user) norm.user = user;
  const source =
    between(text, '[Source: ', ']', at, end) ??
    between(text, 'from ', '/', at, end) ??
    between(text, 'user IP = ', ' ', at, end);
  const ip = source ? ipWord(source, 0, source.length) : '';
  if (ip) norm.src_ip = ip;
}

function between(text: string, before: string, after: string, at: number, end: number): string | undefined {
  const from = find(text, before, at, end);
  if (from < 0) return undefined;
  const start = from + before.length;
  const stop = find(text, after, start, end);
  return word(text, start, stop < 0 ? end : stop) || undefined;
}

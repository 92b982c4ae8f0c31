/** vsftpd, through syslog or in its own file (`Mon Jun  8 12:08:53 2020 [pid 7] [user] FAIL LOGIN: Client "1.2.3.4"`). */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { findLast, indexOfCode, intOf, ipWord, startsAt, word } from '../decode-text.ts';
import { readCtime } from '../decode-time.ts';
import { decodePam } from './program-pam.ts';

const SOURCE = linux('vsftpd');

/** A line of vsftpd's own file; null when it is not one. */
export function decodeVsftpdLine(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const after = readCtime(text, at, end, frame);
  if (after < 0 || !startsAt(text, ' [pid ', after, end)) return null;
  frame.program = 'vsftpd';
  return decodeVsftpd(text, after + 1, end, frame);
}

/** The name in brackets is the client's: the verb and the address are read from the right. */
export function decodeVsftpd(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'pam_', at, end) || startsAt(text, '(pam_', at, end)) return decodePam(text, at, end, frame);
  let from = at;
  if (startsAt(text, '[pid ', at, end)) {
    const close = indexOfCode(text, 93, at, Math.min(end, at + 20));
    if (close > 0) {
      const pid = intOf(text, at + 5, close);
      if (pid >= 0) frame.pid = pid;
      from = close + 2;
    }
  }
  const client = findLast(text, ': Client "', from - 1, end);
  if (client < 0) return null;
  const quote = indexOfCode(text, 34, client + 10, end);
  const bracket = findLast(text, '] ', from, client);
  const verb = word(text, bracket < 0 ? from : bracket + 2, client);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.ftp);
  norm.service = 'ftp';
  const ip = quote < 0 ? '' : ipWord(text, client + 10, quote);
  if (ip) norm.src_ip = ip;
  if (bracket > from && text.charCodeAt(from) === 91) norm.user = word(text, from + 1, bracket);
  if (verb === 'OK LOGIN' || verb === 'FAIL LOGIN') {
    norm.class_uid = OCSF_CLASS.authentication;
    norm.action = 'logon';
    norm.outcome = verb === 'OK LOGIN' ? 'success' : 'failure';
    norm.event_code = verb === 'OK LOGIN' ? 'ftp-login' : 'ftp-login-failed';
  } else {
    norm.action = verb === 'CONNECT' ? 'connect' : verb.toLowerCase();
    norm.event_code = verb === 'CONNECT' ? 'ftp-connect' : 'ftp-command';
  }
  return makeEvent(frame, 'syslog/vsftpd', SOURCE, norm, NO_FIELDS);
}

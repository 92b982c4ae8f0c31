/** Dovecot: log-ins that worked and those that did not, from the login processes and from the auth workers. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, findLast, indexOfCode, ipWord, lastIndexOfCode, startsAt, word } from '../decode-text.ts';

const SOURCE = linux('dovecot');

export function decodeDovecot(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const colon = find(text, ': ', at, Math.min(end, at + 48));
  if (colon < 0) return null;
  const login = find(text, '-login', at, colon);
  if (login > 0) return decodeLogin(text, at, colon + 2, end, frame, word(text, at, login));
  // Some builds repeat the program.
  if (startsAt(text, 'dovecot: ', at, colon + 2)) return decodeDovecot(text, colon + 2, end, frame);
  return startsAt(text, 'auth', at, end) ? decodeAuth(text, at, colon + 2, end, frame) : null;
}

/**
 * `imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<x>, method=PLAIN, rip=1.1.1.1, lip=…`. The name is
 * the client's own and may hold `rip=`, so the address is taken from the right.
 */
function decodeLogin(
  text: string,
  at: number,
  what: number,
  end: number,
  frame: Frame,
  service: string,
): DecodedEvent | null {
  const comma = findLast(text, ', rip=', what, end);
  const rip = comma > 0 ? comma : find(text, ': rip=', what, end);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.service = service;
  if (rip > 0) {
    const stop = indexOfCode(text, 44, rip + 6, end);
    const ip = ipWord(text, rip + 6, stop < 0 ? end : stop);
    if (ip) norm.src_ip = ip;
  }
  const user = find(text, 'user=<', what, end);
  const method = rip > 0 ? findLast(text, '>, method=', what, rip) : -1;
  const close = user < 0 ? -1 : method > 0 ? method : lastIndexOfCode(text, 62, user, rip > 0 ? rip : end);
  if (user >= 0 && close > user + 6) norm.user = word(text, user + 6, close);
  const lead = startsAt(text, 'Info: ', what, end) ? what + 6 : what;
  const head = user < 0 ? end : user;
  if (startsAt(text, 'Login: ', lead, end)) {
    norm.action = 'logon';
    norm.outcome = 'success';
    norm.event_code = 'mail-login';
  } else if (
    LOGIN_FAILURES.some((words) => find(text, words, lead, head) > 0) ||
    startsAt(text, 'Login aborted', lead, end)
  ) {
    norm.action = 'logon';
    norm.outcome = 'failure';
    norm.event_code = 'mail-login-failed';
  } else {
    norm.action = 'disconnect';
    norm.event_code = 'mail-disconnect';
  }
  const fields =
    method > 0 ? { auth_method: word(text, method + 10, indexOfCode(text, 44, method + 10, end)) } : NO_FIELDS;
  return makeEvent(frame, 'syslog/dovecot', SOURCE, norm, fields);
}

/**
 * `auth-worker(1): conn unix:… (pid=2,uid=3): auth-worker<6>: pam(name,1.1.1.1,<session>): unknown user`. Left of the
 * name is Dovecot's own text, right of it the address; the name itself may hold anything.
 */
function decodeAuth(text: string, at: number, what: number, end: number, frame: Frame): DecodedEvent | null {
  let from = startsAt(text, 'Info: ', what, end) ? what + 6 : what;
  if (startsAt(text, 'conn ', from, end)) {
    const closed = find(text, '): ', from, end);
    const colon = closed < 0 ? -1 : find(text, ': ', closed + 3, end);
    if (colon < 0) return null;
    from = colon + 2;
  }
  const open = indexOfCode(text, 40, from, Math.min(end, from + 32));
  if (open < 0) return null;
  const failed = failureAt(text, open, end);
  const stop = findLast(text, '): ', open, failed < 0 ? end : failed);
  if (stop < 0) return null;
  let to = stop;
  const session = lastIndexOfCode(text, 44, open, to);
  if (session > 0 && text.charCodeAt(session + 1) === 60) to = session;
  const comma = lastIndexOfCode(text, 44, open, to);
  const ip = comma < 0 ? '' : ipWord(text, comma + 1, to);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.service = 'mail';
  const user = word(text, open + 1, ip ? comma : to);
  if (user) norm.user = user;
  if (ip) norm.src_ip = ip;
  if (failed > 0) {
    norm.action = 'logon';
    norm.outcome = 'failure';
    norm.event_code = 'mail-auth-failed';
  } else norm.event_code = 'mail-auth';
  return makeEvent(frame, 'syslog/dovecot', SOURCE, norm, NO_FIELDS);
}

/** What stands in brackets before the name of somebody who did not get in. */
const LOGIN_FAILURES = ['(auth failed', 'auth failed)', '(tried to use dis'];

const FAILURES = [
  '): unknown user',
  '): pam_authenticate() failed',
  '): Password mismatch',
  '): password mismatch',
  '): Authentication failure',
  '): invalid credentials',
];

/** Offset after the bracket in front of the first known reason that counts from the right; -1 when there is none. */
function failureAt(text: string, at: number, end: number): number {
  let last = -1;
  for (const failure of FAILURES) last = Math.max(last, findLast(text, failure, at, end));
  return last < 0 ? -1 : last + 3;
}

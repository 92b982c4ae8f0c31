/** PAM modules, in whatever program they are loaded: failures, sessions, lock-outs, changed passwords. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, findLast, indexOfCode, ipWord, startsAt, tokenEnd, word } from '../decode-text.ts';

const SOURCE = linux('auth');

/** `pam_unix(sshd:auth): …`. */
export function decodePam(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, '(pam_', at, end)) return decodeOldPam(text, at, end, frame);
  if (!startsAt(text, 'pam_', at, end)) return null;
  const open = indexOfCode(text, 40, at, Math.min(end, at + 48));
  const close = open < 0 ? -1 : indexOfCode(text, 41, open, Math.min(end, open + 128));
  if (close < 0 || text.charCodeAt(close + 1) !== 58) return null;
  const colon = indexOfCode(text, 58, open, close);
  const service = word(text, open + 1, colon < 0 ? close : colon);
  const step = colon < 0 ? '' : word(text, colon + 1, close);
  const what = Math.min(close + 3, end);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  norm.service = service;
  const fields: Fields = { pam_module: word(text, at, open), pam_step: step };

  if (isAuthentication(text, what, end)) authentication(text, what, end, norm);
  else if (startsAt(text, 'session opened for user ', what, end)) {
    norm.action = 'session-open';
    norm.event_code = 'pam-session-open';
    norm.user = nameAt(text, what + 24, end);
    const by = findLast(text, ' by ', what, end);
    const actor = by < 0 ? '' : nameAt(text, by + 4, end);
    if (actor) fields.by = actor;
  } else if (startsAt(text, 'session closed for user ', what, end)) {
    norm.action = 'session-close';
    norm.event_code = 'pam-session-close';
    norm.user = nameAt(text, what + 24, end);
  } else if (startsAt(text, 'password changed for ', what, end)) {
    norm.class_uid = OCSF_CLASS.accountChange;
    norm.action = 'password-change';
    norm.outcome = 'success';
    norm.event_code = 'pam-password-changed';
    norm.target_user = word(text, what + 21, end);
  } else if (startsAt(text, 'received for user ', what, end)) {
    const stop = findLast(text, ': ', what, end);
    norm.action = 'logon';
    norm.outcome = 'failure';
    norm.event_code = 'pam-received';
    norm.user = word(text, what + 18, stop < 0 ? end : stop);
  } else if (startsAt(text, 'Consecutive login failures for user ', what, end)) {
    norm.action = 'lockout';
    norm.outcome = 'failure';
    norm.event_code = 'pam-lockout';
    norm.user = nameAt(text, what + 36, end);
  } else if (startsAt(text, 'user ', what, end) && find(text, ' tally ', what, end) > 0) {
    norm.action = 'lockout';
    norm.outcome = 'failure';
    norm.event_code = 'pam-tally';
    norm.user = nameAt(text, what + 5, end);
  } else {
    norm.event_code = 'pam-other';
    return makeEvent(frame, 'syslog/pam', SOURCE, norm, NO_FIELDS);
  }
  return makeEvent(frame, 'syslog/pam', SOURCE, norm, fields);
}

const isAuthentication = (text: string, at: number, end: number): boolean =>
  startsAt(text, 'authentication failure', at, end) || startsAt(text, 'authentication success', at, end);

function authentication(text: string, at: number, end: number, norm: Normalised): void {
  norm.action = 'logon';
  norm.outcome = text.charCodeAt(at + 15) === 102 ? 'failure' : 'success';
  norm.event_code = norm.outcome === 'failure' ? 'pam-auth-failure' : 'pam-auth-success';
  readPairs(text, at, end, norm);
}

/** `(pam_unix) authentication failure; …`, as Linux-PAM wrote before version 1. */
function decodeOldPam(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const close = indexOfCode(text, 41, at, Math.min(end, at + 48));
  if (close < 0 || !isAuthentication(text, close + 2, end)) return null;
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  if (frame.program) norm.service = frame.program;
  authentication(text, close + 2, end, norm);
  return makeEvent(frame, 'syslog/pam', SOURCE, norm, { pam_module: word(text, at + 1, close) });
}

/** The name at `at`: up to a space or the `(uid=0)` behind it. */
function nameAt(text: string, at: number, end: number): string {
  const stop = tokenEnd(text, at, end);
  const bracket = indexOfCode(text, 40, at, stop);
  return word(text, at, bracket < 0 ? stop : bracket);
}

/** `logname= uid=0 euid=0 tty=ssh ruser= rhost=1.2.3.4  user=root`: the name stands last and may hold anything. */
function readPairs(
  text: string,
  at: number,
  end: number,
  norm: { user?: string; src_ip?: string; src_host?: string },
): void {
  // `ruser` before it and `user` behind two spaces are the client's own words.
  const two = find(text, '  user=', at, end);
  const host = findLast(text, ' rhost=', at, two < 0 ? end : two);
  if (host >= 0) {
    const stop = tokenEnd(text, host + 7, end);
    const ip = ipWord(text, host + 7, stop);
    if (ip) norm.src_ip = ip;
    else if (stop > host + 7) norm.src_host = word(text, host + 7, stop);
  }
  const user = find(text, ' user=', host < 0 ? at : host, end);
  if (user >= 0 && user + 6 < end) norm.user = word(text, user + 6, end);
  else {
    const name = find(text, ' logname=', at, end);
    const from = name < 0 ? find(text, 'logname=', at, end) + 8 : name + 9;
    const stop = from > 7 ? tokenEnd(text, from, end) : from;
    const ruser = find(text, ' ruser=', at, end);
    const ruserEnd = host > ruser ? host : end;
    // A daemon's `ruser` is the name that the client gave.
    if (ruser >= 0 && ruserEnd > ruser + 7) norm.user = word(text, ruser + 7, ruserEnd);
    else if (stop > from) norm.user = word(text, from, stop);
  }
}

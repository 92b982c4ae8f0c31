/** sudo and su: who became whom, with which command, and who was refused. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, findLast, skipSpaces, startsAt, tokenEnd, word } from '../decode-text.ts';
import { decodePam } from './program-pam.ts';

const SUDO = linux('sudo');
const AUTH = linux('auth');
const PARTS_MAX = 12;

/** `  alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/ls`, with a reason before `TTY` when refused. */
export function decodeSudo(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'pam_', at, end)) return decodePam(text, at, end, frame);
  const from = skipSpaces(text, at, end);
  const nameEnd = find(text, ' : ', from, end);
  if (nameEnd < 0) return null;
  const fields: Fields = {};
  let reason = '';
  for (let i = nameEnd + 3, count = 0; i < end && count < PARTS_MAX; count++) {
    const equals = nameEquals(text, i, end);
    // The command is the last part and may hold anything, ` ; ` too.
    const command = equals === i + 7 && text.startsWith('COMMAND', i);
    const semicolon = command ? -1 : find(text, ' ; ', i, end);
    const stop = semicolon < 0 ? end : semicolon;
    if (equals > 0 && equals < stop) fields[word(text, i, equals)] = text.slice(equals + 1, stop);
    else if (!reason) reason = text.slice(i, stop);
    i = stop + 3;
  }
  if (fields.COMMAND === undefined && fields.USER === undefined && !reason) return null;
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authorizeSession);
  norm.action = 'elevate';
  norm.outcome = reason ? 'failure' : 'success';
  norm.user = word(text, from, nameEnd);
  norm.service = 'sudo';
  norm.event_code = !reason
    ? 'sudo-command'
    : reason.includes('NOT in sudoers')
      ? 'sudo-not-allowed'
      : reason.includes('incorrect password')
        ? 'sudo-bad-password'
        : 'sudo-refused';
  if (typeof fields.USER === 'string') norm.target_user = fields.USER;
  if (typeof fields.COMMAND === 'string') norm.command_line = fields.COMMAND;
  if (reason) fields.reason = reason;
  return makeEvent(frame, 'syslog/sudo', SUDO, norm, fields);
}

/** Offset of the `=` after a name in capitals at `at`, or -1. */
function nameEquals(text: string, at: number, end: number): number {
  let i = at;
  while (i < end && text.charCodeAt(i) >= 65 && text.charCodeAt(i) <= 90) i++;
  return i > at && i < end && text.charCodeAt(i) === 61 ? i : -1;
}

/** `Successful su for root by alice`, `FAILED SU (to root) alice on pts/0`, `(to root) alice on pts/0`, `+ pts/0 alice:root`. */
export function decodeSu(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'pam_', at, end)) return decodePam(text, at, end, frame);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authorizeSession);
  norm.action = 'elevate';
  norm.service = 'su';
  const to = find(text, '(to ', at, end);
  const by = findLast(text, ' by ', at, end);
  const target = find(text, ' su for ', at, end);
  if (to >= 0) {
    const close = find(text, ') ', to, end);
    if (close < 0) return null;
    norm.target_user = word(text, to + 4, close);
    norm.user = word(text, close + 2, tokenEnd(text, close + 2, end));
  } else if (target >= 0 && by > target) {
    norm.target_user = word(text, target + 8, by);
    norm.user = word(text, by + 4, end);
  } else if ((startsAt(text, '+ ', at, end) || startsAt(text, '- ', at, end)) && findLast(text, ':', at, end) > 0) {
    const space = findLast(text, ' ', at, end);
    const colon = findLast(text, ':', at, end);
    if (colon < space) return null;
    norm.user = word(text, space + 1, colon);
    norm.target_user = word(text, colon + 1, end);
  } else return null;
  const failed = startsAt(text, 'FAILED', at, end) || startsAt(text, '- ', at, end);
  norm.outcome = failed ? 'failure' : 'success';
  norm.event_code = failed ? 'su-failed' : 'su-success';
  return makeEvent(frame, 'syslog/su', AUTH, norm, NO_FIELDS);
}

/** useradd, usermod, groupadd, gpasswd, passwd and the like: accounts and groups that come, change and go. */

import { type DecodedEvent, type Normalised, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, indexOfCode, skipSpaces, startsAt, word } from '../decode-text.ts';
import { decodePam } from './program-pam.ts';

const SOURCE = linux('auth');
const PAIRS_MAX = 16;

/** `name=bob, UID=1001, home=/home/bob`: into fields. */
function readPairs(text: string, at: number, end: number, fields: Fields): void {
  for (let i = at, count = 0; i < end && count < PAIRS_MAX; count++) {
    const comma = find(text, ', ', i, end);
    const stop = comma < 0 ? end : comma;
    const equals = indexOfCode(text, 61, i, stop);
    if (equals > i) fields[word(text, skipSpaces(text, i, equals), equals)] = text.slice(equals + 1, stop);
    i = stop + 2;
  }
}

/** The texts between the first and the second pair of single quotes. */
function quoted(text: string, at: number, end: number): [string, string] {
  const places: number[] = [];
  for (let i = at; i < end && places.length < 4; i++) if (text.charCodeAt(i) === 39) places.push(i);
  const [a, b, c, d] = places;
  return [
    a !== undefined && b !== undefined ? word(text, a + 1, b) : '',
    c !== undefined && d !== undefined ? word(text, c + 1, d) : '',
  ];
}

function done(frame: Frame, norm: Normalised, action: string, fields: Fields): DecodedEvent {
  norm.action = action;
  norm.event_code = action;
  norm.outcome ??= 'success';
  const program = frame.program.toLowerCase();
  return makeEvent(frame, `syslog/${program.startsWith('ch') ? 'passwd' : program}`, SOURCE, norm, fields);
}

export function decodeUserTool(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'pam_', at, end)) return decodePam(text, at, end, frame);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.accountChange);
  if (startsAt(text, 'new user: ', at, end)) {
    const fields: Fields = {};
    readPairs(text, at + 10, end, fields);
    if (typeof fields.name === 'string') norm.target_user = fields.name;
    return done(frame, norm, 'account-create', fields);
  }
  if (startsAt(text, 'new group: ', at, end) || startsAt(text, 'group added to ', at, end)) {
    const fields: Fields = {};
    readPairs(text, find(text, ': ', at, end) + 2, end, fields);
    norm.class_uid = OCSF_CLASS.groupManagement;
    return done(frame, norm, 'group-create', fields);
  }
  const [first, second] = quoted(text, at, end);
  if (startsAt(text, "add '", at, end) && second) {
    norm.class_uid = OCSF_CLASS.groupManagement;
    norm.target_user = first;
    return done(frame, norm, 'group-add', { group: second });
  }
  if (startsAt(text, "delete '", at, end) && second) {
    norm.class_uid = OCSF_CLASS.groupManagement;
    norm.target_user = first;
    return done(frame, norm, 'group-remove', { group: second });
  }
  if (startsAt(text, "delete user '", at, end)) {
    norm.target_user = first;
    return done(frame, norm, 'account-delete', NO_FIELDS);
  }
  if (
    startsAt(text, "change user '", at, end) ||
    startsAt(text, "lock user '", at, end) ||
    startsAt(text, "unlock user '", at, end)
  ) {
    norm.target_user = first;
    return done(
      frame,
      norm,
      text.charCodeAt(at) === 99 ? 'account-change' : text.charCodeAt(at) === 108 ? 'account-lock' : 'account-unlock',
      NO_FIELDS,
    );
  }
  return decodeGpasswd(text, at, end, frame, norm);
}

/** `user bob added by root to group wheel`, `user bob removed by root from group wheel`; failures. */
function decodeGpasswd(text: string, at: number, end: number, frame: Frame, norm: Normalised): DecodedEvent | null {
  const added = find(text, ' added by ', at, end);
  const removed = added < 0 ? find(text, ' removed by ', at, end) : -1;
  const group = find(text, ' group ', at, end);
  if (startsAt(text, 'user ', at, end) && (added > 0 || removed > 0) && group > 0) {
    const verb = added > 0 ? added : removed;
    const by = verb + (added > 0 ? 10 : 12);
    const byEnd = find(text, added > 0 ? ' to ' : ' from ', by, group + 1);
    norm.class_uid = OCSF_CLASS.groupManagement;
    norm.target_user = word(text, at + 5, verb);
    if (byEnd > by) norm.user = word(text, by, byEnd);
    return done(frame, norm, added > 0 ? 'group-add' : 'group-remove', { group: word(text, group + 7, end) });
  }
  if (startsAt(text, 'failed ', at, end)) {
    norm.outcome = 'failure';
    norm.target_user = quoted(text, at, end)[0];
    return done(frame, norm, 'account-change', NO_FIELDS);
  }
  return null;
}

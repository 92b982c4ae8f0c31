/** systemd and systemd-logind: units that start, stop and fail; sessions that begin and end. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, findLast, startsAt, word } from '../decode-text.ts';
import { decodePam } from './program-pam.ts';

const SYSLOG = linux('syslog');
const AUTH = linux('auth');

/** First words of a message about a unit → action and outcome. */
const UNIT: readonly (readonly [string, string, string])[] = [
  ['Started ', 'service-start', 'success'],
  ['Starting ', 'service-starting', ''],
  ['Stopped ', 'service-stop', 'success'],
  ['Stopping ', 'service-stopping', ''],
  ['Failed to start ', 'service-start', 'failure'],
  ['Finished ', 'service-finish', 'success'],
  ['Reloaded ', 'service-reload', 'success'],
];

export function decodeSystemd(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'pam_', at, end)) return decodePam(text, at, end, frame);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.applicationLifecycle);
  for (const [lead, action, outcome] of UNIT) {
    if (!startsAt(text, lead, at, end)) continue;
    const from = at + lead.length;
    const dash = find(text, ' - ', from, end);
    const last = text.charCodeAt(end - 1) === 46 ? end - 1 : end;
    norm.action = action;
    if (outcome) norm.outcome = outcome;
    norm.service = word(text, from, dash < 0 ? last : dash);
    norm.event_code = `systemd-${action}`;
    return makeEvent(frame, 'syslog/systemd', SYSLOG, norm, NO_FIELDS);
  }
  const colon = find(text, ': ', at, end);
  if (colon > 0 && find(text, ' ', at, colon) < 0) {
    norm.service = word(text, at, colon);
    if (startsAt(text, 'Main process exited', colon + 2, end) || startsAt(text, 'Failed with result', colon + 2, end)) {
      norm.action = 'service-exit';
      norm.outcome = 'failure';
      norm.event_code = 'systemd-service-exit';
    }
    return makeEvent(frame, 'syslog/systemd', SYSLOG, norm, NO_FIELDS);
  }
  return null;
}

/** `New session 5 of user root.`, `Session 5 logged out. …`, `Removed session 5.`. */
export function decodeLogind(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.authentication);
  if (startsAt(text, 'New session ', at, end)) {
    const user = findLast(text, ' of user ', at, end);
    if (user < 0) return null;
    norm.action = 'session-open';
    norm.user = word(text, user + 9, text.charCodeAt(end - 1) === 46 ? end - 1 : end);
  } else if (startsAt(text, 'Removed session ', at, end) || startsAt(text, 'Session ', at, end))
    norm.action = 'session-close';
  else return null;
  norm.event_code = `logind-${norm.action}`;
  return makeEvent(frame, 'syslog/systemd-logind', AUTH, norm, NO_FIELDS);
}

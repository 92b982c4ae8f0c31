/** cron: `(root) CMD (/usr/bin/backup)`, reloads, edits. */

import { type DecodedEvent, OCSF_CLASS } from '../../../core/index.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { find, startsAt, tokenEnd, word } from '../decode-text.ts';
import { decodePam } from './program-pam.ts';

const SOURCE = linux('cron');

export function decodeCron(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (startsAt(text, 'pam_', at, end)) return decodePam(text, at, end, frame);
  if (text.charCodeAt(at) !== 40) return null;
  const close = find(text, ') ', at, end);
  if (close < 0) return null;
  const verbEnd = tokenEnd(text, close + 2, end);
  const verb = word(text, close + 2, verbEnd);
  const norm = baseNorm(frame, text, at, end, OCSF_CLASS.scheduledJob);
  norm.user = word(text, at + 1, close);
  norm.action = verb === 'CMD' || verb === 'CMDEND' ? 'exec' : verb.toLowerCase();
  norm.event_code = `cron-${verb.toLowerCase().slice(0, 16)}`;
  norm.service = 'cron';
  if (verb === 'CMD' && startsAt(text, ' (', verbEnd, end)) {
    norm.command_line = text.slice(verbEnd + 2, text.charCodeAt(end - 1) === 41 ? end - 1 : end);
  }
  return makeEvent(frame, 'syslog/cron', SOURCE, norm, NO_FIELDS);
}

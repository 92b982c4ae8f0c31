/** From a syslog message to the decoder of the program that wrote it, or of the format that it carries. */

import type { DecodedEvent } from '../../../core/index.ts';
import { decodeAudit } from '../decode-audit.ts';
import { decodeCef } from '../decode-cef.ts';
import { baseNorm, type Frame, makeEvent, NO_FIELDS } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { indexOfCode } from '../decode-text.ts';
import { decodeJson } from '../json/json-decode.ts';
import { decodeMikrotik, decodePaloAlto } from '../programs/program-firewalls.ts';
import { decodeLogon } from '../programs/program-logon.ts';
import { decodeNetfilter } from '../programs/program-netfilter.ts';
import { decodePairs } from '../programs/program-pairs.ts';
import { decodePam } from '../programs/program-pam.ts';
import { PROGRAMS, type ProgramEntry } from '../programs/program-table.ts';
import { decodeAccess } from '../web/web-access.ts';
import { decodeWebError } from '../web/web-error.ts';
import { decodeCisco } from './syslog-cisco.ts';

const NEST_MAX = 3;
const SOURCE_OTHER = linux('syslog');
const SOURCE_AUTH = linux('auth');

/** The decoder of that program; `postfix/smtps/smtpd` and `openvpn/server` go by their first part. */
function programOf(name: string): ProgramEntry | undefined {
  const entry = PROGRAMS.get(name);
  if (entry !== undefined || name === '') return entry;
  const slash = name.lastIndexOf('/');
  // `postfix-incoming/smtpd` is a second instance of Postfix (postmulti(1)).
  if (name.startsWith('postfix-')) return PROGRAMS.get('postfix');
  // Old daemons write `[sshd]`, `(sshd)`, `-sshd`.
  if (slash < 0) return PROGRAMS.get(name.replace(/^[[(-]|[\])]$/g, '').toLowerCase());
  return PROGRAMS.get(name.slice(0, name.indexOf('/'))) ?? PROGRAMS.get(name.slice(slash + 1));
}

export const knowsProgram = (name: string): boolean => programOf(name) !== undefined;

/** Decodes the message of a record whose header is in the frame. Never null: what nobody knows is `syslog/other`. */
export function decodeMessage(text: string, from: number, end: number, frame: Frame): DecodedEvent {
  const at = afterMessageId(text, from, end);
  if (end - at > 21 && text.charCodeAt(at) === 109 && text.startsWith('message repeated ', at)) {
    const repeated = decodeRepeated(text, at, end, frame);
    if (repeated) return repeated;
  }
  const entry = programOf(frame.program);
  if (entry !== undefined) {
    const event = entry.decode(text, at, end, frame);
    if (event) return event;
  }
  if (text.startsWith('pam_', at) || text.startsWith('(pam_', at)) {
    const event = decodePam(text, at, end, frame);
    if (event) return event;
  }
  if (entry === undefined || entry.carries) {
    const event = decodeCarried(text, at, end, frame);
    if (event) return event;
  }
  return plainEvent(text, at, end, frame, entry);
}

/** Solaris puts `[ID 800047 auth.info] ` before each message (msgid(1M)). */
function afterMessageId(text: string, at: number, end: number): number {
  if (text.charCodeAt(at) !== 91 || !text.startsWith('[ID ', at)) return at;
  const close = indexOfCode(text, 93, at, Math.min(end, at + 48));
  return close > 0 && text.charCodeAt(close + 1) === 32 ? close + 2 : at;
}

function plainEvent(
  text: string,
  at: number,
  end: number,
  frame: Frame,
  entry: ProgramEntry | undefined,
): DecodedEvent {
  if (entry) return makeNamed(text, at, end, frame, entry);
  const logon = decodeLogon(text, at, end, frame);
  if (logon) return logon;
  frame.fault = 'not-understood';
  // Facilities 4 and 10 are security messages (RFC 5424 table 1).
  const source = frame.facility === 4 || frame.facility === 10 ? SOURCE_AUTH : SOURCE_OTHER;
  return makeEvent(frame, 'syslog/other', source, baseNorm(frame, text, at, end), NO_FIELDS);
}

function makeNamed(text: string, at: number, end: number, frame: Frame, entry: ProgramEntry): DecodedEvent {
  return makeEvent(frame, entry.format, entry.source, baseNorm(frame, text, at, end), NO_FIELDS);
}

/** Formats that travel inside syslog whatever the program is called. */
function decodeCarried(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const code = text.charCodeAt(at);
  if (code === 123 && frame.nest < NEST_MAX) {
    frame.nest++;
    return decodeJson(text, at, end, frame);
  }
  if (code === 37) return decodeCisco(text, at, end, frame);
  const cef = decodeCef(text, at, end, frame);
  if (cef) return cef;
  if (code === 116 || code === 97 || code === 110) {
    const audit = decodeAudit(text, at, end, frame);
    if (audit) return audit;
  }
  return (
    decodeNetfilter(text, at, end, frame) ??
    decodeAccess(text, at, end, frame) ??
    decodeWebError(text, at, end, frame) ??
    decodePaloAlto(text, at, end, frame) ??
    decodeMikrotik(text, at, end, frame) ??
    decodePairs(text, at, end, frame)
  );
}

/** rsyslog's `message repeated 2 times: [ Failed password …]`: the message, with the number as a field. */
function decodeRepeated(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const open = indexOfCode(text, 91, at, Math.min(end, at + 48));
  if (open < 0 || text.charCodeAt(end - 1) !== 93) return null;
  const times = Number.parseInt(text.slice(at + 17, at + 27), 10);
  if (!Number.isInteger(times) || times < 1 || !text.startsWith(' times: ', at + 17 + String(times).length))
    return null;
  frame.fields = { ...frame.fields, repeated: times };
  const from = text.charCodeAt(open + 1) === 32 ? open + 2 : open + 1;
  return text.startsWith('message repeated ', from) ? null : decodeMessage(text, from, end - 1, frame);
}

/** The Linux audit trail as text: `type=SYSCALL msg=audit(1684329817.579:2995): arch=… exe="/usr/bin/perl" …`. */

import { type DecodedEvent, LIMITS, type Normalised, OCSF_CLASS } from '../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, putField } from './decode-frame.ts';
import { linux } from './decode-source.ts';
import { entryOf, find, indexOfCode, intOf, ipOf, skipDigits, startsAt, tokenEnd, word } from './decode-text.ts';

const SOURCE = linux('auditd');
const GROUP_SEPARATOR = 29;

/** Values that the kernel writes in hex when they hold a space or a quote (auparse's list of encoded fields). */
const ENCODED = new Set([
  'acct',
  'cmd',
  'comm',
  'cwd',
  'data',
  'dir',
  'exe',
  'file',
  'key',
  'name',
  'ocomm',
  'path',
  'proctitle',
  'root_dir',
  'watch',
]);

/** Type of record → class, action. */
const TYPES: Readonly<Record<string, readonly [number, string]>> = {
  USER_AUTH: [OCSF_CLASS.authentication, 'logon'],
  USER_LOGIN: [OCSF_CLASS.authentication, 'logon'],
  USER_START: [OCSF_CLASS.authentication, 'session-open'],
  USER_END: [OCSF_CLASS.authentication, 'session-close'],
  USER_LOGOUT: [OCSF_CLASS.authentication, 'logoff'],
  USER_ACCT: [OCSF_CLASS.authentication, 'account-check'],
  USER_ERR: [OCSF_CLASS.authentication, 'error'],
  CRED_ACQ: [OCSF_CLASS.authorizeSession, 'credential'],
  CRED_DISP: [OCSF_CLASS.authorizeSession, 'credential'],
  CRED_REFR: [OCSF_CLASS.authorizeSession, 'credential'],
  USER_CMD: [OCSF_CLASS.authorizeSession, 'elevate'],
  USER_ROLE_CHANGE: [OCSF_CLASS.authorizeSession, 'elevate'],
  ADD_USER: [OCSF_CLASS.accountChange, 'account-create'],
  DEL_USER: [OCSF_CLASS.accountChange, 'account-delete'],
  USER_MGMT: [OCSF_CLASS.accountChange, 'account-change'],
  USER_CHAUTHTOK: [OCSF_CLASS.accountChange, 'password-change'],
  ADD_GROUP: [OCSF_CLASS.groupManagement, 'group-create'],
  DEL_GROUP: [OCSF_CLASS.groupManagement, 'group-delete'],
  GRP_MGMT: [OCSF_CLASS.groupManagement, 'group-change'],
  SYSCALL: [OCSF_CLASS.process, 'syscall'],
  EXECVE: [OCSF_CLASS.process, 'exec'],
  PROCTITLE: [OCSF_CLASS.process, 'exec'],
  PATH: [OCSF_CLASS.fileActivity, 'file'],
  CWD: [OCSF_CLASS.fileActivity, 'file'],
  SERVICE_START: [OCSF_CLASS.applicationLifecycle, 'service-start'],
  SERVICE_STOP: [OCSF_CLASS.applicationLifecycle, 'service-stop'],
  CONFIG_CHANGE: [OCSF_CLASS.applicationLifecycle, 'audit-change'],
  DAEMON_END: [OCSF_CLASS.applicationLifecycle, 'audit-stop'],
  KERN_MODULE: [OCSF_CLASS.kernelActivity, 'module-load'],
  AVC: [OCSF_CLASS.base, 'deny'],
  ANOM_ABEND: [OCSF_CLASS.process, 'crash'],
};

/** A record at `at`; `audit: type=1400 audit(…)` of the kernel and `node=host type=…` are taken too. Null when it is none. */
export function decodeAudit(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  let i = at;
  if (startsAt(text, 'audit: ', i, end)) i += 7;
  if (startsAt(text, 'node=', i, end)) {
    const stop = tokenEnd(text, i, end);
    frame.host = word(text, i + 5, stop);
    i = Math.min(stop + 1, end);
  }
  if (!startsAt(text, 'type=', i, end)) return null;
  const typeEnd = tokenEnd(text, i, end);
  const open = find(text, 'audit(', typeEnd, Math.min(end, typeEnd + 16));
  const close = open < 0 ? -1 : find(text, '):', open, Math.min(end, open + 64));
  if (close < 0) return null;
  readStamp(text, open + 6, close, frame);
  const fields: Fields = {};
  const type = word(text, i + 5, typeEnd);
  fields.type = type;
  fields.audit_id = word(text, open + 6, close);
  readPairs(text, Math.min(close + 2, end), end, fields, frame, 0);
  return auditEvent('auditd/text', type, fields, text, at, end, frame);
}

/** `1684329817.579:2995`: seconds, milliseconds, serial. */
function readStamp(text: string, at: number, end: number, frame: Frame): void {
  const dot = skipDigits(text, at, end);
  const seconds = intOf(text, at, dot);
  if (seconds < 0) return;
  const stop = text.charCodeAt(dot) === 46 ? skipDigits(text, dot + 1, end) : dot;
  const millis = stop > dot ? intOf(text, dot + 1, Math.min(stop, dot + 4)) : 0;
  frame.timeMs = seconds * 1000 + Math.max(millis, 0);
}

/** `key=value` pairs, values bare, in double quotes or, for `msg`, in single quotes with pairs inside. */
function readPairs(text: string, at: number, end: number, fields: Fields, frame: Frame, depth: number): void {
  let count = Object.keys(fields).length;
  for (let i = at; i < end && count < LIMITS.eventFieldsMax; ) {
    const code = text.charCodeAt(i);
    if (code === 32 || code === GROUP_SEPARATOR || code === 44) {
      i++;
      continue;
    }
    // The name ends within its word: a search beyond it would read the record once for each word.
    const space = tokenEnd(text, i, end);
    const equals = indexOfCode(text, 61, i, space);
    if (equals < 0) {
      i = space + 1;
      continue;
    }
    const name = word(text, i, equals);
    const quote = text.charCodeAt(equals + 1);
    const from = equals + 2;
    if (quote === 34 || quote === 39) {
      let stop = indexOfCode(text, quote, from, end);
      if (stop < 0) stop = end;
      if (quote === 39 && name === 'msg' && depth === 0) readPairs(text, from, stop, fields, frame, 1);
      else putField(fields, name, text.slice(from, stop), frame);
      i = stop + 1;
    } else {
      let stop = space;
      const separator = indexOfCode(text, GROUP_SEPARATOR, equals, space);
      if (separator > 0) stop = separator;
      const value = text.slice(equals + 1, stop);
      putField(fields, name, isEncoded(name, fields) ? decodeHex(value) : word(value, 0, value.length), frame);
      i = stop + 1;
    }
    count++;
  }
}

/** EXECVE's arguments are `a0`, `a1`, … and encoded; those of SYSCALL are numbers. */
function isEncoded(name: string, fields: Fields): boolean {
  if (ENCODED.has(name)) return true;
  return fields.type === 'EXECVE' && name.charCodeAt(0) === 97 && name !== 'argc' && intOf(name, 1, name.length) >= 0;
}

/** Hex of UTF-8 to text, NUL between arguments to spaces; anything that is not plain hex comes back as it is. */
export function decodeHex(value: string): string {
  if (value.length < 2 || value.length % 2 !== 0 || value.length > LIMITS.fieldCharsMax) return value;
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (!((code >= 48 && code <= 57) || (code >= 65 && code <= 70) || (code >= 97 && code <= 102))) return value;
  }
  return Buffer.from(value, 'hex').toString('utf8').replaceAll('\0', ' ').trimEnd();
}

const asText = (value: unknown): string =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : '';

/** The event of a record's pairs, whether they came as text or as JSON. */
export function auditEvent(
  format: 'auditd/text' | 'auditd/json',
  type: string,
  fields: Fields,
  text: string,
  at: number,
  end: number,
  frame: Frame,
): DecodedEvent {
  const [classUid, action] = entryOf(TYPES, type) ?? [OCSF_CLASS.base, ''];
  frame.program = '';
  const norm: Normalised = baseNorm(frame, text, at, end, classUid);
  if (action) norm.action = action;
  norm.event_code = type;
  const outcome = asText(fields.res ?? fields.success);
  if (outcome) norm.outcome = outcome === 'success' || outcome === 'yes' || outcome === '1' ? 'success' : 'failure';
  const exe = asText(fields.exe);
  if (exe) norm.process = exe;
  const pid = asText(fields.pid);
  if (intOf(pid, 0, pid.length) >= 0) norm.pid = intOf(pid, 0, pid.length);
  const ip = ipOf(asText(fields.addr)) || ipOf(asText(fields.hostname));
  if (ip) norm.src_ip = ip;
  else if (asText(fields.hostname) && fields.hostname !== '?') norm.src_host = asText(fields.hostname);
  const account = asText(fields.acct) || asText(fields.AUID) || asText(fields.id);
  if (account && account !== '?' && account !== 'unset') {
    if (classUid === OCSF_CLASS.accountChange || classUid === OCSF_CLASS.groupManagement) norm.target_user = account;
    else norm.user = account;
  }
  const command = commandOf(type, fields);
  if (command) norm.command_line = command;
  if (type === 'PATH' && asText(fields.name)) norm.file = asText(fields.name);
  if (asText(fields.unit)) norm.service = asText(fields.unit);
  return makeEvent(frame, format, SOURCE, norm, fields);
}

function commandOf(type: string, fields: Fields): string {
  if (type === 'EXECVE') {
    const parts: string[] = [];
    const count = Math.min(Number(fields.argc) || 0, LIMITS.eventFieldsMax);
    for (let i = 0; i < count; i++) {
      const value = asText(fields[`a${i}`]);
      if (value) parts.push(value);
    }
    return parts.join(' ').slice(0, LIMITS.fieldCharsMax);
  }
  return asText(fields.proctitle) || asText(fields.cmd);
}

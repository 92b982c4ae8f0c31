/** The Linux audit trail as JSON: one record with its pairs (Auditd to JSON), or one event with all its records (Laurel). */

import type { DecodedEvent } from '../../../core/index.ts';
import { auditEvent, decodeHex } from '../decode-audit.ts';
import type { Fields, Frame } from '../decode-frame.ts';
import { isDigit, skipDigits } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';
import { flatten, isObject, type JsonObject, textAt, valueAt } from './json-text.ts';

export function isAuditJson(object: JsonObject): boolean {
  if (typeof object.ID === 'string' && isAuditId(object.ID)) return true;
  return (
    typeof object.type === 'string' &&
    ('audit_id' in object ||
      ('serial' in object && 'timestamp' in object && 'data' in object) ||
      (typeof object.msg === 'string' && object.msg.startsWith('audit(')))
  );
}

/** `1688048710.843:30826`. */
function isAuditId(id: string): boolean {
  const dot = skipDigits(id, 0, id.length);
  if (dot < 8 || id.charCodeAt(dot) !== 46) return false;
  const colon = skipDigits(id, dot + 1, id.length);
  return id.charCodeAt(colon) === 58 && isDigit(id.charCodeAt(colon + 1));
}

export function decodeAuditJson(object: JsonObject, frame: Frame): DecodedEvent {
  const id = textAt(object, 'ID') || textAt(object, 'audit_id') || textAt(object, 'msg').slice(6);
  const time = isAuditId(id)
    ? timeOfValue(Number(id.slice(0, id.indexOf(':'))), frame, true)
    : timeOfValue(valueAt(object, 'timestamp'), frame, true);
  if (!Number.isNaN(time)) frame.timeMs = time;
  const node = textAt(object, 'NODE') || textAt(object, 'node');
  if (node) frame.host = node;
  if (typeof object.ID === 'string') return laurel(object, frame);
  const fields = flatten(isObject(object.data) ? { ...object, ...object.data } : object, frame);
  return auditJson(textAt(object, 'type').toUpperCase(), fields, frame);
}

/** All records of one event: the main one's pairs at the top, the others under their type. */
function laurel(object: JsonObject, frame: Frame): DecodedEvent {
  const types = Object.keys(object).filter((name) => name !== 'ID' && name !== 'NODE');
  const type = types.find((name) => name === 'SYSCALL' || name.startsWith('USER_')) ?? types[0] ?? '';
  const fields: Fields = flatten(object, frame);
  const main: unknown = Array.isArray(object[type]) ? object[type][0] : object[type];
  if (isObject(main)) flatten(main, frame, fields);
  fields.type = type;
  const argv = valueAt(object, 'EXECVE.ARGV');
  if (Array.isArray(argv)) fields.proctitle = argv.map(String).join(' ').slice(0, 8192);
  else if (textAt(object, 'PROCTITLE.proctitle')) fields.proctitle = decodeHex(textAt(object, 'PROCTITLE.proctitle'));
  return auditJson(type, fields, frame);
}

/** The message says what a person wants to read first; the raw record has the rest. */
function auditJson(type: string, fields: Fields, frame: Frame): DecodedEvent {
  const message = [type, fields.exe, fields.proctitle].filter((part) => typeof part === 'string').join(' ');
  return auditEvent('auditd/json', type, fields, message, 0, message.length, frame);
}

/** The systemd journal as `journalctl -o json` writes it; the message goes to the decoder of its program. */

import type { DecodedEvent } from '../../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, NO_FIELDS, putField } from '../decode-frame.ts';
import { linux } from '../decode-source.ts';
import { intOf, word } from '../decode-text.ts';
import { timeOfValue } from '../decode-time.ts';
import { innerMessage, severityOf } from './json-inner.ts';
import type { JsonObject } from './json-text.ts';

/** Fields that are in the event already, or that only the journal itself needs. */
const LEFT_OUT = new Set([
  'MESSAGE',
  'PRIORITY',
  'SYSLOG_IDENTIFIER',
  'SYSLOG_PID',
  'SYSLOG_TIMESTAMP',
  'SYSLOG_RAW',
  '_HOSTNAME',
  '_PID',
  '_BOOT_ID',
  '_MACHINE_ID',
  '_SOURCE_REALTIME_TIMESTAMP',
  '_SOURCE_MONOTONIC_TIMESTAMP',
  '_SYSTEMD_INVOCATION_ID',
  '_RUNTIME_SCOPE',
  '_STREAM_ID',
]);

/** A value of the journal: text, or an array of bytes when it is not UTF-8 text, or an array of values. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  if (typeof value === 'number') return String(value);
  if (!Array.isArray(value) || value.length === 0) return '';
  if (value.every((item) => typeof item === 'number' && item >= 0 && item <= 255)) {
    return Buffer.from(value as number[]).toString('utf8');
  }
  return textOf(value[0]);
}

export function decodeJournal(object: JsonObject, frame: Frame): DecodedEvent {
  const host = textOf(object._HOSTNAME);
  if (host) frame.host = word(host, 0, host.length);
  const program = textOf(object.SYSLOG_IDENTIFIER) || textOf(object._COMM);
  frame.program = program ? word(program, 0, program.length) : '';
  const pid = textOf(object._PID) || textOf(object.SYSLOG_PID);
  frame.pid = intOf(pid, 0, pid.length);
  frame.severityId = severityOf(textOf(object.PRIORITY));
  const facility = textOf(object.SYSLOG_FACILITY);
  frame.facility = intOf(facility, 0, facility.length);
  const time = timeOfValue(
    textOf(object._SOURCE_REALTIME_TIMESTAMP) || textOf(object.__REALTIME_TIMESTAMP),
    frame,
    true,
  );
  if (!Number.isNaN(time)) frame.timeMs = time;
  const fields: Fields = {};
  let count = 0;
  for (const name in object) {
    if (LEFT_OUT.has(name) || name.startsWith('__') || count > 128) continue;
    const value = textOf(object[name]);
    if (!value) continue;
    putField(fields, name, value, frame);
    count++;
  }
  frame.fields = count > 0 ? fields : NO_FIELDS;
  const message = textOf(object.MESSAGE);
  const event = innerMessage(message, frame);
  return (
    event ?? makeEvent(frame, 'syslog/other', linux('syslog'), baseNorm(frame, message, 0, message.length), NO_FIELDS)
  );
}

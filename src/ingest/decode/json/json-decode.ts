/** Which kind of JSON a record is, by what is in it; each kind has its decoder in a file of its own. */

import type { DecodedEvent } from '../../../core/index.ts';
import type { Frame } from '../decode-frame.ts';
import { decodeAuditJson, isAuditJson } from './json-audit.ts';
import { decodeEcs } from './json-ecs.ts';
import { decodeJournal } from './json-journal.ts';
import { decodeOcsf } from './json-ocsf.ts';
import { decodeOther } from './json-other.ts';
import { decodeOtlp } from './json-otlp.ts';
import { isObject, type JsonObject, parseObject, valueAt } from './json-text.ts';
import { decodeWindowsJson, isWindowsJson } from './json-windows.ts';

/** The record in [at, end) when it is a JSON object; null when it is none (the frame says why). */
export function decodeJson(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (text.charCodeAt(at) !== 123) return null;
  const object = parseObject(text, at, end, frame);
  if (object === null) return null;
  // The bulk of what comes: reading two properties costs less than asking for seven names that are not there.
  if (object.EventID !== undefined && object.Channel !== undefined && object.time_unix_nano === undefined)
    return decodeWindowsJson(object, frame);
  if ('time_unix_nano' in object && ('body' in object || 'attributes' in object)) return decodeOtlp(object, frame);
  if (
    '__REALTIME_TIMESTAMP' in object ||
    ('MESSAGE' in object && ('_HOSTNAME' in object || 'SYSLOG_IDENTIFIER' in object))
  ) {
    return decodeJournal(object, frame);
  }
  if (isWindowsJson(object)) return decodeWindowsJson(object, frame);
  if (typeof object.class_uid === 'number') return decodeOcsf(object, frame, text, at, end);
  if (isAuditJson(object)) return decodeAuditJson(object, frame);
  if (isEcs(object)) return decodeEcs(object, frame);
  return decodeOther(object, frame, text, at, end);
}

/** `@timestamp` alone is common; the schema's own groups beside it make it ECS. */
function isEcs(object: JsonObject): boolean {
  if (!('@timestamp' in object)) return false;
  if (valueAt(object, 'ecs.version') !== undefined || isObject(object.event) || isObject(object.agent)) return true;
  return 'event.category' in object || 'event.module' in object || 'event.dataset' in object || 'message' in object;
}

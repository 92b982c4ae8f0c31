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
import { decodeFlatWindows, decodeWindowsJson, isWindowsJson } from './json-windows.ts';

/** Names that decide which kind it is, as bits: one look at what is there instead of a question for each. */
const BIT = {
  otlp: 1,
  body: 2,
  journal: 4,
  message: 8,
  unit: 16,
  windows: 32,
  ocsf: 64,
  audit: 128,
  time: 256,
  number: 512,
} as const;
const BITS: ReadonlyMap<string, number> = new Map([
  ['time_unix_nano', BIT.otlp],
  ['body', BIT.body],
  ['attributes', BIT.body],
  ['__REALTIME_TIMESTAMP', BIT.journal],
  ['MESSAGE', BIT.message],
  ['_HOSTNAME', BIT.unit],
  ['SYSLOG_IDENTIFIER', BIT.unit],
  ['EventID', BIT.windows | BIT.number],
  ['EventId', BIT.windows | BIT.number],
  ...['Event', 'winlog', 'winlog.event_id', 'winlog.channel', 'event_id'].map((name) => [name, BIT.windows] as const),
  ['class_uid', BIT.ocsf],
  ['ID', BIT.audit],
  ['type', BIT.audit],
  ['@timestamp', BIT.time],
]);

/** The record in [at, end) when it is a JSON object; null when it is none (the frame says why). */
export function decodeJson(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  if (text.charCodeAt(at) !== 123) return null;
  const object = parseObject(text, at, end, frame);
  if (object === null) return null;
  let bits = 0;
  for (const name in object) bits |= BITS.get(name) ?? 0;
  const has = (bit: number): boolean => (bits & bit) !== 0;
  if (has(BIT.number) && !has(BIT.otlp) && object.Channel !== undefined)
    return decodeFlatWindows(object, frame) ?? decodeWindowsJson(object, frame);
  if (has(BIT.otlp) && has(BIT.body)) return decodeOtlp(object, frame);
  if (has(BIT.journal) || (has(BIT.message) && has(BIT.unit))) return decodeJournal(object, frame);
  if (has(BIT.windows) && isWindowsJson(object)) return decodeWindowsJson(object, frame);
  if (has(BIT.ocsf) && typeof object.class_uid === 'number') return decodeOcsf(object, frame, text, at, end);
  if (has(BIT.audit) && isAuditJson(object)) return decodeAuditJson(object, frame);
  if (has(BIT.time) && isEcs(object)) return decodeEcs(object, frame);
  return decodeOther(object, frame, text, at, end);
}

/** `@timestamp` alone is common; the schema's own groups beside it make it ECS. */
function isEcs(object: JsonObject): boolean {
  if (valueAt(object, 'ecs.version') !== undefined || isObject(object.event) || isObject(object.agent)) return true;
  return 'event.category' in object || 'event.module' in object || 'event.dataset' in object || 'message' in object;
}

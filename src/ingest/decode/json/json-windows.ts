/** Windows events as JSON: Winlogbeat, NXLog and OTRF (flat), EVTX dumps (nested), OpenTelemetry's receiver. */

import { type DecodedEvent, type FieldValue, LIMITS } from '../../../core/index.ts';
import { type Fields, type Frame, putField } from '../decode-frame.ts';
import { timeOfValue } from '../decode-time.ts';
import { windowsEvent } from '../windows/windows-event.ts';
import { asFlatFields, flatten, isObject, type JsonObject, textAt, valueAt } from './json-text.ts';

export function isWindowsJson(object: JsonObject): boolean {
  if ('EventID' in object || 'EventId' in object) {
    return (
      'Channel' in object ||
      'SourceName' in object ||
      'ProviderName' in object ||
      'Provider_Name' in object ||
      'ProviderGuid' in object
    );
  }
  if (isObject(object.Event) && isObject(object.Event.System)) return true;
  if (isObject(object.winlog) || 'winlog.event_id' in object || 'winlog.channel' in object) return true;
  return 'channel' in object && 'event_data' in object && 'event_id' in object;
}

/**
 * The bulk of what comes: an event that is flat already, with number and channel. Null when its fields cannot stay as they
 * are, or it is one of the other forms.
 */
export function decodeFlatWindows(object: JsonObject, frame: Frame): DecodedEvent | null {
  const fields = asFlatFields(object);
  if (fields === null) return null;
  readFlatTime(object, frame);
  return windowsEvent(fields, frame);
}

export function decodeWindowsJson(object: JsonObject, frame: Frame): DecodedEvent {
  if (isObject(object.Event)) return windowsEvent(fromEvtx(object.Event, frame), frame);
  if (valueAt(object, 'winlog') !== undefined || 'winlog.event_id' in object || 'winlog.channel' in object)
    return windowsEvent(fromWinlogbeat(object, frame), frame);
  if ('event_data' in object && 'channel' in object) return windowsEvent(fromReceiver(object, frame), frame);
  readFlatTime(object, frame);
  return windowsEvent(asFlatFields(object) ?? flatten(object, frame), frame);
}

/**
 * Sysmon's UtcTime and Windows' TimeCreated are UTC by definition; `@timestamp` is when the shipper had it; NXLog's
 * EventTime is the host's wall clock, so it comes last.
 */
function readFlatTime(object: JsonObject, frame: Frame): void {
  for (const name of ['UtcTime', 'TimeCreated', '@timestamp']) {
    const value = object[name];
    if (value === undefined || setTime(value, frame, true)) {
      if (value !== undefined) return;
    }
  }
  if (object.EventTime !== undefined) setTime(object.EventTime, frame, false);
}

function setTime(value: unknown, frame: Frame, utc: boolean): boolean {
  const time = timeOfValue(value, frame, utc);
  frame.timeMs = time;
  return !Number.isNaN(time);
}

/** `{"Event":{"System":{…},"EventData":{…}}}` of evtx_dump and its like, attributes under `#attributes`. */
function fromEvtx(event: JsonObject, frame: Frame): Fields {
  const fields: Fields = {};
  const system = isObject(event.System) ? event.System : {};
  for (const name in system) {
    const value = system[name];
    const inner = isObject(value) ? value['#text'] : value;
    if (typeof inner === 'string' || typeof inner === 'number') putField(fields, name, inner, frame);
  }
  const attribute = (element: string, name: string): string =>
    textAt(system, `${element}.#attributes.${name}`) ||
    textAt(system, `${element}_attributes.${name}`) ||
    textAt(system, `${element}.${name}`);
  const provider = attribute('Provider', 'Name');
  if (provider) fields.Provider_Name = provider;
  const userId = attribute('Security', 'UserID');
  if (userId) fields.Security_UserID = userId;
  setTime(attribute('TimeCreated', 'SystemTime'), frame, true);
  const data = event.EventData ?? event.UserData;
  if (isObject(data)) putEventData(data, frame, fields);
  return fields;
}

/** `Data` may be a list of texts, of `{"#attributes":{"Name"},"#text"}`, or one value; user data is one level deeper. */
function putEventData(data: JsonObject, frame: Frame, fields: Fields): void {
  let count = 0;
  for (const name in data) {
    if (name === '#attributes' || name.endsWith('_attributes') || count++ > LIMITS.eventFieldsMax) continue;
    const value = data[name];
    if (name === 'Data' && Array.isArray(value)) putDataList(value, frame, fields);
    else if (name === 'Data' && isObject(value)) putField(fields, 'Data', dataText(value['#text']), frame);
    else if (isObject(value)) putEventData(value, frame, fields);
    else putField(fields, name, dataText(value), frame);
  }
}

function putDataList(list: readonly unknown[], frame: Frame, fields: Fields): void {
  const rest: (string | number | boolean | null)[] = [];
  for (const item of list.slice(0, LIMITS.eventFieldsMax)) {
    const name = isObject(item) ? textAt(item, '#attributes.Name') || textAt(item, '@Name') : '';
    if (isObject(item) && name) putField(fields, name, dataText(item['#text']), frame);
    else rest.push(scalar(isObject(item) ? item['#text'] : item));
  }
  if (rest.length > 0) fields.Data = rest;
}

function scalar(value: unknown): string | number | boolean | null {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null;
}

function dataText(value: unknown): FieldValue {
  return Array.isArray(value) ? value.slice(0, 128).map(scalar) : scalar(value);
}

const NOT_REPEATED: ReadonlySet<string> = new Set([
  'winlog.event_data',
  'winlog.user_data',
  'event.original',
  '@metadata',
]);

/** Winlogbeat: the event's own data under `winlog.event_data`, nested or dotted; the ECS fields stay beside it. */
function fromWinlogbeat(object: JsonObject, frame: Frame): Fields {
  setTime(valueAt(object, '@timestamp'), frame, true);
  const fields = flatten(object, frame, {}, NOT_REPEATED);
  for (const section of ['winlog.event_data', 'winlog.user_data']) {
    const data = valueAt(object, section);
    if (isObject(data)) putEventData(data, frame, fields);
  }
  let count = 0;
  for (const name in object) {
    if (name.startsWith('winlog.event_data.') && count++ < LIMITS.eventFieldsMax)
      putField(fields, name.slice(18), dataText(object[name]), frame);
  }
  rename(fields, object, frame, [
    ['EventID', 'winlog.event_id'],
    ['Channel', 'winlog.channel'],
    ['Computer', 'winlog.computer_name'],
    ['Provider_Name', 'winlog.provider_name'],
    ['Message', 'message'],
  ]);
  return fields;
}

function rename(fields: Fields, object: JsonObject, frame: Frame, names: readonly (readonly [string, string])[]): void {
  for (const [name, path] of names) {
    const value = valueAt(object, path);
    if (typeof value === 'string' || typeof value === 'number') putField(fields, name, value, frame);
  }
}

/** The body of OpenTelemetry's Windows event receiver: `{channel, computer, event_id:{id}, provider:{name}, event_data}`. */
function fromReceiver(object: JsonObject, frame: Frame): Fields {
  setTime(valueAt(object, 'system_time'), frame, true);
  const fields: Fields = {};
  const data = object.event_data;
  if (isObject(data)) {
    const list = data.data;
    if (Array.isArray(list)) for (const item of list) if (isObject(item)) putEventData(item, frame, fields);
    if (!Array.isArray(list)) putEventData(data, frame, fields);
  }
  rename(fields, object, frame, [
    ['EventID', 'event_id.id'],
    ['EventID', 'event_id'],
    ['Channel', 'channel'],
    ['Computer', 'computer'],
    ['Provider_Name', 'provider.name'],
    ['Message', 'message'],
    ['Level', 'level'],
  ]);
  return fields;
}

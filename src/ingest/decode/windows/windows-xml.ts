/**
 * Windows event XML (`<Event><System>…</System><EventData>…</EventData></Event>`) to flat fields. A reader of our own:
 * one pass, no entities but the five and numbers, no document types, bounded depth; anything else is refused.
 */

import { type DecodedEvent, type FieldValue, LIMITS } from '../../../core/index.ts';
import { type Fields, type Frame, putField } from '../decode-frame.ts';
import { entryOf, find, indexOfCode, own, skipSpaces, startsAt } from '../decode-text.ts';
import { readIsoTime } from '../decode-time.ts';
import { windowsEvent } from './windows-event.ts';

const DEPTH_MAX = 16;
const ATTRIBUTES_MAX = 32;
const LT = 60;

interface Reader {
  readonly text: string;
  readonly end: number;
  at: number;
}

interface Tag {
  name: string;
  attributes: Record<string, string>;
  closing: boolean;
  empty: boolean;
}

function isNameEnd(code: number): boolean {
  return code <= 32 || code === 61 || code === 62 || code === 47 || code === LT;
}

/** `&amp;`, `&#10;` and so on; an unknown entity stays as written. */
function decodeEntities(text: string): string {
  if (!text.includes('&')) return text;
  let out = '';
  for (let i = 0; i < text.length; i++) {
    const semicolon = text.charCodeAt(i) === 38 ? indexOfCode(text, 59, i, Math.min(text.length, i + 12)) : -1;
    const value = semicolon < 0 ? null : entity(text.slice(i + 1, semicolon));
    if (value === null) out += text.charAt(i);
    else {
      out += value;
      i = semicolon;
    }
  }
  return out;
}

const NAMED: Readonly<Record<string, string>> = { lt: '<', gt: '>', amp: '&', quot: '"', apos: "'" };

function entity(name: string): string | null {
  if (!name.startsWith('#')) return entryOf(NAMED, name) ?? null;
  const code = name.charCodeAt(1) === 120 ? Number.parseInt(name.slice(2), 16) : Number.parseInt(name.slice(1), 10);
  return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : null;
}

/** The tag at the reader's `<`; null when it is none, or the text ends in it. */
function readTag(reader: Reader): Tag | null {
  const { text, end } = reader;
  let i = reader.at + 1;
  const closing = text.charCodeAt(i) === 47;
  if (closing) i++;
  const nameAt = i;
  while (i < end && !isNameEnd(text.charCodeAt(i))) i++;
  if (i === nameAt) return null;
  const qualified = text.slice(nameAt, i);
  const tag: Tag = { name: qualified.slice(qualified.indexOf(':') + 1), attributes: {}, closing, empty: false };
  for (let count = 0; count < ATTRIBUTES_MAX; count++) {
    while (i < end && text.charCodeAt(i) <= 32) i++;
    const code = text.charCodeAt(i);
    if (i >= end) return null;
    if (code === 62) {
      reader.at = i + 1;
      return tag;
    }
    if (code === 47) {
      if (text.charCodeAt(i + 1) !== 62) return null;
      tag.empty = true;
      reader.at = i + 2;
      return tag;
    }
    const from = i;
    while (i < end && !isNameEnd(text.charCodeAt(i))) i++;
    if (i === from) return null;
    const name = text.slice(from, i);
    while (i < end && text.charCodeAt(i) <= 32) i++;
    if (text.charCodeAt(i) !== 61) return null;
    i++;
    while (i < end && text.charCodeAt(i) <= 32) i++;
    const quote = text.charCodeAt(i);
    if (quote !== 34 && quote !== 39) return null;
    const close = indexOfCode(text, quote, i + 1, end);
    if (close < 0) return null;
    if (name !== '__proto__') tag.attributes[name] = decodeEntities(text.slice(i + 1, close));
    i = close + 1;
  }
  return null;
}

/** Moves to the next tag and answers the text before it; null at the end or when something is not event XML. */
function textBefore(reader: Reader): string | null {
  const { text, end } = reader;
  let out = '';
  for (;;) {
    const open = indexOfCode(text, LT, reader.at, end);
    if (open < 0) return null;
    out += decodeEntities(text.slice(reader.at, open));
    reader.at = open;
    if (startsAt(text, '<![CDATA[', open, end)) {
      const close = find(text, ']]>', open, end);
      if (close < 0) return null;
      out += text.slice(open + 9, close);
      reader.at = close + 3;
    } else if (startsAt(text, '<!--', open, end)) {
      const close = find(text, '-->', open, end);
      if (close < 0) return null;
      reader.at = close + 3;
    } else if (startsAt(text, '<?', open, end)) {
      const close = find(text, '?>', open, end);
      if (close < 0) return null;
      reader.at = close + 2;
    } else if (startsAt(text, '<!', open, end)) return null;
    else return out;
  }
}

/** System elements whose attributes matter: element → attribute → field. */
const SYSTEM_ATTRIBUTES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Provider: { Name: 'Provider_Name', Guid: 'Provider_Guid' },
  Execution: { ProcessID: 'Execution_ProcessID', ThreadID: 'Execution_ThreadID' },
  Security: { UserID: 'Security_UserID' },
  Correlation: { ActivityID: 'ActivityID' },
  EventID: { Qualifiers: 'Qualifiers' },
};

/** Reads one event. The answer holds the fields and the time as text; null when it is not one, or torn. */
function readEventXml(text: string, at: number, end: number, frame: Frame): { fields: Fields; time: string } | null {
  const reader: Reader = { text, end, at };
  const fields: Fields = {};
  const path: string[] = [];
  const names: string[] = [];
  const data: string[] = [];
  let time = '';
  let count = 0;
  while (true) {
    const value = textBefore(reader);
    if (value === null) return null;
    const tag = readTag(reader);
    if (tag === null) return null;
    if (tag.closing) {
      if (path.pop() !== tag.name) return null;
      const name = names.pop() ?? '';
      // An empty `<Data Name="x">` is a field too: rules ask for empty ones.
      const leaf = name !== '' && (tag.name === 'Data' || value.trim() !== '');
      if (leaf && count++ < LIMITS.eventFieldsMax) put(fields, data, name, value, frame);
      if (path.length === 0 || tag.name === 'Event') break;
      if (names.length > 0) names[names.length - 1] = '';
      continue;
    }
    if (tag.name === 'System' && path.length === 0) return null;
    const section = path[path.length - 1] === 'Event' ? tag.name : path[1] === 'Event' ? path[2] : path[1];
    if (section === 'System') {
      if (tag.name === 'TimeCreated') time = tag.attributes.SystemTime ?? '';
      const wanted = entryOf(SYSTEM_ATTRIBUTES, tag.name);
      if (wanted)
        for (const [attribute, field] of Object.entries(wanted))
          if (tag.attributes[attribute]) putField(fields, field, tag.attributes[attribute], frame);
    }
    const name = tag.attributes.Name ?? (tag.name === 'Data' ? '' : tag.name);
    if (tag.empty) {
      if (tag.name === 'Data' && name !== '' && count++ < LIMITS.eventFieldsMax) put(fields, data, name, '', frame);
      continue;
    }
    path.push(tag.name);
    if (path.length > DEPTH_MAX) return null;
    names.push(fieldName(tag.name, name, section ?? ''));
  }
  if (data.length > 0) fields.Data = data.length === 1 ? (data[0] as string) : data;
  return fields.EventID === undefined ? null : { fields, time };
}

/** Which field an element's text becomes; rendered texts get a name of their own, `Data` without a name a list. */
function fieldName(tag: string, name: string, section: string): string {
  if (section === 'RenderingInfo') return tag === 'Message' ? 'Message' : '';
  if (tag === 'Data' && name === '') return '\0data';
  return name;
}

/** Values are copies that stand alone: the text may be a block of a megabyte. */
function put(fields: Fields, data: string[], name: string, text: string, frame: Frame): void {
  const value = own(text);
  if (name === '\0data') {
    if (data.length < 128) data.push(value.slice(0, LIMITS.fieldCharsMax));
  } else putField(fields, name, numeric(name, value), frame);
}

/** The System numbers are numbers in every JSON form too. */
function numeric(name: string, value: string): FieldValue {
  if (
    name !== 'EventID' &&
    name !== 'Version' &&
    name !== 'Level' &&
    name !== 'Task' &&
    name !== 'Opcode' &&
    name !== 'EventRecordID'
  )
    return value;
  const number = Number(value);
  return value !== '' && Number.isSafeInteger(number) ? number : value;
}

/** A record that is event XML; null when it is not. */
export function decodeWindowsXml(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const from = skipSpaces(text, at, end);
  const start = startsAt(text, '- <', from, end) ? from + 2 : from;
  if (text.charCodeAt(start) !== LT || !isEventStart(text, start, end)) return null;
  const read = readEventXml(text, start, end, frame);
  if (read === null) {
    frame.fault = 'xml-invalid';
    return null;
  }
  if (read.time && readIsoTime(read.time, 0, read.time.length, frame, true) < 0) frame.timeMs = Number.NaN;
  frame.program = '';
  return windowsEvent(read.fields, frame);
}

function isEventStart(text: string, at: number, end: number): boolean {
  return (
    startsAt(text, '<Event>', at, end) ||
    startsAt(text, '<Event ', at, end) ||
    startsAt(text, '<Events', at, end) ||
    startsAt(text, '<?xml', at, end)
  );
}

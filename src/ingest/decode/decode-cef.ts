/** CEF (ArcSight) and LEEF 1 and 2 (QRadar): a header between bars, then pairs. */

import { type DecodedEvent, LIMITS, type Normalised, OCSF_CLASS } from '../../core/index.ts';
import { baseNorm, type Fields, type Frame, makeEvent, putField } from './decode-frame.ts';
import { logSource } from './decode-source.ts';
import { entryOf, find, intOf, ipOf, isDigit, startsAt } from './decode-text.ts';
import { timeOfValue } from './decode-time.ts';

const BAR = 124;
const BACKSLASH = 92;

type TextColumn = { [C in keyof Normalised]-?: Normalised[C] extends string | undefined ? C : never }[keyof Normalised];

/** Names of the CEF dictionary and of LEEF's predefined attributes → our columns. */
const TEXT_COLUMNS: Readonly<Record<string, TextColumn>> = {
  suser: 'user',
  usrName: 'user',
  duser: 'target_user',
  shost: 'src_host',
  dhost: 'dst_host',
  dvchost: 'host',
  devname: 'host',
  act: 'action',
  action: 'action',
  outcome: 'outcome',
  request: 'url',
  url: 'url',
  requestMethod: 'method',
  method: 'method',
  requestClientApplication: 'user_agent',
  proto: 'protocol',
  app: 'service',
  fname: 'file',
  filePath: 'file',
  fileHash: 'hash',
  sproc: 'process',
  msg: 'message',
};
const PORTS: Readonly<Record<string, 'src_port' | 'dst_port'>> = {
  spt: 'src_port',
  srcPort: 'src_port',
  dpt: 'dst_port',
  dstPort: 'dst_port',
};
const ADDRESSES: Readonly<Record<string, 'src_ip' | 'dst_ip'>> = {
  src: 'src_ip',
  c6a2: 'src_ip',
  dst: 'dst_ip',
  c6a3: 'dst_ip',
};

const HEADER = /^[01]\|[^|]{1,64}\|[^|]{1,64}\|[^|]{0,64}\|[^|]{1,64}\|[^|]{1,128}\|(?:\d{1,2}|\w{3,9})\|/;

/** The record at `at`; null when it is neither. A CEF header further on (after a tag of its own) counts too. */
export function decodeCef(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const code = text.charCodeAt(at);
  if (code === 67 && startsAt(text, 'CEF:', at, end)) return cef(text, at, end, frame);
  if (code === 76 && startsAt(text, 'LEEF:', at, end)) return leef(text, at, end, frame);
  // `CEF: 0|…`, whose mark was read as the program, and relays that leave it out.
  if (isDigit(code) && text.charCodeAt(at + 1) === BAR && HEADER.test(text.slice(at, Math.min(end, at + 400))))
    return cef(`CEF:${text.slice(at, end)}`, 0, end - at + 4, frame);
  const later = find(text, ' CEF:', at, Math.min(end, at + 128));
  return later < 0 ? null : cef(text, later + 1, end, frame);
}

/** Parts of the header up to `count` bars that no backslash escapes; the last one is the offset after them. */
function header(text: string, at: number, end: number, count: number): { parts: string[]; rest: number } | null {
  const parts: string[] = [];
  let from = at;
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) i++;
    else if (code === BAR) {
      parts.push(unescaped(text.slice(from, Math.min(i, from + LIMITS.fieldCharsMax))));
      from = i + 1;
      if (parts.length === count) return { parts, rest: from };
    }
  }
  return null;
}

function unescaped(value: string): string {
  if (!value.includes('\\')) return value;
  let out = '';
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code !== BACKSLASH || i + 1 >= value.length) {
      out += value.charAt(i);
      continue;
    }
    const next = value.charAt(++i);
    out += next === 'n' ? '\n' : next === 'r' ? '\r' : next;
  }
  return out;
}

function cef(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const head = header(text, at + 4, end, 7);
  if (!head) return null;
  const [, vendor = '', product = '', version = '', signature = '', name = '', severity = ''] = head.parts;
  const fields: Fields = {
    DeviceVendor: vendor,
    DeviceProduct: product,
    DeviceVersion: version,
    SignatureID: signature,
    Name: name,
    Severity: severity,
  };
  readCefPairs(text, head.rest, end, fields, frame);
  return finish('cef', vendor, product, signature, name, severity, text, at, end, fields, frame);
}

function isKeyChar(code: number): boolean {
  return (
    (code >= 48 && code <= 57) ||
    (code >= 65 && code <= 90) ||
    (code >= 97 && code <= 122) ||
    code === 95 ||
    code === 46 ||
    code === 45 ||
    code === 91 ||
    code === 93
  );
}

/** `key=value key2=value with spaces`: a value ends where ` key=` begins; `\=` and `\\` are escaped. */
function readCefPairs(text: string, at: number, end: number, fields: Fields, frame: Frame): void {
  let name = '';
  let valueFrom = -1;
  let wordFrom = at;
  let inKey = true;
  let count = 0;
  const put = (stop: number): void => {
    if (valueFrom >= 0 && count++ < LIMITS.eventFieldsMax)
      putField(fields, name, unescaped(text.slice(valueFrom, Math.max(valueFrom, stop)).trimEnd()), frame);
  };
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === BACKSLASH) {
      i++;
      inKey = false;
    } else if (code === 32) {
      wordFrom = i + 1;
      inKey = true;
    } else if (code === 61 && inKey && i > wordFrom) {
      put(wordFrom - 1);
      name = text.slice(wordFrom, i);
      valueFrom = i + 1;
      inKey = false;
    } else if (!isKeyChar(code)) inKey = false;
  }
  put(end);
}

function leef(text: string, at: number, end: number, frame: Frame): DecodedEvent | null {
  const two = startsAt(text, 'LEEF:2', at, end);
  const head = header(text, at + 5, end, two ? 6 : 5);
  if (!head) return null;
  const [, vendor = '', product = '', version = '', id = '', delimiter = ''] = head.parts;
  const separator = two ? delimiterOf(delimiter) : '\t';
  const fields: Fields = { DeviceVendor: vendor, DeviceProduct: product, DeviceVersion: version, EventID: id };
  let i = head.rest;
  for (let count = 0; i < end && count < LIMITS.eventFieldsMax; count++) {
    const next = find(text, separator, i, end);
    const stop = next < 0 ? end : next;
    const equals = find(text, '=', i, stop);
    if (equals > i) putField(fields, text.slice(i, equals), text.slice(equals + 1, stop), frame);
    i = stop + separator.length;
  }
  return finish('leef', vendor, product, id, '', String(fields.sev ?? ''), text, at, end, fields, frame);
}

/** LEEF 2: one character, or its code as `x5E` or `0x5E`; a tab when empty. */
function delimiterOf(text: string): string {
  if (text.length === 1) return text;
  const hex = text.startsWith('0x') ? text.slice(2) : text.startsWith('x') ? text.slice(1) : '';
  const code = hex.length > 0 && hex.length <= 4 ? Number.parseInt(hex, 16) : Number.NaN;
  return code > 0 ? String.fromCharCode(code) : '\t';
}

/** 0 to 10, or a word (CEF rev. 25): to OCSF's 1 to 5. */
function severityId(severity: string): number {
  const number = intOf(severity, 0, severity.length);
  if (number >= 0) return number <= 3 ? 2 : number <= 6 ? 3 : number <= 8 ? 4 : 5;
  return entryOf({ low: 2, medium: 3, high: 4, 'very-high': 5 }, severity.toLowerCase()) ?? 0;
}

function finish(
  format: string,
  vendor: string,
  product: string,
  code: string,
  name: string,
  severity: string,
  text: string,
  at: number,
  end: number,
  fields: Fields,
  frame: Frame,
): DecodedEvent {
  frame.severityId = severityId(severity) || frame.severityId;
  const time = timeOfValue(fields.rt ?? fields.devTime ?? fields.end ?? fields.UNIFIutcTime, frame, false);
  if (!Number.isNaN(time)) frame.timeMs = time;
  const norm = baseNorm(frame, text, at, end);
  norm.message = name || norm.message || '';
  norm.event_code = code;
  for (const [key, value] of Object.entries(fields)) {
    if (typeof value !== 'string' || !value) continue;
    const column = entryOf(TEXT_COLUMNS, key);
    if (column) norm[column] = value;
    const address = entryOf(ADDRESSES, key);
    if (address && ipOf(value)) norm[address] = ipOf(value);
    const port = entryOf(PORTS, key);
    const number = port ? intOf(value, 0, value.length) : -1;
    if (port && number >= 0 && number <= 65535) norm[port] = number;
  }
  if (norm.src_ip && norm.dst_ip) norm.class_uid = OCSF_CLASS.network;
  return makeEvent(frame, format, logSource(clean(vendor), undefined, clean(product)), norm, fields);
}

/** A vendor's name as a log source: small letters, short. */
function clean(name: string): string {
  return name.slice(0, 64).trim().toLowerCase().replaceAll(' ', '-');
}

/** HL7 version 2 on the wire, MLLP-framed or bare, segment by segment: whose identifying fields are filled, never what they say. */

import { latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import { nhsVerdict } from './network-nhs.ts';
import type { Report, Verdict } from './network-report.ts';

/** Longer segments are results and documents (OBX): their rest is passed over. */
const SEGMENT_BYTES_MAX = 16 * 1024;
/** Names and lists of identifiers are shorter. */
const VALUE_CHARS_MAX = 1024;

/** Fields that identify somebody (HL7 v2.9 chapters 3 and 6). */
const IDENTIFYING: Readonly<Record<string, readonly number[]>> = {
  PID: [2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 18, 19, 20, 21],
  NK1: [2, 4, 5, 6, 16, 30, 31, 32, 33],
  IN1: [16, 18, 19, 36, 49],
  IN2: [1, 2, 6, 61],
  GT1: [3, 5, 6, 7, 8, 12, 19],
  MRG: [1, 4, 7],
};

/** Does an HL7 message begin here? `MSH`, a separator, four different encoding characters (section 2.5.4). */
export function isHl7(b: Uint8Array, start: number, end: number): boolean {
  const at = b[start] === 0x0b ? start + 1 : start;
  if (end - at < 10 || b[at] !== 0x4d || b[at + 1] !== 0x53 || b[at + 2] !== 0x48) return false;
  const separator = b[at + 3]!;
  for (let i = 3; i < 6; i++) {
    const c = b[at + i]!;
    const word = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
    if (c <= 32 || c > 126 || word) return false;
  }
  // A fifth encoding character came with version 2.7.
  for (let i = 6; i < 10; i++) if (b[at + i] === separator) return true;
  return false;
}

interface Message {
  readonly field: number;
  readonly component: string;
  readonly repetition: string;
  readonly type: string;
  readonly names: readonly string[];
  readonly fields: string[];
  identity: string;
  second: string;
  readonly nhs: Verdict[];
}

/** Paths of a segment's identifying fields by their number. */
interface Wanted {
  readonly person: boolean;
  readonly paths: readonly (string | undefined)[];
}

/** By the three letters of a segment's name. */
const WANTED: ReadonlyMap<number, Wanted> = new Map(
  Object.entries(IDENTIFYING).map(([name, numbers]) => {
    const paths: (string | undefined)[] = [];
    for (const n of numbers) paths[n] = `${name}-${n}`;
    const code = (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2);
    return [code, { person: name === 'PID', paths }];
  }),
);

export function createHl7(report: Report): Parser {
  const open: (Message | null)[] = [null, null];
  const passing = [false, false];
  /** Bytes that belong to nothing known; a flow that talks on like that is not HL7. */
  const idle = [0, 0];
  /** Names of the message before: mostly the same, and then the same array. */
  let names: readonly string[] = ['', ''];

  const close = (flow: Flow, dir: number): void => {
    const message = open[dir];
    open[dir] = null;
    if (!message) return;
    const { fields, nhs } = message;
    if (fields.length === 0) report.clinical(flow, 'hl7', message.type, message.names);
    else {
      const identity = message.identity || message.second;
      report.patient(flow, 'hl7', message.type, { fields, identity, nhs }, message.names);
    }
  };

  const begin = (flow: Flow, dir: number, b: Uint8Array, start: number, end: number): void => {
    const message = beginMessage(b, start, end, names);
    if (message.names !== names) {
      names = message.names;
      report.said(flow, dir, 'hl7-application', names[0] ?? '');
      report.said(flow, dir, 'hl7-facility', names[1] ?? '');
    }
    open[dir] = message;
    idle[dir] = 0;
  };

  const segment = (flow: Flow, dir: number, b: Uint8Array, start: number, end: number): void => {
    if (b[start] === 0x4d && isHl7(b, start, end)) {
      close(flow, dir);
      begin(flow, dir, b, start, end);
      return;
    }
    const message = open[dir];
    if (!message || end - start < 5 || b[start + 3] !== message.field) return;
    const wanted = WANTED.get((b[start]! << 16) | (b[start + 1]! << 8) | b[start + 2]!);
    if (wanted !== undefined) readFields(message, wanted, b, start + 4, Math.min(end, start + SEGMENT_BYTES_MAX));
  };

  return {
    name: 'hl7',
    read(flow, dir, b, from, end) {
      let start = from;
      for (let i = start; i < end; i++) {
        const c = b[i]!;
        if (c > 0x1c || (c !== 0x0d && c !== 0x0a && c !== 0x1c && c !== 0x0b)) continue;
        if (!passing[dir] && i > start) segment(flow, dir, b, start, i);
        if (c === 0x1c) close(flow, dir);
        passing[dir] = false;
        start = i + 1;
      }
      if (end - start >= SEGMENT_BYTES_MAX || (passing[dir] && end > start)) {
        if (!passing[dir]) segment(flow, dir, b, start, end);
        passing[dir] = true;
        start = end;
      }
      idle[dir] = open[dir] ? 0 : (idle[dir] ?? 0) + (start - from);
      if (idle[dir]! > SEGMENT_BYTES_MAX) flow.parser = null;
      return start;
    },
    lost(_flow, dir) {
      passing[dir] = true;
      return true;
    },
    end(flow) {
      close(flow, 0);
      close(flow, 1);
    },
  };
}

/** One datagram or the last piece of a stream that did not end with a segment's end. */
export function readHl7Datagram(report: Report, flow: Flow, b: Uint8Array, start: number, end: number): void {
  const parser = createHl7(report);
  const rest = parser.read(flow, 0, b, start, end);
  if (rest < end) {
    const last = new Uint8Array(end - rest + 1);
    last.set(b.subarray(rest, end));
    last[end - rest] = 0x0d;
    parser.read(flow, 0, last, 0, last.length);
  }
  parser.end?.(flow);
}

/** Fields 3, 4 and 9 of the header; the separator itself counts as field 1. */
function beginMessage(b: Uint8Array, start: number, end: number, before: readonly string[]): Message {
  const field = b[start + 3]!;
  let n = 1;
  let from = start + 4;
  let application = '';
  let facility = '';
  let kind = '';
  const stop = Math.min(end, start + SEGMENT_BYTES_MAX);
  for (let i = from; i <= stop && n < 10; i++) {
    if (i < stop && b[i] !== field) continue;
    n++;
    if (n === 3) application = latin1(b, from, Math.min(i, from + 64));
    else if (n === 4) facility = latin1(b, from, Math.min(i, from + 64));
    else if (n === 9) kind = latin1(b, from, Math.min(i, from + 16));
    from = i + 1;
  }
  const component = String.fromCharCode(b[start + 4]!);
  const type = kind.split(component, 2).join('^');
  const same = before[0] === application && before[1] === facility;
  return {
    field,
    component,
    repetition: String.fromCharCode(b[start + 5]!),
    type: /^[A-Z]{3}(?:\^[A-Z]\d{2})?$/.test(type) ? type : 'message',
    names: same ? before : [application, facility],
    fields: [],
    identity: '',
    second: '',
    nhs: [],
  };
}

/** More than blanks and separators; `""` is how HL7 says "delete this": nobody is named by it. */
function filled(b: Uint8Array, from: number, end: number): boolean {
  if (end - from === 2 && b[from] === 0x22 && b[from + 1] === 0x22) return false;
  for (let i = from; i < end; i++) {
    const c = b[i]!;
    if (c > 0x20 && c !== 0x5e && c !== 0x7e && c !== 0x26 && c !== 0x7c) return true;
  }
  return false;
}

function readFields(message: Message, wanted: Wanted, b: Uint8Array, start: number, end: number): void {
  const { field } = message;
  const last = wanted.paths.length;
  let from = start;
  let n = 1;
  for (let i = start; i <= end && n < last; i++) {
    if (i < end && b[i] !== field) continue;
    const path = wanted.paths[n];
    if (path !== undefined && i > from && filled(b, from, i)) {
      if (!message.fields.includes(path)) message.fields.push(path);
      if (wanted.person && n <= 7) person(message, n, b, from, i);
    }
    from = i + 1;
    n++;
  }
}

function person(message: Message, n: number, b: Uint8Array, from: number, end: number): void {
  if (n === 6) return;
  const value = latin1(b, from, Math.min(end, from + VALUE_CHARS_MAX));
  if (n === 5 || n === 7) {
    if (message.identity === '') message.second += `${value}|`;
    return;
  }
  if (n === 3 || (n === 2 && message.identity === ''))
    message.identity = value.split(message.repetition, 1)[0]!.split(message.component, 1)[0]!;
  readIdentifiers(message, value);
}

function readIdentifiers(message: Message, value: string): void {
  for (const repetition of value.split(message.repetition, 16)) {
    const components = repetition.split(message.component, 8);
    const verdict = nhsVerdict(components[0] ?? '');
    const labelled = /NHS/i.test(`${components[3] ?? ''} ${components[4] ?? ''}`) || components[4] === 'NH';
    if (verdict === 'valid' || (verdict !== null && labelled)) message.nhs.push(verdict);
  }
}

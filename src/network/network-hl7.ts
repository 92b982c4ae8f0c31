/** HL7 version 2 on the wire, MLLP-framed or bare, segment by segment: whose identifying fields are filled, never what they say. */

import type { Flow, Parser } from './network-flow.ts';
import { nhsVerdict } from './network-nhs.ts';
import type { Report, Verdict } from './network-report.ts';

/** Longer segments are results and documents (OBX): their rest is passed over. */
const SEGMENT_BYTES_MAX = 16 * 1024;
const FIELDS_MAX = 128;

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
  field: string;
  component: string;
  repetition: string;
  type: string;
  names: string[];
  fields: Set<string>;
  identity: string;
  second: string;
  nhs: Verdict[];
}

export function createHl7(report: Report): Parser {
  const open: (Message | null)[] = [null, null];
  const passing = [false, false];
  /** Bytes that belong to nothing known; a flow that talks on like that is not HL7. */
  const idle = [0, 0];

  const close = (flow: Flow, dir: number): void => {
    const message = open[dir];
    open[dir] = null;
    if (!message) return;
    const { fields, nhs, names } = message;
    if (fields.size === 0) {
      report.clinical(flow, 'hl7', message.type, names);
      return;
    }
    report.patient(flow, 'hl7', message.type, { fields, identity: message.identity || message.second, nhs }, names);
  };

  const segment = (flow: Flow, dir: number, b: Uint8Array, start: number, end: number): void => {
    if (isHl7(b, start, end)) {
      close(flow, dir);
      open[dir] = beginMessage(textOf(b, start, end));
      idle[dir] = 0;
      return;
    }
    const message = open[dir];
    if (!message || end - start < 5) return;
    const name = String.fromCharCode(b[start]!, b[start + 1]!, b[start + 2]!);
    const wanted = Object.hasOwn(IDENTIFYING, name) ? IDENTIFYING[name] : undefined;
    if (!wanted || String.fromCharCode(b[start + 3]!) !== message.field) return;
    readFields(message, name, wanted, textOf(b, start, end).split(message.field, FIELDS_MAX));
  };

  return {
    name: 'hl7',
    read(flow, dir, b, from, end) {
      let start = from;
      for (let i = start; i < end; i++) {
        const c = b[i]!;
        if (c !== 0x0d && c !== 0x0a && c !== 0x1c && c !== 0x0b) continue;
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

const textOf = (b: Uint8Array, start: number, end: number): string =>
  Buffer.from(b.buffer, b.byteOffset + start, Math.min(end - start, SEGMENT_BYTES_MAX)).toString('latin1');

function beginMessage(header: string): Message {
  const field = header.charAt(3);
  const parts = header.split(field, 12);
  const kind = (parts[8] ?? '').split(header.charAt(4), 2).join('^');
  return {
    field,
    component: header.charAt(4),
    repetition: header.charAt(5),
    type: /^[A-Z]{3}(\^[A-Z]\d{2})?$/.test(kind) ? kind : 'message',
    names: [parts[2] ?? '', parts[3] ?? ''],
    fields: new Set(),
    identity: '',
    second: '',
    nhs: [],
  };
}

/** `""` is how HL7 says "delete this": nobody is named by it. */
const filled = (value: string | undefined): value is string =>
  value !== undefined && value !== '' && value !== '""' && /[^\s^~&|]/.test(value);

function readFields(message: Message, name: string, wanted: readonly number[], values: readonly string[]): void {
  for (const n of wanted) {
    const value = values[n];
    if (!filled(value)) continue;
    message.fields.add(`${name}-${n}`);
    if (name !== 'PID') continue;
    if (n === 3 || (n === 2 && message.identity === '')) {
      message.identity = value.split(message.repetition, 1)[0]!.split(message.component, 1)[0]!;
    }
    if (n === 5 || n === 7) message.second += `${value}|`;
    if (n === 3 || n === 2 || n === 4) readIdentifiers(message, value);
  }
}

function readIdentifiers(message: Message, value: string): void {
  for (const repetition of value.split(message.repetition, 16)) {
    const components = repetition.split(message.component, 8);
    const verdict = nhsVerdict(components[0] ?? '');
    const labelled = /NHS/i.test(`${components[3] ?? ''} ${components[4] ?? ''}`) || components[4] === 'NH';
    if (verdict === 'valid' || (verdict !== null && labelled)) message.nhs.push(verdict);
  }
}

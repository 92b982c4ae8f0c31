/**
 * The identifying fields of HL7 segments, marked in one pass over the bytes without making a string of any
 * (`bin/asepsis bench inspect`, clinical); `network-hl7.test.ts` compares it with a plain reading.
 */

import { latin1 } from './network-bytes.ts';
import { nhsVerdictAt } from './network-nhs.ts';
import type { Report, Verdict } from './network-report.ts';

/** Names and lists of identifiers are shorter. */
const VALUE_BYTES_MAX = 1024;
const REPETITIONS_MAX = 16;
/** Patients told apart in one message: answers to queries hold many. */
const PERSONS_MAX = 64;

/** Fields that identify somebody (HL7 v2.9 chapters 3 and 6). */
const IDENTIFYING: Readonly<Record<string, readonly number[]>> = {
  PID: [2, 3, 4, 5, 6, 7, 9, 11, 13, 14, 18, 19, 20, 21],
  NK1: [2, 4, 5, 6, 16, 30, 31, 32, 33],
  IN1: [16, 18, 19, 36, 49],
  IN2: [1, 2, 6, 61],
  GT1: [3, 5, 6, 7, 8, 12, 19],
  MRG: [1, 4, 7],
};

/** What is known of the message that is open in one direction; used again for the next one. */
export interface Message {
  open: boolean;
  field: number;
  component: number;
  repetition: number;
  type: string;
  names: readonly string[];
  /** Filled fields as bits of `PATHS`: the first 30, the others. */
  low: number;
  high: number;
  /** Of the PID that is being read: its number, hashed; its name and birth date. */
  identity: string;
  second: string;
  readonly digests: string[];
  readonly nhs: Verdict[];
  /** So many of them are of segments that are complete. */
  nhsTold: number;
}

/** Paths of all identifying fields; their place here is their bit. */
const PATHS: readonly string[] = Object.entries(IDENTIFYING).flatMap(([name, numbers]) =>
  numbers.map((n) => `${name}-${n}`),
);
const LOW_BITS = 30;

/** Identifying fields of a segment: their bit by their number, -1 for the others. */
interface Wanted {
  readonly person: boolean;
  readonly bits: Int8Array;
}

const codeOf = (name: string): number => (name.charCodeAt(0) << 16) | (name.charCodeAt(1) << 8) | name.charCodeAt(2);
/** By the three letters of a segment's name. */
export const WANTED: ReadonlyMap<number, Wanted> = new Map(
  Object.entries(IDENTIFYING).map(([name, numbers]) => {
    const bits = new Int8Array(Math.max(...numbers) + 1).fill(-1);
    for (const n of numbers) bits[n] = PATHS.indexOf(`${name}-${n}`);
    return [codeOf(name), { person: name === 'PID', bits }];
  }),
);
export const MSH = codeOf('MSH');
/** Do segments with this letter name people? The first letters of all of them. */
export const FIRST = new Uint8Array(256);
for (const name of Object.keys(IDENTIFYING)) FIRST[name.charCodeAt(0)] = 1;

/** The same combinations of fields come again and again: each is one list, made once. */
const LISTS = new Map<number, readonly string[]>();
const LISTS_MAX = 10_000;
export function pathsOf(low: number, high: number): readonly string[] {
  const key = high * 2 ** LOW_BITS + low;
  const known = LISTS.get(key);
  if (known) return known;
  const made = PATHS.filter((_, i) => (i < LOW_BITS ? (low >>> i) & 1 : (high >>> (i - LOW_BITS)) & 1));
  if (LISTS.size < LISTS_MAX) LISTS.set(key, made);
  return made;
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

const isEnd = (c: number): boolean => c === 0x0d || c === 0x0a || c === 0x1c || c === 0x0b;

/** Where the segment's separator stands; `end` when it is not there. */
export function segmentEnd(b: Uint8Array, start: number, end: number): number {
  for (let i = start; i < end; i++) if (b[i]! <= 0x1c && isEnd(b[i]!)) return i;
  return end;
}

/**
 * Marks the filled fields of a segment, and of a PID also who it is, in one pass; answers where the segment ends. It may be
 * called again for the same segment once more of it is there.
 */
export function readFields(
  report: Report,
  message: Message,
  wanted: Wanted,
  b: Uint8Array,
  start: number,
  end: number,
): number {
  const { field } = message;
  const last = wanted.bits.length;
  message.identity = '';
  message.second = '';
  message.nhs.length = message.nhsTold;
  let from = start + 4;
  let n = 1;
  for (let i = from; i < end; i++) {
    const c = b[i]!;
    if (c !== field) {
      if (c > 0x1c || !isEnd(c)) continue;
      if (n < last && i > from) readField(report, message, wanted, n, b, from, i);
      return i;
    }
    if (n < last && i > from) readField(report, message, wanted, n, b, from, i);
    from = i + 1;
    n++;
  }
  return end;
}

function readField(
  report: Report,
  message: Message,
  wanted: Wanted,
  n: number,
  b: Uint8Array,
  from: number,
  end: number,
): void {
  const bit = wanted.bits[n]!;
  if (bit < 0 || !filled(b, from, end)) return;
  if (bit < LOW_BITS) message.low |= 1 << bit;
  else message.high |= 1 << (bit - LOW_BITS);
  if (!wanted.person || n > 7) return;
  const stop = Math.min(end, from + VALUE_BYTES_MAX);
  if (n <= 4) readIdentifiers(message, b, from, stop);
  // PID-2 is what older systems use; without a number the name and the birth date tell people apart.
  if (n <= 3) message.identity = digestAt(report, message, b, from, stop) || message.identity;
  else if ((n === 5 || n === 7) && message.identity === '') message.second += `${latin1(b, from, stop)}|`;
}

/** A segment is complete: whoever it named is one of the message's persons. */
export function tell(report: Report, message: Message): void {
  const { digests, identity, second } = message;
  message.nhsTold = message.nhs.length;
  if (identity === '' && second === '') return;
  if (digests.length < PERSONS_MAX) digests.push(identity || report.digest(second));
  message.identity = '';
  message.second = '';
}

/** The first component of the first repetition, hashed where it lies; empty when there is none. */
function digestAt(report: Report, message: Message, b: Uint8Array, from: number, end: number): string {
  let to = from;
  while (to < end && b[to] !== message.component && b[to] !== message.repetition) to++;
  return to === from ? '' : report.digest(b, from, to);
}

/** NHS numbers among the repetitions of an identifier (CX: the number first, authority and type fourth and fifth). */
function readIdentifiers(message: Message, b: Uint8Array, start: number, end: number): void {
  const { component, repetition, nhs } = message;
  for (let from = start, turns = 0; from < end && turns < REPETITIONS_MAX; turns++) {
    let id = from;
    while (id < end && b[id] !== component && b[id] !== repetition) id++;
    let to = id;
    while (to < end && b[to] !== repetition) to++;
    const verdict = nhsVerdictAt(b, from, id);
    if (verdict === 'valid' || (verdict !== null && namesNhs(b, id, to, component))) nhs.push(verdict);
    from = to + 1;
  }
}

/** Behind the number: `^^^NHS^NH`. */
function namesNhs(b: Uint8Array, from: number, end: number, component: number): boolean {
  const components = latin1(b, from, end).split(String.fromCharCode(component), 8);
  return /NHS/i.test(`${components[3] ?? ''} ${components[4] ?? ''}`) || components[4] === 'NH';
}

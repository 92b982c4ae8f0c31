/** The header of an HL7 message: who sends it and of which type; mostly it is that of the message before. */

import { byteAt, latin1 } from './network-bytes.ts';
import type { Message } from './network-hl7-fields.ts';

/** Applications and facilities are told apart by so many bytes of the header. */
const HEAD_BYTES = 160;
const HEADER_BYTES_MAX = 16 * 1024;

/** Reads headers; mostly they are those of the message before, and nothing needs to be made. */
export interface HeadReader {
  names: readonly string[];
  /** So many bytes of this header are as they were in the one before: no segment ends within them. */
  known(b: Uint8Array, start: number, end: number): number;
  read(message: Message, b: Uint8Array, start: number, end: number, known: number): void;
}

export function createHeadReader(): HeadReader {
  const head = new Uint8Array(HEAD_BYTES);
  let headLength = 0;
  let kind = -1;
  let event = -1;
  let type = 'message';
  /** Behind field 4; -1 when the header ends before. */
  const sender = (b: Uint8Array, start: number, end: number): number => {
    const field = b[start + 3]!;
    const third = byteAt(b, field, start + 4, end);
    const fourth = third < 0 ? -1 : byteAt(b, field, third + 1, end);
    const fifth = fourth < 0 ? -1 : byteAt(b, field, fourth + 1, end);
    const application = third < 0 ? '' : latin1(b, third + 1, Math.min(fourth < 0 ? end : fourth, third + 65));
    const facility = fourth < 0 ? '' : latin1(b, fourth + 1, Math.min(fifth < 0 ? end : fifth, fourth + 65));
    if (application !== reader.names[0] || facility !== reader.names[1]) reader.names = [application, facility];
    if (fifth >= 0 && fifth + 1 - start <= HEAD_BYTES) {
      headLength = fifth + 1 - start;
      head.set(b.subarray(start, fifth + 1));
    } else headLength = 0;
    return fifth < 0 ? -1 : fifth + 1;
  };
  /** Field 9, as `ADT^A01`. */
  const typeAt = (b: Uint8Array, from: number, end: number, component: number): string => {
    const letters = end - from >= 3 ? (b[from]! << 16) | (b[from + 1]! << 8) | b[from + 2]! : 0;
    const two = end - from >= 7 && b[from + 3] === component;
    const more = two ? (b[from + 4]! << 16) | (b[from + 5]! << 8) | b[from + 6]! : 0;
    const stop = from + (two ? 7 : 3);
    if (end > stop && b[stop] !== component) return 'message';
    if (letters === kind && more === event) return type;
    const text = latin1(b, from, from + 3) + (two ? `^${latin1(b, from + 4, from + 7)}` : '');
    kind = letters;
    event = more;
    type = /^[A-Z]{3}(?:\^[A-Z]\d{2})?$/.test(text) ? text : 'message';
    return type;
  };
  const reader: HeadReader = {
    names: ['', ''],
    known(b, start, end) {
      if (end - start < headLength) return 0;
      for (let i = headLength - 1; i >= 0; i--) if (b[start + i] !== head[i]) return 0;
      return headLength;
    },
    read(message, b, start, limit, known) {
      const end = Math.min(limit, start + HEADER_BYTES_MAX);
      const field = b[start + 3]!;
      let at = known > 0 ? start + known : sender(b, start, end);
      for (let n = 5; n < 9 && at >= 0; n++) {
        const next = byteAt(b, field, at, end);
        at = next < 0 ? -1 : next + 1;
      }
      message.type = 'message';
      if (at >= 0) {
        const stop = byteAt(b, field, at, end);
        message.type = typeAt(b, at, stop < 0 ? end : stop, b[start + 4]!);
      }
      message.open = true;
      message.field = field;
      message.component = b[start + 4]!;
      message.repetition = b[start + 5]!;
      message.names = reader.names;
      message.low = 0;
      message.high = 0;
      message.identity = '';
      message.second = '';
      message.digests.length = 0;
      message.nhs.length = 0;
      message.nhsTold = 0;
    },
  };
  return reader;
}

/** HL7 version 2 on the wire, MLLP-framed or bare, segment by segment: whose identifying fields are filled, never what they say. */

import type { Flow, Parser } from './network-flow.ts';
import { FIRST, type Message, MSH, pathsOf, readFields, segmentEnd, tell, WANTED } from './network-hl7-fields.ts';
import { createHeadReader } from './network-hl7-head.ts';
import type { Report } from './network-report.ts';

/** Longer segments are results and documents (OBX): their rest is passed over. */
const SEGMENT_BYTES_MAX = 16 * 1024;

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

interface Way {
  readonly message: Message;
  passing: boolean;
  /** Bytes that belong to nothing known; a flow that talks on like that is not HL7. */
  idle: number;
}

const newWay = (): Way => ({
  message: {
    open: false,
    field: 0,
    component: 0,
    repetition: 0,
    type: '',
    names: [],
    low: 0,
    high: 0,
    identity: '',
    second: '',
    digests: [],
    nhs: [],
    nhsTold: 0,
  },
  passing: false,
  idle: 0,
});

export function createHl7(report: Report): Parser {
  const ways: readonly [Way, Way] = [newWay(), newWay()];
  const heads = createHeadReader();
  let told: readonly string[] = heads.names;

  const close = (flow: Flow, message: Message): void => {
    if (!message.open) return;
    message.open = false;
    // The capture may end within a segment.
    tell(report, message);
    if ((message.low | message.high) === 0) report.clinical(flow, 'hl7', message.type, message.names);
    else {
      const { digests, nhs } = message;
      const fields = pathsOf(message.low, message.high);
      report.patient(flow, 'hl7', message.type, { fields, identity: '', digests, nhs }, message.names);
    }
  };

  /** The header of the next message; the one before is told. */
  const begin = (flow: Flow, dir: number, b: Uint8Array, start: number, end: number, known: number): void => {
    const way = ways[dir]!;
    close(flow, way.message);
    heads.read(way.message, b, start, end, known);
    way.idle = 0;
    if (told === heads.names) return;
    told = heads.names;
    report.said(flow, dir, 'hl7-application', told[0] ?? '');
    report.said(flow, dir, 'hl7-facility', told[1] ?? '');
  };

  /** Reads the segment that begins here; answers where it ends (the separator's place), `end` when it does not. */
  const segment = (flow: Flow, dir: number, b: Uint8Array, start: number, end: number): number => {
    const { message } = ways[dir]!;
    const first = b[start]!;
    if (FIRST[first] === 1 && end - start > 4) {
      const code = (first << 16) | (b[start + 1]! << 8) | b[start + 2]!;
      if (message.open && b[start + 3] === message.field) {
        const wanted = WANTED.get(code);
        if (wanted !== undefined) return readFields(report, message, wanted, b, start, end);
      }
      if (code === MSH && isHl7(b, start, end)) {
        const known = heads.known(b, start, end);
        const stop = segmentEnd(b, start + known, end);
        if (stop < end || end - start >= SEGMENT_BYTES_MAX) begin(flow, dir, b, start, stop, known);
        return stop;
      }
    }
    return segmentEnd(b, start, end);
  };

  return {
    name: 'hl7',
    read(flow, dir, b, from, end) {
      const way = ways[dir]!;
      let start = from;
      while (start < end) {
        const stop = way.passing ? segmentEnd(b, start, end) : segment(flow, dir, b, start, end);
        if (stop === end) break;
        if (!way.passing) tell(report, way.message);
        way.passing = false;
        if (b[stop] === 0x1c) close(flow, way.message);
        start = stop + 1;
      }
      if (end - start >= SEGMENT_BYTES_MAX || way.passing) {
        if (!way.passing) tell(report, way.message);
        way.passing = start < end;
        start = end;
      }
      way.idle = way.message.open ? 0 : way.idle + (start - from);
      if (way.idle > SEGMENT_BYTES_MAX) flow.parser = null;
      return start;
    },
    lost(_flow, dir) {
      ways[dir]!.passing = true;
      return true;
    },
    end(flow) {
      for (const way of ways) close(flow, way.message);
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

/** Laboratory instruments: ASTM E1394 (CLSI LIS2-A2) records in E1381 (LIS1-A) frames or bare. */

import { latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import type { Report } from './network-report.ts';

const ENQ = 5;
const STX = 2;
const ETX = 3;
const ETB = 0x17;
const EOT = 4;
const RECORD_CHARS_MAX = 16 * 1024;
const FRAME_BYTES_MAX = 64 * 1024;
/** Practice and laboratory identifiers, a third one, name, mother's name, birth, address, telephone (LIS2-A2 section 8). */
const PERSONAL = [3, 4, 5, 6, 7, 8, 11, 13] as const;

/** A header record: `H`, then four delimiters that differ, as `|\^&`; a piece of HL7's own header has five. */
function isHeader(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 6 || b[at] !== 0x48) return false;
  for (let i = 1; i < 5; i++) {
    const c = b[at + i]!;
    const word = (c >= 48 && c <= 57) || (c >= 65 && c <= 90) || (c >= 97 && c <= 122);
    if (c <= 32 || c > 126 || word) return false;
    for (let j = 1; j < i; j++) if (b[at + j] === c) return false;
  }
  return b[at + 5] === b[at + 1] || b[at + 5] === 0x0d;
}

export function isAstm(b: Uint8Array, at: number, end: number): boolean {
  let i = at;
  while (b[i] === ENQ && i < at + 4) i++;
  if (b[i] === STX) return end - i > 7 && b[i + 1]! >= 0x30 && b[i + 1]! <= 0x37 && isHeader(b, i + 2, end);
  return i === at && b[i + 1] === 0x7c && isHeader(b, i, end);
}

interface Way {
  text: string;
  fields: Set<string>;
  identity: string;
  names: string[];
  any: boolean;
  framed: boolean;
  bare: boolean;
}
const newWay = (): Way => ({
  text: '',
  fields: new Set(),
  identity: '',
  names: [],
  any: false,
  framed: false,
  bare: false,
});

export function createAstm(report: Report): Parser {
  const ways: [Way, Way] = [newWay(), newWay()];

  const patientDone = (flow: Flow, way: Way): void => {
    if (way.fields.size > 0)
      report.patient(flow, 'astm', 'patient record', { fields: way.fields, identity: way.identity }, way.names);
    way.fields = new Set();
    way.identity = '';
  };
  const messageDone = (flow: Flow, way: Way): void => {
    if (way.any && way.fields.size === 0) report.clinical(flow, 'astm', 'message', way.names);
    patientDone(flow, way);
    way.any = false;
  };
  const record = (flow: Flow, way: Way, line: string): void => {
    const kind = line.charAt(0);
    const separator = line.charAt(1);
    if (kind === 'H') {
      messageDone(flow, way);
      way.any = true;
      way.names = [line.split(separator, 6)[4]?.split('^', 1)[0] ?? ''];
    } else if (kind === 'P' && way.any) {
      patientDone(flow, way);
      const parts = line.split(separator, 32);
      for (const n of PERSONAL) {
        const value = (parts[n - 1] ?? '').replace(/[\s^\\&]+/g, '');
        if (value === '') continue;
        way.fields.add(`P-${n}`);
        if (n <= 6) way.identity ||= parts[n - 1] ?? '';
      }
    } else if (kind === 'L' && way.any) messageDone(flow, way);
  };
  const text = (flow: Flow, way: Way, piece: string): void => {
    const lines = (way.text + piece).split(/[\r\n]+/);
    way.text = (lines.pop() ?? '').slice(0, RECORD_CHARS_MAX);
    for (const line of lines) if (line.length > 2) record(flow, way, line);
  };

  return {
    name: 'astm',
    read(flow, dir, b, start, end) {
      const way = ways[dir]!;
      let at = start;
      while (at < end) {
        const c = b[at]!;
        if (c === STX) {
          let stop = at + 1;
          while (stop < end && b[stop] !== ETX && b[stop] !== ETB) stop++;
          if (stop >= end) {
            if (end - at <= FRAME_BYTES_MAX) return at;
            flow.parser = null;
            return end;
          }
          if (flow.client < 0) flow.client = dir;
          way.framed = true;
          text(flow, way, latin1(b, at + 2, stop));
          at = stop + 1;
        } else if (c === ENQ || c === EOT) {
          if (c === EOT) {
            text(flow, way, '\r');
            messageDone(flow, way);
          }
          at++;
        } else if (way.framed || !(way.bare || isAstm(b, at, end))) {
          // Acknowledgements, and the check sum with its line end behind a frame.
          at++;
        } else {
          way.bare = true;
          text(flow, way, latin1(b, at, end));
          return end;
        }
      }
      return at;
    },
    end(flow) {
      for (const way of ways) {
        text(flow, way, '\r');
        messageDone(flow, way);
      }
    },
  };
}

/** NCPDP between pharmacies and payers: Telecommunication (D.0, 5.1) with its field separators, and SCRIPT in EDIFACT. */

import { byteAt, latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import type { Report } from './network-report.ts';

const MESSAGE_BYTES_MAX = 32 * 1024;
const FIELD_SEPARATOR = '\x1c';
/** Field identifiers of the patient, insurance and provider segments (Telecommunication Standard D.0, data dictionary). */
const PERSONAL: Readonly<Record<string, string>> = {
  CX: 'Patient.CX',
  CY: 'Patient.CY',
  C4: 'Patient.C4',
  CA: 'Patient.CA',
  CB: 'Patient.CB',
  CM: 'Patient.CM',
  CQ: 'Patient.CQ',
  HN: 'Patient.HN',
  C2: 'Insurance.C2',
  CC: 'Insurance.CC',
  CD: 'Insurance.CD',
};

/** BIN of six digits, version, transaction code, processor, count; then segments that begin with their number. */
const HEADER = /^\d{6}(?:D0|51|F6)[A-Z][0-9A-Z].{10}[1-4\s]/;

export function isNcpdp(b: Uint8Array, at: number, end: number): boolean {
  const from = b[at] === 2 ? at + 1 : at;
  if (end - from < 56) return false;
  if (b[from] === 0x55) return isScript(latin1(b, from, Math.min(end, from + 64)));
  const second = b[from + 6];
  if (second !== 0x44 && second !== 0x35 && second !== 0x46) return false;
  const text = latin1(b, from, Math.min(end, from + 72));
  return HEADER.test(text) && text.indexOf(`\x1e${FIELD_SEPARATOR}AM`) > 30;
}

/** Service string and interactive header (SCRIPT 8.1 to 10.6, EDIFACT syntax 3). */
const isScript = (text: string): boolean => /^(?:UNA.{6})?\s{0,2}UIB.UNO[A-Z]/.test(text);

export function readNcpdp(report: Report, flow: Flow, b: Uint8Array, at: number, end: number): void {
  const from = b[at] === 2 ? at + 1 : at;
  const text = latin1(b, from, Math.min(end, from + MESSAGE_BYTES_MAX));
  if (b[from] === 0x55) script(report, flow, text);
  else telecommunication(report, flow, text);
}

function telecommunication(report: Report, flow: Flow, text: string): void {
  const fields = new Set<string>();
  let identity = '';
  let name = '';
  for (const part of text.split(FIELD_SEPARATOR, 600)) {
    const path = Object.hasOwn(PERSONAL, part.slice(0, 2)) ? PERSONAL[part.slice(0, 2)] : undefined;
    // Segments and groups end inside the last field before them.
    const value = part
      .slice(2)
      .split(/\p{Cc}/u, 1)[0]!
      .trim();
    if (path === undefined || value === '') continue;
    fields.add(path);
    if (path === 'Patient.CY' || (path === 'Insurance.C2' && identity === '')) identity = value;
    if (path === 'Patient.CA' || path === 'Patient.CB' || path === 'Patient.C4') name += `${value}|`;
  }
  const kind = `${text.slice(6, 8)} ${text.slice(8, 10)}`;
  if (fields.size > 0) report.patient(flow, 'ncpdp', kind, { fields, identity: identity || name });
  else report.clinical(flow, 'ncpdp', kind, []);
}

function script(report: Report, flow: Flow, text: string): void {
  const own = text.startsWith('UNA');
  const component = own ? text.charAt(3) : ':';
  const element = own ? text.charAt(4) : '+';
  const terminator = own ? text.charAt(8) : "'";
  const fields = new Set<string>();
  let identity = '';
  for (const segment of text.split(terminator, 400)) {
    const parts = segment.trim().split(element, 16);
    if (parts[0] !== 'PTT') continue;
    for (const [n, path] of [
      [2, 'PTT-020'],
      [3, 'PTT-030'],
      [5, 'PTT-050'],
      [6, 'PTT-060'],
    ] as const)
      if ((parts[n] ?? '').replaceAll(component, '').trim() !== '') fields.add(path);
    identity ||= (parts[5] ?? '').split(component, 1)[0] || `${parts[3] ?? ''}|${parts[2] ?? ''}`;
  }
  if (fields.size > 0) report.patient(flow, 'ncpdp', 'SCRIPT', { fields, identity });
  else report.clinical(flow, 'ncpdp', 'SCRIPT', []);
}

/** Over TCP a message ends with ETX, with the connection's turn, or when the next one begins. */
export function createNcpdp(report: Report): Parser {
  const done = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): void => {
    if (!isNcpdp(b, at, end)) return;
    flow.client = flow.client < 0 ? dir : flow.client;
    readNcpdp(report, flow, b, at, end);
  };
  return {
    name: 'ncpdp',
    read(flow, dir, b, start, end) {
      if (end - start > MESSAGE_BYTES_MAX) {
        done(flow, dir, b, start, end);
        return end;
      }
      const close = byteAt(b, 3, start, end);
      if (close >= 0) {
        done(flow, dir, b, start, close);
        return close + 1;
      }
      if (!isNcpdp(b, start, end)) {
        if (end - start > 64) flow.parser = null;
        return end - start > 64 ? end : start;
      }
      // A whole message in one piece is the rule: the pharmacy waits for its answer.
      if (b[start] === 2) return start;
      done(flow, dir, b, start, end);
      return end;
    },
  };
}

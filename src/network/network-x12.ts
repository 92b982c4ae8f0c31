/** X12 interchanges (ASC X12 005010, HIPAA guides): the persons in NM1, DMG, N3 and REF, segment by segment. */

import { byteAt, latin1 } from './network-bytes.ts';
import type { Flow, Parser } from './network-flow.ts';
import type { Report } from './network-report.ts';

const SEGMENT_BYTES_MAX = 4096;
const ISA_BYTES = 106;
/** Places of the separators in the fixed header (X12.5, ISA has fields of fixed length). */
const SEPARATORS = [6, 17, 20, 31, 34, 50, 53, 69, 76, 81, 83, 89, 99, 101, 103];
/** Functional groups of health care (005010 GS01): claims, payments, eligibility, status, enrolment, reviews, patient information. */
const HEALTH = new Set(['HC', 'HP', 'HS', 'HB', 'HN', 'HR', 'HI', 'BE', 'PI', 'FA']);
/** NM101: insured, patient, corrected insured, dependent, subscriber and responsible persons. */
const PERSONS = new Set([
  'IL',
  'QC',
  '74',
  '03',
  'S1',
  '70',
  'S3',
  'QD',
  '31',
  'GB',
  'E1',
  'EI',
  'EXS',
  'LR',
  '6Y',
  '45',
]);
/** REF01: social security number, medical record number, subscriber and patient account numbers. */
const REFERENCES = new Set(['SY', 'EA', '1L', 'EJ', '0F', '1W', 'IG', 'Y4']);

/** An interchange header: `ISA` and its separators where they belong. */
export function isX12(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < ISA_BYTES || b[at] !== 0x49 || b[at + 1] !== 0x53 || b[at + 2] !== 0x41) return false;
  const separator = b[at + 3]!;
  if (separator >= 0x30 && separator < 0x7b && separator !== 0x5e && separator !== 0x5c) return false;
  return SEPARATORS.every((place) => b[at + place] === separator);
}

export function createX12(report: Report): Parser {
  const ways = [newReader(report), newReader(report)] as const;
  return {
    name: 'x12',
    read(flow, dir, b, start, end) {
      const next = ways[dir]!.read(flow, b, start, end);
      if (next >= 0) return next;
      flow.parser = null;
      return end;
    },
    lost: (_flow, dir) => ways[dir]!.known(),
    end(flow) {
      for (const way of ways) way.close(flow);
    },
  };
}

interface X12Reader {
  /** Position after what was read; -1 when it is no X12. */
  read(flow: Flow, b: Uint8Array, start: number, end: number): number;
  close(flow: Flow): void;
  known(): boolean;
}

/** One interchange in a body or a file. */
export function readX12(report: Report, flow: Flow, b: Uint8Array, start: number, end: number): void {
  const reader = newReader(report);
  reader.read(flow, b, start, end);
  reader.close(flow);
}

function newReader(report: Report): X12Reader {
  let terminator = -1;
  let separator = '*';
  let group = '';
  let kind = 'interchange';
  let person = '';
  let fields = new Set<string>();
  let identity = '';
  let told = false;
  let names: readonly string[] = [];

  const close = (flow: Flow): void => {
    if (fields.size > 0) {
      report.patient(flow, 'x12', kind, { fields, identity }, names);
      told = true;
    }
    fields = new Set();
    identity = '';
    person = '';
  };
  const transactionDone = (flow: Flow): void => {
    close(flow);
    if (!told && HEALTH.has(group)) report.clinical(flow, 'x12', kind, names);
    told = false;
  };
  const add = (path: string, value: string | undefined): boolean => {
    if (value === undefined || value.trim() === '') return false;
    fields.add(path);
    return true;
  };
  const subject = (flow: Flow, parts: readonly string[]): void => {
    if (!PERSONS.has(parts[1] ?? '') || parts[2] !== '1') {
      person = '';
      return;
    }
    close(flow);
    person = parts[1] ?? '';
    add('NM1-03', parts[3]);
    add('NM1-04', parts[4]);
    add('NM1-09', parts[9]);
    identity = parts[9]?.trim() || `${parts[3] ?? ''}|${parts[4] ?? ''}`;
  };
  const segment = (flow: Flow, text: string): void => {
    const parts = text.trim().split(separator, 32);
    const name = parts[0];
    if (name === 'ISA') names = [parts[6] ?? '', parts[8] ?? ''];
    else if (name === 'GS') group = parts[1] ?? '';
    else if (name === 'ST') kind = /^\d{3}$/.test(parts[1] ?? '') ? `transaction ${parts[1]}` : 'interchange';
    else if (name === 'SE' || name === 'IEA') transactionDone(flow);
    else if (name === 'NM1') subject(flow, parts);
    else if (person === '') return;
    else if (name === 'DMG') add('DMG-02', parts[2]);
    else if (name === 'N3') add('N3-01', parts[1]);
    else if (name === 'REF' && REFERENCES.has(parts[1] ?? '')) add(`REF-02 (${parts[1]})`, parts[2]);
    // The next level of the hierarchy is somebody else (005010 HL), a claim belongs to the person above it.
    else if (name === 'HL') close(flow);
  };

  return {
    known: () => terminator >= 0,
    close: transactionDone,
    read(flow, b, from, end) {
      let start = from;
      for (;;) {
        if (terminator < 0 || isX12(b, start, end)) {
          while (start < end && (b[start] === 0x0d || b[start] === 0x0a)) start++;
          if (end - start < ISA_BYTES) return start;
          if (!isX12(b, start, end)) return -1;
          separator = String.fromCharCode(b[start + 3]!);
          terminator = b[start + ISA_BYTES - 1]!;
        }
        const stop = byteAt(b, terminator, start, end);
        if (stop < 0) return end - start > SEGMENT_BYTES_MAX ? end : start;
        if (stop - start <= SEGMENT_BYTES_MAX) segment(flow, latin1(b, start, stop));
        start = stop + 1;
        // Behind an interchange comes another one or nothing.
        if (start >= end) return start;
      }
    },
  };
}

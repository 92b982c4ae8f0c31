/** The DICOM upper layer (PS3.8 section 9.3): associations, and the data sets inside, also when the beginning was missed. */

import { be16, be32, latin1, le16 } from './network-bytes.ts';
import { createDataSet, type DataSet } from './network-dicom-set.ts';
import type { Flow, Parser } from './network-flow.ts';
import type { Report } from './network-report.ts';

/** No association request is longer than some hundred contexts. */
const ASSOCIATE_BYTES_MAX = 64 * 1024;
const PDU_BYTES_MAX = 128 * 1024 * 1024;

const COMMANDS: Readonly<Record<number, string>> = {
  1: 'C-STORE',
  16: 'C-GET',
  32: 'C-FIND',
  33: 'C-MOVE',
  32769: 'C-STORE answer',
  32784: 'C-GET answer',
  32800: 'C-FIND answer',
  256: 'N-EVENT-REPORT',
  272: 'N-GET',
  288: 'N-SET',
  304: 'N-ACTION',
  320: 'N-CREATE',
};

const IMPLICIT = '1.2.840.10008.1.2';
const BIG = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';

/** Does a PDU begin here? Associations by their fixed fields, data by the agreement of its lengths. */
export function isDicom(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 12 || b[at + 1] !== 0) return false;
  const length = be32(b, at + 2);
  if (b[at] === 1 || b[at] === 2) {
    if (length < 68 || length > ASSOCIATE_BYTES_MAX || (be16(b, at + 6) & 1) === 0 || end - at < 42) return false;
    for (let i = 10; i < 42; i++) if (b[at + i]! < 32 || b[at + i]! > 126) return false;
    return true;
  }
  if (b[at] !== 4 || length < 6 || length > PDU_BYTES_MAX) return false;
  const item = be32(b, at + 6);
  // A context number is odd, and a fragment starts with a data element of a known group.
  return (
    item >= 2 && item + 4 <= length && (b[at + 10]! & 1) === 1 && b[at + 11]! <= 3 && plausibleStart(b, at + 12, end)
  );
}

function plausibleStart(b: Uint8Array, at: number, end: number): boolean {
  if (end - at < 8) return false;
  const group = le16(b, at);
  return group === 0 ? le16(b, at + 2) === 0 && b[at + 4] === 4 : group === 2 || group === 8;
}

interface Way {
  pduLeft: number;
  pdvLeft: number;
  header: number;
  context: number;
  set: DataSet | null;
  command: DataSet | null;
  what: string;
}

const newWay = (): Way => ({
  pduLeft: 0,
  pdvLeft: 0,
  header: 0,
  context: 0,
  set: null,
  command: null,
  what: 'data set',
});

export function createDicom(report: Report): Parser {
  const ways: readonly [Way, Way] = [newWay(), newWay()];
  const syntaxes = new Map<number, string>();
  const names: string[] = [];

  const form = (context: number): 'implicit' | 'explicit' | 'big' | 'guess' | null => {
    const syntax = syntaxes.get(context);
    if (syntax === undefined) return 'guess';
    if (syntax === DEFLATED) return null;
    return syntax === IMPLICIT ? 'implicit' : syntax === BIG ? 'big' : 'explicit';
  };

  const finishSet = (flow: Flow, way: Way): void => {
    const { set } = way;
    way.set = null;
    if (!set) return;
    const person = [...set.fields].some((field) => field.startsWith('(0010'));
    if (person) report.patient(flow, 'dicom', way.what, { fields: set.fields, identity: set.identity }, names);
  };

  const fragment = (flow: Flow, way: Way, b: Uint8Array, start: number, end: number): void => {
    if ((way.header & 1) === 1) {
      way.command ??= createDataSet('implicit', true);
      way.command.feed(b, start, end);
    } else {
      if (way.set === null) {
        const how = form(way.context);
        way.set = createDataSet(how ?? 'guess');
        way.set.done = how === null;
      }
      way.set.feed(b, start, end);
    }
    way.pdvLeft -= end - start;
    way.pduLeft -= end - start;
    if (way.pdvLeft === 0) endFragment(flow, way);
  };

  const endFragment = (flow: Flow, way: Way): void => {
    if ((way.header & 2) === 0) return;
    if ((way.header & 1) === 0) {
      finishSet(flow, way);
      return;
    }
    way.what = COMMANDS[way.command?.command ?? 0] ?? 'data set';
    way.command = null;
  };

  const associate = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number, request: boolean): void => {
    if (request) names.push(latin1(b, at + 26, at + 42), latin1(b, at + 10, at + 26));
    flow.client = request ? dir : dir ^ 1;
    if (request) {
      report.said(flow, dir, 'dicom-title', names[0] ?? '');
      report.said(flow, dir ^ 1, 'dicom-title', names[1] ?? '');
    }
    report.clinical(flow, 'dicom', request ? 'association request' : 'association accepted', names);
    for (let here = at + 74; here + 4 <= end; ) {
      const length = be16(b, here + 2);
      const next = here + 4 + length;
      if (next > end) return;
      if (b[here] === 0x21 && b[here + 6] === 0) {
        for (let sub = here + 8; sub + 4 <= next; sub += 4 + be16(b, sub + 2))
          if (b[sub] === 0x40)
            syntaxes.set(
              b[here + 4]!,
              latin1(b, sub + 4, Math.min(next, sub + 4 + be16(b, sub + 2))).replace(/\0/g, ''),
            );
      } else if (b[here] === 0x50) {
        for (let sub = here + 4; sub + 4 <= next; sub += 4 + be16(b, sub + 2))
          if (b[sub] === 0x55) {
            const implementation = latin1(b, sub + 4, Math.min(next, sub + 4 + be16(b, sub + 2)));
            names.push(implementation);
            report.said(flow, dir, 'dicom-implementation', implementation);
          }
      }
      here = next;
    }
  };

  /** Reads what stands at the boundary of a PDU; answers the next position, -1 when bytes are missing, -2 when it is none. */
  const boundary = (flow: Flow, dir: number, b: Uint8Array, at: number, end: number): number => {
    if (end - at < 6) return -1;
    const type = b[at]!;
    const length = be32(b, at + 2);
    if (type < 1 || type > 7 || length > PDU_BYTES_MAX) return -2;
    if (type === 4) {
      ways[dir]!.pduLeft = length;
      return at + 6;
    }
    if (length > ASSOCIATE_BYTES_MAX) return -2;
    if (type > 2) return at + 6 + length;
    if (end - at < 6 + length) return -1;
    if (length >= 68 && syntaxes.size < 256 && names.length < 16)
      associate(flow, dir, b, at, at + 6 + length, type === 1);
    return at + 6 + length;
  };

  return {
    name: 'dicom',
    read(flow, dir, b, start, end) {
      const way = ways[dir]!;
      let at = start;
      while (at < end) {
        if (way.pdvLeft > 0) {
          if (way.set?.done === true && (way.header & 1) === 0) {
            // Pixel data and the rest are passed over unread.
            at += way.pdvLeft;
            way.pduLeft -= way.pdvLeft;
            way.pdvLeft = 0;
            endFragment(flow, way);
            continue;
          }
          const take = Math.min(end - at, way.pdvLeft);
          fragment(flow, way, b, at, at + take);
          at += take;
        } else if (way.pduLeft > 0) {
          if (end - at < 6) return at;
          const length = be32(b, at);
          if (length < 2 || length + 4 > way.pduLeft) {
            at += way.pduLeft;
            way.pduLeft = 0;
            continue;
          }
          way.context = b[at + 4]!;
          way.header = b[at + 5]!;
          way.pdvLeft = length - 2;
          way.pduLeft -= 6;
          at += 6;
          if (way.pdvLeft === 0) endFragment(flow, way);
        } else {
          const next = boundary(flow, dir, b, at, end);
          if (next === -1) return at;
          if (next === -2) {
            flow.parser = null;
            return end;
          }
          at = next;
        }
      }
      return at;
    },
    end(flow) {
      for (const way of ways) finishSet(flow, way);
    },
  };
}

/** A DICOM file inside something else (DICOMweb, e-mail): `DICM` after 128 bytes (PS3.10 section 7.1). */
export function readDicomFile(b: Uint8Array, start: number, end: number): DataSet | null {
  for (let at = start; at + 132 < end && at < start + 2048; at++) {
    if (b[at + 128] !== 0x44 || b[at + 129] !== 0x49 || b[at + 130] !== 0x43 || b[at + 131] !== 0x4d) continue;
    let here = at + 132;
    // The meta group is explicit little endian always and says how the rest is written.
    let syntax = '';
    while (here + 8 <= end && le16(b, here) === 2) {
      const long = b[here + 4] === 0x4f || b[here + 4] === 0x55;
      const wide = long && (b[here + 5] === 0x42 || b[here + 5] === 0x4e || b[here + 5] === 0x54);
      const length = wide ? le16(b, here + 8) | (le16(b, here + 10) << 16) : le16(b, here + 6);
      const value = here + (wide ? 12 : 8);
      if (length < 0) return null;
      if (le16(b, here + 2) === 0x10) syntax = latin1(b, value, Math.min(end, value + length)).replace(/\0/g, '');
      here = value + length;
    }
    if (syntax === DEFLATED) return null;
    const set = createDataSet(syntax === IMPLICIT ? 'implicit' : syntax === BIG ? 'big' : 'explicit');
    if (here < end) set.feed(b, here, end);
    return set;
  }
  return null;
}

/** A DICOM file that is sent as it is, over FTP for one: 128 bytes of anything, then `DICM` and the meta group. */
export const isDicomFile = (b: Uint8Array, at: number, end: number): boolean =>
  end - at >= 140 &&
  b[at + 128] === 0x44 &&
  b[at + 129] === 0x49 &&
  b[at + 130] === 0x43 &&
  b[at + 131] === 0x4d &&
  le16(b, at + 132) === 2;

/** What identifies stands in the first kilobytes of a file. */
const FILE_BYTES = 16 * 1024;

export function createDicomFile(report: Report): Parser {
  const done = (flow: Flow, b: Uint8Array, start: number, end: number): void => {
    const set = readDicomFile(b, start, end);
    if (set && [...set.fields].some((field) => field.startsWith('(0010')))
      report.patient(flow, 'dicom', 'file', { fields: set.fields, identity: set.identity });
    else report.clinical(flow, 'dicom', 'file', []);
    flow.sealed = true;
  };
  let last: { b: Uint8Array; start: number; end: number } | null = null;
  return {
    name: 'dicom-file',
    read(flow, dir, b, start, end) {
      if (flow.client < 0) flow.client = dir;
      if (end - start < FILE_BYTES) {
        last = { b, start, end };
        return start;
      }
      done(flow, b, start, end);
      return end;
    },
    end(flow) {
      if (last !== null) done(flow, last.b, last.start, last.end);
    },
  };
}

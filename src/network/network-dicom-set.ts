/** A DICOM data set read as it streams by: which identifying elements are filled (PS3.5 section 7, PS3.6 table 6-1). */

/** Identifying elements and what they are called. */
const IDENTIFYING: ReadonlyMap<number, string> = new Map([
  [0x00080050, '(0008,0050)'],
  [0x00100010, '(0010,0010)'],
  [0x00100020, '(0010,0020)'],
  [0x00100030, '(0010,0030)'],
  [0x00100032, '(0010,0032)'],
  [0x00101000, '(0010,1000)'],
  [0x00101001, '(0010,1001)'],
  [0x00101005, '(0010,1005)'],
  [0x00101040, '(0010,1040)'],
  [0x00101060, '(0010,1060)'],
  [0x00102154, '(0010,2154)'],
]);
const PATIENT_ID = 0x00100020;
const PATIENT_NAME = 0x00100010;
const COMMAND_FIELD = 0x00000100;
const VALUE_BYTES_MAX = 256;
const HELD_BYTES = VALUE_BYTES_MAX + 12;
const NOTHING = new Uint8Array(0);
const UNDEFINED = 0xffffffff;
const DEPTH_MAX = 32;

export interface DataSet {
  readonly fields: Set<string>;
  identity: string;
  command: number;
  /** Nothing that identifies can follow. */
  done: boolean;
  feed(b: Uint8Array, start: number, end: number): void;
}

/** VRs whose length takes four bytes after two reserved ones (PS3.5 table 7.1-1). */
const LONG = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

export function createDataSet(form: 'implicit' | 'explicit' | 'big' | 'guess', command = false): DataSet {
  /** Made when an element first lies across two pieces. */
  let held = NOTHING;
  let heldLength = 0;
  let skip = 0;
  let depth = 0;
  let explicit = form === 'explicit' || form === 'big' ? true : form === 'implicit' ? false : null;
  const little = form !== 'big';
  const u16 = (b: Uint8Array, i: number) => (little ? b[i]! | (b[i + 1]! << 8) : (b[i]! << 8) | b[i + 1]!);
  const u32 = (b: Uint8Array, i: number) =>
    (little ? u16(b, i) | (u16(b, i + 2) << 16) : (u16(b, i) << 16) | u16(b, i + 2)) >>> 0;

  const value = (tag: number, b: Uint8Array, at: number, length: number): void => {
    if (command) {
      if (tag === COMMAND_FIELD && length === 2) set.command = u16(b, at);
      return;
    }
    const path = IDENTIFYING.get(tag);
    if (path === undefined) return;
    const text = Buffer.from(b.buffer, b.byteOffset + at, length)
      .toString('latin1')
      .replace(/[\0 ^=*?]+/g, ' ')
      .trim();
    if (text === '') return;
    set.fields.add(path);
    if (tag === PATIENT_ID || (tag === PATIENT_NAME && set.identity === '')) set.identity = text;
  };

  /** Reads one element at `at`; answers the position after it, -1 when bytes are missing. */
  const element = (b: Uint8Array, at: number, end: number): number => {
    if (end - at < 8) return -1;
    const tag = ((u16(b, at) << 16) | u16(b, at + 2)) >>> 0;
    const group = tag >>> 16;
    if (group === 0xfffe) {
      const length = u32(b, at + 4);
      if (tag === 0xfffee000 && length === UNDEFINED) depth++;
      else if (tag === 0xfffee00d || tag === 0xfffee0dd) depth = Math.max(0, depth - 1);
      return at + 8;
    }
    if (depth > DEPTH_MAX || (depth === 0 && group > 0x0010)) {
      set.done = true;
      return end;
    }
    const vr = String.fromCharCode(b[at + 4]!, b[at + 5]!);
    explicit ??= /^[A-Z]{2}$/.test(vr);
    let header = 8;
    let length: number;
    if (!explicit) length = u32(b, at + 4);
    else if (LONG.has(vr)) {
      if (end - at < 12) return -1;
      header = 12;
      length = u32(b, at + 8);
    } else length = u16(b, at + 6);
    if (length === UNDEFINED) {
      depth++;
      return at + header;
    }
    const path = IDENTIFYING.get(tag);
    if (length <= VALUE_BYTES_MAX && (command || path !== undefined)) {
      if (end - at < header + length) return -1;
      value(tag, b, at + header, length);
    } else if (path !== undefined) set.fields.add(path);
    return at + header + length;
  };

  const run = (b: Uint8Array, start: number, end: number): number => {
    let at = start;
    while (at < end && !set.done) {
      const next = element(b, at, end);
      if (next < 0) return at;
      at = next;
    }
    return at;
  };

  const set: DataSet = {
    fields: new Set(),
    identity: '',
    command: 0,
    done: false,
    feed(b, from, end) {
      let start = from;
      if (skip > 0) {
        const passed = Math.min(skip, end - start);
        skip -= passed;
        start += passed;
      }
      while (start < end && heldLength > 0 && !set.done) {
        const room = Math.min(held.length - heldLength, end - start);
        held.set(b.subarray(start, start + room), heldLength);
        const had = heldLength;
        heldLength += room;
        const next = element(held, 0, heldLength);
        if (next < 0) {
          start += room;
          if (heldLength === held.length) set.done = true;
          continue;
        }
        heldLength = 0;
        start += Math.max(0, next - had);
      }
      if (start > end) {
        skip = start - end;
        return;
      }
      if (set.done || start >= end) return;
      const at = run(b, start, end);
      if (at > end) skip = at - end;
      else if (at < end && !set.done) {
        if (held.length === 0) held = new Uint8Array(HELD_BYTES);
        heldLength = Math.min(end - at, held.length);
        held.set(b.subarray(at, at + heldLength), 0);
      }
    },
  };
  return set;
}

/** Capture formats as a push parser: pcap (µs, ns, both byte orders) and pcapng, streaming, with one bounded remainder. */

/** Takes one packet where it lies in `bytes`; nothing may keep the buffer. */
export type PacketSink = (
  bytes: Uint8Array,
  start: number,
  end: number,
  originalLength: number,
  timeMs: number,
  link: number,
) => void;

/** Where pieces are put before packets are found in them. */
export interface Pieces {
  readonly bytesMax: number;
  /** Room for the next piece: what is read into it need not be copied. */
  room(): Uint8Array;
  /** The piece, in its new place. */
  take(piece: Uint8Array): Uint8Array;
  /** All packets that end in it were handed over. */
  done(): void;
}

export interface CaptureEnd {
  readonly format: 'pcap' | 'pcapng' | 'unknown';
  readonly packets: number;
  /** Packets that the capturing program says it lost (pcapng interface statistics). */
  readonly dropped: number;
  /** What is wrong with the file, in plain words; everything before it was read. */
  readonly fault: string | null;
}

export interface CaptureReader {
  push(chunk: Uint8Array): void;
  end(): CaptureEnd;
  packets(): number;
}

/** libpcap's own ceiling is 262,144; jumbo USB captures reach 128 MiB, which no network packet does. */
const PACKET_BYTES_MAX = 1 << 20;
const BLOCK_BYTES_MAX = 4 << 20;
const INTERFACES_MAX = 4096;

/** Magic as it stands in the file → little-endian?, milliseconds of one unit. */
const PCAP_FORMS: ReadonlyMap<number, readonly [boolean, number]> = new Map([
  [0xa1b2c3d4, [false, 0.001]],
  [0xd4c3b2a1, [true, 0.001]],
  [0xa1b23c4d, [false, 0.000001]],
  [0x4d3cb2a1, [true, 0.000001]],
]);
/** Longer than nearly every record. */
const SEAM_BYTES = 64 * 1024;
const NONE = new Uint8Array(0);

interface State {
  format: CaptureEnd['format'];
  little: boolean;
  /** pcap: milliseconds of one unit of the fraction. */
  unitMs: number;
  link: number;
  packets: number;
  dropped: number;
  fault: string | null;
  interfaces: { link: number; snap: number; unitMs: number; offsetMs: number }[];
}

/** Reads a capture from the chunks pushed into it. After a fault the rest is ignored and the fault is told at the end. */
export function createCaptureReader(sink: PacketSink, pieces?: Pieces): CaptureReader {
  const state: State = {
    format: 'unknown',
    little: true,
    unitMs: 0.001,
    link: 0,
    packets: 0,
    dropped: 0,
    fault: null,
    interfaces: [],
  };
  let rest: Uint8Array = NONE;
  const read = (bytes: Uint8Array): number => {
    let at = 0;
    if (state.format === 'unknown') {
      if (bytes.length < 4) return 0;
      at = readMagic(state, bytes);
      if (at < 0) return 0;
    }
    if (state.fault !== null) return bytes.length;
    return state.format === 'pcap' ? readPcap(state, bytes, at, sink) : readPcapng(state, bytes, at, sink);
  };
  const push = (chunk: Uint8Array): void => {
    if (state.fault !== null) return;
    let bytes = chunk;
    if (rest.length > 0) {
      // Only the record that lies across both pieces is copied, not the whole piece behind it.
      const seam = joined(rest, chunk.subarray(0, SEAM_BYTES));
      const used = seam.length < rest.length + chunk.length ? read(seam) : 0;
      if (used >= rest.length) bytes = chunk.subarray(used - rest.length);
      else bytes = joined(used === 0 ? rest : rest.subarray(used), chunk);
    }
    const done = read(bytes);
    rest = done >= bytes.length ? NONE : bytes.slice(done);
  };
  return {
    push(piece) {
      // One kind of array all the way down: reading a Buffer here and a Uint8Array there costs every loop behind.
      const chunk = new Uint8Array(piece.buffer, piece.byteOffset, piece.length);
      if (pieces === undefined) {
        push(chunk);
        return;
      }
      for (let at = 0; at < chunk.length; at += pieces.bytesMax) {
        push(pieces.take(chunk.subarray(at, at + pieces.bytesMax)));
        pieces.done();
      }
    },
    end() {
      const fault =
        state.fault ??
        (rest.length > 0 ? 'ends in the middle of a packet' : state.format === 'unknown' ? 'is empty' : null);
      return { format: state.format, packets: state.packets, dropped: state.dropped, fault };
    },
    packets: () => state.packets,
  };
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function u32(b: Uint8Array, i: number, little: boolean): number {
  return (
    (little
      ? b[i]! | (b[i + 1]! << 8) | (b[i + 2]! << 16) | (b[i + 3]! << 24)
      : (b[i]! << 24) | (b[i + 1]! << 16) | (b[i + 2]! << 8) | b[i + 3]!) >>> 0
  );
}

function u16(b: Uint8Array, i: number, little: boolean): number {
  return little ? b[i]! | (b[i + 1]! << 8) : (b[i]! << 8) | b[i + 1]!;
}

/** Answers where the records begin, or -1 when more bytes are needed (draft-ietf-opsawg-pcap section 4, -pcapng section 4.1). */
function readMagic(state: State, bytes: Uint8Array): number {
  const magic = u32(bytes, 0, false);
  if (magic === 0x0a0d0d0a) {
    state.format = 'pcapng';
    return 0;
  }
  const form = PCAP_FORMS.get(magic);
  if (!form) {
    state.fault = 'is neither pcap nor pcapng';
    return 0;
  }
  if (bytes.length < 24) return -1;
  state.format = 'pcap';
  [state.little, state.unitMs] = form;
  state.link = u32(bytes, 20, state.little) & 0xffff;
  return 24;
}

function readPcap(state: State, bytes: Uint8Array, from: number, sink: PacketSink): number {
  const { little, unitMs, link } = state;
  let at = from;
  while (at + 16 <= bytes.length) {
    const length = u32(bytes, at + 8, little);
    if (length > PACKET_BYTES_MAX) {
      state.fault = `claims a packet of ${length} bytes after packet ${state.packets}; the rest is not read`;
      return bytes.length;
    }
    const end = at + 16 + length;
    if (end > bytes.length) break;
    state.packets++;
    const timeMs = u32(bytes, at, little) * 1000 + u32(bytes, at + 4, little) * unitMs;
    sink(bytes, at + 16, end, u32(bytes, at + 12, little), timeMs, link);
    at = end;
  }
  return at;
}

function readPcapng(state: State, bytes: Uint8Array, from: number, sink: PacketSink): number {
  let at = from;
  while (at + 12 <= bytes.length) {
    const type = u32(bytes, at, state.little);
    if (type === 0x0a0d0d0a) {
      const order = u32(bytes, at + 8, false);
      if (order !== 0x1a2b3c4d && order !== 0x4d3c2b1a) {
        state.fault = 'has a section without a byte order; the rest is not read';
        return bytes.length;
      }
      state.little = order === 0x4d3c2b1a;
      state.interfaces = [];
    }
    const length = u32(bytes, at + 4, state.little);
    if (length < 12 || length > BLOCK_BYTES_MAX || length % 4 !== 0) {
      state.fault = `has a block of ${length} bytes after packet ${state.packets}; the rest is not read`;
      return bytes.length;
    }
    if (at + length > bytes.length) break;
    pcapngBlock(state, type, bytes, at + 8, at + length - 4, sink);
    at += length;
  }
  return at;
}

function pcapngBlock(state: State, type: number, b: Uint8Array, at: number, end: number, sink: PacketSink): void {
  const { little } = state;
  if (type === 1 && end - at >= 8) {
    if (state.interfaces.length < INTERFACES_MAX) state.interfaces.push(interfaceOf(b, at, end, little));
  } else if ((type === 6 || type === 2) && end - at >= 20) {
    const id = type === 6 ? u32(b, at, little) : u16(b, at, little);
    const face = state.interfaces[id];
    const captured = u32(b, at + 12, little);
    if (!face || captured > end - at - 20) return;
    state.packets++;
    const units = u32(b, at + 4, little) * 4294967296 + u32(b, at + 8, little);
    sink(b, at + 20, at + 20 + captured, u32(b, at + 16, little), units * face.unitMs + face.offsetMs, face.link);
  } else if (type === 3 && end - at >= 4) {
    const face = state.interfaces[0];
    if (!face) return;
    state.packets++;
    const original = u32(b, at, little);
    const captured = Math.min(original, face.snap === 0 ? original : face.snap, end - at - 4);
    sink(b, at + 4, at + 4 + captured, original, 0, face.link);
  } else if (type === 5 && end - at >= 12) {
    option(b, at + 12, end, little, 5, (i, length) => {
      if (length === 8) state.dropped += u32(b, little ? i : i + 4, little);
    });
  }
}

function interfaceOf(b: Uint8Array, at: number, end: number, little: boolean): State['interfaces'][number] {
  let unitMs = 0.001;
  let offsetMs = 0;
  option(b, at + 8, end, little, 9, (i) => {
    const resolution = b[i]!;
    unitMs = resolution & 0x80 ? 1000 / 2 ** (resolution & 0x7f) : 1000 / 10 ** Math.min(resolution, 18);
  });
  option(b, at + 8, end, little, 14, (i, length) => {
    if (length === 8) offsetMs = u32(b, little ? i : i + 4, little) * 1000;
  });
  return { link: u16(b, at, little), snap: u32(b, at + 4, little), unitMs, offsetMs };
}

function option(
  b: Uint8Array,
  from: number,
  end: number,
  little: boolean,
  code: number,
  found: (at: number, length: number) => void,
): void {
  for (let at = from; at + 4 <= end; ) {
    const length = u16(b, at + 2, little);
    if (u16(b, at, little) === 0 || at + 4 + length > end) return;
    if (u16(b, at, little) === code && length > 0) found(at + 4, length);
    at += 4 + ((length + 3) & ~3);
  }
}

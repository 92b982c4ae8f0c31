/** IP fragments put together: what arrived first wins, with ceilings on datagrams, bytes and age. */

const DATAGRAMS_MAX = 1024;
/** RFC 791: nothing is longer. */
const DATAGRAM_BYTES_MAX = 65_535;
const PIECES_MAX = 128;
/** RFC 8200 section 4.5 gives up after 60 seconds. */
const AGE_MS_MAX = 60_000;

interface Datagram {
  bytes: Uint8Array;
  /** Covered ranges in order, without overlaps: start, end, start, end … */
  ranges: number[];
  total: number;
  timeMs: number;
}

export interface Fragments {
  /** Adds a piece; the whole payload when it is complete. */
  add(
    key: string,
    offset: number,
    more: boolean,
    b: Uint8Array,
    start: number,
    end: number,
    timeMs: number,
  ): Uint8Array | null;
  lost(): number;
}

export function createFragments(): Fragments {
  const open = new Map<string, Datagram>();
  let lost = 0;
  return {
    lost: () => lost,
    add(key, offset, more, b, start, end, timeMs) {
      const length = end - start;
      if (length <= 0 || offset + length > DATAGRAM_BYTES_MAX) {
        lost++;
        return null;
      }
      let datagram = open.get(key);
      if (datagram && timeMs - datagram.timeMs > AGE_MS_MAX) {
        open.delete(key);
        lost++;
        datagram = undefined;
      }
      if (!datagram) {
        if (open.size >= DATAGRAMS_MAX) {
          // A map keeps its order: the first is the oldest.
          for (const oldest of open.keys()) {
            open.delete(oldest);
            lost++;
            break;
          }
        }
        datagram = { bytes: new Uint8Array(Math.max(2048, offset + length)), ranges: [], total: -1, timeMs };
        open.set(key, datagram);
      }
      place(datagram, offset, b, start, length);
      if (!more && datagram.total < 0) datagram.total = offset + length;
      if (datagram.ranges.length > PIECES_MAX * 2) {
        open.delete(key);
        lost++;
        return null;
      }
      const complete = datagram.ranges.length === 2 && datagram.ranges[0] === 0 && datagram.total >= 0;
      if (!complete || datagram.ranges[1]! < datagram.total) return null;
      open.delete(key);
      return datagram.bytes.subarray(0, datagram.total);
    },
  };
}

/** Copies only what is not covered yet and joins the ranges. */
function place(datagram: Datagram, offset: number, b: Uint8Array, start: number, length: number): void {
  const end = offset + length;
  if (datagram.bytes.length < end) {
    const bigger = new Uint8Array(Math.min(DATAGRAM_BYTES_MAX, end * 2));
    bigger.set(datagram.bytes);
    datagram.bytes = bigger;
  }
  const { ranges } = datagram;
  const put = (from: number, to: number) => {
    if (to > from) datagram.bytes.set(b.subarray(start + from - offset, start + to - offset), from);
  };
  const joined: number[] = [];
  let low = offset;
  let high = end;
  let at = offset;
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i]!;
    const to = ranges[i + 1]!;
    if (to < offset || from > end) {
      joined.push(from, to);
      continue;
    }
    put(at, Math.min(from, end));
    at = Math.max(at, to);
    low = Math.min(low, from);
    high = Math.max(high, to);
  }
  put(at, end);
  joined.push(low, high);
  const pairs: [number, number][] = [];
  for (let i = 0; i < joined.length; i += 2) pairs.push([joined[i]!, joined[i + 1]!]);
  datagram.ranges = pairs.toSorted((a, z) => a[0] - z[0]).flat();
}

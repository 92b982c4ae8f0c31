/** Gathers records into the bytes and end offsets of one block; hot path: one copy a record, no object a record. */

import { LIMITS } from '../core/index.ts';

/** Records gathered before a block is handed on, in bytes: large enough for one fsync to carry much, small in memory. */
export const GATHER_BYTES = 192 * 1024;
/** Requests and files need no low delay: their blocks are as large as one record more still fits. */
export const BULK_BYTES = LIMITS.blockBytesMax - LIMITS.recordBytesMax;

const FIRST_CAPACITY = 2048;

export interface Gather {
  /** Adds one record; what is longer than a record may be is cut, and `false` is answered. */
  add(bytes: Uint8Array, start: number, end: number): boolean;
  /** Emits what is there. */
  flush(): void;
  readonly count: number;
  readonly bytes: number;
}

/**
 * @param targetBytes a block is emitted as soon as it has this many bytes (or `LIMITS.blockRecordsMax` records), so the
 *   cuts depend on nothing but the records: the same input always makes the same blocks.
 */
export function createGather(targetBytes: number, emit: (data: Uint8Array, ends: Uint32Array) => void): Gather {
  let data: Buffer = Buffer.allocUnsafeSlow(FIRST_CAPACITY);
  let ends = new Uint32Array(64);
  let used = 0;
  let count = 0;

  const flush = () => {
    if (count === 0) return;
    const fullData = used > data.length / 2 ? data.subarray(0, used) : Buffer.from(data.subarray(0, used));
    const fullEnds = ends.slice(0, count);
    // The next block will probably be as large as this one was.
    if (fullData.buffer === data.buffer) {
      data = Buffer.allocUnsafeSlow(Math.min(Math.max(used + (used >> 2), FIRST_CAPACITY), targetBytes + 65_536));
    }
    used = 0;
    count = 0;
    emit(fullData, fullEnds);
  };

  const makeRoom = (needed: number) => {
    if (needed > data.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(data.length * 2, targetBytes + 65_536)));
      data.copy(grown, 0, 0, used);
      data = grown;
    }
    if (count === ends.length) {
      const grown = new Uint32Array(ends.length * 2);
      grown.set(ends);
      ends = grown;
    }
  };

  return {
    add(bytes, start, end) {
      const whole = end - start <= LIMITS.recordBytesMax;
      const length = whole ? end - start : LIMITS.recordBytesMax;
      makeRoom(used + length);
      if (length < 96) {
        // A call into native code costs more than copying a short line here.
        for (let i = 0; i < length; i++) data[used + i] = bytes[start + i] as number;
      } else {
        data.set(bytes.subarray(start, start + length), used);
      }
      used += length;
      ends[count++] = used;
      if (used >= targetBytes || count === LIMITS.blockRecordsMax) flush();
      return whole;
    },
    flush,
    get count() {
      return count;
    },
    get bytes() {
      return used;
    },
  };
}

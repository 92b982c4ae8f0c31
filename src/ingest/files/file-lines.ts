/** Cuts what was read of a file into records with the offset after each; depends on nothing but the bytes from there on. */

import { LIMITS } from '../../core/index.ts';

export interface FileSlice {
  readonly data: Uint8Array;
  readonly ends: Uint32Array;
  /** Offset in the file behind each record and its line ending. */
  readonly next: readonly number[];
  /** Offset of the first record's first byte: what comes before it is empty lines. */
  readonly start: number;
  /** Offset behind everything that was consumed. */
  readonly end: number;
  /** Lines longer than a record may be; they go on in the next record. */
  readonly cut: number;
}

const LF = 10;
const CR = 13;

/**
 * @param bytes what the file holds from `base` on, as far as it was read
 * @param final nothing will follow: an unfinished last line is a record
 */
export function sliceLines(bytes: Buffer, base: number, final: boolean): FileSlice {
  const data = Buffer.allocUnsafeSlow(bytes.length);
  const ends: number[] = [];
  const next: number[] = [];
  let used = 0;
  let start = -1;
  let cut = 0;
  let at = 0;
  const add = (from: number, to: number, after: number) => {
    const last = to > from && bytes[to - 1] === CR ? to - 1 : to;
    if (last > from) {
      if (start < 0) start = base + from;
      bytes.copy(data, used, from, last);
      used += last - from;
      ends.push(used);
      next.push(base + after);
    }
    at = after;
  };
  while (at < bytes.length && ends.length < LIMITS.blockRecordsMax) {
    // A writer that does not append leaves NUL bytes where a truncated file was (copytruncate).
    let from = at;
    while (from < bytes.length && bytes[from] === 0) from++;
    const lf = bytes.indexOf(LF, from);
    const to = lf < 0 ? bytes.length : lf;
    if (to - from > LIMITS.recordBytesMax) {
      cut++;
      add(from, from + LIMITS.recordBytesMax, from + LIMITS.recordBytesMax);
    } else if (lf >= 0) {
      add(from, lf, lf + 1);
    } else if (final) {
      add(from, to, to);
    } else {
      at = from;
      break;
    }
  }
  return {
    data: used > bytes.length / 2 ? data.subarray(0, used) : Buffer.from(data.subarray(0, used)),
    ends: Uint32Array.from(ends),
    next,
    start: start < 0 ? base + at : start,
    end: base + at,
    cut,
  };
}

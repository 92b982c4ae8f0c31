/**
 * For each value of the indexed columns of one file: the minutes in which it occurs, and how often. A histogram of one
 * address is read off, and a search knows how many events each file will give before it opens any. Values stand there as
 * they are (in lower case), so the answer is exact.
 */

import { FANOUT_BYTES, valueHash } from './archive-index.ts';

/** Minute since 1970 and events in it, ascending. */
export type Minutes = readonly (readonly [minute: number, count: number])[];

export interface PostingsBuilder {
  /** @param column its place in `INDEXED_COLUMNS` */
  add(column: number, value: string, minute: number, count: number): void;
  /** The different values of a column so far. */
  values(column: number): Iterable<string>;
  /** Forgets a column with more than can be kept. */
  drop(column: number): void;
  finish(): Buffer;
}

const BUCKETS = 256;
/** Times reach from -144,000,000 to 144,000,000 minutes (`TIME_MS_MAX`). */
const MINUTE_ZERO = 150_000_000;

const bucketOf = (name: string, value: string): number => valueHash(name, value) >>> 24;

/** Growing bytes with numbers of variable length (LEB128). */
function createBytes() {
  let bytes = Buffer.allocUnsafe(4096);
  let used = 0;
  const room = (more: number): void => {
    if (used + more <= bytes.length) return;
    const larger = Buffer.allocUnsafe(Math.max(bytes.length * 2, used + more));
    bytes.copy(larger, 0, 0, used);
    bytes = larger;
  };
  return {
    number(value: number): void {
      room(5);
      let rest = value;
      while (rest >= 128) {
        bytes[used++] = (rest & 127) | 128;
        rest >>>= 7;
      }
      bytes[used++] = rest;
    },
    put(more: Uint8Array): void {
      room(more.length);
      bytes.set(more, used);
      used += more.length;
    },
    get view(): Buffer {
      return bytes.subarray(0, used);
    },
    reset(): void {
      used = 0;
    },
  };
}

type Bytes = ReturnType<typeof createBytes>;

/** Distance to the minute before and a small count in one number; larger counts follow. */
function putMinutes(bytes: Bytes, flat: readonly number[]): void {
  const pairs: [number, number][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([flat[i] as number, flat[i + 1] as number]);
  pairs.sort((a, b) => a[0] - b[0]);
  let before = -MINUTE_ZERO;
  for (const [minute, count] of pairs) {
    bytes.number(((minute - before) << 2) | (Math.min(count, 4) - 1));
    if (count >= 4) bytes.number(count - 4);
    before = minute;
  }
}

export function createPostings(names: readonly string[]): PostingsBuilder {
  const columns = names.map(() => new Map<string, number[]>());
  return {
    add(column, value, minute, count) {
      const known = columns[column]?.get(value);
      if (known === undefined) columns[column]?.set(value, [minute, count]);
      else known.push(minute, count);
    },
    values: (column) => columns[column]?.keys() ?? [],
    drop: (column) => columns[column]?.clear(),
    finish() {
      const buckets = Array.from({ length: BUCKETS }, createBytes);
      const minutes = createBytes();
      for (const [column, values] of columns.entries()) {
        for (const [value, flat] of values) {
          const bucket = buckets[bucketOf(names[column] as string, value)] as Bytes;
          const text = Buffer.from(value);
          minutes.reset();
          putMinutes(minutes, flat);
          bucket.number(column);
          bucket.number(text.length);
          bucket.put(text);
          bucket.number(minutes.view.length);
          bucket.put(minutes.view);
        }
      }
      const fanout = Buffer.alloc(FANOUT_BYTES);
      let at = FANOUT_BYTES;
      for (const [i, bucket] of buckets.entries()) {
        fanout.writeUInt32LE(at, i * 4);
        at += bucket.view.length;
      }
      fanout.writeUInt32LE(at, BUCKETS * 4);
      return Buffer.concat([fanout, ...buckets.map((bucket) => bucket.view)], at);
    },
  };
}

/** Where in the postings a value would stand: first byte and the one after the last. */
export function bucketSpan(fanout: Buffer, name: string, value: string): [number, number] {
  const bucket = bucketOf(name, value);
  return [fanout.readUInt32LE(bucket * 4), fanout.readUInt32LE(bucket * 4 + 4)];
}

/** The minutes of one value in its bucket; empty when it does not occur; null when the bytes make no sense. */
export function minutesIn(bucket: Buffer, column: number, value: string): Minutes | null {
  let at = 0;
  const number = (): number => {
    let value = 0;
    for (let shift = 0; shift < 35; shift += 7) {
      const byte = bucket[at++];
      if (byte === undefined) return Number.NaN;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    return Number.NaN;
  };
  const wanted = Buffer.from(value);
  while (at < bucket.length) {
    const which = number();
    const length = number();
    const textEnd = at + length;
    const same = which === column && length === wanted.length && bucket.subarray(at, textEnd).equals(wanted);
    at = textEnd;
    const end = number() + at;
    if (!(end <= bucket.length)) return null;
    if (!same) {
      at = end;
      continue;
    }
    const minutes: [number, number][] = [];
    let minute = -MINUTE_ZERO;
    while (at < end) {
      const code = number();
      minute += Math.floor(code / 4);
      const small = (code % 4) + 1;
      minutes.push([minute, small < 4 ? small : number() + 4]);
    }
    return at === end ? minutes : null;
  }
  return [];
}

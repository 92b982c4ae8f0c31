/**
 * The side index of one sealed file: a Bloom filter (Bloom 1970; double hashing after Kirsch and Mitzenmacher 2006) over
 * addresses, names and hashes, their postings by minute, the pieces of words in raw records, events by minute, and how
 * original fields were folded. Searches ask it before they open the file; many histograms need nothing else.
 */

import { createHash } from 'node:crypto';
import type { NormalisedColumn } from '../core/index.ts';

/** What one searches a whole archive for. */
export const INDEXED_COLUMNS = [
  'src_ip',
  'dst_ip',
  'user',
  'target_user',
  'host',
  'src_host',
  'dst_host',
  'domain',
  'hash',
] as const satisfies readonly NormalisedColumn[];

export interface SideIndex {
  /** Minute since 1970 and events in it, ascending; null when there are too many to list. */
  readonly minutes: readonly (readonly [number, number])[] | null;
  /** The different `fields_same` texts; null when there are too many. */
  readonly same: readonly string[] | null;
  readonly bloom: Uint8Array;
  /** The columns with a value anywhere in the file; null when nobody looked. */
  readonly columns: readonly string[] | null;
  /** Indexed columns whose values are all in the postings. */
  readonly posted: readonly string[];
  /** Where the buckets of the postings begin; null without postings. */
  readonly fanout: Buffer | null;
  /** Places in the index file: where the postings, the pieces of words and the keys begin, and its end. */
  readonly postingsAt: number;
  readonly gramsAt: number;
  readonly keysAt: number;
  readonly end: number;
}

/** What an index file is made of. */
export interface IndexParts extends Pick<SideIndex, 'minutes' | 'same' | 'bloom' | 'columns' | 'posted'> {
  readonly postings: Uint8Array;
  readonly grams: Uint8Array;
  readonly keys: Uint8Array;
}

export const MINUTES_MAX = 4096;
export const SAME_MAX = 256;

/** Ten bits a value and seven probes: one in a hundred files is opened in vain. */
const BITS_PER_VALUE = 10;
const PROBES = 7;
const BLOOM_BYTES_MIN = 64;
const BLOOM_BYTES_MAX = 2 * 1024 * 1024;
/** The line in front holds at most `MINUTES_MAX` and `SAME_MAX` items. */
const INDEX_LINE_MAX = 4 * 1024 * 1024;
/** The table in front of the postings: 256 buckets and the end. */
export const FANOUT_BYTES = 257 * 4;

function hashes(column: string, value: string): [number, number] {
  let a = 0x811c9dc5;
  let b = 0x9747b28c;
  const mix = (unit: number) => {
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x5bd1e995);
    b ^= b >>> 15;
  };
  for (let i = 0; i < column.length; i++) mix(column.charCodeAt(i));
  mix(0xffff);
  for (let i = 0; i < value.length; i++) mix(value.charCodeAt(i));
  return [finish(a), finish(b) | 1];
}

/** A number of 32 bits that says in which bucket of the postings a value stands. */
export const valueHash = (column: string, value: string): number => hashes(column, value)[0];

/** The finaliser of MurmurHash3: neighbours in, strangers out. */
function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

export function createBloom(values: number): Uint8Array {
  const wanted = Math.ceil((values * BITS_PER_VALUE) / 8);
  let size = BLOOM_BYTES_MIN;
  while (size < wanted && size < BLOOM_BYTES_MAX) size *= 2;
  return new Uint8Array(size);
}

/** @param value in lower case */
export function bloomAdd(bloom: Uint8Array, column: string, value: string): void {
  const [a, b] = hashes(column, value);
  const mask = bloom.length * 8 - 1;
  for (let i = 0; i < PROBES; i++) {
    const bit = (a + Math.imul(i, b)) & mask;
    bloom[bit >>> 3] = (bloom[bit >>> 3] as number) | (1 << (bit & 7));
  }
}

/** False only when the file certainly has no such value. */
export function bloomHas(bloom: Uint8Array, column: string, value: string): boolean {
  const [a, b] = hashes(column, value);
  const mask = bloom.length * 8 - 1;
  for (let i = 0; i < PROBES; i++) {
    const bit = (a + Math.imul(i, b)) & mask;
    if (((bloom[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

/** One line of JSON, then the filter's bytes, the postings, the pieces of words, the keys of observables. */
export function encodeIndex(parts: IndexParts): Buffer {
  const { minutes, same, columns, posted, bloom, postings, grams, keys } = parts;
  const sizes = { bytes: bloom.length, postings: postings.length, grams: grams.length, keys: keys.length };
  const head = { version: 3, minutes, same, columns, posted, ...sizes };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), bloom, postings, grams, keys]);
}

interface Head extends Pick<SideIndex, 'minutes' | 'same'> {
  readonly bytes: number;
  /** Absent in version 1, like what follows. */
  readonly postings?: number;
  readonly grams?: number;
  /** Absent in version 2. */
  readonly keys?: number;
  readonly columns?: readonly string[] | null;
  readonly posted?: readonly string[];
}

/** Bytes at the start of an index file that nearly always hold all that is kept of it. */
export const INDEX_START_BYTES = 48 * 1024;

/**
 * The index out of the first bytes of its file; a number when that many are needed; null when the bytes are not one (a
 * search then opens the file instead).
 */
export function decodeIndex(bytes: Buffer): SideIndex | number | null {
  const line = bytes.indexOf(10);
  if (line < 0) return bytes.length >= INDEX_LINE_MAX ? null : bytes.length * 4;
  try {
    const head = JSON.parse(bytes.toString('utf8', 0, line)) as Head;
    const size = head.bytes;
    if (!Number.isSafeInteger(size) || size < BLOOM_BYTES_MIN || size > BLOOM_BYTES_MAX || (size & (size - 1)) !== 0)
      return null;
    const postings = head.postings ?? 0;
    const postingsAt = line + 1 + size;
    const gramsAt = postingsAt + postings;
    const keysAt = gramsAt + (head.grams ?? 0);
    const needed = postingsAt + (postings === 0 ? 0 : FANOUT_BYTES);
    if (bytes.length < needed) return needed;
    return {
      minutes: head.minutes,
      same: head.same,
      columns: head.columns ?? null,
      posted: head.posted ?? [],
      bloom: Buffer.from(bytes.subarray(line + 1, postingsAt)),
      fanout: postings === 0 ? null : Buffer.from(bytes.subarray(postingsAt, needed)),
      postingsAt,
      gramsAt,
      keysAt,
      end: keysAt + (head.keys ?? 0),
    };
  } catch {
    return null;
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

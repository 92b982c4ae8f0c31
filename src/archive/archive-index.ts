/**
 * The side index of one sealed file: a Bloom filter (Bloom 1970; double hashing after Kirsch and Mitzenmacher 2006) over
 * addresses, names and hashes, events by minute, and how original fields were folded. A search for one address asks it
 * before it opens the file; a histogram without a query needs nothing else.
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
}

export const MINUTES_MAX = 4096;
export const SAME_MAX = 256;

/** Ten bits a value and seven probes: one in a hundred files is opened in vain. */
const BITS_PER_VALUE = 10;
const PROBES = 7;
const BLOOM_BYTES_MIN = 64;
const BLOOM_BYTES_MAX = 2 * 1024 * 1024;

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

/** One line of JSON, then the filter's bytes. */
export function encodeIndex(index: SideIndex): Buffer {
  const head = { version: 1, minutes: index.minutes, same: index.same, bytes: index.bloom.length };
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), index.bloom]);
}

/** The index; null when the bytes are not one (a search then opens the file instead). */
export function decodeIndex(bytes: Buffer): SideIndex | null {
  const end = bytes.indexOf(10);
  if (end < 0) return null;
  try {
    const head = JSON.parse(bytes.toString('utf8', 0, end)) as Pick<SideIndex, 'minutes' | 'same'> & { bytes: number };
    const bloom = bytes.subarray(end + 1);
    const size = bloom.length;
    if (size !== head.bytes || size < BLOOM_BYTES_MIN || (size & (size - 1)) !== 0) return null;
    return { minutes: head.minutes, same: head.same, bloom };
  } catch {
    return null;
  }
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/**
 * A million indicators in typed arrays: looked up by a hash of the text as it stands in an event, without cutting it out.
 * Hot path: each event asks some dozen times (`bench/bench-indicators.ts`). The same bytes are the file on disk.
 */

import { parseAddress } from '../detection-cidr.ts';
import type { IndicatorRecord } from './indicator-import.ts';
import { createSieve, type IndicatorSieve } from './indicator-sieve.ts';
import { addressText, INDICATOR_TYPES, type IndicatorType, maskWords } from './indicator-value.ts';

export interface IndicatorHit {
  readonly index: number;
  readonly type: IndicatorType;
  readonly value: string;
  readonly source: string;
  readonly confidence: number;
  readonly untilMs: number | null;
}

export interface IndicatorSet {
  readonly size: number;
  readonly counts: Readonly<Record<IndicatorType, number>>;
  /** Whether any address or network is IPv6. */
  readonly hasV6: boolean;
  /** What is asked first. */
  readonly sieve: IndicatorSieve;
  /** Looks up a piece of UTF-8; -1 when it is none. `end` is exclusive. IPv4 addresses are asked for by `findV4`. */
  find(type: IndicatorType, bytes: Uint8Array, start: number, end: number, nowMs: number): number;
  /** The longest suffix of a name that is an indicator; -1 when none is. */
  findDomain(bytes: Uint8Array, start: number, end: number, nowMs: number): number;
  /** The network that holds an address; -1 when none does. */
  findNetwork(words: readonly number[], nowMs: number): number;
  /** An IPv4 address as a number, itself or its network. */
  findV4(address: number, nowMs: number): number;
  at(index: number): IndicatorHit;
  /** Whose list it is from. */
  sourceOf(index: number): string;
}

/** What is written to disk, in this order, each array aligned to eight bytes. */
export interface IndicatorArrays {
  readonly sources: readonly string[];
  readonly until: Float64Array;
  readonly offsets: Uint32Array;
  readonly table: Uint32Array;
  readonly checks: Uint32Array;
  readonly sourceOf: Uint16Array;
  readonly types: Uint8Array;
  readonly confidence: Uint8Array;
  readonly bytes: Uint8Array;
}

const TYPE_SEED = 0x9e3779b9;
const seedOf = (type: number): number => Math.imul(type + 1, TYPE_SEED) | 0;
const T = Object.fromEntries(INDICATOR_TYPES.map((type, i) => [type, i])) as Record<IndicatorType, number>;

/** The finaliser of MurmurHash3. */
function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const lower = (unit: number): number => (unit >= 65 && unit <= 90 ? unit + 32 : unit);

/** Both hashes of a piece of text read backwards, so that a name's suffixes cost nothing extra. */
let hashA = 0;
let hashB = 0;
function hashBack(type: number, piece: Uint8Array, start: number, end: number): void {
  let a = seedOf(type);
  let b = ~a;
  for (let i = end - 1; i >= start; i--) {
    const unit = lower(piece[i] as number);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b, 31) + unit;
  }
  hashA = finish(a);
  hashB = finish(b);
}

/** @param records deduplicated; of the same value the more confident first */
export function buildIndicators(records: readonly IndicatorRecord[]): IndicatorArrays {
  const n = records.length;
  let capacity = 16;
  while (capacity < n * 2) capacity *= 2;
  const sources: string[] = [];
  const known = new Map<string, number>();
  const arrays = {
    sources,
    until: new Float64Array(n),
    offsets: new Uint32Array(n + 1),
    table: new Uint32Array(capacity),
    checks: new Uint32Array(capacity),
    sourceOf: new Uint16Array(n),
    types: new Uint8Array(n),
    confidence: new Uint8Array(n),
    bytes: new Uint8Array(records.reduce((sum, { value }) => sum + Buffer.byteLength(value), 0)),
  };
  const buffer = Buffer.from(arrays.bytes.buffer);
  let at = 0;
  for (const [i, record] of records.entries()) {
    const type = T[record.type];
    arrays.types[i] = type;
    arrays.confidence[i] = record.confidence;
    arrays.until[i] = record.untilMs ?? 0;
    let source = known.get(record.source);
    if (source === undefined) {
      source = Math.min(sources.length, 65_535);
      if (source === sources.length) sources.push(record.source);
      known.set(record.source, source);
    }
    arrays.sourceOf[i] = source;
    arrays.offsets[i] = at;
    at += buffer.write(record.value, at);
    if (record.type === 'cidr') hashNetwork(record.value);
    else if (record.type === 'address' && !record.value.includes(':')) hashV4(v4Of(record.value), 32);
    else hashBack(type, arrays.bytes, arrays.offsets[i] as number, at);
    put(arrays.table, arrays.checks, i);
  }
  arrays.offsets[n] = at;
  return arrays;
}

function put(table: Uint32Array, checks: Uint32Array, index: number): void {
  const mask = table.length - 1;
  let slot = hashA & mask;
  while (table[slot] !== 0) slot = (slot + 1) & mask;
  table[slot] = index + 1;
  checks[slot] = hashB;
}

function hashNetwork(value: string): void {
  const [base = '', bits = '0'] = value.split('/');
  if (base.includes(':')) hashV6(parseAddress(base) ?? [], Number(bits));
  else hashV4(v4Of(base), Number(bits));
}

/** A dotted address as a number, which the list has checked. */
function v4Of(text: string): number {
  const [high = 0, low = 0] = parseAddress(text) ?? [];
  return high * 65_536 + low;
}

function hashV4(address: number, bits: number): void {
  const masked = bits === 32 ? address | 0 : (address >>> (32 - bits)) << (32 - bits);
  hashA = finish(Math.imul(masked ^ bits, TYPE_SEED));
  hashB = finish(masked + Math.imul(bits, 0x01000193));
}

function hashV6(words: readonly number[], bits: number): void {
  let a = seedOf(T.cidr) ^ bits;
  let b = ~a;
  for (let i = 0; i * 16 < bits; i++) {
    const left = Math.min(16, bits - i * 16);
    const word = (words[i] as number) & ((0xffff << (16 - left)) & 0xffff);
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b, 31) + word;
  }
  hashA = finish(a);
  hashB = finish(b);
}

/** One bit a hash in a map small enough for the processor's cache: nine of ten look-ups end here. */
function createTableSieve(table: Uint32Array, checks: Uint32Array, count: number) {
  let bits = 15;
  while (2 ** bits < count * 8 && bits < 24) bits++;
  const map = new Uint32Array(2 ** (bits - 5));
  const shift = 32 - bits;
  for (let slot = 0; slot < table.length; slot++) {
    if (table[slot] === 0) continue;
    const at = (checks[slot] as number) >>> shift;
    map[at >>> 5] = (map[at >>> 5] as number) | (1 << (at & 31));
  }
  return (): boolean => {
    const at = hashB >>> shift;
    return ((map[at >>> 5] as number) & (1 << (at & 31))) !== 0;
  };
}

const TLD_BITS = 4096;

export function openIndicators(arrays: IndicatorArrays): IndicatorSet {
  const { until, offsets, table, checks, sourceOf, types, confidence, bytes, sources } = arrays;
  const mask = table.length - 1;
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const valueAt = (index: number): string => buffer.toString('utf8', offsets[index], offsets[index + 1]);
  const perType = INDICATOR_TYPES.map(() => 0);
  for (const type of types) perType[type] = (perType[type] as number) + 1;
  const prefixes = networkPrefixes(types, valueAt);
  const inTable = createTableSieve(table, checks, types.length);
  // Last labels that occur: a file name such as "setup.exe" ends there.
  const tlds = new Uint8Array(TLD_BITS);
  for (let i = 0; i < types.length; i++) {
    if (types[i] !== T.domain) continue;
    const from = offsets[i] as number;
    const end = offsets[i + 1] as number;
    const dot = bytes.subarray(from, end).lastIndexOf(46);
    hashBack(T.domain, bytes, from + dot + 1, end);
    tlds[hashA & (TLD_BITS - 1)] = 1;
  }

  /** What the hashes say, verified by the text itself. */
  const probe = (type: number, piece: Uint8Array, start: number, end: number, nowMs: number): number => {
    let slot = hashA & mask;
    for (let entry = table[slot] as number; entry !== 0; entry = table[slot] as number) {
      if (checks[slot] === hashB && types[entry - 1] === type && same(entry - 1, piece, start, end)) {
        const untilMs = until[entry - 1] as number;
        if (untilMs === 0 || untilMs > nowMs) return entry - 1;
      }
      slot = (slot + 1) & mask;
    }
    return -1;
  };
  const same = (index: number, piece: Uint8Array, start: number, end: number): boolean => {
    const at = offsets[index] as number;
    const length = end - start;
    if ((offsets[index + 1] as number) - at !== length) return false;
    for (let i = 0; i < length; i++)
      if (lower(bytes[at + i] as number) !== lower(piece[start + i] as number)) return false;
    return true;
  };
  /** A text that was made here, such as a network in its one form. */
  const probeText = (type: number, text: string, nowMs: number): number =>
    probe(type, Buffer.from(text), 0, text.length, nowMs);

  return {
    size: types.length,
    sieve: createSieve(arrays),
    counts: Object.fromEntries(INDICATOR_TYPES.map((type, i) => [type, perType[i]])) as Record<IndicatorType, number>,
    hasV6: prefixes.v6.length > 0 || v6Addresses(types, valueAt),
    find: (type, piece, start, end, nowMs) => {
      hashBack(T[type], piece, start, end);
      return inTable() ? probe(T[type], piece, start, end, nowMs) : -1;
    },
    findDomain: (piece, start, end, nowMs) => {
      let a = seedOf(T.domain);
      let b = ~a;
      let found = -1;
      let dots = 0;
      for (let i = end - 1; i >= start - 1; i--) {
        const unit = i < start ? 46 : lower(piece[i] as number);
        if (unit === 46) {
          hashA = finish(a);
          if (dots++ === 0) {
            if (tlds[hashA & (TLD_BITS - 1)] === 0) return -1;
          } else {
            hashB = finish(b);
            if (inTable()) {
              const index = probe(T.domain, piece, i + 1, end, nowMs);
              if (index >= 0) found = index;
            }
          }
        }
        a = Math.imul(a ^ unit, 0x01000193);
        b = Math.imul(b, 31) + unit;
      }
      return found;
    },
    findNetwork: (words, nowMs) => {
      for (const bits of prefixes.v6) {
        hashV6(words, bits);
        if (!inTable()) continue;
        const index = probeText(T.cidr, `${addressText(maskWords(words, bits))}/${bits}`, nowMs);
        if (index >= 0) return index;
      }
      return -1;
    },
    findV4: (address, nowMs) => {
      hashV4(address, 32);
      if (inTable()) {
        const index = probeText(T.address, dotted(address), nowMs);
        if (index >= 0) return index;
      }
      for (let i = 0; i < prefixes.v4.length; i++) {
        const bits = prefixes.v4[i] as number;
        hashV4(address, bits);
        if (!inTable()) continue;
        const index = probeText(T.cidr, `${dotted(((address >>> (32 - bits)) << (32 - bits)) >>> 0)}/${bits}`, nowMs);
        if (index >= 0) return index;
      }
      return -1;
    },
    sourceOf: (index) => sources[sourceOf[index] as number] ?? '',
    at: (index) => ({
      index,
      type: INDICATOR_TYPES[types[index] as number] as IndicatorType,
      value: valueAt(index),
      source: sources[sourceOf[index] as number] ?? '',
      confidence: confidence[index] as number,
      untilMs: until[index] === 0 ? null : (until[index] as number),
    }),
  };
}

const dotted = (address: number): string =>
  `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;

function v6Addresses(types: Uint8Array, valueAt: (index: number) => string): boolean {
  for (let i = 0; i < types.length; i++) if (types[i] === T.address && valueAt(i).includes(':')) return true;
  return false;
}

/** Prefix lengths that occur, the longest first: the narrowest network says most. */
function networkPrefixes(types: Uint8Array, valueAt: (index: number) => string): { v4: number[]; v6: number[] } {
  const v4 = new Set<number>();
  const v6 = new Set<number>();
  for (let i = 0; i < types.length; i++) {
    if (types[i] !== T.cidr) continue;
    const value = valueAt(i);
    (value.includes(':') ? v6 : v4).add(Number(value.slice(value.indexOf('/') + 1)));
  }
  const falling = (set: Set<number>) => [...set].sort((a, b) => b - a);
  return { v4: falling(v4), v6: falling(v6) };
}

/**
 * What says "not listed" of nearly every word of an event before it is read whole: small bitmaps that stay in the
 * processor's cache, by the first half of addresses, the last two labels of hosts, the first eight digits of digests.
 * Hot path: `bench/bench-indicators.ts`.
 */

import { labelHash } from '../../core/index.ts';
import type { IndicatorArrays } from './indicator-set.ts';
import { INDICATOR_TYPES } from './indicator-value.ts';

export interface IndicatorSieve {
  mayV4(high: number): boolean;
  mayEnd(label: number): boolean;
  mayHost(before: number, last: number): boolean;
  mayDigest(first: number): boolean;
}

const ENDS_LOG2 = 14;
const BITS_LOG2 = { min: 12, max: 22 } as const;

function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Bits for so many values that one in twelve strangers passes at most. */
function createBits(values: number) {
  let log2: number = BITS_LOG2.min;
  while (2 ** log2 < values * 12 && log2 < BITS_LOG2.max) log2++;
  return { words: new Uint32Array(2 ** (log2 - 5)), shift: 32 - log2 };
}

const endOf = (label: number): number => finish(label) >>> (32 - ENDS_LOG2);
const hostOf = (before: number, last: number): number => finish(Math.imul(before, 31) ^ last);
const setBit = (words: Uint32Array, at: number): void => {
  words[at >>> 5] = (words[at >>> 5] as number) | (1 << (at & 31));
};
const hasBit = (words: Uint32Array, at: number): boolean => ((words[at >>> 5] as number) & (1 << (at & 31))) !== 0;

export function createSieve({ types, offsets, bytes }: IndicatorArrays): IndicatorSieve {
  // All values as one text, so that texts of events and of the list are hashed by the same loop.
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  const high = new Uint32Array(65_536 / 32);
  const ends = new Uint32Array(2 ** (ENDS_LOG2 - 5));
  let hosts = 0;
  let digests = 0;
  for (const type of types) {
    const name = INDICATOR_TYPES[type];
    if (name === 'hash') digests++;
    else if (name !== 'address' && name !== 'cidr') hosts++;
  }
  const names = createBits(hosts);
  const firsts = createBits(digests);

  const addV4 = (value: string): void => {
    const [address = '', prefix] = value.split('/');
    const [a, b] = address.split('.').map(Number) as [number, number];
    const at = a * 256 + b;
    const bits = prefix === undefined ? 32 : Number(prefix);
    for (let i = 0; i < (bits >= 16 ? 1 : 2 ** (16 - bits)); i++) setBit(high, at + i);
  };

  /** The last two labels of a host that stands in the list; an account before it is none. */
  const addHost = (from: number, end: number): void => {
    const [last = '', before = ''] = all.slice(from, end).split(/[.@]/).reverse();
    const one = labelHash(last, 0, last.length);
    setBit(ends, endOf(one));
    setBit(names.words, hostOf(labelHash(before, 0, before.length), one) >>> names.shift);
  };

  for (let i = 0; i < types.length; i++) {
    const from = offsets[i] as number;
    let end = offsets[i + 1] as number;
    switch (INDICATOR_TYPES[types[i] as number]) {
      case 'address':
      case 'cidr': {
        const value = all.slice(from, end);
        if (!value.includes(':')) addV4(value);
        break;
      }
      case 'hash':
        setBit(firsts.words, finish(Number.parseInt(all.slice(from, from + 8), 16)) >>> firsts.shift);
        break;
      case 'url': {
        const host = /^[^/:]*/.exec(all.slice(from, end))?.[0] ?? '';
        if (/^[\d.]+$/.test(host)) addV4(host);
        end = from + host.length;
        addHost(from, end);
        break;
      }
      default:
        addHost(from, end);
    }
  }
  return {
    mayV4: (at) => hasBit(high, at),
    mayEnd: (label) => hasBit(ends, endOf(label)),
    mayHost: (before, last) => hasBit(names.words, hostOf(before, last) >>> names.shift),
    mayDigest: (first) => hasBit(firsts.words, finish(first) >>> firsts.shift),
  };
}

/** Addresses and ranges as numbers: reading, writing, containment. IPv4-mapped IPv6 is IPv4 (RFC 4291 section 2.5.5.2). */

import { isIP } from 'node:net';

export interface AddressRange {
  readonly version: 4 | 6;
  /** First address of the range; bits beyond `prefix` are zero. */
  readonly base: bigint;
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;
export const bitsOf = (range: AddressRange): number => BITS[range.version];

const number4 = (text: string): bigint =>
  text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(Number.parseInt(part, 10)), 0n);

function number6(text: string): bigint {
  const dotted = /^(.*:)(\d+\.\d+\.\d+\.\d+)$/.exec(text);
  const low = dotted ? number4(dotted[2] as string) : 0n;
  const plain = dotted ? `${dotted[1]}${(low >> 16n).toString(16)}:${(low & 0xffffn).toString(16)}` : text;
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  return [...before, ...Array<string>(zeros).fill('0'), ...after].reduce(
    (sum, group) => (sum << 16n) | BigInt(Number.parseInt(group, 16)),
    0n,
  );
}

const MAPPED = 0xffffn;

/** The network of so many bits that holds an address. */
export function cut(version: 4 | 6, value: bigint, prefix: number): AddressRange {
  const rest = BigInt(BITS[version] - prefix);
  return { version, base: (value >> rest) << rest, prefix };
}

/**
 * @param text an address, or `address/prefix`; a zone (`%eth0`) is no address of the network and is refused
 * @returns null when it is neither
 */
export function parseRange(text: string): AddressRange | null {
  if (text.length > 64 || text.includes('%')) return null;
  const slash = text.indexOf('/');
  const address = slash < 0 ? text : text.slice(0, slash);
  const version = isIP(address);
  if (version !== 4 && version !== 6) return null;
  const wanted = slash < 0 ? String(BITS[version]) : text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(wanted) || Number(wanted) > BITS[version]) return null;
  const prefix = Number(wanted);
  if (version === 4) return cut(4, number4(address), prefix);
  const value = number6(address);
  if (value >> 32n === MAPPED && prefix >= 96) return cut(4, value & 0xffffffffn, prefix - 96);
  return cut(6, value, prefix);
}

/** RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups as `::`, the first of equals. */
function text6(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, i) => (value >> BigInt(112 - 16 * i)) & 0xffffn);
  let bestAt = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let length = 0;
    while (i + length < 8 && groups[i + length] === 0n) length++;
    if (length > bestLength) {
      bestAt = i;
      bestLength = length;
    }
  }
  const hex = groups.map((group) => group.toString(16));
  if (bestAt < 0) return hex.join(':');
  return `${hex.slice(0, bestAt).join(':')}::${hex.slice(bestAt + bestLength).join(':')}`;
}

const text4 = (value: bigint): string => [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');

/** The first address alone. */
export const baseText = (range: AddressRange): string => (range.version === 4 ? text4(range.base) : text6(range.base));

/** An address without a prefix, a range with one. */
export const rangeText = (range: AddressRange): string =>
  range.prefix === bitsOf(range) ? baseText(range) : `${baseText(range)}/${range.prefix}`;

export function contains(outer: AddressRange, inner: AddressRange): boolean {
  if (outer.version !== inner.version || outer.prefix > inner.prefix) return false;
  const rest = BigInt(bitsOf(outer) - outer.prefix);
  return outer.base >> rest === inner.base >> rest;
}

export const overlaps = (a: AddressRange, b: AddressRange): boolean => contains(a, b) || contains(b, a);

/** What is blocked for one attacker: an IPv6 host has its whole /64 to change addresses in (RFC 4291, RFC 8981). */
export function blockedRange(range: AddressRange): AddressRange {
  return range.version === 6 && range.prefix > 64 ? cut(6, range.base, 64) : range;
}

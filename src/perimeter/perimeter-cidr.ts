/** Addresses and ranges as numbers: strict reading, so that no spelling of an address slips past an exclusion. */

import { isIP } from 'node:net';

export interface Address {
  readonly family: 4 | 6;
  readonly value: bigint;
}

export interface Range {
  readonly family: 4 | 6;
  readonly first: bigint;
  readonly last: bigint;
  readonly text: string;
}

const MASK_32 = 0xffff_ffffn;

function v4Value(text: string): bigint {
  return text.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n);
}

function v6Value(text: string): bigint {
  // The URL parser knows every spelling of RFC 4291 section 2.2 and writes one.
  const canonical = new URL(`http://[${text}]/`).hostname.slice(1, -1);
  const [head = '', tail] = canonical.split('::');
  const words = (part: string) => (part === '' ? [] : part.split(':'));
  const left = words(head);
  const right = tail === undefined ? [] : words(tail);
  const all =
    tail === undefined
      ? left
      : [...left, ...Array.from({ length: 8 - left.length - right.length }, () => '0'), ...right];
  return all.reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

/** The address, with IPv4-mapped IPv6 (RFC 4291 section 2.5.5.2) as what it reaches: IPv4. Null when it is none. */
export function parseAddress(text: string): Address | null {
  const family = isIP(text);
  if (family === 4) return { family: 4, value: v4Value(text) };
  if (family !== 6 || text.includes('%')) return null;
  const value = v6Value(text);
  if (value >> 32n === 0xffffn) return { family: 4, value: value & MASK_32 };
  return { family: 6, value };
}

/** IPv4 addresses that an IPv6 address carries to: NAT64 (RFC 6052) and 6to4 (RFC 3056); exclusions hold for them too. */
export function carriedV4(address: Address): Address | null {
  if (address.family === 4) return null;
  if (address.value >> 32n === 0x0064_ff9b_0000_0000_0000_0000n) return { family: 4, value: address.value & MASK_32 };
  if (address.value >> 112n === 0x2002n) return { family: 4, value: (address.value >> 80n) & MASK_32 };
  return null;
}

/** `203.0.113.0/24`, `2001:db8::/48` or one address; null when it is none, or when host bits are set (a typing error). */
export function parseRange(text: string): Range | null {
  const [base = '', length, more] = text.split('/');
  const address = parseAddress(base);
  if (!address || more !== undefined) return null;
  const bits = address.family === 4 ? 32 : 128;
  // A mapped address with a prefix length would mean two things.
  if (address.family === 4 && base.includes(':') && length !== undefined) return null;
  if (length !== undefined && !/^\d{1,3}$/.test(length)) return null;
  const prefix = length === undefined ? bits : Number(length);
  if (prefix > bits) return null;
  const size = 1n << BigInt(bits - prefix);
  if (address.value % size !== 0n) return null;
  return { family: address.family, first: address.value, last: address.value + size - 1n, text };
}

export function inRange(address: Address, range: Range): boolean {
  return address.family === range.family && address.value >= range.first && address.value <= range.last;
}

export function formatAddress({ family, value }: Address): string {
  if (family === 4) return [24n, 16n, 8n, 0n].map((shift) => String((value >> shift) & 255n)).join('.');
  const words = Array.from({ length: 8 }, (_, i) => ((value >> BigInt(112 - i * 16)) & 0xffffn).toString(16));
  return new URL(`http://[${words.join(':')}]/`).hostname.slice(1, -1);
}

/** One spelling for each address; null when it is none. */
export function canonicalAddress(text: string): string | null {
  const address = parseAddress(text);
  return address ? formatAddress(address) : null;
}

const range = (text: string) => parseRange(text) as Range;
/** Where no server of ours can be: unspecified, multicast, broadcast (RFC 1122, 5771, 4291). */
const NEVER = ['0.0.0.0/8', '224.0.0.0/4', '255.255.255.255', 'ff00::/8', '::'].map(range);
/** The address under which clouds hand out credentials: never looked at unless it is named alone. */
const METADATA = ['169.254.169.254', 'fd00:ec2::254'].map(range);

export function neverProbed(address: Address): boolean {
  return [...NEVER, ...METADATA].some((one) => inRange(address, one));
}

/** How many addresses a range holds, at most 2^53. */
export function rangeSize({ first, last }: Range): number {
  const size = last - first + 1n;
  return size > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(size);
}

export function* addressesOf(one: Range): Generator<string> {
  for (let value = one.first; value <= one.last; value++) yield formatAddress({ family: one.family, value });
}

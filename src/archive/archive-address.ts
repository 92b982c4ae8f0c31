/** Address ranges of a query (CIDR, RFC 4632 and RFC 4291 section 2.3) as conditions on addresses that are text. */

import { isIPv4, isIPv6 } from 'node:net';

export type AddressRange =
  /** The text before the octet that is cut (with its last dot), its number from 1, and what it may be. */
  | { readonly version: 4; readonly prefix: string; readonly octet: number; readonly min: number; readonly max: number }
  /** First and last address as 32 hexadecimal digits. */
  | { readonly version: 6; readonly min: string; readonly max: string };

/** The range that `10.0.0.0/8` or `2001:db8::/32` names; null when the text is none. */
export function parseRange(text: string): AddressRange | null {
  const at = text.indexOf('/');
  const digits = text.slice(at + 1);
  if (at < 0 || !/^\d{1,3}$/.test(digits)) return null;
  const address = text.slice(0, at).toLowerCase();
  const bits = Number(digits);
  if (isIPv4(address) && bits <= 32) return rangeOf4(address, bits);
  if (isIPv6(address) && bits <= 128) return rangeOf6(address, bits);
  return null;
}

function rangeOf4(address: string, bits: number): AddressRange {
  const octets = address.split('.').map(Number);
  // At least one octet is looked at, also when a whole number of them is fixed.
  const whole = Math.min(3, bits >> 3);
  const free = 8 - Math.min(8, bits - whole * 8);
  const octet = octets[whole] as number;
  const min = (octet >> free) << free;
  const prefix = octets
    .slice(0, whole)
    .map((value) => `${value}.`)
    .join('');
  return { version: 4, prefix, octet: whole + 1, min, max: min + (1 << free) - 1 };
}

function rangeOf6(address: string, bits: number): AddressRange | null {
  const hex = hexOf6(address);
  if (hex === null) return null;
  const value = BigInt(`0x${hex}`);
  const free = BigInt(128 - bits);
  const min = (value >> free) << free;
  const max = min | ((1n << free) - 1n);
  return { version: 6, min: min.toString(16).padStart(32, '0'), max: max.toString(16).padStart(32, '0') };
}

/** 32 hexadecimal digits of an address that `isIPv6` accepts; null for one with a zone. */
function hexOf6(address: string): string | null {
  if (address.includes('%')) return null;
  const tail = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(address);
  const plain =
    tail === null
      ? address
      : `${tail[1]}${(Number(tail[2]) * 256 + Number(tail[3])).toString(16)}:${(Number(tail[4]) * 256 + Number(tail[5])).toString(16)}`;
  const [left = '', right] = plain.split('::');
  const groups = (text: string) => text.split(':').filter((group) => group !== '');
  const head = groups(left);
  const rest = right === undefined ? [] : groups(right);
  const zeros = right === undefined ? 0 : 8 - head.length - rest.length;
  return [...head, ...Array.from({ length: Math.max(0, zeros) }, () => '0'), ...rest]
    .map((group) => group.padStart(4, '0'))
    .join('');
}

/**
 * SQL macro that turns the text of an IPv6 address into 32 hexadecimal digits, null for other texts. Written for text
 * that anybody may have put there: every step is total.
 */
export const HEX6_MACRO = `CREATE OR REPLACE TEMP MACRO asepsis_hex6(a) AS
  CASE WHEN regexp_full_match(a, '[0-9a-f:]{2,39}') THEN
    list_aggregate(list_transform(
      CASE WHEN contains(a, '::') THEN list_concat(
        list_filter(string_split(split_part(a, '::', 1), ':'), lambda g: g <> ''),
        list_resize([]::VARCHAR[], greatest(0, 8
          - len(list_filter(string_split(split_part(a, '::', 1), ':'), lambda g: g <> ''))
          - len(list_filter(string_split(split_part(a, '::', 2), ':'), lambda g: g <> ''))), '0'),
        list_filter(string_split(split_part(a, '::', 2), ':'), lambda g: g <> ''))
      ELSE string_split(a, ':') END,
      lambda g: lpad(g, 4, '0')), 'string_agg', '')
  END`;

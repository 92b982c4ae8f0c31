/** Addresses as the sign-in and the guards see them: loopback or not, and the key under which tries are counted. */

import { isIP, isIPv6 } from 'node:net';

const MAPPED = '::ffff:';

/** `::ffff:192.0.2.1` is `192.0.2.1` (RFC 4291 section 2.5.5.2). */
export function plainAddress(address: string): string {
  return address.toLowerCase().startsWith(MAPPED) && address.includes('.') ? address.slice(MAPPED.length) : address;
}

/** True for addresses and names that only this machine answers. */
export function isLoopback(host: string): boolean {
  const plain = plainAddress(host.replace(/^\[|\]$/g, ''));
  return plain === 'localhost' || plain === '::1' || (isIP(plain) === 4 && plain.startsWith('127.'));
}

/** What tries are counted under: an IPv4 address, or the /64 of an IPv6 one, since a /64 is one site (RFC 6177). */
export function addressKey(address: string): string {
  const plain = plainAddress(address);
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = (plain.split('%')[0] ?? '').toLowerCase().split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length);
  const groups = [...left, ...Array<string>(gap).fill('0'), ...right];
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}

/** Host and port of a `Host` header or of an authority; null when it is not one. */
export function parseHost(text: string): { host: string; port: string } | null {
  if (text.length === 0 || text.length > 260) return null;
  if (text.startsWith('[')) {
    const end = text.indexOf(']');
    const rest = text.slice(end + 1);
    if (end < 0 || (rest !== '' && !rest.startsWith(':'))) return null;
    return { host: text.slice(0, end + 1).toLowerCase(), port: rest.slice(1) };
  }
  const colon = text.indexOf(':');
  const host = (colon < 0 ? text : text.slice(0, colon)).toLowerCase().replace(/\.$/, '');
  return host === '' ? null : { host, port: colon < 0 ? '' : text.slice(colon + 1) };
}

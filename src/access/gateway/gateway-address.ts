/** Addresses: strict reading, networks in CIDR notation, and the key under which tries are counted. */

import { BlockList, isIPv4, isIPv6 } from 'node:net';

/** Addresses whose answer is remembered by a set of networks. */
const KNOWN_MAX = 20_000;
const MAPPED = /^::ffff:(\d{1,3}(?:\.\d{1,3}){3})$/i;

/** The one spelling of an address (`::ffff:192.0.2.1` is `192.0.2.1`, RFC 4291 section 2.5.5.2), or null. */
export function readAddress(raw: string): string | null {
  if (raw.length === 0 || raw.length > 45) return null;
  if (isIPv4(raw)) return raw;
  const mapped = MAPPED.exec(raw)?.[1];
  if (mapped !== undefined) return isIPv4(mapped) ? mapped : null;
  return isIPv6(raw) && !raw.includes('%') ? expand(raw) : null;
}

/** Eight groups without leading zeros, so that one address has one spelling. */
function expand(address: string): string {
  let text = address.toLowerCase();
  const dotted = /(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted) {
    const [a, b, c, d] = dotted.slice(1).map(Number) as [number, number, number, number];
    text = `${text.slice(0, dotted.index)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
  }
  const [head = '', tail] = text.split('::');
  const left = head === '' ? [] : head.split(':');
  const right = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = tail === undefined ? 0 : 8 - left.length - right.length;
  return [...left, ...Array<string>(Math.max(0, gap)).fill('0'), ...right]
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/** What tries are counted under: an IPv4 address, or the /64 of an IPv6 one, since a /64 is one site (RFC 6177). */
export function addressKey(address: string): string {
  return address.includes(':') ? `${address.split(':').slice(0, 4).join(':')}::/64` : address;
}

export interface NetworkSet {
  has(address: string): boolean;
}

/** Networks in CIDR notation, or single addresses. Null when one of them cannot be read. */
export function networkSet(texts: readonly string[]): NetworkSet | null {
  const list = new BlockList();
  for (const text of texts) {
    const [address = '', bits] = text.split('/');
    const plain = readAddress(address);
    if (plain === null) return null;
    const kind = plain.includes(':') ? 'ipv6' : 'ipv4';
    const most = kind === 'ipv6' ? 128 : 32;
    if (bits === undefined) list.addAddress(plain, kind);
    else if (/^\d{1,3}$/.test(bits) && Number(bits) <= most) list.addSubnet(plain, Number(bits), kind);
    else return null;
  }
  if (texts.length === 0) return { has: () => false };
  // The same few addresses ask again and again, and each look-up makes objects outside of JavaScript.
  const known = new Map<string, boolean>();
  return {
    has(address) {
      let found = known.get(address);
      if (found === undefined) {
        found = list.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
        if (known.size >= KNOWN_MAX) known.clear();
        known.set(address, found);
      }
      return found;
    },
  };
}

/**
 * The client behind trusted proxies: from the right, the first address that is no trusted proxy. Null when the header
 * does not parse: an address that cannot be read denies.
 */
export function clientAddress(peer: string, forwardedFor: string | null, trusted: NetworkSet): string | null {
  const own = readAddress(peer);
  if (own === null || forwardedFor === null || !trusted.has(own)) return own;
  const hops = forwardedFor.split(',');
  if (hops.length > 32) return null;
  let client = own;
  for (let i = hops.length - 1; i >= 0; i--) {
    const address = readAddress((hops[i] as string).trim());
    if (address === null) return null;
    client = address;
    if (!trusted.has(address)) break;
  }
  return client;
}

/** What is never blocked, whoever asks: pure over lists of ranges with the reason why each is protected. */

import { type AddressRange, bitsOf, overlaps, parseRange, rangeText } from './response-address.ts';

export interface Protected {
  readonly range: AddressRange;
  readonly why: string;
}

/** Never an attacker from outside: blocking one of these breaks the machine itself (RFC 6890). */
const ALWAYS: readonly [string, string][] = [
  ['127.0.0.0/8', 'loopback'],
  ['::1/128', 'loopback'],
  ['0.0.0.0/8', 'this host'],
  ['::/128', 'no address'],
  ['169.254.0.0/16', 'link-local'],
  ['fe80::/10', 'link-local'],
  ['224.0.0.0/4', 'multicast'],
  ['ff00::/8', 'multicast'],
  ['240.0.0.0/4', 'reserved, with broadcast'],
  // One /64 of these stands for every IPv4 address, protected ones too (RFC 6052, RFC 8215).
  ['64:ff9b::/96', 'NAT64; block the IPv4 address'],
  ['64:ff9b:1::/48', 'NAT64; block the IPv4 address'],
];

/** Wider than this is never one attacker, and always somebody else too. */
const NARROWEST_PREFIX = { 4: 16, 6: 32 } as const;

/** Texts that are no ranges are left out: the configuration's own check has refused them before. */
export function protectedOf(texts: readonly string[], why: string): Protected[] {
  return texts.flatMap((text) => {
    const range = parseRange(text);
    return range ? [{ range, why }] : [];
  });
}

export const ALWAYS_PROTECTED: readonly Protected[] = ALWAYS.flatMap(([text, why]) => protectedOf([text], why));

/** Why the range may not be blocked, as a sentence; null when it may. Whatever it shares with a protected range counts. */
export function whyProtected(range: AddressRange, lists: readonly Protected[]): string | null {
  if (range.prefix < NARROWEST_PREFIX[range.version]) {
    const addresses = `2^${bitsOf(range) - range.prefix}`;
    return `${rangeText(range)} holds ${addresses} addresses; at most /${NARROWEST_PREFIX[range.version]} may be blocked.`;
  }
  const hit = lists.find((one) => overlaps(one.range, range));
  return hit ? `${rangeText(range)} is protected: ${hit.why} (${rangeText(hit.range)}).` : null;
}

/** Addresses in `nameserver` lines of resolv.conf(5). */
export function nameservers(resolvConf: string): string[] {
  return [...resolvConf.matchAll(/^[ \t]{0,8}nameserver[ \t]{1,8}([0-9A-Fa-f.:]{2,45})/gm)].map((m) => m[1] as string);
}

/** Gateways in /proc/net/route (hexadecimal, in the byte order of the machine: little-endian on all that we run on). */
export function gateways4(procNetRoute: string): string[] {
  const found = new Set<string>();
  for (const line of procNetRoute.split('\n').slice(1)) {
    const gateway = line.split(/\s+/)[2] ?? '';
    if (!/^[0-9A-F]{8}$/.test(gateway) || gateway === '00000000') continue;
    found.add([6, 4, 2, 0].map((at) => Number.parseInt(gateway.slice(at, at + 2), 16)).join('.'));
  }
  return [...found];
}

/** Gateways in /proc/net/ipv6_route: the fifth column, 32 hexadecimal digits. */
export function gateways6(procNetIpv6Route: string): string[] {
  const found = new Set<string>();
  for (const line of procNetIpv6Route.split('\n')) {
    const gateway = line.split(/\s+/)[4] ?? '';
    if (!/^[0-9a-f]{32}$/.test(gateway) || /^0+$/.test(gateway)) continue;
    found.add((gateway.match(/.{4}/g) as string[]).join(':'));
  }
  return [...found];
}

/**
 * Which thread reads a packet: both directions of two addresses go to the same one, with their fragments and tunnels. What is
 * about the local network as a whole (ARP, ICMP, names, addresses, mail servers' offers) goes to the first.
 */

import { be16, be32 } from './network-bytes.ts';

/** Ports whose packets are compared across machines: mail in clear, DNS and its relatives, DHCP, NetBIOS, SSDP. */
const TOGETHER = new Set([25, 110, 143, 587, 53, 67, 68, 137, 138, 546, 547, 1900, 5353, 5355]);
const TAGS_MAX = 4;

const mixed = (h: number): number => {
  let x = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
};

/** Where the IP header begins; -1 when the frame holds something else. */
function ipAt(b: Uint8Array, start: number, end: number, link: number): number {
  if (link === 101 || link === 12 || link === 14 || link === 228 || link === 229) return start;
  let at = link === 1 ? start + 12 : link === 113 ? start + 14 : -1;
  if (link === 276) return ipType(be16(b, start)) ? start + 20 : -1;
  if (at < 0 || end - at < 2) return -1;
  let type = be16(b, at);
  for (let i = 0; i < TAGS_MAX && (type === 0x8100 || type === 0x88a8 || type === 0x9100); i++) {
    at += 4;
    type = at + 2 <= end ? be16(b, at) : 0;
  }
  return ipType(type) ? at + 2 : -1;
}

const ipType = (type: number): boolean => type === 0x0800 || type === 0x86dd;

/** A thread's number below `threads`. */
export function threadOf(b: Uint8Array, start: number, end: number, link: number, threads: number): number {
  const at = ipAt(b, start, end, link);
  if (at < 0) return 0;
  const four = b[at]! >>> 4 === 4;
  if (end - at < (four ? 20 : 40)) return 0;
  const protocol = four ? b[at + 9]! : b[at + 6]!;
  if (protocol === 1 || protocol === 58) return 0;
  const fragment = four && (be16(b, at + 6) & 0x3fff) !== 0;
  const ports = four ? at + ((b[at]! & 15) << 2) : at + 40;
  if (!fragment && (protocol === 6 || protocol === 17) && end - ports >= 4)
    if (TOGETHER.has(be16(b, ports)) || TOGETHER.has(be16(b, ports + 2))) return 0;
  let sum = 0;
  if (four) sum = be32(b, at + 12) ^ be32(b, at + 16);
  else for (let i = 8; i < 40; i += 4) sum ^= be32(b, at + i);
  return mixed(sum) % threads;
}

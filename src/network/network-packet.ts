/**
 * From a captured frame to flows: link types, VLAN, PPPoE, MPLS, tunnels, IPv4 and IPv6 with fragments, ARP, ICMPv6.
 * Hot path: integer offsets over the capture's own buffer, no object a packet (`bin/asepsis bench inspect`).
 */

import { address6, addressText, be16, be32, hex } from './network-bytes.ts';
import type { PacketSink } from './network-capture.ts';
import type { Flow } from './network-flow.ts';
import { createFragments } from './network-fragments.ts';
import { ACK, type Streams, SYN } from './network-stream.ts';
import type { FlowTable } from './network-table.ts';

/** Nested headers that are followed in one frame. */
const DEPTH_MAX = 12;

export interface PacketCounts {
  packets: number;
  bytes: number;
  /** Frames cut short by the capture's own limit. */
  cut: number;
  malformed: number;
  unknownLink: number;
  fragments: number;
  /** Fragments given up: incomplete, or too many at once. */
  fragmentsLost: number;
}

export interface Moment {
  timeMs: number;
  packet: number;
  file: string;
  vlan: number;
  /** The frame's sender as text; empty where the link type has none. Only while the frame is read. */
  mac(): string;
}

export interface ArpPacket {
  readonly operation: number;
  readonly senderMac: string;
  readonly senderAddress: number;
  readonly targetAddress: number;
  /** The frame's own sender; empty where the link type has none. */
  readonly frameMac: string;
  /** Sent to everybody. */
  readonly broadcast: boolean;
}

export interface LinkWatch {
  arp(packet: ArpPacket): void;
  /** A router says that another gateway is better: its MAC, its address, the new gateway, for which destination. */
  redirect(mac: string, from: string, to: string, destination: string): void;
  /** A packet that this MAC was sent goes on under its own name: who sent it first, both ends, how many hops it counted. */
  relayed(mac: string, first: string, from: string, to: string, hops: number): void;
  routerAdvertisement(mac: string, address: string, valid: boolean, vlan: number): void;
}

export interface PacketDeps {
  readonly table: FlowTable;
  readonly streams: Streams;
  readonly moment: Moment;
  readonly watch: LinkWatch;
  /** The first packet of one direction of a flow: a machine was seen. */
  readonly sighted: (slot: number, dir: number, hopLimit: number, card: number) => void;
  readonly datagram: (flow: Flow, dir: number, b: Uint8Array, start: number, end: number) => void;
}

export interface PacketDecoder {
  readonly counts: PacketCounts;
  readonly frame: PacketSink;
}

export function createPacketDecoder({ table, streams, moment, watch, datagram, sighted }: PacketDeps): PacketDecoder {
  const counts: PacketCounts = {
    packets: 0,
    bytes: 0,
    cut: 0,
    malformed: 0,
    unknownLink: 0,
    fragments: 0,
    fragmentsLost: 0,
  };
  const fragments = createFragments();
  const { probe } = table;
  /** Where the sender's MAC lies in the frame; -1 without one. */
  let macAt = -1;
  let frame: Uint8Array = new Uint8Array(0);
  /** Only Ethernet tells the receiver too. */
  let ethernetFrame = false;
  let hopLimit = 0;
  const macText = (at: number): string => (at >= 0 ? hex(frame, at, 6, ':') : '');
  moment.mac = () => macText(macAt);

  const bad = (): undefined => {
    counts.malformed++;
  };

  const ethernet = (b: Uint8Array, start: number, end: number, depth: number): undefined => {
    if (end - start < 14) return bad();
    // Inside a tunnel, and inside fragments put together, it is the inner frame that tells who sent it.
    frame = b;
    macAt = start + 6;
    ethernetFrame = true;
    etherType(b, be16(b, start + 12), start + 14, end, depth);
  };

  const etherType = (b: Uint8Array, kind: number, from: number, end: number, depth: number): undefined => {
    let type = kind;
    let at = from;
    for (let turns = depth; turns < DEPTH_MAX; turns++) {
      if (type === 0x0800) return ipv4(b, at, end, turns);
      if (type === 0x86dd) return ipv6(b, at, end, turns);
      if (type === 0x0806) return arp(b, at, end);
      if (type === 0x8100 || type === 0x88a8 || type === 0x9100 || type === 0x9200) {
        if (end - at < 4) return bad();
        // With two tags the place on the network is both together (IEEE 802.1Q-2022 clause 9.5).
        moment.vlan = ((moment.vlan << 12) | (be16(b, at) & 0xfff)) & 0xffffff;
        type = be16(b, at + 2);
        at += 4;
      } else if (type === 0x8864) {
        if (end - at < 8) return bad();
        const ppp = be16(b, at + 6);
        type = ppp === 0x0021 ? 0x0800 : ppp === 0x0057 ? 0x86dd : 0;
        at += 8;
      } else if (type === 0x8847 || type === 0x8848) {
        let bottom = false;
        while (!bottom && end - at >= 4) {
          bottom = (b[at + 2]! & 1) === 1;
          at += 4;
        }
        const version = at < end ? b[at]! >>> 4 : 0;
        if (version === 4) type = 0x0800;
        else if (version === 6) type = 0x86dd;
        else if (version === 0 && end - at >= 18) return ethernet(b, at + 4, end, turns + 1);
        else return;
      } else if (type === 0x6558) return ethernet(b, at, end, turns + 1);
      else return;
    }
  };

  const ipv4 = (b: Uint8Array, at: number, limit: number, depth: number): undefined => {
    if (limit - at < 20 || b[at]! >>> 4 !== 4) return bad();
    const header = (b[at]! & 15) << 2;
    // A sender that leaves segmentation to its card is captured with total length 0.
    const total = be16(b, at + 2) || limit - at;
    if (header < 20 || total < header || limit - at < header) return bad();
    const end = Math.min(limit, at + total);
    const fragment = be16(b, at + 6);
    if ((fragment & 0x3fff) !== 0) {
      counts.fragments++;
      const key = `4${hex(b, at + 12, 8)}${b[at + 9]}${be16(b, at + 4)}.${moment.vlan}`;
      const offset = (fragment & 0x1fff) << 3;
      const whole = fragments.add(key, offset, (fragment & 0x2000) !== 0, b, at + header, end, moment.timeMs);
      counts.fragmentsLost = fragments.lost();
      if (whole === null) return;
      addresses4(b, at);
      return transport(whole, b[at + 9]!, 0, whole.length, depth);
    }
    addresses4(b, at);
    if (b[at + 9] === 1) return icmp4(b, at, at + header, end);
    transport(b, b[at + 9]!, at + header, end, depth);
  };

  const addresses4 = (b: Uint8Array, at: number): undefined => {
    probe[0] = probe[1] = probe[4] = probe[5] = 0;
    probe[2] = probe[6] = 0xffff;
    probe[3] = be32(b, at + 12);
    probe[7] = be32(b, at + 16);
    hopLimit = b[at + 8]!;
  };

  const addresses6 = (b: Uint8Array, at: number): undefined => {
    for (let i = 0; i < 8; i++) probe[i] = be32(b, at + 8 + i * 4);
    hopLimit = b[at + 7]!;
  };

  const ipv6 = (b: Uint8Array, at: number, limit: number, depth: number): undefined => {
    if (limit - at < 40 || b[at]! >>> 4 !== 6) return bad();
    const length = be16(b, at + 4);
    const end = length === 0 ? limit : Math.min(limit, at + 40 + length);
    let next = b[at + 6]!;
    let here = at + 40;
    for (let turns = 0; turns < DEPTH_MAX; turns++) {
      if (next === 44) {
        if (end - here < 8) return bad();
        counts.fragments++;
        const field = be16(b, here + 2);
        const inner = b[here]!;
        if ((field & 0xfff9) === 0) {
          next = inner;
          here += 8;
          continue;
        }
        const key = `6${hex(b, at + 8, 32)}${be32(b, here + 4)}.${moment.vlan}`;
        const whole = fragments.add(key, field & 0xfff8, (field & 1) === 1, b, here + 8, end, moment.timeMs);
        counts.fragmentsLost = fragments.lost();
        if (whole === null) return;
        addresses6(b, at);
        return transport(whole, inner, 0, whole.length, depth);
      }
      // Hop-by-hop, routing, destination options, mobility; authentication counts in words of 4 (RFC 8200 section 4, RFC 4302).
      if (next === 0 || next === 43 || next === 60 || next === 135 || next === 51) {
        if (end - here < 8) return bad();
        const size = next === 51 ? (b[here + 1]! + 2) << 2 : (b[here + 1]! + 1) << 3;
        next = b[here]!;
        here += size;
        if (here > end) return bad();
        continue;
      }
      addresses6(b, at);
      if (next === 58) return icmp6(b, at, here, end);
      return transport(b, next, here, end, depth);
    }
  };

  const transport = (b: Uint8Array, protocol: number, at: number, end: number, depth: number): undefined => {
    if (protocol === 6) return tcp(b, at, end);
    if (protocol === 17) return udp(b, at, end, depth);
    if (depth >= DEPTH_MAX) return;
    if (protocol === 4) return ipv4(b, at, end, depth + 1);
    if (protocol === 41) return ipv6(b, at, end, depth + 1);
    if (protocol === 47) return gre(b, at, end, depth);
  };

  /** Remembers who sends a direction, and notices when its receiver sends the same on. */
  const link = (slot: number, dir: number): void => {
    const first = table.first(slot, dir);
    if (macAt < 0) {
      if (first) sighted(slot, dir, hopLimit, 0);
      return;
    }
    const own = be32(frame, macAt + 2) | 0;
    const { links } = table;
    const at = slot * 6 + dir * 3;
    if (first) {
      links[at] = own;
      links[at + 1] = ethernetFrame ? be32(frame, macAt - 4) | 0 : 0;
      links[at + 2] = ((frame[macAt]! << 8) | frame[macAt + 1]!) + (hopLimit << 16);
      sighted(slot, dir, hopLimit, own);
    } else if (links[at] !== own && ethernetFrame && links[at + 1] === own && links[at + 1] !== 0) {
      const card = new Uint8Array(6);
      new DataView(card.buffer).setInt32(2, links[at]!);
      card[0] = (links[at + 2]! >>> 8) & 255;
      card[1] = links[at + 2]! & 255;
      const hops = (links[at + 2]! >>> 16) - hopLimit;
      watch.relayed(
        macText(macAt),
        hex(card, 0, 6, ':'),
        table.address({ slot }, dir),
        table.address({ slot }, dir ^ 1),
        hops,
      );
    }
  };

  const tcp = (b: Uint8Array, at: number, end: number): undefined => {
    if (end - at < 20) return bad();
    const header = (b[at + 12]! >>> 4) << 2;
    if (header < 20 || end - at < header) return bad();
    const slot = table.take(be16(b, at), be16(b, at + 2), moment.vlan << 8, moment.timeMs);
    const { dir } = table;
    link(slot, dir);
    const flags = b[at + 13]!;
    const from = at + header;
    const held = table.held(slot);
    if (held === null) {
      // Nothing is read in it: a beginning is noted, and without a byte to read no object is made.
      if ((flags & SYN) !== 0) {
        table.begins(slot, dir, be32(b, at + 4), (flags & ACK) !== 0);
        if (from === end) return;
      } else if (from === end || table.sealed(slot)) return;
    }
    const flow = held ?? table.flow(slot);
    streams.segment(flow, dir, be32(b, at + 4), be32(b, at + 8), flags, b, from, end);
    // Encrypted, or over: of it only that stays.
    if (flow.sealed) table.rest(flow);
  };

  const udp = (b: Uint8Array, at: number, limit: number, depth: number): undefined => {
    if (limit - at < 8) return bad();
    const length = be16(b, at + 4);
    const end = length >= 8 ? Math.min(limit, at + length) : limit;
    const target = be16(b, at + 2);
    if (depth < DEPTH_MAX && end - at > 16) {
      // VXLAN: the I flag and nothing else (RFC 7348 section 5); 8472 is what Linux used before the assignment.
      if ((target === 4789 || target === 8472) && b[at + 8] === 8) return ethernet(b, at + 16, end, depth + 1);
      if (target === 6081 && b[at + 8]! >>> 6 === 0)
        return etherType(b, be16(b, at + 10), at + 16 + ((b[at + 8]! & 63) << 2), end, depth + 1);
    }
    const slot = table.take(be16(b, at), target, (moment.vlan << 8) | 1, moment.timeMs);
    const { dir } = table;
    link(slot, dir);
    if (end <= at + 8) return;
    const flow = table.loan(slot);
    datagram(flow, dir, b, at + 8, end);
    table.settle(flow);
  };

  const gre = (b: Uint8Array, at: number, end: number, depth: number): undefined => {
    if (end - at < 4) return bad();
    const flags = be16(b, at);
    const version = flags & 7;
    // RFC 2890 section 2; version 1 is PPTP (RFC 2637 section 4.1).
    let here = at + 4 + (flags & 0x8000 ? 4 : 0) + (flags & 0x2000 ? 4 : 0) + (flags & 0x1000 ? 4 : 0);
    if (version === 1) {
      here += flags & 0x0080 ? 4 : 0;
      if (be16(b, at + 2) !== 0x880b || here + 4 > end) return;
      if (b[here] === 0xff && b[here + 1] === 3) here += 2;
      const ppp = be16(b, here);
      return etherType(b, ppp === 0x21 ? 0x0800 : ppp === 0x57 ? 0x86dd : 0, here + 2, end, depth + 1);
    }
    etherType(b, be16(b, at + 2), here, end, depth + 1);
  };

  const arp = (b: Uint8Array, at: number, end: number): undefined => {
    if (end - at < 28) return bad();
    if (be32(b, at) !== 0x00010800 || be16(b, at + 4) !== 0x0604) return;
    const operation = be16(b, at + 6);
    watch.arp({
      operation,
      senderMac: hex(b, at + 8, 6, ':'),
      senderAddress: be32(b, at + 14),
      targetAddress: be32(b, at + 24),
      frameMac: macText(macAt),
      broadcast: ethernetFrame && (b[macAt - 6]! & 1) === 1,
    });
  };

  /** Type 5: another gateway is better (RFC 792); the packet it is about stands behind. */
  const icmp4 = (b: Uint8Array, header: number, at: number, end: number): undefined => {
    if (end - at < 28 || b[at] !== 5 || b[at + 8]! >>> 4 !== 4) return;
    const text = (i: number) => addressText(Int32Array.of(0, 0, 0xffff, be32(b, i)), 0);
    watch.redirect(macText(macAt), text(header + 12), text(at + 4), text(at + 24));
  };

  const icmp6 = (b: Uint8Array, header: number, at: number, end: number): undefined => {
    if (b[at] === 137 && end - at >= 40) {
      // RFC 4861 section 4.5: target, then destination; the same address twice is only "it is on this link".
      const target = address6(b, at + 8);
      const destination = address6(b, at + 24);
      if (target !== destination) watch.redirect(macText(macAt), address6(b, header + 8), target, destination);
      return;
    }
    if (end - at < 16 || b[at] !== 134) return;
    // RFC 4861 section 6.1.2: a valid one comes from a link-local address with hop limit 255.
    const valid = b[header + 7] === 255 && b[header + 8] === 0xfe && (b[header + 9]! & 0xc0) === 0x80;
    const mac = macText(macAt) || 'unknown';
    watch.routerAdvertisement(mac, hex(b, header + 8, 16), valid, moment.vlan);
  };

  const raw = (b: Uint8Array, start: number, end: number): undefined => {
    const version = start < end ? b[start]! >>> 4 : 0;
    if (version === 4) ipv4(b, start, end, 0);
    else if (version === 6) ipv6(b, start, end, 0);
    else bad();
  };

  const byLink = (b: Uint8Array, start: number, end: number, link: number): undefined => {
    const size = end - start;
    // Numbers of https://www.tcpdump.org/linktypes.html
    if (link === 1) ethernet(b, start, end, 0);
    else if (link === 101 || link === 12 || link === 14 || link === 228 || link === 229) raw(b, start, end);
    else if (link === 113 && size >= 16) {
      macAt = be16(b, start + 4) === 6 ? start + 6 : -1;
      etherType(b, be16(b, start + 14), start + 16, end, 0);
    } else if (link === 276 && size >= 20) {
      macAt = b[start + 11] === 6 ? start + 12 : -1;
      etherType(b, be16(b, start), start + 20, end, 0);
    } else if ((link === 0 || link === 108) && size >= 4) raw(b, start + 4, end);
    else if (link === 9 || link === 50) {
      const at = start + (b[start] === 0xff && b[start + 1] === 3 ? 2 : 0);
      if (end - at < 2) return bad();
      const ppp = be16(b, at);
      etherType(b, ppp === 0x21 ? 0x0800 : ppp === 0x57 ? 0x86dd : 0, at + 2, end, 0);
    } else if (link === 51 && size >= 8) etherType(b, 0x8864, start, end, 0);
    else counts.unknownLink++;
  };

  return {
    counts,
    frame(b, start, end, originalLength, timeMs, link) {
      counts.packets++;
      counts.bytes += end - start;
      if (originalLength > end - start) counts.cut++;
      moment.timeMs = timeMs;
      moment.packet++;
      moment.vlan = 0;
      macAt = -1;
      frame = b;
      ethernetFrame = false;
      byLink(b, start, end, link);
    },
  };
}

/** The local network as ARP, neighbour discovery and ICMP show it: who claims which address, who says it is the router. */

import { addressText } from './network-bytes.ts';
import type { ArpPacket, LinkWatch, Moment } from './network-packet.ts';
import type { Signs } from './network-signs.ts';

const ADDRESSES_MAX = 65_536;
const CONFLICTS_MAX = 2000;
const ROUTERS_MAX = 256;
const ASKED_MAX = 16_384;
/** An answer belongs to a question of the last seconds (RFC 826 knows no time; operating systems wait one). */
const ASKED_MS_MAX = 5000;
/** Answers that nobody asked for, before it is called spoofing: tools repeat them every second or two. */
const UNASKED_MIN = 4;

interface Sighting {
  count: number;
  firstMs: number;
  lastMs: number;
  file: string;
  packet: number;
}

export interface ArpConflict extends Sighting {
  readonly address: string;
  readonly vlan: number;
  readonly macs: Set<string>;
  /** How often the claim went back to a machine that had it before. */
  returns: number;
}

export interface Router extends Sighting {
  readonly mac: string;
  readonly address: string;
  readonly vlan: number;
  valid: boolean;
}

export interface Watch extends LinkWatch {
  readonly conflicts: Map<string, ArpConflict>;
  readonly routers: Map<string, Router>;
}

/** MACs that are meant to move between machines: VRRP and CARP (RFC 9568 section 7.3), HSRP versions 1 and 2, GLBP. */
const SHARED = /^00:00:5e:00:0[12]:|^00:00:0c:07:ac:|^00:00:0c:9f:f|^00:05:73:a0:|^00:07:b4:/;

const text4 = (address: number): string => addressText(Int32Array.of(0, 0, 0xffff, address), 0);

export function createWatch(moment: Moment, signs: Signs): Watch {
  const owners = new Map<number, string>();
  const conflicts = new Map<string, ArpConflict>();
  const routers = new Map<string, Router>();
  /** Who asked for which address, and when. */
  const asked = new Map<string, number>();
  const unasked = new Map<string, number>();
  const sighting = (): Sighting => ({
    count: 0,
    firstMs: moment.timeMs,
    lastMs: moment.timeMs,
    file: moment.file,
    packet: moment.packet,
  });
  const again = (seen: Sighting): void => {
    seen.count++;
    seen.lastMs = moment.timeMs;
  };
  const remember = <K, V>(map: Map<K, V>, key: K, value: V): void => {
    map.delete(key);
    map.set(key, value);
    if (map.size > ASKED_MAX) for (const oldest of map.keys()) return void map.delete(oldest);
  };

  const claim = (mac: string, address: number, vlan: number): void => {
    const key = vlan * 4294967296 + address;
    const owner = owners.get(key);
    if (owner === mac) return;
    if (owner === undefined && owners.size >= ADDRESSES_MAX) return;
    owners.set(key, mac);
    if (owner === undefined) return;
    const id = `${vlan}.${address}`;
    let conflict = conflicts.get(id);
    if (!conflict) {
      if (conflicts.size >= CONFLICTS_MAX) return;
      conflict = { ...sighting(), address: text4(address), vlan, macs: new Set([owner]), returns: 0 };
      conflicts.set(id, conflict);
    }
    if (conflict.macs.has(mac)) conflict.returns++;
    else if (conflict.macs.size < 16) conflict.macs.add(mac);
    again(conflict);
  };

  /** An answer to nobody's question, again and again, is how caches are poisoned. */
  const answer = (one: ArpPacket, mac: string, vlan: number): void => {
    if (one.targetAddress === one.senderAddress || one.targetAddress === 0 || one.broadcast) return;
    const question = asked.get(`${vlan}.${one.targetAddress}.${one.senderAddress}`);
    if (question !== undefined && Math.abs(moment.timeMs - question) <= ASKED_MS_MAX) return;
    const key = `${vlan}.${mac}.${one.senderAddress}.${one.targetAddress}`;
    const times = (unasked.get(key) ?? 0) + 1;
    remember(unasked, key, times);
    if (times < UNASKED_MIN) return;
    const sign = signs.add('arp-spoofing', mac, text4(one.senderAddress), text4(one.targetAddress));
    sign?.affected.add(text4(one.senderAddress));
    sign?.facts.set('unasked_answers', times);
  };

  return {
    conflicts,
    routers,
    arp(one) {
      const { senderMac: mac, senderAddress: address } = one;
      const { vlan } = moment;
      // 0.0.0.0 asks whether an address is free (RFC 5227 section 2.1.1).
      if (address === 0) return;
      if (one.operation === 1 && one.targetAddress !== address)
        remember(asked, `${vlan}.${address}.${one.targetAddress}`, moment.timeMs);
      if (SHARED.test(mac) || SHARED.test(one.frameMac)) return;
      claim(mac, address, vlan);
      if (one.operation === 2) answer(one, mac, vlan);
      // Bridges and wireless repeaters send for others, but then for many.
      if (one.operation === 2 && one.frameMac !== '' && one.frameMac !== mac)
        signs.add('arp-spoofing', one.frameMac, text4(address), text4(address))?.facts.set('speaks_for', mac);
    },
    routerAdvertisement(mac, address, valid, vlan) {
      const id = `${vlan}.${mac}.${address}`;
      let router = routers.get(id);
      if (!router) {
        if (routers.size >= ROUTERS_MAX) return;
        const words = new Int32Array(4);
        for (let i = 0; i < 4; i++) words[i] = Number.parseInt(address.slice(i * 8, i * 8 + 8), 16);
        router = { ...sighting(), mac, address: addressText(words, 0), vlan, valid };
        routers.set(id, router);
      }
      router.valid &&= valid;
      again(router);
    },
    redirect(mac, from, to, destination) {
      const sign = signs.add('icmp-redirect', mac, from, destination);
      sign?.facts.set('new_gateway', to);
    },
    relayed(mac, first, from, to, hops) {
      const sign = signs.add('relayed-traffic', mac, from, from);
      sign?.affected.add(to);
      sign?.facts.set('first_sender', first);
      sign?.facts.set('hop_limit_lowered_by', hops);
    },
  };
}

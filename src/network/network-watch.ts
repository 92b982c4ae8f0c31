/** Signs of somebody in the middle on the local network: addresses claimed by two machines, and who says it is the router. */

import { addressText } from './network-bytes.ts';
import type { LinkWatch, Moment } from './network-packet.ts';

const ADDRESSES_MAX = 65_536;
const CONFLICTS_MAX = 2000;
const ROUTERS_MAX = 256;

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
  readonly conflicts: ReadonlyMap<string, ArpConflict>;
  readonly routers: ReadonlyMap<string, Router>;
}

/** MACs that are meant to move between machines: VRRP and CARP (RFC 9568 section 7.3), HSRP versions 1 and 2. */
const SHARED = /^00:00:5e:00:0[12]:|^00:00:0c:07:ac:|^00:00:0c:9f:f|^00:05:73:a0:/;

export function createWatch(moment: Moment): Watch {
  const owners = new Map<number, string>();
  const conflicts = new Map<string, ArpConflict>();
  const routers = new Map<string, Router>();
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

  return {
    conflicts,
    routers,
    arp(mac, address, vlan) {
      // 0.0.0.0 asks whether an address is free (RFC 5227 section 2.1.1).
      if (address === 0 || SHARED.test(mac)) return;
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
        const words = Int32Array.of(0, 0, 0xffff, address);
        conflict = { ...sighting(), address: addressText(words, 0), vlan, macs: new Set([owner]), returns: 0 };
        conflicts.set(id, conflict);
      }
      if (conflict.macs.has(mac)) conflict.returns++;
      else if (conflict.macs.size < 16) conflict.macs.add(mac);
      again(conflict);
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
  };
}

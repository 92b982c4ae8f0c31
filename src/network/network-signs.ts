/** Signs of somebody in the middle, gathered by kind, suspect and victim, with a ceiling on each. */

import type { Moment } from './network-packet.ts';

export type SignKind =
  | 'arp-conflict'
  | 'arp-spoofing'
  | 'rogue-dhcp-server'
  | 'unexpected-router-advertisement'
  | 'icmp-redirect'
  | 'name-poisoning'
  | 'dns-conflicting-answers'
  | 'relayed-traffic'
  | 'starttls-stripped';

export interface Sign {
  readonly kind: SignKind;
  /** The machine that does it: its MAC, or its address when no MAC was seen. */
  readonly suspect: string;
  /** The address it does it in; the suspect's own where that is what matters. */
  readonly address: string;
  readonly vlan: number;
  /** Addresses whose traffic may have passed it; empty means everybody in this network. */
  readonly affected: Set<string>;
  /** Words for the evidence, of our own making or names of devices. */
  readonly facts: Map<string, string | number>;
  count: number;
  readonly firstMs: number;
  lastMs: number;
  readonly file: string;
  readonly packet: number;
}

export interface Signs {
  readonly all: Map<string, Sign>;
  /** The sign of this kind, suspect and address, made when it is new; null when there is no more room. */
  add(kind: SignKind, suspect: string, address: string, affected?: string): Sign | null;
}

const SIGNS_MAX = 4000;
const AFFECTED_MAX = 256;

export function createSigns(moment: Moment): Signs {
  const all = new Map<string, Sign>();
  return {
    all,
    add(kind, suspect, address, affected) {
      const key = `${kind}|${suspect}|${address}|${moment.vlan}`;
      let sign = all.get(key);
      if (!sign) {
        if (all.size >= SIGNS_MAX) return null;
        const { timeMs, packet, file, vlan } = moment;
        sign = {
          kind,
          suspect,
          address,
          vlan,
          affected: new Set(),
          facts: new Map(),
          count: 0,
          firstMs: timeMs,
          lastMs: timeMs,
          file,
          packet,
        };
        all.set(key, sign);
      }
      sign.count++;
      sign.lastMs = Math.max(sign.lastMs, moment.timeMs);
      if (affected !== undefined && sign.affected.size < AFFECTED_MAX) sign.affected.add(affected);
      return sign;
    },
  };
}

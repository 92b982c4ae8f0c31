/** Routers and access points among what was seen: what makes one a router, and whether it is made for homes. Pure. */

import type { Machine } from './network-assets.ts';
import type { Inspection } from './network-inspect.ts';
import { vendorOf } from './network-oui.ts';
import { familyClass } from './network-router-families.ts';

export interface RouterVerdict {
  readonly mac: string;
  readonly addresses: readonly string[];
  readonly vendor: string | null;
  readonly verdict: 'consumer' | 'professional' | 'unknown';
  /** Why it is taken for a router, and why for one of this kind. */
  readonly reasons: readonly string[];
  readonly firstMs: number;
  readonly lastMs: number;
  /** Traffic of other machines goes through it. */
  readonly forwards: boolean;
}

/** So many foreign addresses behind one card: it forwards. */
const FOREIGN_MIN = 4;
/** What systems send with: 64, 128, 255; one less came over one more hop. */
const FRESH_HOPS = new Set([64, 128, 255]);

interface Card {
  readonly mac: string;
  readonly machines: Machine[];
}

const networkOf = (address: string): string =>
  address.includes(':') ? address.split(':').slice(0, 4).join(':') : address.split('.').slice(0, 3).join('.');

/** Every machine that acts as a router, with its verdict. */
export function judgeRouters(seen: Inspection): RouterVerdict[] {
  const cards = new Map<string, Card>();
  for (const machine of seen.machines)
    for (const mac of machine.macs) {
      const card = cards.get(mac) ?? { mac, machines: [] };
      card.machines.push(machine);
      cards.set(mac, card);
    }
  const gateways = new Set(seen.dhcpServers.flatMap((server) => [...server.gateways]));
  return [...cards.values()].flatMap((card) => verdictOf(card, seen, gateways));
}

function verdictOf(card: Card, seen: Inspection, gateways: ReadonlySet<string>): RouterVerdict[] {
  const own = card.machines.filter((one) => one.macs.length === 1).slice(0, 64);
  const roles = rolesOf(card, own, seen, gateways);
  const nature = natureOf(card, own, seen);
  if (roles.reasons.length === 0 && !nature.igd) return [];
  const verdict = nature.consumer.length > 0 ? 'consumer' : nature.professional.length > 0 ? 'professional' : 'unknown';
  const why = verdict === 'consumer' ? nature.consumer : nature.professional;
  return [
    {
      mac: card.mac,
      addresses: roles.addresses,
      vendor: vendorOf(card.mac)?.name ?? null,
      verdict,
      reasons: [...roles.reasons, ...why],
      firstMs: Math.min(...card.machines.map((one) => one.firstMs)),
      lastMs: Math.max(...card.machines.map((one) => one.lastMs)),
      forwards: roles.forwards,
    },
  ];
}

function rolesOf(card: Card, own: readonly Machine[], seen: Inspection, gateways: ReadonlySet<string>) {
  const reasons: string[] = [];
  const addresses = new Set<string>();
  const dhcp = seen.dhcpServers.filter((server) => server.mac === card.mac);
  if (dhcp.length > 0) reasons.push('hands out addresses (DHCP)');
  for (const server of dhcp) if (server.address !== '') addresses.add(server.address);
  const announces = seen.routers.filter((router) => router.mac === card.mac);
  if (announces.length > 0) reasons.push('says that it is an IPv6 router');
  for (const router of announces) addresses.add(router.address);
  const gateway = own.find((one) => gateways.has(one.address));
  if (gateway) {
    reasons.push('is the gateway that DHCP names');
    addresses.add(gateway.address);
  }
  const networks = new Set(
    card.machines.filter((one) => !one.address.startsWith('fe80')).map((one) => networkOf(one.address)),
  );
  const forwards = networks.size >= FOREIGN_MIN;
  if (forwards) reasons.push(`forwards for ${networks.size} or more other networks`);
  const hidden = own.find((one) => hidesOthers(one.hops));
  if (hidden) {
    reasons.push('packets of several hop limits come from one address: machines are hidden behind it (NAT)');
    addresses.add(hidden.address);
  }
  return { reasons, addresses: [...addresses].slice(0, 16), forwards: forwards || hidden !== undefined };
}

/** Its own packets arrive fresh, those of others one hop older. */
export function hidesOthers(hops: readonly number[]): boolean {
  const worn = hops.filter((one) => FRESH_HOPS.has(one + 1));
  return worn.length >= 2 || (worn.length === 1 && hops.some((one) => FRESH_HOPS.has(one)));
}

function natureOf(card: Card, own: readonly Machine[], seen: Inspection) {
  const consumer: string[] = [];
  const professional: string[] = [];
  let igd = false;
  const vendor = vendorOf(card.mac);
  if (vendor?.class === 'consumer') consumer.push(`made by ${vendor.name}, who sells to homes`);
  if (vendor?.class === 'professional') professional.push(`made by ${vendor.name}`);
  for (const machine of own) {
    for (const family of machine.facts.get('family') ?? []) {
      if (familyClass(family) === 'consumer') consumer.push(`calls itself ${family}`);
      else professional.push(`calls itself ${family}`);
    }
    const upnp = [...(machine.facts.get('upnp-device') ?? []), ...(machine.facts.get('ssdp-server') ?? [])];
    if (upnp.some((one) => one.startsWith('InternetGatewayDevice'))) {
      igd = true;
      consumer.push('opens ports for anybody who asks (UPnP internet gateway)');
    }
    const known = seen.leaks.some(
      (leak) => leak.app === 'snmp' && leak.server === machine.address && leak.fields.has('community (a default one)'),
    );
    if (known) consumer.push('answers to a default SNMP community');
    const names = [...(machine.facts.get('dhcp-name') ?? []), ...(machine.facts.get('mdns-name') ?? [])];
    const name = names.find((one) =>
      /^(?:fritz|speedport|easybox|tplink|netgear|dlink|linksys|asus-?rt|router|openwrt|livebox)/i.test(one),
    );
    if (name !== undefined) consumer.push('has a host name that home routers come with');
  }
  return { consumer: [...new Set(consumer)], professional: [...new Set(professional)], igd };
}

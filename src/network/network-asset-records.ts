/** Machines that were seen → assets with a class and the reasons for it. Pure. */

import type { Asset } from '../core/index.ts';
import type { Machine } from './network-assets.ts';
import type { Inspection } from './network-inspect.ts';
import { vendorOf } from './network-oui.ts';
import type { Leak } from './network-report.ts';
import { judgeRouters } from './network-routers.ts';

export type AssetDraft = Pick<Asset, 'name' | 'class' | 'addresses' | 'macs' | 'reasons'> & {
  readonly os?: string;
  readonly firstMs: number;
  readonly lastMs: number;
};

const REASONS_MAX = 16;
const REASON_CHARS_MAX = 200;

interface Verdict {
  class: Asset['class'];
  reasons: string[];
}

/** An asset for each machine of ours; `isOurs` tells which addresses are. */
export function assetDrafts(seen: Inspection, isOurs: (address: string) => boolean): AssetDraft[] {
  const routers = new Map(
    judgeRouters(seen).flatMap((router) => router.addresses.map((one) => [one, router] as const)),
  );
  const leaks = new Map<string, Leak[]>();
  const file = (address: string, leak: Leak) => {
    const known = leaks.get(address);
    if (known) known.push(leak);
    else leaks.set(address, [leak]);
  };
  for (const leak of seen.leaks) {
    file(leak.client, leak);
    if (leak.server !== leak.client) file(leak.server, leak);
  }
  // A card that stands before many addresses is a router's: it says nothing about the machines behind it.
  const behind = new Map<string, number>();
  for (const machine of seen.machines) for (const mac of machine.macs) behind.set(mac, (behind.get(mac) ?? 0) + 1);
  return seen.machines
    .filter((machine) => isOurs(machine.address))
    .map((machine) => {
      const macs = [...machine.macs].filter((mac) => (behind.get(mac) ?? 0) <= 4);
      const { class: kind, reasons } = classOf(machine, macs, leaks.get(machine.address) ?? []);
      const router = routers.get(machine.address);
      const os = systemHint(machine);
      return {
        name: machine.address,
        class: router ? 'network' : kind,
        addresses: [machine.address],
        macs: macs.slice(0, 8),
        reasons: [...(router?.reasons ?? []), ...reasons]
          .slice(0, REASONS_MAX)
          .map((one) => one.slice(0, REASON_CHARS_MAX)),
        ...(os === '' ? {} : { os }),
        firstMs: machine.firstMs,
        lastMs: machine.lastMs,
      };
    });
}

function classOf(machine: Machine, macs: readonly string[], leaks: readonly Leak[]): Verdict {
  const reasons: string[] = [];
  const votes: Asset['class'][] = [];
  const say = (kind: Asset['class'] | null, reason: string): void => {
    if (kind !== null) votes.push(kind);
    reasons.push(reason);
  };
  for (const mac of macs) {
    const vendor = vendorOf(mac);
    if (!vendor) continue;
    const kind = vendor.class === 'medical' ? 'medical' : vendor.class === 'printer' ? 'printer' : null;
    say(kind, `network card made by ${vendor.name}`);
  }
  for (const leak of leaks) clinical(leak, machine.address, say);
  const words: readonly (readonly [string, string])[] = [
    ['dicom-title', 'calls itself %s in DICOM'],
    ['dicom-implementation', 'DICOM software %s'],
    ['hl7-application', 'sends HL7 as application %s'],
    ['hl7-facility', 'sends HL7 for facility %s'],
    ['dhcp-name', 'asks for an address as %s'],
    ['dhcp-class', 'DHCP client of kind %s'],
    ['mdns-name', 'answers to the name %s'],
    ['netbios-name', 'answers to the Windows name %s'],
    ['http-server', 'web server %s'],
    ['banner', 'says %s'],
    ['upnp-device', 'describes itself as %s'],
    ['family', 'is or belongs to %s'],
  ];
  for (const [fact, text] of words)
    for (const value of [...(machine.facts.get(fact as never) ?? [])].slice(0, 3))
      reasons.push(text.replace('%s', value));
  if ([...(machine.facts.get('dhcp-class') ?? [])].some((one) => one.startsWith('MSFT'))) votes.push('workstation');
  const best = (['medical', 'printer', 'server', 'workstation'] as const).find((kind) => votes.includes(kind));
  return { class: best ?? 'unknown', reasons: [...new Set(reasons)] };
}

/** Who sends images or results makes them; who takes them keeps them. */
function clinical(leak: Leak, address: string, say: (kind: Asset['class'] | null, reason: string) => void): void {
  const sends = leak.client === address;
  const kinds = [...leak.what.keys()];
  if (leak.app === 'dicom' && sends && kinds.includes('C-STORE')) say('medical', 'sends images (DICOM C-STORE)');
  else if (leak.app === 'dicom') say(sends ? null : 'server', sends ? 'asks in DICOM' : 'answers in DICOM');
  else if ((leak.app === 'astm' || leak.app === 'poct1a') && sends)
    say('medical', `sends laboratory results (${leak.app === 'astm' ? 'ASTM' : 'POCT1-A'})`);
  else if (leak.app === 'hl7') say(sends ? null : 'server', sends ? 'sends HL7 messages' : 'takes HL7 messages');
}

function systemHint(machine: Machine): string {
  const said = [...(machine.facts.get('system') ?? [])][0];
  if (said !== undefined) return said;
  const hop = Math.max(0, ...machine.hops);
  if (hop > 128) return '';
  return hop > 64 ? 'probably Windows (hop limit 128)' : '';
}

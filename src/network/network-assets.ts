/** Machines as they show themselves in passing: addresses, cards, names, hop limits, and what they say about their software. */

import { deviceName } from './network-bytes.ts';
import type { Moment } from './network-packet.ts';
import type { Said } from './network-report.ts';
import { deviceFamily } from './network-router-families.ts';

export type Fact =
  | Said
  | 'dhcp-name'
  | 'dhcp-class'
  | 'mdns-name'
  | 'netbios-name'
  | 'ssdp-server'
  | 'system'
  | 'family';

export interface Machine {
  readonly address: string;
  readonly macs: readonly string[];
  readonly vlans: readonly number[];
  /** Hop limits that its packets arrived with. */
  readonly hops: readonly number[];
  readonly facts: ReadonlyMap<Fact, ReadonlySet<string>>;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Lists of few, made when there is something to put in: fifty thousand machines are kept. */
interface Open {
  readonly address: string;
  macs: string[];
  vlans: number[];
  hops: number[];
  facts: Map<Fact, Set<string>>;
  firstMs: number;
  lastMs: number;
  /** What was seen last: mostly the next packet shows the same. */
  card: number;
  hop: number;
  vlan: number;
}

export interface Assets {
  /** The first packet of one direction of a flow: its address as words, the end of its card's address, and how to write it. */
  sighted(words: Int32Array, at: number, hopLimit: number, card: number, text: () => string): void;
  /** A machine says something about itself. */
  said(address: string, what: Said, value: string): void;
  fact(address: string, what: Fact, value: string): void;
  /** The card behind an address, when the frame on the way is its own. */
  card(address: string, mac: string): void;
  machines(): Machine[];
}

export const MACHINES_MAX = 50_000;
const SET_MAX = 16;
const FAMILIES_MAX = 1024;
const TEXT_CHARS_MAX = 64;
/** Nothing yet, of all machines; never put into. */
const NONE: never[] = [];
const NO_FACTS = new Map<Fact, Set<string>>();

export function createAssets(moment: Moment, machinesMax = MACHINES_MAX): Assets {
  const open = new Map<string, Open>();
  /** The same machines by their IPv4 address as a number. */
  const byNumber = new Map<number, Open>();

  const machine = (address: string): Open | null => {
    let known = open.get(address);
    if (known) {
      known.lastMs = Math.max(known.lastMs, moment.timeMs);
      return known;
    }
    if (open.size >= machinesMax || !isUnicast(address)) return null;
    const { timeMs } = moment;
    known = {
      address,
      macs: NONE,
      vlans: NONE,
      hops: NONE,
      facts: NO_FACTS,
      firstMs: timeMs,
      lastMs: timeMs,
      card: 0,
      hop: -1,
      vlan: -1,
    };
    open.set(address, known);
    return known;
  };
  /** Machines say the same again and again: what they said last, and the family in it. */
  const families = new Map<string, ReturnType<typeof deviceFamily>>();
  const added = <T>(list: T[], value: T): T[] => {
    if (list.length === 0) return [value];
    if (list.length < SET_MAX && !list.includes(value)) list.push(value);
    return list;
  };
  const fact = (address: string, what: Fact, value: string): void => {
    if (value === '') return;
    const known = machine(address);
    if (!known) return;
    if (known.facts === NO_FACTS) known.facts = new Map();
    const values = known.facts.get(what);
    if (values) {
      if (values.size < SET_MAX) values.add(value);
    } else known.facts.set(what, new Set([value]));
  };

  return {
    fact,
    sighted(words, at, hopLimit, card, text) {
      const four = words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0xffff;
      let known = four ? byNumber.get(words[at + 3]!) : undefined;
      if (known === undefined) {
        if (open.size >= machinesMax) return;
        known = machine(text()) ?? undefined;
        if (known === undefined) return;
        if (four) byNumber.set(words[at + 3]!, known);
      }
      known.lastMs = Math.max(known.lastMs, moment.timeMs);
      if (known.card === card && known.hop === hopLimit && known.vlan === moment.vlan) return;
      known.card = card;
      known.hop = hopLimit;
      known.vlan = moment.vlan;
      known.hops = added(known.hops, hopLimit);
      known.vlans = added(known.vlans, moment.vlan);
      const mac = moment.mac();
      if (mac !== '') known.macs = added(known.macs, mac);
    },
    card(address, mac) {
      const known = machine(address);
      if (known) known.macs = added(known.macs, mac);
    },
    said(address, what, value) {
      const text = value.slice(0, 400);
      // Free texts of pages may name a patient: of them only a model that is known stays.
      let family = families.get(text);
      if (family === undefined) {
        family = deviceFamily(text);
        if (families.size >= FAMILIES_MAX) families.clear();
        families.set(text, family);
      }
      if (family !== null) fact(address, 'family', family.name);
      if (what === 'http-title' || what === 'http-realm') return;
      if (what === 'user-agent') fact(address, 'system', systemOf(text));
      else if (what === 'upnp-device') fact(address, what, softwareText(text, '|'));
      else if (what === 'http-server' || what === 'banner') fact(address, what, softwareText(text, ''));
      else fact(address, what, deviceName(text, TEXT_CHARS_MAX));
    },
    machines: () => [...open.values()],
  };
}

const isUnicast = (address: string): boolean => !/^(?:0\.|2(?:2[4-9]|[3-5]\d)\.|ff|::$|::ffff:)/.test(address);

/** Words that programs use for themselves and their versions. */
function softwareText(text: string, more: string): string {
  let kept = '';
  for (const c of text.slice(0, TEXT_CHARS_MAX * 2)) if (/[\w .,:/()+-]/.test(c) || more.includes(c)) kept += c;
  return kept.trim().slice(0, TEXT_CHARS_MAX * 2);
}

const SYSTEMS: readonly (readonly [RegExp, string])[] = [
  [/Windows NT 10/, 'Windows 10 or later'],
  [/Windows NT 6\.3/, 'Windows 8.1'],
  [/Windows NT 6\.1/, 'Windows 7'],
  [/Windows NT 6\.0/, 'Windows Vista'],
  [/Windows NT 5\.[12]/, 'Windows XP'],
  [/Windows CE/, 'Windows CE'],
  [/Android (\d{1,2})/, 'Android'],
  [/iPhone|iPad/, 'iOS'],
  [/Mac OS X/, 'macOS'],
  [/CrOS/, 'ChromeOS'],
  [/Debian|Ubuntu|Linux/, 'Linux'],
];

export const systemOf = (text: string): string => SYSTEMS.find(([words]) => words.test(text))?.[1] ?? '';

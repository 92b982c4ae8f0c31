/**
 * Names on the local network: DNS, mDNS, LLMNR and NetBIOS (RFC 1035, 6762, 4795, 1002). Machines are named by what they say
 * about themselves; a machine that answers for names of all kinds, or a second, different answer, is a sign.
 */

import type { Assets } from './network-assets.ts';
import { address6, be16, deviceName } from './network-bytes.ts';
import type { Flow } from './network-flow.ts';
import type { Moment } from './network-packet.ts';
import type { Signs } from './network-signs.ts';
import type { FlowTable } from './network-table.ts';

const LABELS_MAX = 64;
const NAME_CHARS_MAX = 255;
const RECORDS_MAX = 32;
const OPEN_MAX = 8192;
const RESPONDERS_MAX = 4096;
/** So many different names, of which a machine has one or two itself. */
const NAMES_MIN = 4;
/** Later than this a second answer belongs to a second question. */
const SECOND_MS_MAX = 10_000;
/** Names that tools wait for, because every Windows machine asks for them and nobody has them. */
const BAIT = new Set(['wpad', 'isatap', 'proxysrv', 'wpad.local']);

interface Question {
  questions: number;
  answers: Map<string, string>;
  timeMs: number;
}

export interface Names {
  read(flow: Flow, dir: number, source: number, target: number, b: Uint8Array, at: number, end: number): boolean;
}

export function createNames(o: { moment: Moment; signs: Signs; assets: Assets; table: FlowTable }): Names {
  const { moment, signs, assets, table } = o;
  const open = new Map<string, Question>();
  /** Which names each machine answers for, with its own address. */
  const responders = new Map<string, Set<string>>();

  const answersForAll = (from: string, names: readonly string[], protocol: string, asker: string): void => {
    let known = responders.get(from);
    if (!known) {
      if (responders.size >= RESPONDERS_MAX) return;
      known = new Set();
      responders.set(from, known);
    }
    for (const name of names) if (known.size < 64) known.add(name.toLowerCase());
    const bait = names.some((name) => BAIT.has(name.toLowerCase()));
    if (known.size < NAMES_MIN && !bait) return;
    const sign = signs.add('name-poisoning', moment.mac() || from, from, asker);
    sign?.facts.set('names_answered', known.size);
    sign?.facts.set('protocol', protocol);
    if (bait) sign?.facts.set('bait', 'a name that nobody should have (WPAD, ISATAP)');
  };

  const domain = (flow: Flow, dir: number, message: Message): void => {
    const asker = table.address(flow, message.answer ? dir ^ 1 : dir);
    const port = table.port(flow, message.answer ? dir ^ 1 : dir);
    const key = `${asker}|${port}|${message.id}|${message.questions.join(',').toLowerCase()}`;
    let known = open.get(key);
    if (!known || Math.abs(moment.timeMs - known.timeMs) > SECOND_MS_MAX) {
      known = { questions: 0, answers: new Map(), timeMs: moment.timeMs };
      open.set(key, known);
      if (open.size > OPEN_MAX)
        for (const oldest of open.keys()) {
          open.delete(oldest);
          break;
        }
    }
    if (!message.answer) {
      known.questions++;
      return;
    }
    if (message.addresses.length === 0) return;
    const set = message.addresses.toSorted().join(' ');
    const mac = moment.mac();
    const other = [...known.answers].find(([text]) => disjoint(text, set));
    // One question, two answers that share nothing: one of them is forged (a resolver answers once).
    if (other !== undefined && known.answers.size >= Math.max(1, known.questions)) {
      const sign = signs.add(
        'dns-conflicting-answers',
        mac || table.address(flow, dir),
        table.address(flow, dir),
        asker,
      );
      if (other[1] !== mac && other[1] !== '') sign?.facts.set('other_machine', other[1]);
      sign?.facts.set('answers', known.answers.size + 1);
    }
    if (known.answers.size < 8) known.answers.set(set, mac);
  };

  const local = (flow: Flow, dir: number, protocol: string, message: Message): void => {
    if (!message.answer) return;
    const from = table.address(flow, dir);
    const own = message.records.filter((one) => one.address !== '' && one.address === from).map((one) => one.name);
    if (own.length === 0) return;
    const bare = own.map((name) => name.replace(/\.local$/i, ''));
    assets.fact(from, protocol === 'NetBIOS' ? 'netbios-name' : 'mdns-name', deviceName(bare[0] ?? '', 64));
    const asker = table.address(flow, dir ^ 1);
    answersForAll(from, own, protocol, /^(?:2[2-3]\d\.|ff)/.test(asker) ? from : asker);
  };

  return {
    read(flow, dir, source, target, b, at, end) {
      const netbios = source === 137;
      const message = readMessage(b, at, end, netbios);
      if (!message) return false;
      if (netbios) local(flow, dir, 'NetBIOS', message);
      else if (source === 5353) local(flow, dir, 'mDNS', message);
      else if (source === 5355 || target === 5355) local(flow, dir, 'LLMNR', message);
      else domain(flow, dir, message);
      return true;
    },
  };
}

const disjoint = (a: string, b: string): boolean => {
  const known = new Set(a.split(' '));
  return !b.split(' ').some((one) => known.has(one));
};

interface Message {
  readonly id: number;
  readonly answer: boolean;
  readonly questions: readonly string[];
  readonly records: readonly { name: string; address: string }[];
  readonly addresses: readonly string[];
}

/** Null when it is cut or does not fit together. */
function readMessage(b: Uint8Array, from: number, end: number, netbios: boolean): Message | null {
  const questions: string[] = [];
  const records: { name: string; address: string }[] = [];
  let at = from + 12;
  const counts = [be16(b, from + 4), be16(b, from + 6)] as const;
  if (counts[0] > RECORDS_MAX || counts[1] > RECORDS_MAX * 4) return null;
  for (let i = 0; i < counts[0]; i++) {
    const name = readName(b, from, at, end);
    if (!name || name.at + 4 > end) return null;
    questions.push(`${name.text}/${be16(b, name.at)}`);
    at = name.at + 4;
  }
  for (let i = 0; i < Math.min(counts[1], RECORDS_MAX); i++) {
    const name = readName(b, from, at, end);
    if (!name || name.at + 10 > end) break;
    const type = be16(b, name.at);
    const length = be16(b, name.at + 8);
    const value = name.at + 10;
    if (value + length > end) break;
    const text = netbios ? netbiosName(name.text) : name.text;
    records.push({ name: text, address: addressOf(b, type, value, length, netbios) });
    at = value + length;
  }
  const addresses = records.map((one) => one.address).filter((one) => one !== '');
  return { id: be16(b, from), answer: (b[from + 2]! & 0x80) !== 0, questions, records, addresses };
}

function addressOf(b: Uint8Array, type: number, at: number, length: number, netbios: boolean): string {
  // NetBIOS: flags of two bytes before each address (RFC 1002 section 4.2.13).
  if (netbios && type === 0x20 && length >= 6) return `${b[at + 2]}.${b[at + 3]}.${b[at + 4]}.${b[at + 5]}`;
  if (type === 1 && length === 4) return `${b[at]}.${b[at + 1]}.${b[at + 2]}.${b[at + 3]}`;
  if (type !== 28 || length !== 16) return '';
  return address6(b, at);
}

function readName(b: Uint8Array, from: number, start: number, end: number): { text: string; at: number } | null {
  let at = start;
  let after = -1;
  let text = '';
  for (let turns = 0; turns < LABELS_MAX; turns++) {
    if (at >= end) return null;
    const length = b[at]!;
    if (length === 0) return { text, at: after < 0 ? at + 1 : after };
    if (length >= 0xc0) {
      if (at + 2 > end) return null;
      if (after < 0) after = at + 2;
      at = from + (be16(b, at) & 0x3fff);
      continue;
    }
    if (length > 63 || at + 1 + length > end || text.length > NAME_CHARS_MAX) return null;
    if (text !== '') text += '.';
    for (let i = 0; i < length; i++) text += String.fromCharCode(b[at + 1 + i]!);
    at += 1 + length;
  }
  return null;
}

/** First-level encoding: half a byte a letter (RFC 1001 section 14.1); the sixteenth says which service. */
function netbiosName(text: string): string {
  let name = '';
  for (let i = 0; i + 1 < 30; i += 2)
    name += String.fromCharCode(((text.charCodeAt(i) - 65) << 4) | ((text.charCodeAt(i + 1) - 65) & 15));
  return name.trim();
}

/**
 * Numbers for observables, so that a part of the archive can say which of a thousand indicators it may hold without being
 * opened: one for each address and its networks, each name and those above it, URLs with and without query, digests,
 * e-mail addresses. Different observables may share a number; the same observable always has the same one.
 */

import { parseCidr } from './cidr.ts';
import { createObservableScan, type ObservableText } from './observable-scan.ts';

export type ObservableType = 'address' | 'cidr' | 'domain' | ObservableText;

const SEEDS = { v4: 1, net4: 2, v6: 3, net6: 4, domain: 5, url: 6, hash: 7, email: 8 } as const;
/** Networks that are noted of each address, the narrowest first. */
const BITS_4 = [24, 16] as const;
const BITS_6 = [64, 48, 32] as const;
/** Labels of a name that are noted with all below them. */
const LABELS_MAX = 16;

/** The finaliser of MurmurHash3. */
function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

const seed = (kind: number): number => Math.imul(kind, 0x9e3779b9);
const mix = (hash: number, unit: number): number => Math.imul(hash ^ unit, 0x01000193);
const lower = (unit: number): number => (unit >= 65 && unit <= 90 ? unit + 32 : unit);

const keyOfV4 = (address: number): number => finish(seed(SEEDS.v4) ^ finish(address));
const keyOfNet4 = (address: number, bits: number): number =>
  finish(seed(SEEDS.net4 + bits * 16) ^ finish(address >>> (32 - bits)));

function keyOfV6(words: readonly number[], bits: number): number {
  let hash = seed(bits === 128 ? SEEDS.v6 : SEEDS.net6 + bits * 16);
  for (let i = 0; i < bits / 16; i++) hash = mix(hash, words[i] as number);
  return finish(hash);
}

/** Read backwards, so that the names above a name cost nothing extra. */
function keyOfBytes(kind: number, bytes: Uint8Array, start: number, end: number): number {
  let hash = seed(kind);
  for (let i = end - 1; i >= start; i--) hash = mix(hash, lower(bytes[i] as number));
  return finish(hash);
}

/** Reports the numbers of everything that stands in a text. */
export function createKeyScan(add: (key: number) => void): (text: string) => void {
  const always = () => true;
  return createObservableScan({
    v4: true,
    v6: true,
    names: true,
    digests: true,
    mails: true,
    urls: true,
    mayV4: always,
    mayEnd: always,
    mayHost: always,
    mayDigest: always,
    onV4: (address) => {
      add(keyOfV4(address));
      for (const bits of BITS_4) add(keyOfNet4(address, bits));
    },
    onV6: (words) => {
      add(keyOfV6(words, 128));
      for (const bits of BITS_6) add(keyOfV6(words, bits));
    },
    onName: (bytes, start, end) => {
      let hash = seed(SEEDS.domain);
      let labels = 0;
      for (let i = end - 1; i >= start && labels < LABELS_MAX; i--) {
        const unit = lower(bytes[i] as number);
        if (unit === 46 && labels++ > 0) add(finish(hash));
        hash = mix(hash, unit);
      }
      add(finish(hash));
    },
    onText: (type, bytes, start, end) => {
      add(keyOfBytes(SEEDS[type], bytes, start, end));
      return false;
    },
  });
}

/**
 * Numbers of which one stands in every part that holds the observable; null where all parts may hold it: networks that are
 * wider than what is noted.
 *
 * @param value in its one form: lower case, networks with their host bits cleared
 */
export function keysOfObservable(type: ObservableType, value: string): number[] | null {
  if (type === 'address' || type === 'cidr') return keysOfNetwork(value);
  const bytes = Buffer.from(value);
  return [keyOfBytes(SEEDS[type], bytes, 0, bytes.length)];
}

function keysOfNetwork(value: string): number[] | null {
  const cidr = parseCidr(value);
  if (cidr === null) return null;
  const { words, bits } = cidr;
  if (words.length === 8) {
    if (bits === 128) return [keyOfV6(words, 128)];
    const noted = BITS_6.find((one) => one <= bits);
    return noted === undefined ? null : [keyOfV6(words, noted)];
  }
  const address = ((words[0] as number) * 65_536 + (words[1] as number)) >>> 0;
  if (bits === 32) return [keyOfV4(address)];
  if (bits >= 24) return [keyOfNet4(address, 24)];
  // Wider ones are the sum of what is noted: at most 128 networks.
  const step = bits > 16 ? 24 : bits > 8 ? 16 : null;
  if (step === null) return null;
  return Array.from({ length: 2 ** (step - bits) }, (_, i) => keyOfNet4((address + i * 2 ** (32 - step)) >>> 0, step));
}

/** The hash with the installation's key: patients and secrets are told apart and never kept. Loads nothing else: threads start with it. */

import { hash as digest, randomBytes } from 'node:crypto';
import { basename } from 'node:path';

/** Of a text, or of bytes where they lie. */
export type Hash = (value: string | Uint8Array, from?: number, end?: number) => string;

const BLOCK_BYTES = 64;
/** Places of what is remembered; half of them are used at most. */
const PLACES = 1 << 17;

/**
 * HMAC-SHA-256 cut to 64 bits: enough to tell patients apart, useless without the key. Written out (RFC 2104 section 2)
 * because making an Hmac object for each message costs ten times the hash.
 */
export function keyedHash(key: Uint8Array): Hash {
  const short = key.length > BLOCK_BYTES ? digest('sha256', key, 'buffer') : key;
  const inner = Buffer.alloc(BLOCK_BYTES, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + 32, 0x5c);
  for (const [i, byte] of short.entries()) {
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  // The same patients come again and again. What is remembered is a number of the value (64 bits), not the value.
  const numbers = new Int32Array(PLACES * 2);
  /** By place, one more than where it stands in `made`. */
  const at = new Int32Array(PLACES);
  const made: string[] = [];
  const pair = new Int32Array(2);
  const seed = randomBytes(4).readInt32LE();
  return (value, from = 0, end = value.length) => {
    quickNumber(pair, value, from, end, seed);
    const low = pair[0]!;
    const high = pair[1]!;
    let place = low & (PLACES - 1);
    for (; at[place] !== 0; place = (place + 1) & (PLACES - 1))
      if (numbers[place * 2] === low && numbers[place * 2 + 1] === high) return made[at[place]! - 1]!;
    const hashed = hmac(typeof value === 'string' ? Buffer.from(value.slice(from, end)) : value.subarray(from, end));
    if (made.length >= PLACES / 2) {
      made.length = 0;
      at.fill(0);
      place = low & (PLACES - 1);
    }
    at[place] = made.push(hashed);
    numbers[place * 2] = low;
    numbers[place * 2 + 1] = high;
    return hashed;
  };
  function hmac(bytes: Uint8Array): string {
    outer.set(digest('sha256', Buffer.concat([inner, bytes]), 'buffer'), BLOCK_BYTES);
    return digest('sha256', outer, 'hex').slice(0, 16);
  }
}

/** Two 32-bit mixes of a value: both equal for different values once in a million million million. */
function quickNumber(pair: Int32Array, value: string | Uint8Array, from: number, end: number, seed: number): void {
  let a = seed ^ 0x9e3779b9;
  let z = seed ^ 0x85ebca6b;
  const text = typeof value === 'string';
  for (let i = from; i < end; i++) {
    const c = text ? value.charCodeAt(i) : value[i]!;
    a = Math.imul(a ^ c, 0x9e3779b1);
    z = Math.imul(z ^ c, 0x5f356495);
    a = (a << 13) | (a >>> 19);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  pair[0] = a;
  pair[1] = z;
}

/** What a capture is called in findings: file names are chosen by people and may hold a patient's. Empty for a pipe. */
export const captureLabel = (hash: Hash, path: string): string =>
  path === '-' ? '-' : `capture-${hash(basename(path)).slice(0, 8)}`;

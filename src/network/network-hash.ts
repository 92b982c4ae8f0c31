/** The key of this installation, and the hash with it: patients and secrets are told apart and never kept. */

import { hash as digest, randomBytes } from 'node:crypto';
import { AsepsisError, type Store } from '../core/index.ts';

const KEY_NAME = 'network.hash-key';

export type Hash = (value: string | Uint8Array) => string;

const BLOCK_BYTES = 64;
const KNOWN_MAX = 65_536;

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
  const known = new Map<number, string>();
  const seed = randomBytes(4).readInt32LE();
  return (value) => {
    // The same patients come again and again. What is remembered is a number of the value, not the value.
    const number = quickNumber(value, seed);
    const before = known.get(number);
    if (before !== undefined) return before;
    const made = hmac(value);
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(number, made);
    return made;
  };
  function hmac(value: string | Uint8Array): string {
    const text = typeof value === 'string' ? Buffer.from(value) : value;
    outer.set(digest('sha256', Buffer.concat([inner, text]), 'buffer'), BLOCK_BYTES);
    return digest('sha256', outer, 'hex').slice(0, 16);
  }
}

/** Two 32-bit mixes of a value as one number of 53 bits: equal for different values once in a million million. */
function quickNumber(value: string | Uint8Array, seed: number): number {
  let a = seed ^ 0x9e3779b9;
  let z = seed ^ 0x85ebca6b;
  const text = typeof value === 'string';
  for (let i = 0; i < value.length; i++) {
    const c = text ? value.charCodeAt(i) : value[i]!;
    a = Math.imul(a ^ c, 0x9e3779b1);
    z = Math.imul(z ^ c, 0x5f356495);
    a = (a << 13) | (a >>> 19);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (z & 0x1fffff) * 4294967296 + (a >>> 0);
}

/** The installation's key, made once; without a store a key that nobody will know again. */
export async function hashKey(store: Store | null): Promise<Uint8Array> {
  if (store === null) return randomBytes(32);
  const known = await store.values.get(KEY_NAME);
  if (known !== null) return Buffer.from(known, 'base64');
  const fresh = randomBytes(32);
  if (await store.values.compareAndSet(KEY_NAME, null, fresh.toString('base64'))) return fresh;
  const theirs = await store.values.get(KEY_NAME);
  if (theirs === null) throw new AsepsisError('STORE_UNAVAILABLE', 'The key of the network room cannot be kept.');
  return Buffer.from(theirs, 'base64');
}

/** A fast keyed hash of texts, 53 bits wide: enough to tell a million values apart, keyed so that nobody can aim at a clash. */

import { createHash } from 'node:crypto';

export interface HashKey {
  readonly a: number;
  readonly b: number;
}

/** The key of an installation: from the stream's id, which no sender of events learns. */
export function hashKey(secret: string): HashKey {
  const digest = createHash('sha256').update(`detection\0${secret}`).digest();
  return { a: digest.readUInt32LE(0), b: digest.readUInt32LE(4) };
}

/** The finaliser of MurmurHash3 (Appleby, public domain): each bit of the input changes half of the output's. */
function finish(value: number): number {
  let h = value ^ (value >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** A whole number from 0 to 2^53 - 1. */
export function hashText(key: HashKey, text: string): number {
  let a = key.a;
  let b = key.b;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    a = Math.imul(a ^ unit, 0x01000193);
    b = Math.imul(b ^ unit, 0x5bd1e995);
    b ^= b >>> 15;
  }
  return finish(a ^ text.length) * 0x200000 + (finish(b ^ a) >>> 11);
}

const WHOLE = 2 ** 53;
/** The hash as a share of all hashes, 0 to 1: below a rate are those that a sample of that rate keeps. */
export const shareOf = (hash: number): number => hash / WHOLE;

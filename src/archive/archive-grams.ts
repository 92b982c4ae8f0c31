/**
 * Which four-letter pieces a file's raw records have, as a bitmap: a search for a rare word opens only files that have
 * all of its pieces (the idea of trigram indexes: Zobel, Moffat, Sacks-Davis 1993). Hot path of the upkeep: one
 * multiplication and one bit a character; `bench/bench-archive.ts` has its share of the sealing time.
 */

/** 64 KB a file before folding: ten thousands of different pieces leave most bits free. */
const BITS_LOG2 = 19;
const BYTES_MAX = 1 << (BITS_LOG2 - 3);
const BYTES_MIN = 1024;
/** A bitmap with fewer ones than this is folded in half. */
const SPARSE = 0.1;
const LENGTH = 4;
const KEY_MASK = 0xfff_ffff;

export const createGrams = (): Uint8Array => new Uint8Array(BYTES_MAX);

const place = (key: number): number => Math.imul(key, 0x9e3779b1) >>> (32 - BITS_LOG2);

/** The only two characters beyond ASCII whose lower case is ASCII: the Kelvin sign and the I with a dot. */
const KELVIN = '\u212a';
const DOTTED = '\u0130';

function plain(bytes: Buffer): Buffer {
  if (!bytes.includes(KELVIN) && !bytes.includes(DOTTED)) return bytes;
  return Buffer.from(bytes.toString('utf8').replaceAll(KELVIN, 'k').replaceAll(DOTTED, 'i'));
}

/** @param text UTF-8; whatever else stands between records does no harm: a file may be opened in vain, never missed */
export function gramsAdd(grams: Uint8Array, text: Buffer): void {
  const bytes = plain(text);
  let key = 0;
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i] as number;
    if (byte >= 65 && byte <= 90) byte |= 32;
    key = ((key << 7) | (byte & 127)) & KEY_MASK;
    const bit = place(key);
    grams[bit >>> 3] = (grams[bit >>> 3] as number) | (1 << (bit & 7));
  }
}

/** False only when no record of the file has this text in it. Texts that are short or not ASCII are always possible. */
export function gramsMayHave(grams: Uint8Array, text: string): boolean {
  if (!/^[\x20-\x7e]*$/.test(text)) return true;
  const lower = text.toLowerCase();
  const mask = grams.length * 8 - 1;
  let key = 0;
  for (let i = 0; i < lower.length; i++) {
    key = ((key << 7) | lower.charCodeAt(i)) & KEY_MASK;
    if (i < LENGTH - 1) continue;
    const bit = place(key) & mask;
    if (((grams[bit >>> 3] as number) & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}

function ones(grams: Uint8Array): number {
  let count = 0;
  for (let byte of grams) for (; byte !== 0; byte &= byte - 1) count += 1;
  return count;
}

/** Halves a sparse bitmap as often as it stays sparse. */
export function foldGrams(grams: Uint8Array): Uint8Array {
  let folded = grams;
  while (folded.length > BYTES_MIN && ones(folded) < folded.length * 8 * SPARSE) {
    const half = folded.length / 2;
    const smaller = folded.slice(0, half);
    for (let i = 0; i < half; i++) smaller[i] = (smaller[i] as number) | (folded[half + i] as number);
    folded = smaller;
  }
  return folded;
}

/** Adds what a (folded) bitmap of a part has to the bitmap of the whole. */
export function gramsUnite(whole: Uint8Array, part: Uint8Array): void {
  for (let i = 0; i < whole.length; i++) whole[i] = (whole[i] as number) | (part[i % part.length] as number);
}

/** A size that `foldGrams` makes. */
export const isGramsSize = (bytes: number): boolean =>
  bytes >= BYTES_MIN && bytes <= BYTES_MAX && (bytes & (bytes - 1)) === 0;

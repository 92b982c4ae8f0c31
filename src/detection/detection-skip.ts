/**
 * Finds texts anywhere in a value with windows that skip what cannot fit (Wu and Manber, "A fast algorithm for multi-pattern
 * searching", 1994). A hot path (bench/bench-detect.ts).
 */

import { chain, folded, type Report, step } from './detection-finder.ts';

/** Longest window. */
const WINDOW_CHARS_MAX = 12;
/** Texts from this length on are searched as bytes. */
const BYTES_FROM = 96;
const BYTES_MAX = 32 * 1024;
/** Room for three bytes a character, so that a longer writing is seen as such. */
const ROOM = Buffer.alloc(3 * BYTES_MAX);
const BYTES = new Uint8Array(ROOM.buffer, ROOM.byteOffset, ROOM.length);

let written = '';
let writtenAscii = false;

/**
 * Puts a long text into the room from which `bytes` reads, if all of it is ASCII; several searches of one text share it.
 * Answers whether it did.
 */
export function asBytes(value: string): boolean {
  const { length } = value;
  if (length < BYTES_FROM || length > BYTES_MAX) return false;
  if (value === written) return writtenAscii;
  // As many bytes as characters: all of it is ASCII.
  writtenAscii = ROOM.write(value, 0, BYTES.length, 'utf8') === length;
  written = value;
  return writtenAscii;
}

export interface WindowFinder {
  /** Answers false when lower case shifts the places of characters, so that the lower-case text has to be looked at. */
  readonly text: (value: string, report: Report) => boolean;
  /** The same for a value that `asBytes` has put into the room. */
  readonly bytes: (value: string, report: Report) => unknown;
}

/**
 * Five bits of a character: letters of both cases fall together, others beside letters. What falls together by chance is told
 * apart when texts are compared.
 */
const FIVE = 31;

/** How common a pair of characters is in the texts of Windows and Unix: windows are put where it is rare. */
const PAIR_WEIGHT = new Uint8Array(128 * 128).fill(1);
const COMMON_PAIRS =
  '\\s st te em 32 ws wi in nd do ow s\\ .e ex xe er re on en at or ll dl .d ti es mi ic cr ro os so of ft ' +
  'pr og gr ra am m f fi il le us rs se c: :\\ nt t\\ an ar it co he ha th 00 0x 10 ex p: //';
for (const pair of COMMON_PAIRS.split(' ')) PAIR_WEIGHT[(pair.charCodeAt(0) << 7) | pair.charCodeAt(1)] = 3;

function commonness(text: string, from: number, chars: number): number {
  let sum = 0;
  for (let i = from; i < from + chars - 1; i++)
    sum += PAIR_WEIGHT[((text.charCodeAt(i) & 127) << 7) | (text.charCodeAt(i + 1) & 127)] as number;
  return sum;
}

/** Where in the text the rarest window begins. */
function windowIn(text: string, chars: number): number {
  let best = 0;
  let least = Number.POSITIVE_INFINITY;
  for (let from = 0; from + chars <= text.length && from < 64; from++) {
    const sum = commonness(text, from, chars);
    if (sum < least) {
      least = sum;
      best = from;
    }
  }
  return best;
}

/** Tables up to this many blocks have 4096 places, which stay in the processor's first cache; larger ones 32,768. */
const SMALL_BLOCKS_MAX = 512;

/**
 * Texts of at least two characters that stand anywhere.
 *
 * @param compact small tables even for many texts: for lists that are looked into rarely
 */
export function windowFinder(
  texts: readonly string[],
  payloads: readonly (readonly number[])[],
  compact: boolean,
): WindowFinder {
  const shortest = texts.reduce((least, text) => Math.min(least, text.length), WINDOW_CHARS_MAX);
  const block = shortest === 2 ? 2 : 3;
  const small = compact || texts.length * (shortest - block + 1) <= SMALL_BLOCKS_MAX;
  const far = small ? 7 : 10;
  const near = small ? 3 : 5;
  const starts = texts.map((text) => windowIn(text, shortest));
  const shifts = new Uint8Array(small ? 4096 : 32_768).fill(shortest - block + 1);
  const keyOf = (text: string, last: number): number => {
    const first = block === 2 ? 0 : text.charCodeAt(last - 2);
    return ((first & FIVE) << far) ^ ((text.charCodeAt(last - 1) & FIVE) << near) ^ (text.charCodeAt(last) & FIVE);
  };
  const hashes = texts.map((text, n) => {
    const from = starts[n] as number;
    let hash = 0;
    for (let j = 0; j < shortest; j++) {
      hash = step(hash, text.charCodeAt(from + j));
      if (j < block - 1) continue;
      const key = keyOf(text, from + j);
      shifts[key] = Math.min(shifts[key] as number, shortest - 1 - j);
    }
    return hash;
  });
  const { head, next, hashes: known, mask } = chain(hashes);

  /** Whether the window that begins at `from` may be one of ours. */
  const fits = (value: string, from: number): boolean => {
    let hash = 0;
    for (let j = from; j < from + shortest; j++) hash = step(hash, folded(value.charCodeAt(j)));
    for (let e = head[hash & mask] as number; e >= 0; e = next[e] as number) if (known[e] === hash) return true;
    return false;
  };
  const confirm = (lower: string, from: number, report: Report): void => {
    let hash = 0;
    for (let j = from; j < from + shortest; j++) hash = step(hash, lower.charCodeAt(j));
    for (let e = head[hash & mask] as number; e >= 0; e = next[e] as number) {
      const start = starts[e] as number;
      if (known[e] === hash && from >= start && lower.startsWith(texts[e] as string, from - start))
        report(payloads[e] as readonly number[]);
    }
  };
  /** Looks at the window that ends at `last`; the lower-case text once it was needed, false when its places differ. */
  const look = (value: string, lower: string | null, last: number, certain: boolean, report: Report) => {
    const from = last - shortest + 1;
    if (lower === null) {
      if (certain && !fits(value, from)) return null;
      const made = value.toLowerCase();
      if (made.length !== value.length) return false;
      confirm(made, from, report);
      return made;
    }
    confirm(lower, from, report);
    return lower;
  };

  const searchText = (value: string, report: Report): boolean => {
    let lower: string | null = null;
    for (let last = shortest - 1; last < value.length; ) {
      const a = block === 2 ? 0 : value.charCodeAt(last - 2);
      const b = value.charCodeAt(last - 1);
      const c = value.charCodeAt(last);
      // What is not ASCII may have ASCII in its lower case, so nothing is skipped there.
      const certain = (a | b | c) < 128;
      const shift = certain ? (shifts[((a & FIVE) << far) ^ ((b & FIVE) << near) ^ (c & FIVE)] as number) : 0;
      if (shift !== 0) last += shift;
      else {
        const looked = look(value, lower, last++, certain, report);
        if (looked === false) return false;
        lower = looked;
      }
    }
    return true;
  };

  /** The same over the bytes of a long ASCII text: reading a byte costs half of reading a character. */
  const searchBytes = (value: string, report: Report): void => {
    // Local names, so that the loop keeps them in registers.
    const bytes = BYTES;
    const table = shifts;
    const left = far;
    const middle = near;
    const { length } = value;
    let lower: string | null = null;
    let last = shortest - 1;
    while (last < length) {
      const a = bytes[last - 2] as number;
      const b = bytes[last - 1] as number;
      const c = bytes[last] as number;
      const shift = table[((a & FIVE) << left) ^ ((b & FIVE) << middle) ^ (c & FIVE)] as number;
      if (shift !== 0) last += shift;
      else lower = look(value, lower, last++, true, report) as string | null;
    }
  };

  return { text: searchText, bytes: block === 2 ? searchText : searchBytes };
}

/**
 * Finds the literals of one field. Whole values, beginnings and ends are looked up by a hash that grows with the text;
 * everything else is searched with windows that skip what cannot fit (Wu and Manber, "A fast algorithm for multi-pattern
 * searching", 1994). A hot path (bench/bench-detect.ts): against a transition table it needs a thousandth of the time to
 * build and stays in the processor's first cache. What it reports is confirmed exactly, so it never reports too much.
 */

import { BEGIN, END } from './detection-literal.ts';

export interface FieldScan {
  /**
   * Payloads of all literals that stand in the value once it is in lower case, each once; the array is used again by the
   * next call. The value comes as it was written: a lower-case copy is made only when something may fit.
   */
  find: (value: string) => readonly number[];
  /** Shortest text that can hold any of the literals. */
  readonly charsMin: number;
}

/** Literals with the payloads of each; keys are in lower case with the edge symbols of detection-literal. */
export type LiteralTable = ReadonlyMap<string, readonly number[]>;

type Report = (payloads: readonly number[]) => void;
/** Answers false when lower case shifts the places of characters, so that the lower-case text has to be looked at. */
type Finder = (value: string, report: Report) => boolean;

/** Longest part of a beginning, an end or a window that is hashed; the rest is compared. */
const EDGE_CHARS_MAX = 24;
const WINDOW_CHARS_MAX = 8;
/** Texts from this length on are searched as bytes. */
const BYTES_FROM = 96;
const BYTES_MAX = 32 * 1024;
/** Room for three bytes a character, so that a longer writing is seen as such. */
const ROOM = Buffer.alloc(3 * BYTES_MAX);
const BYTES = new Uint8Array(ROOM.buffer, ROOM.byteOffset, ROOM.length);
/** Sets up to this size look at two characters at a time, larger ones at three. */
const SMALL_SET = 4;
/** Sets of lists inside one rule are looked into rarely, so that small tables are worth more than long steps. */
const SMALL_LIST = 96;

/** Chained hash table over numbers, as typed arrays. */
interface Chains {
  readonly head: Int32Array;
  readonly next: Int32Array;
  readonly hashes: Int32Array;
  readonly mask: number;
}

function chain(hashes: readonly number[]): Chains {
  let size = 16;
  while (size < hashes.length * 4) size *= 2;
  const head = new Int32Array(size).fill(-1);
  const next = new Int32Array(hashes.length);
  hashes.forEach((hash, i) => {
    next[i] = head[hash & (size - 1)] as number;
    head[hash & (size - 1)] = i;
  });
  return { head, next, hashes: Int32Array.from(hashes), mask: size - 1 };
}

const step = (hash: number, c: number): number => (Math.imul(hash, 0x01000193) ^ c) | 0;

/** ASCII in lower case. Of all others only U+0130 and U+212A have ASCII in their lower case. */
const LOWER = new Uint8Array(128);
for (let c = 0; c < 128; c++) LOWER[c] = c >= 65 && c <= 90 ? c + 32 : c;
const fold = (c: number): number => (c < 128 ? (LOWER[c] as number) : c === 0x212a ? 107 : c);

/** Texts that a value begins with or ends with. */
function edgeFinder(texts: readonly string[], payloads: readonly (readonly number[])[], end: boolean): Finder {
  const charAt = (text: string, i: number): number => text.charCodeAt(end ? text.length - 1 - i : i);
  const hashes = texts.map((text) => {
    let hash = 0;
    for (let i = 0; i < text.length && i < EDGE_CHARS_MAX; i++) hash = step(hash, charAt(text, i));
    return hash;
  });
  const { head, next, hashes: known, mask } = chain(hashes);
  const lengths = new Uint8Array(EDGE_CHARS_MAX + 1);
  let longest = 0;
  for (const { length } of texts) {
    const hashed = Math.min(length, EDGE_CHARS_MAX);
    lengths[hashed] = 1;
    longest = Math.max(longest, hashed);
  }
  return (value, report) => {
    const { length } = value;
    const last = length < longest ? length : longest;
    let hash = 0;
    let lower: string | null = null;
    for (let i = 0; i < last; i++) {
      const c = value.charCodeAt(end ? length - 1 - i : i);
      if (c === 0x130) return false;
      hash = step(hash, fold(c));
      if (lengths[i + 1] === 0) continue;
      for (let e = head[hash & mask] as number; e >= 0; e = next[e] as number) {
        if (known[e] !== hash) continue;
        lower ??= value.toLowerCase();
        const text = texts[e] as string;
        if (end ? lower.endsWith(text) : lower.startsWith(text)) report(payloads[e] as readonly number[]);
      }
    }
    return true;
  };
}

/** Character classes: 5 bits for blocks of three, 6 for blocks of two. Characters may share one; comparing decides. */
const CLASS5 = new Uint8Array(128);
const CLASS6 = new Uint8Array(128);
for (let i = 0; i < 128; i++) {
  const c = LOWER[i] as number;
  const text = String.fromCharCode(c);
  const letter = c >= 97 && c <= 122;
  const digit = c >= 48 && c <= 57;
  CLASS6[i] = letter ? c - 96 : digit ? c - 48 + 27 : 37 + (c % 27);
  CLASS5[i] = letter
    ? c - 96
    : digit
      ? 27
      : text === '\\'
        ? 28
        : text === ' '
          ? 29
          : text === '.'
            ? 30
            : c % 2
              ? 31
              : 0;
}

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

/** Texts of at least two characters that stand anywhere. */
function windowFinder(texts: readonly string[], payloads: readonly (readonly number[])[], smallSet: number): Finder {
  const shortest = texts.reduce((least, text) => Math.min(least, text.length), WINDOW_CHARS_MAX);
  const pairs = shortest === 2 || texts.length <= smallSet;
  const block = pairs ? 2 : 3;
  const classes = pairs ? CLASS6 : CLASS5;
  const bits = pairs ? 6 : 5;
  const starts = texts.map((text) => windowIn(text, shortest));
  const shifts = new Uint8Array(1 << (bits * block)).fill(shortest - block + 1);
  const keyOf = (text: string, last: number): number => {
    let key = 0;
    for (let i = last - block + 1; i <= last; i++) key = (key << bits) | (classes[text.charCodeAt(i) & 127] as number);
    return key;
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
    for (let j = from; j < from + shortest; j++) hash = step(hash, fold(value.charCodeAt(j)));
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

  const searchText: Finder = (value, report) => {
    let lower: string | null = null;
    for (let last = shortest - 1; last < value.length; ) {
      const a = pairs ? 0 : value.charCodeAt(last - 2);
      const b = value.charCodeAt(last - 1);
      const c = value.charCodeAt(last);
      // What is not ASCII may have ASCII in its lower case, so nothing is skipped there.
      const certain = (a | b | c) < 128;
      const key = pairs
        ? ((CLASS6[b] as number) << 6) | (CLASS6[c] as number)
        : ((CLASS5[a] as number) << 10) | ((CLASS5[b] as number) << 5) | (CLASS5[c] as number);
      const shift = certain ? (shifts[key] as number) : 0;
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
    const { length } = value;
    let lower: string | null = null;
    let last = shortest - 1;
    if (pairs) {
      const classes = CLASS6;
      while (last < length) {
        const shift = table[
          ((classes[bytes[last - 1] as number] as number) << 6) | (classes[bytes[last] as number] as number)
        ] as number;
        if (shift !== 0) last += shift;
        else lower = look(value, lower, last++, true, report) as string | null;
      }
      return;
    }
    const classes = CLASS5;
    while (last < length) {
      const a = classes[bytes[last - 2] as number] as number;
      const b = classes[bytes[last - 1] as number] as number;
      const shift = table[(a << 10) | (b << 5) | (classes[bytes[last] as number] as number)] as number;
      if (shift !== 0) last += shift;
      else lower = look(value, lower, last++, true, report) as string | null;
    }
  };

  return (value, report) => {
    const { length } = value;
    if (length < shortest) return true;
    // As many bytes as characters: all of it is ASCII.
    if (length < BYTES_FROM || length > BYTES_MAX || ROOM.write(value, 0, BYTES.length, 'utf8') !== length)
      return searchText(value, report);
    searchBytes(value, report);
    return true;
  };
}

const NOT_ASCII = /[\u0080-\uffff]/;

/** Texts that are found by their first character beyond ASCII. */
function foreignFinder(texts: readonly string[], payloads: readonly (readonly number[])[]): Finder {
  const byCharacter = new Map<number, { text: string; at: number; payloads: readonly number[] }[]>();
  texts.forEach((text, i) => {
    const at = text.search(NOT_ASCII);
    const character = text.codePointAt(at) as number;
    const list = byCharacter.get(character) ?? [];
    list.push({ text, at, payloads: payloads[i] as readonly number[] });
    byCharacter.set(character, list);
  });
  return (value, report) => {
    if (!NOT_ASCII.test(value)) return true;
    const lower = value.toLowerCase();
    for (let i = 0; i < lower.length; i++) {
      if (lower.charCodeAt(i) < 128) continue;
      for (const one of byCharacter.get(lower.codePointAt(i) as number) ?? []) {
        if (i >= one.at && lower.startsWith(one.text, i - one.at)) report(one.payloads);
      }
    }
    return true;
  };
}

interface Kinds {
  readonly whole: Map<string, readonly number[]>;
  readonly begins: [string[], (readonly number[])[]];
  readonly ends: [string[], (readonly number[])[]];
  /** Long and short texts apart, so that a few short ones do not make the windows of all small. */
  readonly long: [string[], (readonly number[])[]];
  readonly short: [string[], (readonly number[])[]];
  readonly single: [string[], (readonly number[])[]];
  /** Texts with characters beyond ASCII: only values that have such characters are searched for them. */
  readonly foreign: [string[], (readonly number[])[]];
}

/** Texts from this length on are searched with windows of their own when shorter ones are there too. */
const LONG_CHARS = 8;

function sortOut(literals: LiteralTable): Kinds {
  const kinds: Kinds = {
    whole: new Map(),
    begins: [[], []],
    ends: [[], []],
    long: [[], []],
    short: [[], []],
    single: [[], []],
    foreign: [[], []],
  };
  for (const [text, payloads] of literals) {
    const begin = text.startsWith(BEGIN);
    const end = text.endsWith(END);
    const bare = text.slice(begin ? 1 : 0, end ? -1 : undefined);
    if (NOT_ASCII.test(bare)) {
      kinds.foreign[0].push(bare);
      kinds.foreign[1].push(payloads);
    } else if (begin && end) kinds.whole.set(bare, payloads);
    else {
      const part = begin
        ? kinds.begins
        : end
          ? kinds.ends
          : bare.length < 2
            ? kinds.single
            : kinds[bare.length >= LONG_CHARS ? 'long' : 'short'];
      part[0].push(bare);
      part[1].push(payloads);
    }
  }
  return kinds;
}

export function createScan(literals: LiteralTable, payloadCount: number, smallSet = SMALL_SET): FieldScan {
  const kinds = sortOut(literals);
  const found: number[] = [];
  /** Whether a payload is in `found`. */
  const taken = new Uint8Array(payloadCount);
  const report: Report = (payloads) => {
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i] as number;
      if (taken[payload] === 1) continue;
      taken[payload] = 1;
      found.push(payload);
    }
  };
  const finders: Finder[] = [];
  if (kinds.begins[0].length > 0) finders.push(edgeFinder(...kinds.begins, false));
  if (kinds.ends[0].length > 0) finders.push(edgeFinder(...kinds.ends, true));
  const few =
    kinds.long[0].length === 0 || kinds.short[0].length === 0 || kinds.short[0].length + kinds.long[0].length < 16;
  if (few) {
    kinds.long[0].push(...kinds.short[0]);
    kinds.long[1].push(...kinds.short[1]);
  } else finders.push(windowFinder(...kinds.short, smallSet));
  if (kinds.long[0].length > 0) finders.push(windowFinder(...kinds.long, smallSet));
  if (kinds.foreign[0].length > 0) finders.push(foreignFinder(...kinds.foreign));
  const [singles, singlePayloads] = kinds.single;
  const lengths = new Uint8Array(256);
  for (const text of kinds.whole.keys()) lengths[Math.min(text.length, 255)] = 1;
  const anyWhole = kinds.whole.size > 0;
  let charsMin = Number.POSITIVE_INFINITY;
  for (const text of literals.keys()) {
    charsMin = Math.min(charsMin, text.length - (text.startsWith(BEGIN) ? 1 : 0) - (text.endsWith(END) ? 1 : 0));
  }
  const search = (value: string): boolean => {
    if (anyWhole && lengths[value.length < 255 ? value.length : 255] === 1) {
      const payloads = kinds.whole.get(value.toLowerCase());
      if (payloads) report(payloads);
    }
    for (let i = 0; i < finders.length; i++) if (!(finders[i] as Finder)(value, report)) return false;
    if (singles.length === 0) return true;
    const lower = value.toLowerCase();
    for (let i = 0; i < singles.length; i++) {
      if (lower.includes(singles[i] as string)) report(singlePayloads[i] as readonly number[]);
    }
    return true;
  };

  return {
    charsMin,
    find: (value) => {
      if (found.length > 0) {
        for (let i = 0; i < found.length; i++) taken[found[i] as number] = 0;
        found.length = 0;
      }
      if (!search(value)) search(value.toLowerCase());
      return found;
    },
  };
}

/** Whether any of the literals stands in a value. */
export function createAnyScan(literals: readonly string[]): (value: string) => boolean {
  const scan = createScan(new Map(literals.map((text) => [text, [0]])), 1, SMALL_LIST);
  return (value) => scan.find(value).length > 0;
}

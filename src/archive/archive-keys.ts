/**
 * The numbers of all observables in one file (`core/observable-keys`), ascending, as distances of variable length (LEB128):
 * two to three bytes each. A hunt for a thousand indicators asks them instead of opening the file.
 */

/** More than this in one file are not kept: the file is opened instead. */
const KEYS_MAX = 4_000_000;
const KEYS_FIRST = 65_536;

export interface KeyBuilder {
  add(key: number): void;
  /** Empty where there were too many. */
  finish(): Buffer;
}

/** What a file is known to hold of what was asked for. */
export interface HeldKeys {
  readonly held: readonly number[];
  /** How many different ones the file has. */
  readonly count: number;
}

/** Ascending, each once; answers how many. */
function tidy(keys: Uint32Array): number {
  keys.sort();
  let kept = 0;
  for (let i = 0; i < keys.length; i++) if (i === 0 || keys[i] !== keys[kept - 1]) keys[kept++] = keys[i] as number;
  return kept;
}

export function createKeys(): KeyBuilder {
  let keys = new Uint32Array(KEYS_FIRST);
  let used = 0;
  let tooMany = false;
  const grow = (): void => {
    used = tidy(keys.subarray(0, used));
    if (used * 4 < keys.length * 3) return;
    tooMany = used > KEYS_MAX;
    const larger = new Uint32Array(keys.length * 2);
    larger.set(keys.subarray(0, used));
    keys = larger;
  };
  return {
    add: (key) => {
      if (tooMany) return;
      if (used === keys.length) grow();
      keys[used++] = key;
    },
    finish: () => (tooMany ? Buffer.alloc(0) : encode(keys.subarray(0, tidy(keys.subarray(0, used))))),
  };
}

/** The number of keys, then the distance of each to the one before. */
function encode(keys: Uint32Array): Buffer {
  const out = Buffer.allocUnsafe(5 + keys.length * 5);
  let at = 0;
  const put = (value: number): void => {
    let rest = value;
    while (rest >= 128) {
      out[at++] = (rest & 127) | 128;
      rest >>>= 7;
    }
    out[at++] = rest;
  };
  put(keys.length);
  let before = 0;
  for (const key of keys) {
    put(key - before);
    before = key;
  }
  return out.subarray(0, at);
}

/**
 * Hot path of hunts: millions of keys a file.
 *
 * @param wanted ascending; null when the bytes make no sense
 */
export function keysAmong(bytes: Uint8Array, wanted: Uint32Array): HeldKeys | null {
  const length = bytes.length;
  const held: number[] = [];
  let at = 0;
  let count = -1;
  let seen = 0;
  let key = 0;
  let next = 0;
  let soonest = wanted.length === 0 ? Number.POSITIVE_INFINITY : (wanted[0] as number);
  while (at < length && seen !== count) {
    let byte = bytes[at++] as number;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      if (at === length || scale > 2 ** 28) return null;
      byte = bytes[at++] as number;
      value += (byte & 127) * scale;
    }
    if (count < 0) {
      count = value;
      continue;
    }
    seen++;
    key += value;
    if (key < soonest) continue;
    while (next < wanted.length && (wanted[next] as number) < key) next++;
    if (wanted[next] === key) {
      held.push(key);
      next++;
    }
    soonest = next < wanted.length ? (wanted[next] as number) : Number.POSITIVE_INFINITY;
  }
  return at === length && seen === count ? { held, count } : null;
}

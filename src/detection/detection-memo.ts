/**
 * Remembers for repeating values (process images, accounts) which rules they make candidates. One place a value, found
 * by a few of its characters; a field whose values never repeat is left alone after a while. Bounded in count and length.
 */

const VALUE_CHARS_MAX = 1024;
/** Look-ups after which a field is judged, the share of hits that keeps the memo, and for how long it rests else. */
const JUDGE_EVERY = 1024;
const HITS_MIN = JUDGE_EVERY / 5;
const REST = 16 * JUDGE_EVERY;

const PLACES = 512;
const NONE: readonly number[] = Object.freeze([]);
const EMPTY_KEYS: (string | null)[] = Array.from({ length: PLACES }, () => null);
const EMPTY_LISTS: (readonly number[])[] = Array.from({ length: PLACES }, () => NONE);

export type Find = (value: string) => readonly number[];

/** @param find answers for a value as it was written; its array may be used again by the next call */
export function remember(find: Find): Find {
  /** Own ones are made when the first value repeats: many fields never have a value twice. */
  let keys = EMPTY_KEYS;
  let lists = EMPTY_LISTS;
  /** What was seen once: only what comes a second time is worth a copy. */
  const once = new Int32Array(PLACES);
  let looked = 0;
  let hits = 0;
  let rest = 0;

  const judge = (): void => {
    if (hits < HITS_MIN) {
      rest = REST;
      keys = EMPTY_KEYS;
      lists = EMPTY_LISTS;
    }
    looked = 0;
    hits = 0;
  };

  return (value) => {
    const { length } = value;
    if (length < 4 || length > VALUE_CHARS_MAX) return find(value);
    if (rest > 0) {
      rest--;
      return find(value);
    }
    // Values differ at their ends more than anywhere else: numbers, names of files, parameters.
    const tail =
      value.charCodeAt(length - 1) ^
      (value.charCodeAt(length - 2) << 7) ^
      (value.charCodeAt(length - 3) << 14) ^
      (value.charCodeAt(length - 4) << 21);
    let mix = Math.imul(length ^ tail, 0x9e3779b1);
    mix = Math.imul(mix ^ value.charCodeAt(length >> 1), 0x01000193);
    mix = Math.imul(mix ^ value.charCodeAt(length - (length >> 2)), 0x01000193);
    mix = Math.imul(mix ^ value.charCodeAt(length >> 3), 0x01000193) | 1;
    const place = (mix >>> 16) % PLACES;
    if (++looked >= JUDGE_EVERY) judge();
    if (keys[place] === value) {
      hits++;
      return lists[place] as readonly number[];
    }
    const found = find(value);
    if (once[place] === mix) {
      if (keys === EMPTY_KEYS) {
        keys = EMPTY_KEYS.slice();
        lists = EMPTY_LISTS.slice();
      }
      // A copy that stands alone: a text cut out of a block of records would keep the whole block in memory.
      keys[place] = ` ${value}`.slice(1);
      lists[place] = found.length === 0 ? NONE : found.slice();
    } else once[place] = mix;
    return found;
  };
}

const YES: readonly number[] = Object.freeze([0]);

/** The same for a question that is answered with yes or no. */
export function rememberAnswer(holds: (value: string) => boolean): (value: string) => boolean {
  const find = remember((value) => (holds(value) ? YES : NONE));
  return (value) => find(value).length > 0;
}

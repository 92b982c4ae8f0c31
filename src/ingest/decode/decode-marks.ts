/** The marks of an event as bits while decoding, as one shared list of words afterwards. */

export const MARK = {
  timeFromReceipt: 1,
  yearInferred: 2,
  zoneAssumed: 4,
  cut: 8,
  invalidUtf8: 16,
} as const;
export type Mark = (typeof MARK)[keyof typeof MARK];

const WORDS = ['time-from-receipt', 'year-inferred', 'zone-assumed', 'cut', 'invalid-utf8'] as const;

const LISTS: readonly (readonly string[])[] = Array.from({ length: 1 << WORDS.length }, (_, bits) =>
  Object.freeze(WORDS.filter((_word, i) => bits & (1 << i))),
);

/** The list of words for these bits; a receipt time has neither a guessed year nor a guessed zone. */
export function marksOf(bits: number): readonly string[] {
  return LISTS[
    bits & MARK.timeFromReceipt ? bits & ~(MARK.yearInferred | MARK.zoneAssumed) : bits
  ] as readonly string[];
}

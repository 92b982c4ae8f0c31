/** Finds texts at the edges of a value, and texts beyond ASCII: the parts of a scan that need no windows. */

export type Report = (payloads: readonly number[]) => void;
/** Answers false when lower case shifts the places of characters, so that the lower-case text has to be looked at. */
export type Finder = (value: string, report: Report) => boolean;

/** Longest part of a beginning or an end that is hashed; the rest is compared. */
const EDGE_CHARS_MAX = 24;

/** Chained hash table over numbers, as typed arrays. */
interface Chains {
  readonly head: Int32Array;
  readonly next: Int32Array;
  readonly hashes: Int32Array;
  readonly mask: number;
}

export function chain(hashes: readonly number[]): Chains {
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

export const step = (hash: number, c: number): number => (Math.imul(hash, 0x01000193) ^ c) | 0;

/** ASCII in lower case. Of all others only U+0130 and U+212A have ASCII in their lower case. */
const LOWER = new Uint8Array(128);
for (let c = 0; c < 128; c++) LOWER[c] = c >= 65 && c <= 90 ? c + 32 : c;
export const folded = (c: number): number => (c < 128 ? (LOWER[c] as number) : c === 0x212a ? 107 : c);

/** Texts that a value begins with or ends with. */
export function edgeFinder(texts: readonly string[], payloads: readonly (readonly number[])[], end: boolean): Finder {
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
      hash = step(hash, folded(c));
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

export const NOT_ASCII = /[\u0080-\uffff]/;

/** Texts that are found by their first character beyond ASCII. */
export function foreignFinder(texts: readonly string[], payloads: readonly (readonly number[])[]): Finder {
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

/** Splits text at the words to be marked: plain search without regular expressions, since both sides are outside text. */

interface Part {
  readonly at: number;
  readonly text: string;
  readonly marked: boolean;
}

const PARTS_MAX = 400;

/** Case does not count; of overlapping words the earlier, then the longer one is marked. */
export function markWords(text: string, words: readonly string[]): Part[] {
  const lower = text.toLowerCase();
  // Lower case can change the length of a text (U+0130): then positions would not fit, and case counts.
  const hay = lower.length === text.length ? lower : text;
  const needles = [...new Set(words.map((word) => (hay === lower ? word.toLowerCase() : word)))].filter(Boolean);
  const found: { at: number; length: number }[] = [];
  for (const needle of needles) {
    for (
      let at = hay.indexOf(needle);
      at !== -1 && found.length < PARTS_MAX;
      at = hay.indexOf(needle, at + needle.length)
    )
      found.push({ at, length: needle.length });
  }
  found.sort((a, b) => a.at - b.at || b.length - a.length);
  const parts: Part[] = [];
  let done = 0;
  for (const { at, length } of found) {
    if (at < done) continue;
    if (at > done) parts.push({ at: done, text: text.slice(done, at), marked: false });
    parts.push({ at, text: text.slice(at, at + length), marked: true });
    done = at + length;
  }
  if (done < text.length) parts.push({ at: done, text: text.slice(done), marked: false });
  return parts;
}

/** Whether a password is among those that attackers try first: common words with what people add to them, walks, dates. */

import { COMMON_WORDS } from './common-words.ts';

/** Rows and columns of the keyboards in use, and the plain alphabets; read in both directions. */
const WALKS = [
  '01234567890123456789',
  'abcdefghijklmnopqrstuvwxyz',
  'qwertyuiopasdfghjklzxcvbnm',
  'qwertzuiopasdfghjklyxcvbnm',
  'azertyuiopqsdfghjklmwxcvbn',
  '1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p',
  '1q2w3e4r5t6y7u8i9o0p',
  'q1w2e3r4t5y6u7i8o9p0',
  'qazwsxedcrfvtgbyhnujmikolp',
  '!@#$%^&*()_+',
  '!"§$%&/()=?',
  'zaq12wsxcde34rfvbgt56yhn',
  '147258369',
  '741852963',
  '159753',
  '789456123',
].flatMap((walk) => [walk, Array.from(walk).reverse().join('')]);

/** Letters that people write as digits or signs. */
const LEET: Record<string, string> = {
  '0': 'o',
  '1': 'i',
  '3': 'e',
  '4': 'a',
  '5': 's',
  '7': 't',
  '@': 'a',
  $: 's',
  '!': 'i',
};
/** Longer than any word of the table, so that the search for two words in one stays small. */
const WORD_CHARS_MAX = 24;
/** Characters of decoration around a word that do not make it strong: `…2026!`, `123`. */
const DECORATION_MAX = 5;

const isLetter = (char: string) => /\p{L}/u.test(char);

/** One character or a short piece over and over: `aaaaaaaa`, `abcabcabc`. */
function isRepetition(text: string): boolean {
  for (let size = 1; size <= Math.min(5, text.length / 2); size++) {
    if (
      text ===
      text
        .slice(0, size)
        .repeat(Math.ceil(text.length / size))
        .slice(0, text.length)
    )
      return true;
  }
  return false;
}

/** Made of at most three pieces of keyboard walks or alphabets, each of three or more keys: `qwerty123`, `1qaz2wsx`. */
function isWalk(text: string): boolean {
  let at = 0;
  for (let pieces = 0; pieces < 3 && at < text.length; pieces++) {
    let longest = 0;
    for (let size = 3; size <= text.length - at; size++) {
      const piece = text.slice(at, at + size);
      if (!WALKS.some((walk) => walk.includes(piece))) break;
      longest = size;
    }
    if (longest === 0) return false;
    at += longest;
  }
  return at === text.length;
}

/** Only digits and separators, as in dates and telephone numbers, up to 12 of them. */
function isNumberLike(text: string): boolean {
  return text.length <= 12 && Array.from(text).every((char) => (char >= '0' && char <= '9') || './-_ '.includes(char));
}

/** A word of the table, or two of them side by side: `iloveyou`, `summerhospital`. */
function isWords(text: string): boolean {
  if (COMMON_WORDS.has(text)) return true;
  if (text.length > 2 * WORD_CHARS_MAX) return false;
  for (let cut = 3; cut <= text.length - 3; cut++) {
    if (COMMON_WORDS.has(text.slice(0, cut)) && COMMON_WORDS.has(text.slice(cut))) return true;
  }
  return false;
}

/** The core without decoration: what is left between the first and the last letter. */
function undecorated(text: string): { core: string; decoration: string } {
  const chars = Array.from(text);
  const first = chars.findIndex(isLetter);
  if (first < 0) return { core: '', decoration: text };
  const last = chars.findLastIndex(isLetter);
  return {
    core: chars.slice(first, last + 1).join(''),
    decoration: chars.slice(0, first).join('') + chars.slice(last + 1).join(''),
  };
}

function isDecoration(text: string): boolean {
  return text.length <= DECORATION_MAX || isNumberLike(text) || isWalk(text) || isRepetition(text);
}

/** `p4ssw0rd` with its letters back; separators between words go. */
function plainLetters(text: string): string {
  return Array.from(text)
    .map((char) => LEET[char] ?? char)
    .filter(isLetter)
    .join('');
}

/**
 * True when the password (already in lower case) is a common one or a usual variant of one. It refuses far more than
 * the 3,000 most common ones that ASVS 5.0 (6.2.4) asks for: each of some 1,200 words with up to five characters or
 * any date around it, leet spellings, two words side by side, keyboard walks, repetitions and numbers.
 */
export function isCommonPassword(lower: string): boolean {
  if (isRepetition(lower) || isWalk(lower) || isNumberLike(lower)) return true;
  const { core, decoration } = undecorated(lower);
  if (COMMON_WORDS.has(lower)) return true;
  for (const letters of [Array.from(lower).filter(isLetter).join(''), undecorated(plainLetters(lower)).core]) {
    if (isWords(letters) && lower.length - letters.length <= DECORATION_MAX) return true;
  }
  if (core === '' || !isDecoration(decoration)) return false;
  return isWords(core) || isWords(plainLetters(core)) || isWalk(core) || isRepetition(core);
}

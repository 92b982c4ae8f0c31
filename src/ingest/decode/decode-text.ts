/** Bounded scanners over a part of a text, and the table that gives often-seen words one string of their own. */

const SPACE = 32;

/** The table's own entry for a word of a record; `constructor` and its like are no entries. */
export const entryOf = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;

/** First `code` in [at, end), or -1. Bounded on purpose: `indexOf` on the block's text would run past the record. */
export function indexOfCode(text: string, code: number, at: number, end: number): number {
  for (let i = at; i < end; i++) if (text.charCodeAt(i) === code) return i;
  return -1;
}

export function lastIndexOfCode(text: string, code: number, at: number, end: number): number {
  for (let i = end - 1; i >= at; i--) if (text.charCodeAt(i) === code) return i;
  return -1;
}

/** First place of `needle` that lies wholly in [at, end), or -1. */
export function find(text: string, needle: string, at: number, end: number): number {
  const first = needle.charCodeAt(0);
  for (let i = at, stop = end - needle.length; i <= stop; i++) {
    if (text.charCodeAt(i) === first && text.startsWith(needle, i)) return i;
  }
  return -1;
}

/** Last place of `needle` that lies wholly in [at, end), or -1. */
export function findLast(text: string, needle: string, at: number, end: number): number {
  const first = needle.charCodeAt(0);
  for (let i = end - needle.length; i >= at; i--) {
    if (text.charCodeAt(i) === first && text.startsWith(needle, i)) return i;
  }
  return -1;
}

/** True when `needle` stands at `at` and ends before `end`. */
export function startsAt(text: string, needle: string, at: number, end: number): boolean {
  return at + needle.length <= end && text.startsWith(needle, at);
}

export function endsAt(text: string, needle: string, at: number, end: number): boolean {
  return end - needle.length >= at && text.startsWith(needle, end - needle.length);
}

export function isDigit(code: number): boolean {
  return code >= 48 && code <= 57;
}

/** End of the digits that begin at `at`. */
export function skipDigits(text: string, at: number, end: number): number {
  let i = at;
  while (i < end && isDigit(text.charCodeAt(i))) i++;
  return i;
}

export function skipSpaces(text: string, at: number, end: number): number {
  let i = at;
  while (i < end && text.charCodeAt(i) === SPACE) i++;
  return i;
}

/** The whole number in [at, end); -1 when it is empty, longer than 15 digits, or has anything else in it. */
export function intOf(text: string, at: number, end: number): number {
  if (end <= at || end - at > 15) return -1;
  let value = 0;
  for (let i = at; i < end; i++) {
    const digit = text.charCodeAt(i) - 48;
    if (digit < 0 || digit > 9) return -1;
    value = value * 10 + digit;
  }
  return value;
}

/** End of the token that begins at `at`: the next space, or `end`. */
export function tokenEnd(text: string, at: number, end: number): number {
  for (let i = at; i < end; i++) if (text.charCodeAt(i) === SPACE) return i;
  return end;
}

/**
 * A copy that stands alone. V8's `slice` keeps the whole parent alive; a user name kept in a correlation for an hour
 * must not keep a block of a megabyte.
 */
export function own(text: string): string {
  return text.length < 13 ? text : ` ${text}`.slice(1);
}

const SLOTS = 16384;
const slots: string[] = Array.from({ length: SLOTS }, () => '');

/** The characters of [at, end) as a string of their own; the same words come back as the same string. */
export function word(text: string, at: number, end: number): string {
  const length = end - at;
  if (length <= 0) return '';
  if (length > 64) return own(text.slice(at, end));
  let hash = length;
  for (let i = at; i < end; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  const slot = (hash ^ (hash >>> 15)) & (SLOTS - 1);
  const known = slots[slot] as string;
  if (known.length === length && text.startsWith(known, at)) return known;
  const fresh = own(text.slice(at, end));
  slots[slot] = fresh;
  return fresh;
}

function isHex(code: number): boolean {
  return (code >= 48 && code <= 57) || (code >= 97 && code <= 102) || (code >= 65 && code <= 70);
}

function isIpv4(text: string, at: number, end: number): boolean {
  if (end - at < 7 || end - at > 15) return false;
  let dots = 0;
  let value = -1;
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 46) {
      if (value < 0 || ++dots > 3) return false;
      value = -1;
    } else if (isDigit(code)) {
      value = (value < 0 ? 0 : value * 10) + code - 48;
      if (value > 255) return false;
    } else return false;
  }
  return dots === 3 && value >= 0;
}

/** True when [at, end) reads as an IPv4 or IPv6 address (RFC 4291 section 2.2, a zone after `%` allowed). */
export function isIp(text: string, at: number, end: number): boolean {
  const length = end - at;
  if (length < 2 || length > 64) return false;
  let colons = 0;
  for (let i = at; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === 58) colons++;
    else if (code === 46)
      return colons === 0 ? isIpv4(text, at, end) : isIpv4(text, lastIndexOfCode(text, 58, at, end) + 1, end);
    else if (code === 37) return colons >= 2 && i > at;
    else if (!isHex(code)) return false;
  }
  return colons >= 2 && colons <= 8;
}

/** The address in [at, end) as rules compare it: `::ffff:1.2.3.4` is 1.2.3.4, brackets are gone; '' when it is none. */
export function ipWord(text: string, at: number, end: number): string {
  let from = at;
  let to = end;
  if (text.charCodeAt(from) === 91 && text.charCodeAt(to - 1) === 93) {
    from++;
    to--;
  }
  if (!isIp(text, from, to)) return '';
  if (
    to - from > 13 &&
    (text.startsWith('::ffff:', from) || text.startsWith('::FFFF:', from)) &&
    isIpv4(text, from + 7, to)
  )
    from += 7;
  return word(text, from, to);
}

/** `ipWord` of a whole string. */
export function ipOf(value: string): string {
  return ipWord(value, 0, value.length);
}

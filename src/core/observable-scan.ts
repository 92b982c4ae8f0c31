/**
 * Finds what can be an indicator in a text: addresses, names, URLs, digests, e-mail addresses. Two kinds of askers: live
 * matching, which says of nearly every word at once that it is not listed, and the archive, which notes all of them.
 * Hot path (`bench/bench-indicators.ts`): the engine's own search for dots, then a few characters around each; only words
 * that may be listed are copied and read whole.
 */

import { parseAddress } from './cidr.ts';

export type ObservableText = 'url' | 'hash' | 'email';

/** Who asks. Places are in `bytes`, UTF-8, `end` exclusive; they hold until the call returns. */
export interface ObservableSink {
  readonly v4: boolean;
  readonly v6: boolean;
  readonly names: boolean;
  readonly digests: boolean;
  readonly mails: boolean;
  readonly urls: boolean;
  /** False: no address whose first 16 bits are these matters. */
  mayV4(high: number): boolean;
  /** False: no host whose last label has this hash matters, nor one with these last two. */
  mayEnd(label: number): boolean;
  mayHost(before: number, last: number): boolean;
  /** False: no digest that begins with these eight digits matters. */
  mayDigest(first: number): boolean;
  onV4(address: number, bytes: Buffer, start: number, end: number): void;
  /** @param words eight groups */
  onV6(words: readonly number[], bytes: Buffer, start: number, end: number): void;
  onName(bytes: Buffer, start: number, end: number): void;
  /** Answers whether it is one that matters: otherwise a URL is asked for again without its query. */
  onText(type: ObservableText, bytes: Buffer, start: number, end: number): boolean;
}

/** What a character can be part of. */
const DIGIT = 1;
const HEX = 2;
const ALPHA = 4;
const DOT = 8;
const COLON = 16;
const AT = 32;
const OTHER = 64;
const HEX_DIGIT = DIGIT | HEX;
const HOST = DIGIT | HEX | ALPHA | DOT | OTHER;
const KIND = new Uint8Array(65_536);
KIND.fill(ALPHA, 128);
for (let c = 48; c <= 57; c++) KIND[c] = DIGIT;
for (const c of 'abcdefABCDEF') KIND[c.charCodeAt(0)] = HEX;
for (const c of 'ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ') KIND[c.charCodeAt(0)] = ALPHA;
KIND[46] = DOT;
KIND[58] = COLON;
KIND[64] = AT;
for (const c of '-_+') KIND[c.charCodeAt(0)] = OTHER;
const VALUE = new Uint8Array(128);
for (let n = 0; n < 16; n++) {
  VALUE[n.toString(16).charCodeAt(0)] = n;
  VALUE[n.toString(16).toUpperCase().charCodeAt(0)] = n;
}

/** A name of 253 characters with its account and port. */
const WORD_CHARS_MAX = 330;
const URL_CHARS_MAX = 2048;
/** Digests of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512 in hexadecimal. */
const HASH_LENGTHS = new Set([32, 40, 56, 64, 96, 128]);
const HASH_CHARS_MIN = 32;
const HASH_CHARS_MAX = 128;

const SLASH = 47;
const BACKSLASH = 92;
const LABEL_SEED = 0x811c9dc5 | 0;
const LABEL_PRIME = 0x01000193;

/** The hash of one label of a host, whatever its case. */
export function labelHash(text: string, start: number, end: number): number {
  let hash = LABEL_SEED;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) | 32), LABEL_PRIME);
  return hash;
}

const kindOf = (text: string, i: number): number => KIND[text.charCodeAt(i)] as number;

/** Answers a function that reports everything in a text to the sink. */
export function createObservableScan(sink: ObservableSink): (text: string) => void {
  const bytes = Buffer.alloc((WORD_CHARS_MAX * 2 + URL_CHARS_MAX) * 3 + 8);
  const kindAt = (i: number): number => KIND[bytes[i] as number] as number;
  const dotted = sink.v4 || sink.names || sink.urls || sink.mails;
  const hosts = sink.names || sink.urls || sink.mails;
  let length = 0;

  /** A host that a path follows: the URL without its scheme, with and without its query. */
  const url = (start: number, hostEnd: number): void => {
    let end = hostEnd;
    let query = -1;
    for (; end < length && end - start < URL_CHARS_MAX; end++) {
      const c = bytes[end] as number;
      if (c <= 32 || c === 34 || c === 39 || c === 60 || c === 62 || c === 35) break;
      if (c === 63 && query < 0) query = end;
    }
    if (!sink.onText('url', bytes, start, end) && query >= 0) sink.onText('url', bytes, start, query);
  };

  /** Four numbers up to 255 with dots between. */
  const v4 = (start: number, end: number): void => {
    let value = 0;
    let octet = -1;
    let dots = 0;
    for (let i = start; i < end; i++) {
      const c = bytes[i] as number;
      if (c === 46) {
        if (octet < 0) return;
        value = value * 256 + octet;
        octet = -1;
        dots++;
      } else {
        octet = (octet < 0 ? 0 : octet * 10) + c - 48;
        if (octet > 255) return;
      }
    }
    if (octet >= 0 && dots === 3) sink.onV4((value * 256 + octet) >>> 0, bytes, start, end);
  };

  const v6 = (start: number, end: number): void => {
    const words = parseAddress(bytes.toString('latin1', start, end));
    if (words === null) return;
    if (words.length === 8) sink.onV6(words, bytes, start, end);
    else sink.onV4((words[0] as number) * 65_536 + (words[1] as number), bytes, start, end);
  };

  /** A host by itself: an address or a name. */
  const host = (start: number, end: number): void => {
    let kinds = 0;
    for (let i = start; i < end; i++) kinds |= kindAt(i);
    if ((kinds & ~(DIGIT | DOT)) === 0) v4(start, end);
    else if (sink.names && (kinds & DOT) !== 0) sink.onName(bytes, start, end);
  };

  /** One word with a dot or colons inside: decides what it can be. */
  const word = (to: number): void => {
    let start = 0;
    let end = to;
    while (end > start && (kindAt(end - 1) & (DOT | COLON)) !== 0) end--;
    while (end > start && bytes[start] === 46) start++;
    if (end - start < 4) return;
    const at = bytes.subarray(start, end).lastIndexOf(64);
    if (at >= 0) {
      // "mailto:" and the like are no part of it.
      if (sink.mails) sink.onText('email', bytes, start + bytes.subarray(start, start + at).lastIndexOf(58) + 1, end);
      start += at + 1;
    }
    const colon = bytes.subarray(start, end).indexOf(58);
    if (colon >= 0 && bytes.subarray(start + colon + 1, end).includes(58)) {
      v6(start, end);
      return;
    }
    let hostEnd = end;
    // "user:evil.example" or "evil.example:443".
    if (colon >= 0) {
      let digits = start + colon + 1;
      while (digits < end && kindAt(digits) === DIGIT) digits++;
      if (digits === end && end - start - colon <= 6) hostEnd = start + colon;
      else start += colon + 1;
    }
    host(start, hostEnd);
    if (sink.urls && bytes[to] === 47) url(start, end);
  };

  /** Copies what stands from `start` on, with what may be the rest of its URL, and reads it. */
  const read = (text: string, start: number, end: number): void => {
    const next = text.charCodeAt(end);
    const path = sink.urls && (next === SLASH || (next === BACKSLASH && text.charCodeAt(end + 1) === SLASH));
    const part = text.slice(start, end + (path ? URL_CHARS_MAX : 1));
    length = bytes.write(path ? part.replaceAll('\\/', '/') : part, 0, 'utf8');
    bytes[length] = 0;
    let to = 0;
    while (to < length && kindAt(to) !== 0) to++;
    word(to);
  };

  /** Reads the word around a place that begins before `from`. */
  const take = (text: string, place: number, from: number): void => {
    let start = place;
    for (const least = Math.max(0, place - WORD_CHARS_MAX); start > least; start--)
      if (kindOf(text, start - 1) === 0) break;
    let end = from;
    for (const most = Math.min(text.length, place + WORD_CHARS_MAX); end < most; end++)
      if (kindOf(text, end) === 0) break;
    read(text, start, end);
    const glued = escapedChars(text, start);
    if (glued > 0) read(text, start + glued, end);
  };

  /** Asks for the label that a dot ends and the one after it. */
  const mayBefore = (text: string, dot: number, last: number): boolean => {
    let start = dot;
    for (const least = Math.max(0, dot - WORD_CHARS_MAX); start > least; start--) {
      const kind = kindOf(text, start - 1);
      if ((kind & HOST) === 0 || kind === DOT) break;
    }
    if (sink.mayHost(labelHash(text, start, dot), last)) return true;
    const glued = escapedChars(text, start);
    return glued > 0 && sink.mayHost(labelHash(text, start + glued, dot), last);
  };

  /** Looks at the host around a dot; answers where to go on. */
  const atDot = (text: string, place: number): number => {
    let kinds = 0;
    let dots = 1;
    let end = place + 1;
    let label = LABEL_SEED;
    let last = LABEL_SEED;
    let before = LABEL_SEED;
    for (const most = text.length; end < most; end++) {
      const c = text.charCodeAt(end);
      const kind = KIND[c] as number;
      if ((kind & HOST) === 0) break;
      kinds |= kind;
      if (kind !== DOT) label = Math.imul(label ^ (c | 32), LABEL_PRIME);
      else {
        dots++;
        // A dot at the end, or two of them, end no label.
        if (label === LABEL_SEED) continue;
        before = last;
        last = label;
        label = LABEL_SEED;
      }
    }
    if (label !== LABEL_SEED) {
      before = last;
      last = label;
    }
    if (last === LABEL_SEED) return end;
    if ((kinds & ~(DIGIT | DOT)) !== 0) {
      if (hosts && sink.mayEnd(last)) {
        if (before !== LABEL_SEED ? sink.mayHost(before, last) : mayBefore(text, place, last)) take(text, place, end);
      }
      return end;
    }
    // What stands before a leading dot is no number: the next dot is asked again.
    if (place === 0 || kindOf(text, place - 1) !== DIGIT) return place + 1;
    for (let at = end - 1; text.charCodeAt(at) === 46; at--) dots--;
    if (sink.v4 && dots === 3 && sink.mayV4(highOf(text, place))) take(text, place, end);
    return end;
  };

  const digestAt = (text: string, start: number): void => {
    if (start + HASH_CHARS_MIN > text.length) return;
    let first = 0;
    for (let i = start; i < start + 8; i++) first = (first << 4) | (VALUE[text.charCodeAt(i) & 127] as number);
    if (!sink.mayDigest(first >>> 0)) return;
    let end = start + 8;
    while (end < text.length && end - start <= HASH_CHARS_MAX && (kindOf(text, end) & HEX_DIGIT) !== 0) end++;
    if (!HASH_LENGTHS.has(end - start)) return;
    length = bytes.write(text.slice(start, end), 0, 'latin1');
    sink.onText('hash', bytes, 0, length);
  };

  /** A digest covers one of every 32 places, so the places between need not be read. */
  const digestsIn = (text: string): void => {
    for (let place = HASH_CHARS_MIN - 1; place < text.length; place += HASH_CHARS_MIN) {
      if ((kindOf(text, place) & HEX_DIGIT) === 0 || !isLong(text, place)) continue;
      const least = place - HASH_CHARS_MIN;
      let start = place;
      while (start > least && start > 0 && (kindOf(text, start - 1) & HEX_DIGIT) !== 0) start--;
      // The place before stands in the same digits.
      if (start === least) continue;
      digestAt(text, start);
      const glued = escapedChars(text, start);
      if (glued > 0) digestAt(text, start + glued);
    }
  };

  /** "::", or six colons at least between digits: times have two, hardware addresses five. */
  const v6In = (text: string): void => {
    const most = text.length;
    for (let i = text.indexOf(':'); i >= 0; i = text.indexOf(':', i)) {
      let colons = 1;
      let twice = false;
      let next = i + 1;
      for (; next < most; next++) {
        const kind = kindOf(text, next);
        if (kind === COLON) {
          colons++;
          if (text.charCodeAt(next - 1) === 58) twice = true;
        } else if ((kind & HEX_DIGIT) === 0) break;
      }
      if (twice || colons >= 6) take(text, i, next);
      i = next;
    }
  };

  return (text) => {
    if (text.length < 4) return;
    if (dotted) for (let i = text.indexOf('.'); i >= 0; i = text.indexOf('.', i)) i = atDot(text, i);
    if (sink.v6) v6In(text);
    if (sink.digests) digestsIn(text);
  };
}

/** How many characters of a word belong to an escape before it: `\tevil.example`, `\u2028evil.example`, `\u000ad41d8…`. */
function escapedChars(text: string, start: number): number {
  if (start === 0) return 0;
  const lead = text.charCodeAt(start - 1);
  if (lead === 117) return start > 1 && text.charCodeAt(start - 2) === BACKSLASH ? 4 : 0;
  if (lead !== BACKSLASH) return 0;
  const letter = text.charCodeAt(start);
  if (letter === 117) return 5;
  return letter === 110 || letter === 116 || letter === 114 || letter === 98 || letter === 102 ? 1 : 0;
}

/** Whether a digest can cover a place: it then covers the next 16 to one side as well. */
function isLong(text: string, place: number): boolean {
  const hex = (i: number) => (kindOf(text, i) & HEX_DIGIT) !== 0;
  return (hex(place - 8) && hex(place - 16)) || (place + 16 < text.length && hex(place + 8) && hex(place + 16));
}

/** The first 16 bits of the address whose first dot is here, as far as digits stand around it. */
function highOf(text: string, place: number): number {
  let first = 0;
  let scale = 1;
  for (let i = place - 1; i >= 0 && place - i <= 3 && kindOf(text, i) === DIGIT; i--) {
    first += (text.charCodeAt(i) - 48) * scale;
    scale *= 10;
  }
  let second = 0;
  for (let i = place + 1; place - i >= -3 && kindOf(text, i) === DIGIT; i++)
    second = second * 10 + text.charCodeAt(i) - 48;
  return ((first & 255) << 8) | (second & 255);
}

/**
 * Whether letters may be hidden in escapes (`\u0065vil`, `&#101;`), so that the decoded fields have to be looked at too. The
 * short escapes of JSON hide nothing: a word after one is read with and without its letter.
 */
export function hasEscapes(text: string): boolean {
  for (let i = text.indexOf('u00'); i >= 0; i = text.indexOf('u00', i + 1))
    if (i > 0 && text.charCodeAt(i - 1) === BACKSLASH) return true;
  for (let i = text.indexOf('&'); i >= 0; i = text.indexOf('&', i + 1)) if (text.charCodeAt(i + 1) === 35) return true;
  return false;
}

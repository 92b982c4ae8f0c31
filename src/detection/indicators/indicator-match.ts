/**
 * Finds indicators in events: every text of an event is cut into words once, and words that look like an address, a name, a
 * digest or an e-mail address are looked up without being cut out.
 * Hot path: `bench/bench-indicators.ts`.
 */

import type { DecodedEvent, FieldValue } from '../../core/index.ts';
import { parseAddress } from '../detection-cidr.ts';
import type { IndicatorSet } from './indicator-set.ts';
import { addressText } from './indicator-value.ts';

export interface Found {
  readonly index: number;
  readonly field: string;
  /** The word as it stands in the event. */
  readonly word: string;
}

/** Finds kept of one event. */
const FOUND_MAX = 8;
/** Characters looked at in one go; longer texts are looked at in pieces that overlap by the longest word. */
const PIECE_CHARS = 16_384;
const OVERLAP_CHARS = 512;

/** What a character can be part of. */
const DIGIT = 1;
const HEX = 2;
const ALPHA = 4;
const DOT = 8;
const COLON = 16;
const AT = 32;
const OTHER = 64;
const KIND = new Uint8Array(256);
for (let c = 48; c <= 57; c++) KIND[c] = DIGIT;
for (const c of 'abcdefABCDEF') KIND[c.charCodeAt(0)] = HEX;
for (const c of 'ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ') KIND[c.charCodeAt(0)] = ALPHA;
KIND[46] = DOT;
KIND[58] = COLON;
KIND[64] = AT;
for (const c of '-_+') KIND[c.charCodeAt(0)] = OTHER;
KIND.fill(ALPHA, 128);

/** The text in work as UTF-8: reading bytes costs a tenth of reading characters of a text that is a slice of another. */
const bytes = Buffer.alloc(PIECE_CHARS * 3 + 8);
const kindAt = (i: number): number => KIND[bytes[i] as number] as number;
function isNumber(start: number, end: number): boolean {
  if (end <= start || end - start > 5) return false;
  for (let i = start; i < end; i++) if (kindAt(i) !== DIGIT) return false;
  return true;
}

/** Where a look at the text stops: dots, colons, backslashes and ampersands. */
const MARKS = new Uint8Array(256);
for (const c of '.:\\&') MARKS[c.charCodeAt(0)] = 1;
/** A name of 253 characters with its account and port. */
const WORD_CHARS_MAX = 330;

/** Digests of MD5, SHA-1, SHA-224, SHA-256, SHA-384 and SHA-512 in hexadecimal. */
const HASH_LENGTHS = new Set([32, 40, 56, 64, 96, 128]);
const HASH_CHARS_MIN = 32;
export interface Finder {
  /** What one event holds; the shared empty list when it is nothing. */
  find(event: DecodedEvent): readonly Found[];
  /** What one text holds. */
  findInText(text: string, field: string, nowMs: number): readonly Found[];
}

const NOTHING: readonly Found[] = Object.freeze([]);

/** The column or field in which a word of the record stands. */
function fieldOf(event: DecodedEvent, word: string): string {
  const has = (value: FieldValue | undefined): boolean =>
    typeof value === 'string'
      ? value.includes(word)
      : Array.isArray(value) && value.some((one) => String(one).includes(word));
  const norm = event.norm as Record<string, FieldValue | undefined>;
  const columns = Object.keys(norm).filter((name) => name !== 'message' && has(norm[name]));
  return (
    columns[0] ??
    Object.keys(event.fields).find((name) => has(event.fields[name])) ??
    (has(norm.message) ? 'message' : 'raw')
  );
}

export function createFinder(set: IndicatorSet): Finder {
  const { counts } = set;
  const names = counts.domain > 0;
  const networks = counts.cidr > 0;
  const addresses = counts.address > 0 || networks;
  const digests = counts.hash > 0;
  const mails = counts.email > 0;
  const urls = counts.url > 0;
  let found: Found[] | null = null;
  let nowMs = 0;
  let field = '';
  let length = 0;

  const add = (index: number, start: number, end: number): void => {
    if (index < 0) return;
    found ??= [];
    if (found.length >= FOUND_MAX || found.some((one) => one.index === index)) return;
    found.push({ index, field, word: bytes.toString('utf8', start, end) });
  };

  /** Four numbers up to 255 with dots between, read without making anything. */
  const v4 = (start: number, end: number): void => {
    let value = 0;
    let octet = -1;
    for (let i = start; i < end; i++) {
      const c = bytes[i] as number;
      if (c === 46) {
        if (octet < 0) return;
        value = value * 256 + octet;
        octet = -1;
      } else {
        octet = (octet < 0 ? 0 : octet * 10) + c - 48;
        if (octet > 255) return;
      }
    }
    if (octet >= 0) add(set.findV4((value * 256 + octet) >>> 0, nowMs), start, end);
  };

  const v6 = (start: number, end: number): void => {
    const words = parseAddress(bytes.toString('latin1', start, end));
    if (words === null) return;
    if (words.length === 2) {
      add(set.findV4((words[0] as number) * 65_536 + (words[1] as number), nowMs), start, end);
      return;
    }
    const plain = Buffer.from(addressText(words));
    add(set.find('address', plain, 0, plain.length, nowMs), start, end);
    if (networks) add(set.findNetwork(words, nowMs), start, end);
  };

  /** A host that a path follows: the URL without its scheme, with and without its query. */
  const url = (start: number, hostEnd: number): void => {
    let end = hostEnd;
    let query = -1;
    for (; end < length && end - start < 2048; end++) {
      const c = bytes[end] as number;
      if (c <= 32 || c === 34 || c === 39 || c === 60 || c === 62 || c === 35) break;
      if (c === 63 && query < 0) query = end;
    }
    const whole = set.find('url', bytes, start, end, nowMs);
    if (whole >= 0) add(whole, start, end);
    else if (query >= 0) add(set.find('url', bytes, start, query, nowMs), start, query);
  };

  /** One word with a dot or colons inside: decides what it can be. */
  const word = (from: number, to: number, kinds: number, dots: number, colons: number, at: number): void => {
    let start = from;
    let end = to;
    while (end > start && (kindAt(end - 1) & (DOT | COLON)) !== 0) end--;
    while (end > start && bytes[start] === 46) start++;
    if (end - start < 4) return;
    if (at >= 0) {
      if (mails) add(set.find('email', bytes, start, end, nowMs), start, end);
      start = at + 1;
    }
    if (colons >= 2) {
      if (addresses && (kinds & (ALPHA | OTHER)) === 0) v6(start, end);
      return;
    }
    let hostEnd = end;
    const colon = colons === 1 ? bytes.indexOf(58, start) : -1;
    // "user:evil.example" or "evil.example:443".
    if (colon >= 0 && colon < end) {
      if (isNumber(colon + 1, end)) hostEnd = colon;
      else start = colon + 1;
    }
    if ((kinds & (HEX | ALPHA | OTHER | AT)) === 0) {
      if (dots === 3 && addresses) v4(start, hostEnd);
    } else if (names) add(set.findDomain(bytes, start, hostEnd, nowMs), start, hostEnd);
    if (urls && bytes[to] === 47) url(start, end);
  };

  /** The word around a place; answers where it ends. */
  const wordAround = (place: number): number => {
    let start = place;
    let end = place;
    let kinds = 0;
    let dots = 0;
    let colons = 0;
    let at = -1;
    for (; end < length; end++) {
      const kind = KIND[bytes[end] as number] as number;
      if (kind === 0) break;
      kinds |= kind;
      if (kind === DOT) dots++;
      else if (kind === COLON) colons++;
      else if (kind === AT) at = end;
    }
    for (const least = Math.max(0, place - WORD_CHARS_MAX); start > least; start--) {
      const kind = KIND[bytes[start - 1] as number] as number;
      if (kind === 0) break;
      kinds |= kind;
      if (kind === DOT) dots++;
      else if (kind === COLON) colons++;
      else if (kind === AT && at < 0) at = start - 1;
    }
    if (dots > 0 || colons > 1) word(start, end, kinds, dots, colons, at);
    return end;
  };

  /** A digest covers one of every 32 places, so the places between need not be read. */
  const digestsIn = (): void => {
    for (let place = HASH_CHARS_MIN - 1; place < length; place += HASH_CHARS_MIN) {
      if ((kindAt(place) & (DIGIT | HEX)) === 0) continue;
      let start = place;
      let end = place + 1;
      while (start > 0 && place - start <= 128 && (kindAt(start - 1) & (DIGIT | HEX)) !== 0) start--;
      while (end < length && end - start <= 128 && (kindAt(end) & (DIGIT | HEX)) !== 0) end++;
      if (HASH_LENGTHS.has(end - start)) add(set.find('hash', bytes, start, end, nowMs), start, end);
      while (place + HASH_CHARS_MIN < end) place += HASH_CHARS_MIN;
    }
  };

  /**
   * Goes from mark to mark in `bytes` (dots, colons where IPv6 is listed, escapes) and reads only the words around them: a
   * loop that cuts every word costs three times as much in mispredicted branches. Answers whether the text holds
   * escapes, behind which a word could hide.
   */
  const scanBytes = (): boolean => {
    let escapes = false;
    for (let i = 0; i < length; i++) {
      const c = bytes[i] as number;
      if (MARKS[c] === 0) continue;
      if (c === 46) {
        if (kindAt(i + 1) !== 0) i = wordAround(i);
      } else if (c === 58) {
        if (!set.hasV6) continue;
        // "::", or another colon within four digits: the rest are times and ports.
        let next = i + 1;
        while (next - i <= 4 && (kindAt(next) & (DIGIT | HEX)) !== 0) next++;
        if (bytes[next] === 58) i = wordAround(i);
      } else if (c === 92) {
        const next = bytes[i + 1];
        if (next === 117 || next === 47) escapes = true;
        else if (next === 92) i++;
      } else if (bytes[i + 1] === 35) escapes = true;
    }
    if (digests && length >= HASH_CHARS_MIN) digestsIn();
    return escapes;
  };

  const scan = (text: string): boolean => {
    if (text.length <= PIECE_CHARS) {
      length = bytes.write(text, 0, 'utf8');
      bytes[length] = 0;
      return scanBytes();
    }
    let escapes = false;
    for (let at = 0; at < text.length; at += PIECE_CHARS - OVERLAP_CHARS) {
      length = bytes.write(text.slice(at, at + PIECE_CHARS), 0, 'utf8');
      bytes[length] = 0;
      if (scanBytes()) escapes = true;
    }
    return escapes;
  };

  const lookAt = (value: FieldValue | undefined): void => {
    if (typeof value === 'string') {
      if (value.length >= 4) scan(value);
    } else if (Array.isArray(value)) for (const one of value) if (typeof one === 'string') scan(one);
  };

  const taken = (): readonly Found[] => {
    const out = found ?? NOTHING;
    found = null;
    return out;
  };

  return {
    find: (event) => {
      nowMs = event.receivedMs;
      const { raw, fields } = event;
      const norm = event.norm as Record<string, FieldValue | undefined>;
      field = 'raw';
      // Fields are made from the record, so one look at it does for all of them, unless something is written in escapes.
      if (raw === '' || scan(raw)) {
        for (field in fields) lookAt(fields[field]);
        for (field in norm) lookAt(norm[field]);
      }
      if (urls && norm.domain !== undefined && norm.url !== undefined) {
        field = 'url';
        scan(`${event.norm.domain}${event.norm.url}`);
      }
      if (found === null) return NOTHING;
      return taken().map((one) => (one.field === 'raw' ? { ...one, field: fieldOf(event, one.word) } : one));
    },
    findInText: (text, name, ms) => {
      nowMs = ms;
      field = name;
      scan(text);
      return taken();
    },
  };
}

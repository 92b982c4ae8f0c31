/**
 * Finds indicators in events: every text of an event is cut into words once, and words that look like an address, a name, a
 * digest or an e-mail address are looked up. Texts that were seen before without a find are not cut again.
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
const TEXT_CHARS_MAX = 16_384;
const MEMO_SLOTS = 8192;
const MEMO_CHARS_MAX = 512;

const KIND = new Uint8Array(128);
const DIGIT = 1;
const HEX = 2;
const ALPHA = 4;
const DOT = 8;
const COLON = 16;
const AT = 32;
const OTHER = 64;
for (let c = 48; c <= 57; c++) KIND[c] = DIGIT;
for (const c of 'abcdefABCDEF') KIND[c.charCodeAt(0)] = HEX;
for (const c of 'ghijklmnopqrstuvwxyzGHIJKLMNOPQRSTUVWXYZ') KIND[c.charCodeAt(0)] = ALPHA;
KIND[46] = DOT;
KIND[58] = COLON;
KIND[64] = AT;
for (const c of '-_+') KIND[c.charCodeAt(0)] = OTHER;

const HASH_LENGTHS = new Set([32, 40, 56, 64, 96, 128]);

export interface Finder {
  /** What one event holds; the shared empty list when it is nothing. */
  find(event: DecodedEvent): readonly Found[];
  /** What one text holds. */
  findInText(text: string, field: string, nowMs: number): readonly Found[];
}

const NOTHING: readonly Found[] = Object.freeze([]);

export function createFinder(set: IndicatorSet): Finder {
  const { counts } = set;
  const names = counts.domain > 0;
  const addresses = counts.address > 0;
  const networks = counts.cidr > 0;
  const digests = counts.hash > 0;
  const mails = counts.email > 0;
  const urls = counts.url > 0;
  const memo: (string | null)[] = Array.from({ length: MEMO_SLOTS }, () => null);
  let found: Found[] | null = null;
  let nowMs = 0;
  let field = '';

  const add = (index: number, text: string, start: number, end: number): void => {
    found ??= [];
    if (found.length >= FOUND_MAX || found.some((one) => one.index === index)) return;
    found.push({ index, field, word: text.slice(start, end) });
  };

  const address = (text: string, start: number, end: number): boolean => {
    const words = parseAddress(text.slice(start, end));
    if (words === null) return false;
    if (addresses) {
      const plain = addressText(words);
      const index = set.find('address', plain, 0, plain.length, nowMs);
      if (index >= 0) add(index, text, start, end);
    }
    if (networks) {
      const index = set.findNetwork(words, nowMs);
      if (index >= 0) add(index, text, start, end);
    }
    return true;
  };

  /** A host that a path follows: the URL without its scheme, with and without its query. */
  const url = (text: string, start: number, hostEnd: number): void => {
    let end = hostEnd;
    let query = -1;
    for (; end < text.length && end - start < 2048; end++) {
      const c = text.charCodeAt(end);
      if (c <= 32 || c === 34 || c === 39 || c === 60 || c === 62 || c === 35) break;
      if (c === 63 && query < 0) query = end;
    }
    const whole = set.find('url', text, start, end, nowMs);
    if (whole >= 0) add(whole, text, start, end);
    else if (query >= 0) {
      const bare = set.find('url', text, start, query, nowMs);
      if (bare >= 0) add(bare, text, start, query);
    }
  };

  const name = (text: string, start: number, end: number): void => {
    const index = set.findDomain(text, start, end, nowMs);
    if (index >= 0) add(index, text, start, end);
  };

  /** One word with what it is made of: decides what it can be. */
  const word = (
    text: string,
    from: number,
    to: number,
    kinds: number,
    dots: number,
    colons: number,
    at: number,
  ): void => {
    let start = from;
    let end = to;
    while (end > start && (text.charCodeAt(end - 1) === 46 || text.charCodeAt(end - 1) === 58)) end--;
    while (end > start && text.charCodeAt(start) === 46) start++;
    if (end - start < 4) return;
    if (dots === 0 && colons < 2) {
      if (digests && (kinds & ~(DIGIT | HEX)) === 0 && HASH_LENGTHS.has(end - start)) {
        const index = set.find('hash', text, start, end, nowMs);
        if (index >= 0) add(index, text, start, end);
      }
      return;
    }
    if (at >= 0) {
      if (mails) {
        const index = set.find('email', text, start, end, nowMs);
        if (index >= 0) add(index, text, start, end);
      }
      start = at + 1;
    }
    if (colons >= 2) {
      if ((kinds & (ALPHA | OTHER)) === 0) address(text, start, end);
      return;
    }
    let hostEnd = end;
    if (colons === 1) {
      const colon = text.indexOf(':', start);
      // "user:evil.example" or "evil.example:443".
      if (colon >= 0 && colon < end) {
        if (/^\d{1,5}$/.test(text.slice(colon + 1, end))) hostEnd = colon;
        else start = colon + 1;
      }
    }
    const last = KIND[text.charCodeAt(hostEnd - 1) & 127] as number;
    const numeric = (kinds & (HEX | ALPHA | OTHER | AT)) === 0;
    if (numeric) {
      if (dots === 3 && (addresses || networks)) address(text, start, hostEnd);
    } else if (names && (last & (HEX | ALPHA | DIGIT)) !== 0) name(text, start, hostEnd);
    if (urls && text.charCodeAt(to) === 47) url(text, start, end);
  };

  const scan = (text: string): void => {
    const length = Math.min(text.length, TEXT_CHARS_MAX);
    let start = -1;
    let kinds = 0;
    let dots = 0;
    let colons = 0;
    let at = -1;
    for (let i = 0; i <= length; i++) {
      const c = i < length ? text.charCodeAt(i) : 0;
      const kind = c < 128 ? (KIND[c] as number) : ALPHA;
      if (kind !== 0) {
        if (start < 0) start = i;
        kinds |= kind;
        if (kind >= DOT) {
          if (kind === DOT) dots++;
          else if (kind === COLON) colons++;
          else if (kind === AT) at = i;
        }
      } else if (start >= 0) {
        if (dots > 0 || colons > 1 || i - start >= 32) word(text, start, i, kinds, dots, colons, at);
        start = -1;
        kinds = dots = colons = 0;
        at = -1;
      }
    }
  };

  /** Cuts a text unless it was seen lately without a find. */
  const look = (text: string): void => {
    const { length } = text;
    if (length < 4) return;
    if (length > MEMO_CHARS_MAX) {
      scan(text);
      return;
    }
    const slot =
      (length * 31 +
        text.charCodeAt(0) * 7 +
        text.charCodeAt(length - 1) * 131 +
        text.charCodeAt(length >> 1) * 521 +
        text.charCodeAt(length - 2) * 2053) &
      (MEMO_SLOTS - 1);
    if (memo[slot] === text) return;
    const before = found === null ? 0 : found.length;
    scan(text);
    if ((found === null ? 0 : found.length) === before) memo[slot] = text;
  };

  const lookAt = (value: FieldValue | undefined): void => {
    if (typeof value === 'string') look(value);
    else if (Array.isArray(value)) for (const one of value) if (typeof one === 'string') look(one);
  };

  const taken = (): readonly Found[] => {
    const out = found ?? NOTHING;
    found = null;
    return out;
  };

  return {
    find: (event) => {
      nowMs = event.receivedMs;
      const norm = event.norm as Record<string, FieldValue | undefined>;
      for (const column in norm) {
        field = column;
        lookAt(norm[column]);
      }
      for (const original in event.fields) {
        field = original;
        lookAt(event.fields[original]);
      }
      if (urls && event.norm.domain !== undefined && event.norm.url !== undefined) {
        field = 'url';
        look(`${event.norm.domain}${event.norm.url}`);
      }
      // Nothing was understood of it: the record itself is all there is.
      if (event.format === 'raw') {
        field = 'raw';
        look(event.raw);
      }
      return found === null ? NOTHING : taken();
    },
    findInText: (text, name, ms) => {
      nowMs = ms;
      field = name;
      scan(text);
      return taken();
    },
  };
}

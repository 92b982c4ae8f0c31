/** Finds indicators in events: every text of an event is looked at, whatever its field. Hot path: `bench/bench-indicators.ts`. */

import { createObservableScan, type DecodedEvent, type FieldValue, hasEscapes } from '../../core/index.ts';
import type { IndicatorSet } from './indicator-set.ts';
import { addressText } from './indicator-value.ts';

export interface Found {
  readonly index: number;
  readonly field: string;
  /** The word as it stands in the event. */
  readonly word: string;
}

export interface Finder {
  /** What one event holds; the shared empty list when it is nothing. */
  find(event: DecodedEvent): readonly Found[];
  /** What one text holds. */
  findInText(text: string, field: string, nowMs: number): readonly Found[];
}

/** Finds kept of one event. */
const FOUND_MAX = 8;
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
  const { counts, sieve } = set;
  let found: Found[] | null = null;
  let nowMs = 0;
  let field = '';

  const add = (index: number, bytes: Buffer, start: number, end: number): boolean => {
    if (index < 0) return false;
    found ??= [];
    if (found.length < FOUND_MAX && !found.some((one) => one.index === index))
      found.push({ index, field, word: bytes.toString('utf8', start, end) });
    return true;
  };
  const scan = createObservableScan({
    ...sieve,
    // URLs may have an address as their host.
    v4: counts.address + counts.cidr + counts.url > 0,
    v6: set.hasV6,
    names: counts.domain > 0,
    digests: counts.hash > 0,
    mails: counts.email > 0,
    urls: counts.url > 0,
    onV4: (address, bytes, start, end) => void add(set.findV4(address, nowMs), bytes, start, end),
    onV6: (words, bytes, start, end) => {
      const plain = Buffer.from(addressText(words));
      add(set.find('address', plain, 0, plain.length, nowMs), bytes, start, end);
      if (counts.cidr > 0) add(set.findNetwork(words, nowMs), bytes, start, end);
    },
    onName: (bytes, start, end) => void add(set.findDomain(bytes, start, end, nowMs), bytes, start, end),
    onText: (type, bytes, start, end) => add(set.find(type, bytes, start, end, nowMs), bytes, start, end),
  });

  const lookAt = (value: FieldValue | undefined): void => {
    if (typeof value === 'string') scan(value);
    else if (Array.isArray(value)) for (const one of value) if (typeof one === 'string') scan(one);
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
      scan(raw);
      // Fields are made from the record, so one look at it does for all of them, unless something is written in escapes.
      if (raw === '' || hasEscapes(raw)) {
        for (field in fields) lookAt(fields[field]);
        for (field in norm) lookAt(norm[field]);
      }
      if (counts.url > 0 && norm.domain !== undefined && norm.url !== undefined) {
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

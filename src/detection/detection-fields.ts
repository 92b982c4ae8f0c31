/**
 * How rules see an event's fields: the original name, then its other names, then the normalised column. Each distinct
 * name is a slot; values and their lower case are made once an event and only when asked (measured by bench-detect).
 */

import {
  type DecodedEvent,
  type FieldValue,
  NORMALISED_COLUMNS,
  type NormalisedColumn,
  rfc3339,
} from '../core/index.ts';
import { FIELD_ALIASES } from './detection-taxonomy.ts';

/** A field as text: null when missing, a list when the source wrote several. */
export type Text = string | readonly string[] | null;

export type ReadField = (event: DecodedEvent) => FieldValue | undefined;

const isColumn = (name: string): name is NormalisedColumn => Object.hasOwn(NORMALISED_COLUMNS, name);

/** The original fields of an event under one name; names that objects inherit are looked up with care. */
function own(name: string): ReadField {
  if (name in Object.prototype) return (event) => (Object.hasOwn(event.fields, name) ? event.fields[name] : undefined);
  return (event) => event.fields[name];
}

/** Where a rule's field is read from: original names in the order in which they are tried, and the normalised column. */
export interface FieldSource {
  readonly names: readonly string[];
  readonly column: NormalisedColumn | null;
  /** Whether the column is tried before the names. */
  readonly columnFirst: boolean;
  /** The time of the event itself, for the parts of a time (`event_time|hour`), where no field has that name. */
  readonly time: boolean;
}

/** `normFirst`: a bare column name means the normalised column before the original field. */
export function fieldSource(name: string, normFirst: boolean): FieldSource {
  const alias = Object.hasOwn(FIELD_ALIASES, name) ? FIELD_ALIASES[name] : undefined;
  const names = [...new Set([name, ...(alias?.fields ?? []), name.replaceAll(' ', '')])];
  const column = isColumn(name) ? name : (alias?.column ?? null);
  return { names, column, columnFirst: normFirst && isColumn(name), time: name === 'event_time' };
}

/** `normFirst`: a bare column name means the normalised column before the original field. */
export function fieldReader(name: string, normFirst: boolean): ReadField {
  const { names, column, columnFirst, time } = fieldSource(name, normFirst);
  const tries: ReadField[] = names.map(own);
  if (column !== null) {
    const normalised: ReadField = (event) => event.norm[column];
    if (columnFirst) tries.unshift(normalised);
    else tries.push(normalised);
  }
  if (time) tries.push((event) => rfc3339(event.timeMs));
  const [first, second] = tries as [ReadField, ...ReadField[]];
  if (!second) return first;
  if (tries.length === 2) return (event) => first(event) ?? second(event);
  return (event) => {
    for (const read of tries) {
      const value = read(event);
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  };
}

/** Every original name and column from which a rule's field may be read. */
export function fieldNames(name: string, normFirst: boolean): string[] {
  const { names, column } = fieldSource(name, normFirst);
  const all = [...names, ...(column === null ? [] : [column])];
  return [...new Set(normFirst ? all.reverse() : all)];
}

export function toText(value: FieldValue | undefined): Text {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return null;
  if (Array.isArray(value)) {
    const list = (value as readonly (string | number | boolean | null)[]).filter((item) => item !== null).map(String);
    return list.length === 0 ? null : list.length === 1 ? (list[0] as string) : list;
  }
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : null;
}

/** Whether a raw record is text as it stands; JSON and XML write values with escapes. */
export const isOneText = (raw: string): boolean => raw !== '' && !/^(?:[{[]|<[^0-9])/.test(raw);

/** What a keyword may stand in: the raw record, or the values where the record is JSON or XML with its escapes. */
export function keywordText(event: DecodedEvent): string {
  const { raw, fields, norm } = event;
  if (isOneText(raw)) return raw;
  const parts: string[] = [];
  for (const key in fields) {
    const text = toText(fields[key]);
    if (typeof text === 'string') parts.push(text);
    else if (text) parts.push(...text);
  }
  if (norm.message !== undefined) parts.push(norm.message);
  return parts.join('\n');
}

export interface FieldCache {
  /** The slot of a name; the empty name is the keyword text. */
  readonly slot: (name: string, normFirst: boolean) => number;
  /** Where a slot is read from; null for the keyword text. */
  readonly source: (slot: number) => FieldSource | null;
  readonly begin: (event: DecodedEvent) => void;
  /** Tells the value of the first of a slot's names, for who goes through the event's fields anyway. */
  readonly put: (slot: number, value: FieldValue) => Text;
  /** Whether the slot was read of this event. */
  readonly has: (slot: number) => boolean;
  readonly text: (slot: number) => Text;
  readonly lower: (slot: number) => Text;
}

export function createFieldCache(): FieldCache {
  const slots = new Map<string, number>();
  const readers: ReadField[] = [];
  const sources: (FieldSource | null)[] = [];
  const texts: Text[] = [];
  const lowers: Text[] = [];
  let textStamp = new Uint32Array(256);
  let lowerStamp = new Uint32Array(256);
  let generation = 0;
  let event: DecodedEvent;

  const grow = (old: Uint32Array): Uint32Array<ArrayBuffer> => {
    const next = new Uint32Array(old.length * 2);
    next.set(old);
    return next;
  };
  const text = (slot: number): Text => {
    if (textStamp[slot] === generation) return texts[slot] as Text;
    textStamp[slot] = generation;
    const value = toText((readers[slot] as ReadField)(event));
    texts[slot] = value;
    return value;
  };

  return {
    slot: (name, normFirst) => {
      // Only a column's own name reads differently when the normalised column comes first.
      const key = normFirst && isColumn(name) ? `\0${name}` : name;
      const known = slots.get(key);
      if (known !== undefined) return known;
      const index = readers.push(name === '' ? keywordText : fieldReader(name, normFirst)) - 1;
      slots.set(key, index);
      sources.push(name === '' ? null : fieldSource(name, normFirst));
      texts.push(null);
      lowers.push(null);
      if (index >= textStamp.length) {
        textStamp = grow(textStamp);
        lowerStamp = grow(lowerStamp);
      }
      return index;
    },
    source: (slot) => sources[slot] ?? null,
    put: (slot, value) => {
      textStamp[slot] = generation;
      const known = toText(value);
      texts[slot] = known;
      return known;
    },
    has: (slot) => textStamp[slot] === generation,
    begin: (next) => {
      event = next;
      generation = (generation + 1) >>> 0;
      if (generation === 0) {
        textStamp.fill(0);
        lowerStamp.fill(0);
        generation = 1;
      }
    },
    text,
    lower: (slot) => {
      if (lowerStamp[slot] === generation) return lowers[slot] as Text;
      lowerStamp[slot] = generation;
      const value = text(slot);
      const low =
        typeof value === 'string' ? value.toLowerCase() : value === null ? null : value.map((v) => v.toLowerCase());
      lowers[slot] = low;
      return low;
    },
  };
}

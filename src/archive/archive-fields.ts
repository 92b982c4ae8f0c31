/**
 * Original fields without repeating what a column already says: a field that equals a normalised column is kept as
 * `name=column;`, the rest as JSON. Decoders copy most fields into columns, so most of the JSON disappears.
 */

import type { DecodedEvent, FieldValue, Normalised, NormalisedColumn } from '../core/index.ts';
import { NORMALISED_COLUMNS } from '../core/index.ts';

/** One step in the tree of folded names seen so far; its `text` is what the column `fields_same` gets. */
interface FoldNode {
  readonly text: string;
  readonly next: Map<string, FoldNode>;
}

/** What is known about a field's name: its JSON key, and the column it equalled last. */
interface FieldName {
  readonly key: string;
  readonly foldable: boolean;
  column: NormalisedColumn | null;
  exact: string;
  asText: string;
  misses: number;
}

export interface Folded {
  /** JSON object without the folded fields; null when nothing is left. */
  json: string | null;
  /** What was folded; null when nothing was. */
  same: string | null;
}

export interface FieldFolder {
  /** Answers the same object each time, so that a hundred thousand events a second make no garbage of it. */
  fold(event: DecodedEvent): Folded;
}

/** Names and trees are learned; hostile records could teach any number of them, so both start anew beyond this. */
const NAMES_MAX = 4096;
const NODES_MAX = 4096;
/** A name whose guessed column was wrong is looked up again in the first events only: searching costs thirty compares. */
const SEARCHES_MAX = 64;

export const FOLDABLE_NAME = /^[A-Za-z_@][\w.@-]{0,63}$/;
const PLAIN_TEXT = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/;

const COLUMN_NAMES = Object.keys(NORMALISED_COLUMNS) as NormalisedColumn[];
const NOTHING: Folded = { json: null, same: null };

const jsonText = (text: string): string => (PLAIN_TEXT.test(text) ? `"${text}"` : JSON.stringify(text.toWellFormed()));

function jsonValue(value: FieldValue): string {
  if (typeof value === 'string') return jsonText(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (value === null || typeof value === 'boolean') return String(value);
  if (Array.isArray(value)) return `[${value.map(jsonValue).join(',')}]`;
  return 'null';
}

/** How a column's value says the field's: `=` the same, `~` the same number as text, null not at all. */
function sameness(norm: Normalised, column: NormalisedColumn, value: FieldValue): '=' | '~' | null {
  const held = norm[column];
  if (held === undefined) return null;
  if (held === value) return typeof held === 'string' || Number.isSafeInteger(held) ? '=' : null;
  return Number.isSafeInteger(held) && typeof value === 'string' && String(held) === value ? '~' : null;
}

export function createFieldFolder(): FieldFolder {
  let names = new Map<string, FieldName>();
  let root: FoldNode = { text: '', next: new Map() };
  let nodes = 0;
  const folded: Folded = { json: null, same: null };

  const nameOf = (name: string): FieldName => {
    let known = names.get(name);
    if (known === undefined) {
      if (names.size >= NAMES_MAX) names = new Map();
      const foldable = FOLDABLE_NAME.test(name);
      known = { key: `${jsonText(name)}:`, foldable, column: null, exact: '', asText: '', misses: 0 };
      names.set(name, known);
    }
    return known;
  };

  const search = (known: FieldName, name: string, norm: Normalised, value: FieldValue): '=' | '~' | null => {
    known.misses += 1;
    for (const column of COLUMN_NAMES) {
      const how = sameness(norm, column, value);
      if (how === null) continue;
      known.column = column;
      known.exact = `${name}=${column};`;
      known.asText = `${name}~${column};`;
      return how;
    }
    return null;
  };

  const step = (node: FoldNode, text: string): FoldNode => {
    const next = node.next.get(text);
    if (next !== undefined) return next;
    if (nodes >= NODES_MAX) {
      root = { text: '', next: new Map() };
      nodes = 0;
    }
    nodes += 1;
    const made: FoldNode = { text: node.text + text, next: new Map() };
    node.next.set(text, made);
    return made;
  };

  return {
    fold(event) {
      const { fields, norm } = event;
      let node = root;
      let json = '';
      for (const name in fields) {
        const value = fields[name] as FieldValue;
        const known = nameOf(name);
        let how: '=' | '~' | null = null;
        if (known.foldable && value !== null) {
          if (known.column !== null) how = sameness(norm, known.column, value);
          if (how === null && known.misses < SEARCHES_MAX) how = search(known, name, norm, value);
        }
        if (how === null) json += (json === '' ? '{' : ',') + known.key + jsonValue(value);
        else node = step(node, how === '=' ? known.exact : known.asText);
      }
      if (json === '' && node.text === '') return NOTHING;
      folded.json = json === '' ? null : `${json}}`;
      folded.same = node.text === '' ? null : node.text;
      return folded;
    },
  };
}

/** The pairs of a `fields_same` text: field, how, column. */
export function samePairs(same: string): { field: string; asText: boolean; column: NormalisedColumn }[] {
  const pairs: { field: string; asText: boolean; column: NormalisedColumn }[] = [];
  for (const item of same.split(';')) {
    const at = item.search(/[=~]/);
    const column = item.slice(at + 1);
    if (at <= 0 || !Object.hasOwn(NORMALISED_COLUMNS, column)) continue;
    pairs.push({ field: item.slice(0, at), asText: item[at] === '~', column: column as NormalisedColumn });
  }
  return pairs;
}

/** Puts the original fields together again. */
export function unfoldFields(json: string | null, same: string | null, norm: Normalised): Record<string, FieldValue> {
  const fields: Record<string, FieldValue> = {};
  if (same !== null) {
    for (const { field, asText, column } of samePairs(same)) {
      const value = norm[column];
      if (value !== undefined) fields[field] = asText ? String(value) : value;
    }
  }
  if (json !== null) {
    for (const [name, value] of Object.entries(JSON.parse(json) as Record<string, FieldValue>)) {
      Object.defineProperty(fields, name, { value, enumerable: true, writable: true, configurable: true });
    }
  }
  return fields;
}

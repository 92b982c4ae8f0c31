/** Compiles a query into a condition in SQL. What people typed is only ever a bound parameter. */

import { type DecodedEvent, NORMALISED_COLUMNS, type NormalisedColumn } from '../core/index.ts';
import { parseRange } from './archive-address.ts';
import { FOLDABLE_NAME, samePairs } from './archive-fields.ts';
import { bloomHas, INDEXED_COLUMNS } from './archive-index.ts';
import { badQuery, type Match, type Query } from './archive-query.ts';

export interface Condition {
  readonly sql: string;
  /** Values of `$1`, `$2`, … */
  readonly values: readonly (string | number)[];
}

/** Columns beside the normalised ones that a query can name. */
const OWN: Readonly<Record<string, { sql: string; type: 'text' | 'bool' | 'words' }>> = {
  source: { sql: '"source"', type: 'text' },
  format: { sql: '"format"', type: 'text' },
  raw: { sql: '"raw"', type: 'text' },
  marks: { sql: '"marks"', type: 'words' },
  exercise: { sql: '"exercise"', type: 'bool' },
  'logsource.product': { sql: '"logsource_product"', type: 'text' },
  'logsource.category': { sql: '"logsource_category"', type: 'text' },
  'logsource.service': { sql: '"logsource_service"', type: 'text' },
} satisfies Record<string, { sql: string; type: 'text' | 'bool' | 'words' }>;

const ADDRESSES = new Set<string>(['src_ip', 'dst_ip'] satisfies (keyof DecodedEvent['norm'])[]);
const FIELDS_PREFIX = 'fields.';

const isNormalised = (name: string): name is NormalisedColumn => Object.hasOwn(NORMALISED_COLUMNS, name);

function columnSql(name: NormalisedColumn): string {
  // Where it is the end of the raw record, only its place was kept.
  return name === 'message' ? 'coalesce("message", substr("raw", "message_at" + 1))' : `"${name}"`;
}

/** Names of original fields in a query: what the condition needs to know how they were folded for. */
export function originalFields(query: Query): string[] {
  if (query.kind === 'and' || query.kind === 'or') return [...new Set(query.items.flatMap(originalFields))];
  if (query.kind === 'not') return originalFields(query.item);
  if (query.kind !== 'field' || isNormalised(query.name) || Object.hasOwn(OWN, query.name)) return [];
  return [originalName(query.name)];
}

const originalName = (name: string): string =>
  name.startsWith(FIELDS_PREFIX) ? name.slice(FIELDS_PREFIX.length) : name;

/**
 * @param same the different `fields_same` texts of the files that will be read
 * @throws AsepsisError `BAD_QUERY` where a value does not fit its column
 */
export function compileQuery(query: Query, same: readonly string[]): Condition {
  const values: (string | number)[] = [];
  const bind = (value: string | number): string => `$${values.push(value)}`;
  const pairs = same.flatMap(samePairs);

  const compile = (node: Query): string => {
    switch (node.kind) {
      case 'all':
        return 'true';
      case 'and':
        return `(${node.items.map(compile).join(' AND ')})`;
      case 'or':
        return `(${node.items.map(compile).join(' OR ')})`;
      case 'not':
        // What is absent is not equal to anything; without this, NOT would lose events that have no such value.
        return `NOT coalesce(${compile(node.item)}, false)`;
      case 'text':
        return textTest('"raw"', { kind: 'wild', parts: ['', ...node.parts, ''] }, bind);
      case 'field':
        return field(node);
    }
  };

  const field = (node: Query & { kind: 'field' }): string => {
    const { name, match } = node;
    if (isNormalised(name)) {
      const sql = columnSql(name);
      if (ADDRESSES.has(name)) return addressTest(sql, node, bind);
      return NORMALISED_COLUMNS[name].type === 'int'
        ? numberTest(sql, node, bind)
        : textTest(sql, rangeless(node), bind);
    }
    const own = Object.hasOwn(OWN, name) ? OWN[name] : undefined;
    if (own?.type === 'bool') return boolTest(own.sql, node);
    if (own?.type === 'words') return wordsTest(own.sql, match, bind);
    if (own !== undefined) return textTest(own.sql, rangeless(node), bind);
    return originalTest(originalName(name), match);
  };

  const originalTest = (name: string, match: Match): string => {
    const tests = [jsonTest(name, match, bind)];
    const seen = new Set<string>();
    for (const pair of FOLDABLE_NAME.test(name) ? pairs : []) {
      const key = `;${pair.field}${pair.asText ? '~' : '='}${pair.column};`;
      if (pair.field !== name || seen.has(key)) continue;
      seen.add(key);
      const folded = `contains(concat(';', "fields_same"), ${bind(key)})`;
      tests.push(`(${folded} AND ${looseTest(columnSql(pair.column), match, bind)})`);
    }
    return `(${tests.join(' OR ')})`;
  };

  return { sql: compile(query), values };
}

type Bind = (value: string | number) => string;

function rangeless(node: Query & { kind: 'field' }): Match {
  if (node.match.kind === 'range') throw badQuery(`A range needs a number, which ${node.name} is not,`, node.at);
  return node.match;
}

const likePattern = (parts: readonly string[]): string =>
  parts.map((part) => part.replaceAll(/[\\%_]/g, (c) => `\\${c}`)).join('%');

function textTest(sql: string, match: Match, bind: Bind): string {
  if (match.kind === 'exists') return `${sql} IS NOT NULL`;
  if (match.kind === 'equals') {
    // Digits and dots have no case: then DuckDB compares while it reads, twice as fast.
    const caseless = /^[\d.]+$/.test(match.value);
    return caseless ? `${sql} = ${bind(match.value)}` : `lower(${sql}) = lower(${bind(match.value)})`;
  }
  if (match.kind === 'range') return rangeTest(`TRY_CAST(${sql} AS DOUBLE)`, match, bind);
  const [head, only, tail] = match.parts;
  // The commonest pattern by far, a text anywhere, has a function of its own that is faster than LIKE.
  if (match.parts.length === 3 && head === '' && tail === '')
    return `contains(lower(${sql}), lower(${bind(only ?? '')}))`;
  return `lower(${sql}) LIKE lower(${bind(likePattern(match.parts))}) ESCAPE '\\'`;
}

function rangeTest(sql: string, match: Match & { kind: 'range' }, bind: Bind): string {
  const equal = match.open ? '' : '=';
  const tests: string[] = [];
  if (match.min !== null) tests.push(`${sql} >${equal} ${bind(match.min)}::DOUBLE`);
  if (match.max !== null) tests.push(`${sql} <${equal} ${bind(match.max)}::DOUBLE`);
  return `(${tests.join(' AND ')})`;
}

function numberTest(sql: string, node: Query & { kind: 'field' }, bind: Bind): string {
  const { match } = node;
  if (match.kind === 'exists') return `${sql} IS NOT NULL`;
  if (match.kind === 'range') return rangeTest(sql, match, bind);
  if (match.kind === 'wild') return textTest(`${sql}::VARCHAR`, match, bind);
  if (!/^-?\d{1,15}$/.test(match.value)) throw badQuery(`A number was expected for ${node.name}`, node.at);
  return `${sql} = ${bind(Number(match.value))}::BIGINT`;
}

function boolTest(sql: string, node: Query & { kind: 'field' }): string {
  const { match } = node;
  if (match.kind === 'exists') return 'true';
  const value = match.kind === 'equals' ? match.value.toLowerCase() : '';
  if (value !== 'true' && value !== 'false') throw badQuery(`true or false was expected for ${node.name}`, node.at);
  return value === 'true' ? sql : `NOT ${sql}`;
}

/** A JSON array of words. */
function wordsTest(sql: string, match: Match, bind: Bind): string {
  if (match.kind === 'exists') return `${sql} IS NOT NULL`;
  return `list_bool_or(list_transform(${sql}::JSON::VARCHAR[], lambda w: ${textTest('w', match, bind)}))`;
}

function addressTest(sql: string, node: Query & { kind: 'field' }, bind: Bind): string {
  const { match } = node;
  if (match.kind !== 'equals' || !match.value.includes('/')) return textTest(sql, rangeless(node), bind);
  const range = parseRange(match.value);
  if (range === null) throw badQuery(`A range of addresses such as 10.0.0.0/8 was expected for ${node.name}`, node.at);
  if (range.version === 6) {
    return `(contains(${sql}, ':') AND asepsis_hex6(lower(${sql})) BETWEEN ${bind(range.min)} AND ${bind(range.max)})`;
  }
  const octet = `TRY_CAST(split_part(${sql}, '.', ${range.octet}) AS INTEGER)`;
  const within = `${octet} BETWEEN ${range.min} AND ${range.max}`;
  return `(starts_with(${sql}, ${bind(range.prefix)}) AND NOT contains(${sql}, ':') AND ${within})`;
}

/** A folded column as the original field had it: as text, or as a number where a range is asked for. */
function looseTest(sql: string, match: Match, bind: Bind): string {
  return match.kind === 'range'
    ? rangeTest(`TRY_CAST(${sql} AS DOUBLE)`, match, bind)
    : textTest(`${sql}::VARCHAR`, match, bind);
}

/** A field that was kept in the JSON; an array matches when one of its values does. */
function jsonTest(name: string, match: Match, bind: Bind): string {
  // A JSON pointer (RFC 6901) needs no quoting beyond these two; as a parameter it cannot be anything but a name.
  const pointer = bind(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
  const there = `contains("fields", ${bind(JSON.stringify(name))})`;
  const kind = `json_type("fields", ${pointer})`;
  if (match.kind === 'exists') return `(${there} AND ${kind} <> 'NULL')`;
  const one = textTest(`json_extract_string("fields", ${pointer})`, match, bind);
  const any = `list_bool_or(list_transform(json_extract("fields", ${pointer})::VARCHAR[], lambda v: ${textTest('v', match, bind)}))`;
  return `(${there} AND CASE ${kind} WHEN 'ARRAY' THEN ${any} WHEN 'NULL' THEN false ELSE ${one} END)`;
}

const INDEXED = new Set<string>(INDEXED_COLUMNS);
const ASCII = /^[\x20-\x7e]*$/;

/** The value in lower case that a part of a query asks an indexed column for; null for every other part. */
export function indexedValue(query: Query): string | null {
  if (query.kind !== 'field') return null;
  const { name, match } = query;
  if (match.kind !== 'equals' || !INDEXED.has(name) || !ASCII.test(match.value)) return null;
  if (ADDRESSES.has(name) && match.value.includes('/')) return null;
  return match.value.toLowerCase();
}

/** False only when no event of a file with this filter can match. */
export function mayMatch(query: Query, bloom: Uint8Array): boolean {
  switch (query.kind) {
    case 'and':
      return query.items.every((item) => mayMatch(item, bloom));
    case 'or':
      return query.items.some((item) => mayMatch(item, bloom));
    case 'field': {
      const value = indexedValue(query);
      return value === null || bloomHas(bloom, query.name, value);
    }
    default:
      return true;
  }
}

/** Does the query gain from the filter at all? */
export function usesIndex(query: Query): boolean {
  return !mayMatch(query, new Uint8Array(64));
}

/** The texts that the raw record of every match has in it. */
function rawTexts(query: Query): readonly string[] {
  if (query.kind === 'text') return query.parts;
  if (query.kind !== 'field' || query.name !== 'raw') return [];
  if (query.match.kind === 'wild') return query.match.parts;
  return query.match.kind === 'equals' ? [query.match.value] : [];
}

/** False only when no raw record of a file can match. @param has may a record have this text in it? */
export function mayHaveText(query: Query, has: (text: string) => boolean): boolean {
  if (query.kind === 'and') return query.items.every((item) => mayHaveText(item, has));
  if (query.kind === 'or') return query.items.some((item) => mayHaveText(item, has));
  return rawTexts(query).every(has);
}

/** Does the query gain from knowing the pieces of words? */
export function hasText(query: Query): boolean {
  return !mayHaveText(query, () => false);
}

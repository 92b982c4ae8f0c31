/** Rows of archive files as event records, and the place of a row in the order of a search. */

import type { DuckDBValue } from '@duckdb/node-api';
import {
  AsepsisError,
  type EventRecord,
  eventId,
  NORMALISED_NAMES,
  type Normalised,
  rfc3339,
  type SourceId,
} from '../core/index.ts';
import { ARCHIVE_COLUMNS, COLUMN_INDEX } from './archive-columns.ts';
import { unfoldFields } from './archive-fields.ts';

/** The order of a search, newest first; block and index make it total. */
export const NEWEST_FIRST = '"time" DESC, seq DESC, idx DESC';

/** The columns of a row, times as Unix milliseconds. @param present columns that can have a value; null: all */
export const selectOf = (present: ReadonlySet<string> | null): string =>
  ARCHIVE_COLUMNS.map(({ name, kind, required }) => {
    if (present !== null && !required && !present.has(name)) return 'NULL';
    return kind === 'time' ? `epoch_ms("${name}")` : `"${name}"`;
  }).join(', ');

export const SELECT_LIST = selectOf(null);

export interface RowPlace {
  readonly timeMs: number;
  readonly seq: number;
  readonly index: number;
}

type Row = readonly DuckDBValue[];
const at = (row: Row, name: string): DuckDBValue => row[COLUMN_INDEX.get(name) as number] ?? null;
const textAt = (row: Row, name: string): string | null => {
  const value = at(row, name);
  return value === null ? null : String(value);
};
const numberAt = (row: Row, name: string): number => Number(at(row, name));

export function placeOf(row: Row): RowPlace {
  return { timeMs: numberAt(row, 'time'), seq: numberAt(row, 'seq'), index: numberAt(row, 'idx') };
}

/** Negative when `a` comes before `b` in a search. */
export function comparePlaces(a: RowPlace, b: RowPlace): number {
  return b.timeMs - a.timeMs || b.seq - a.seq || b.index - a.index;
}

export function recordOf(streamId: string, row: Row): EventRecord {
  const raw = String(at(row, 'raw'));
  const norm: Record<string, string | number> = {};
  for (const name of NORMALISED_NAMES) {
    const value = at(row, name);
    if (value !== null) norm[name] = typeof value === 'bigint' ? Number(value) : String(value);
  }
  const messageAt = at(row, 'message_at');
  if (messageAt !== null) norm.message = raw.slice(Number(messageAt));
  const product = textAt(row, 'logsource_product');
  const category = textAt(row, 'logsource_category');
  const service = textAt(row, 'logsource_service');
  const { timeMs, seq, index } = placeOf(row);
  const marks = textAt(row, 'marks');
  return {
    id: eventId(streamId, seq, index),
    time: rfc3339(timeMs),
    received: rfc3339(numberAt(row, 'received')),
    source: String(at(row, 'source')) as SourceId,
    format: String(at(row, 'format')),
    logsource: {
      ...(product === null ? {} : { product }),
      ...(category === null ? {} : { category }),
      ...(service === null ? {} : { service }),
    },
    ocsf: norm,
    fields: unfoldFields(
      textAt(row, 'fields'),
      textAt(row, 'fields_same'),
      norm as Normalised,
    ) as EventRecord['fields'],
    raw,
    marks: marks === null ? [] : (JSON.parse(marks) as string[]),
    exercise: at(row, 'exercise') === true,
  };
}

export const encodeCursor = (place: RowPlace): string =>
  Buffer.from([place.timeMs, place.seq, place.index].join(',')).toString('base64url');

export function decodeCursor(text: string): RowPlace {
  const match = /^(-?\d{1,16}),(\d{1,16}),(\d{1,10})$/.exec(
    Buffer.from(text.slice(0, 128), 'base64url').toString('latin1'),
  );
  if (match === null) throw new AsepsisError('BAD_REQUEST', 'The cursor is not one of this search.');
  return { timeMs: Number(match[1]), seq: Number(match[2]), index: Number(match[3]) };
}

/** Rows after a place in the search's order. */
export function afterSql(place: RowPlace, timestamp: (ms: number) => string): string {
  const time = timestamp(place.timeMs);
  return (
    `("time" < ${time} OR ("time" = ${time} AND ` +
    `(seq < ${place.seq} OR (seq = ${place.seq} AND idx < ${place.index}))))`
  );
}

/** The columns of every archive file, in their order: what each holds and how a hot part encodes it. */

import { NORMALISED_COLUMNS, NORMALISED_NAMES } from '../core/index.ts';

/** `dict`: few different texts; `text`: mostly different ones; `long`: 64-bit integers, also the times in microseconds. */
export type ColumnKind = 'long' | 'time' | 'bool' | 'dict' | 'text';

export interface ArchiveColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  readonly required: boolean;
}

/** Texts that hardly repeat within one part: a dictionary of them would only cost time. */
const UNREPEATED = new Set(['command_line', 'url', 'message', 'hash']);

const column = (name: string, kind: ColumnKind, required = false): ArchiveColumn => ({ name, kind, required });

export const ARCHIVE_COLUMNS: readonly ArchiveColumn[] = [
  column('seq', 'long', true),
  column('idx', 'long', true),
  column('time', 'time', true),
  column('received', 'time', true),
  column('source', 'dict', true),
  column('format', 'dict', true),
  column('logsource_product', 'dict'),
  column('logsource_category', 'dict'),
  column('logsource_service', 'dict'),
  ...NORMALISED_NAMES.map((name) =>
    column(name, NORMALISED_COLUMNS[name].type === 'int' ? 'long' : UNREPEATED.has(name) ? 'text' : 'dict'),
  ),
  // Where `message` is the end of `raw`, only the number of characters before it is kept.
  column('message_at', 'long'),
  // Original fields as a JSON object, without those that `fields_same` names.
  column('fields', 'text'),
  // `name=column;` for each original field that equals that column, `name~column;` where it is the number as text.
  column('fields_same', 'dict'),
  column('raw', 'text', true),
  // A JSON array of words; absent when there are none.
  column('marks', 'dict'),
  column('exercise', 'bool', true),
];

export const COLUMN_INDEX: ReadonlyMap<string, number> = new Map(ARCHIVE_COLUMNS.map((c, i) => [c.name, i]));

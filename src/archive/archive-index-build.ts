/** Makes the side index of a file that was just written, with DuckDB: what is in it, when, and how often. */

import { createKeyScan } from '../core/index.ts';
import { type Duck, parquetTable } from './archive-duckdb.ts';
import { foldGrams } from './archive-grams.ts';
import { bloomAdd, createBloom, encodeIndex, INDEXED_COLUMNS, MINUTES_MAX, SAME_MAX } from './archive-index.ts';
import { createKeys } from './archive-keys.ts';
import { createPostings, type PostingsBuilder } from './archive-postings.ts';

/** Values by minute of one column that are kept; a file with more answers only whether a value may be in it. */
const PAIRS_MAX = 600_000;
/** Indexed columns in which indicators stand; `host` is who tells. */
const OBSERVED = new Set<string>(INDEXED_COLUMNS.filter((column) => column !== 'host'));
const NO_POSTINGS = createPostings(INDEXED_COLUMNS).finish().length;

export interface FileSpan {
  readonly rows: number;
  readonly time: readonly [number, number];
  readonly seq: readonly [number, number];
}

/** @param grams the pieces of words in the files whose events it has */
export async function indexFile(
  duck: Duck,
  path: string,
  grams: Uint8Array,
): Promise<{ span: FileSpan; index: Buffer }> {
  const table = parquetTable([path]);
  const columns = await columnsOf(duck, path);
  const [row] = await duck.rows(
    `SELECT count(*), epoch_ms(min("time")), epoch_ms(max("time")), min(seq), max(seq) FROM ${table}`,
  );
  const [rows, timeMin, timeMax, seqMin, seqMax] = (row ?? []).map(Number) as [number, number, number, number, number];
  const minutes = await duck.rows(
    `SELECT ${MINUTE} AS m, count(*) FROM ${table} GROUP BY m ORDER BY m LIMIT ${MINUTES_MAX + 1}`,
  );
  const same = await duck.rows(
    `SELECT DISTINCT fields_same FROM ${table} WHERE fields_same IS NOT NULL LIMIT ${SAME_MAX + 1}`,
  );
  const keys = createKeys();
  const note = createKeyScan((key) => keys.add(key));
  const { bloom, posted, postings } = await valuesOf(duck, table, columns, note);
  await noteTexts(duck, table, columns, note);
  const index = encodeIndex({
    minutes: minutes.length > MINUTES_MAX ? null : minutes.map((row) => [Number(row[0]), Number(row[1])] as const),
    same: same.length > SAME_MAX ? null : same.map((row) => String(row[0])).sort(),
    columns,
    posted,
    bloom,
    postings: postings.length === NO_POSTINGS ? Buffer.alloc(0) : postings,
    grams: foldGrams(grams),
    keys: keys.finish(),
  });
  return { span: { rows, time: [timeMin, timeMax], seq: [seqMin, seqMax] }, index };
}

const MINUTE = 'floor(epoch_ms("time") / 60000.0)::INTEGER';

/** The columns that have a value anywhere: their absence is in the file's footer. */
async function columnsOf(duck: Duck, path: string): Promise<string[]> {
  const found = await duck.rows(
    `SELECT path_in_schema, bool_or(coalesce(stats_null_count < num_values, true)) FROM parquet_metadata('${path.replaceAll("'", "''")}') GROUP BY 1`,
  );
  return found
    .filter((row) => row[1] === true)
    .map((row) => String(row[0]))
    .sort();
}

interface Values {
  readonly bloom: Uint8Array;
  readonly posted: readonly string[];
  readonly postings: Buffer;
}

/** All different values of the indexed columns, in lower case, with their minutes. */
async function valuesOf(
  duck: Duck,
  table: string,
  columns: readonly string[],
  note: (text: string) => void,
): Promise<Values> {
  const postings = createPostings(INDEXED_COLUMNS);
  const posted: string[] = [];
  const large: string[] = [];
  let count = 0;
  for (const [i, column] of INDEXED_COLUMNS.entries()) {
    const values = columns.includes(column) ? await addColumn(duck, table, postings, i) : 0;
    if (values === null) large.push(column);
    else {
      posted.push(column);
      count += values;
    }
  }
  for (const column of large) {
    const [row] = await duck.rows(`SELECT approx_count_distinct(lower("${column}")) FROM ${table}`);
    count += Number(row?.[0] ?? 0);
  }
  const bloom = createBloom(count);
  for (const [i, column] of INDEXED_COLUMNS.entries())
    for (const value of postings.values(i)) {
      bloomAdd(bloom, column, value);
      if (OBSERVED.has(column)) note(value);
    }
  for (const column of large) {
    await eachChunk(
      duck,
      `SELECT DISTINCT lower("${column}") FROM ${table} WHERE "${column}" IS NOT NULL`,
      ([texts]) => {
        for (const text of texts ?? []) {
          bloomAdd(bloom, column, String(text));
          if (OBSERVED.has(column)) note(String(text));
        }
        return true;
      },
    );
  }
  return { bloom, posted, postings: postings.finish() };
}

/** What stands in the columns that are not indexed by value; a path belongs to the host beside it. */
async function noteTexts(
  duck: Duck,
  table: string,
  columns: readonly string[],
  note: (text: string) => void,
): Promise<void> {
  const host = columns.includes('domain') ? `CASE WHEN url LIKE '/%' THEN coalesce("domain", '') ELSE '' END || ` : '';
  const texts = { url: `${host}url`, command_line: 'command_line' };
  for (const [column, sql] of Object.entries(texts)) {
    if (!columns.includes(column)) continue;
    await eachChunk(duck, `SELECT DISTINCT ${sql} FROM ${table} WHERE "${column}" IS NOT NULL`, ([values]) => {
      for (const text of values ?? []) note(String(text));
      return true;
    });
  }
}

/** How many different values the column has; null when that is too much to keep. */
async function addColumn(duck: Duck, table: string, postings: PostingsBuilder, at: number): Promise<number | null> {
  const column = INDEXED_COLUMNS[at];
  let pairs = 0;
  const sql = `SELECT lower("${column}") AS v, ${MINUTE} AS m, count(*)::INTEGER FROM ${table} WHERE "${column}" IS NOT NULL GROUP BY v, m`;
  await eachChunk(duck, sql, ([values = [], minutes = [], counts = []]) => {
    pairs += values.length;
    if (pairs > PAIRS_MAX) return false;
    for (const [i, value] of values.entries()) postings.add(at, String(value), Number(minutes[i]), Number(counts[i]));
    return true;
  });
  if (pairs > PAIRS_MAX) {
    postings.drop(at);
    return null;
  }
  return [...postings.values(at)].length;
}

/** Reads a result piece by piece, by column, until the reader answers false. */
async function eachChunk(
  duck: Duck,
  sql: string,
  read: (columns: readonly (readonly unknown[])[]) => boolean,
): Promise<void> {
  const result = await duck.connection.stream(sql);
  for (;;) {
    const chunk = await result.fetchChunk();
    if (chunk === null || chunk.rowCount === 0) return;
    if (!read(chunk.getColumns())) return;
  }
}

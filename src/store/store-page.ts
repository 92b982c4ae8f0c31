/** Pages of a list by keyset: the cursor says after which row to go on, so rows that come or go move nothing. */

import { type SelectQueryBuilder, sql } from 'kysely';
import { AsepsisError, LIMITS, type Page, type PageRequest } from '../core/index.ts';

/** How a list is sorted; the last column makes it unique. */
export interface Order {
  /** Names the list, so that a cursor of another list is refused. */
  readonly list: string;
  readonly direction: 'asc' | 'desc';
  readonly columns: readonly { readonly ref: string; readonly type: 'number' | 'string' }[];
}

type Position = readonly (number | string)[];

const CURSOR_CHARS_MAX = 4096;

/**
 * Reads one page of `query`.
 *
 * @param position the values of the order's columns in a row
 * @param item the record of a row
 */
export async function readPage<DB, TB extends keyof DB, Row, T>(
  query: SelectQueryBuilder<DB, TB, Row>,
  o: { order: Order; page: PageRequest; position: (row: Row) => Position; item: (row: Row) => T },
): Promise<Page<T>> {
  const { order, page } = o;
  const limit = pageLimit(page.limit);
  let sorted = query;
  if (page.after !== undefined) {
    const refs = sql.join(order.columns.map((column) => sql.ref(column.ref)));
    const values = sql.join(decodeCursor(order, page.after).map((value) => sql.val(value)));
    const past = order.direction === 'asc' ? sql`>` : sql`<`;
    sorted = sorted.where(sql<boolean>`(${refs}) ${past} (${values})`);
  }
  for (const column of order.columns) sorted = sorted.orderBy(sql.ref(column.ref), order.direction);
  const rows = await sorted.limit(limit + 1).execute();
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  return {
    items: shown.map(o.item),
    next: rows.length > limit && last !== undefined ? encodeCursor(order, o.position(last)) : null,
  };
}

/** A limit from outside as rows of one page. */
export function pageLimit(limit: number): number {
  if (!Number.isInteger(limit) || limit < 1) throw new AsepsisError('BAD_REQUEST', 'limit is a whole number above 0.');
  return Math.min(limit, LIMITS.pageRowsMax);
}

export function encodeCursor(order: Order, position: Position): string {
  return Buffer.from(JSON.stringify([order.list, ...position])).toString('base64url');
}

export function decodeCursor(order: Order, cursor: string): Position {
  const refused = () => new AsepsisError('BAD_REQUEST', 'after is not a cursor of this list.');
  if (cursor.length > CURSOR_CHARS_MAX || !/^[A-Za-z0-9_-]+$/.test(cursor)) throw refused();
  let parsed: unknown;
  try {
    parsed = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    throw refused();
  }
  if (!Array.isArray(parsed) || parsed.length !== order.columns.length + 1 || parsed[0] !== order.list) throw refused();
  const position = parsed.slice(1) as unknown[];
  const fits = order.columns.every(({ type }, i) => {
    const value = position[i];
    return type === 'number' ? Number.isSafeInteger(value) : typeof value === 'string' && !value.includes('\0');
  });
  if (!fits) throw refused();
  return position as Position;
}

/** What every sub-store works with: the database handle (perhaps inside a transaction), its kind and the clock. */

import { createHash } from 'node:crypto';
import { type Kysely, type RawBuilder, sql } from 'kysely';
import { AsepsisError, type Clock } from '../core/index.ts';
import { isDeadlock } from './store-errors.ts';
import type { Tables } from './store-tables.ts';

export interface StoreContext {
  readonly kind: 'sqlite' | 'postgres';
  readonly db: Kysely<Tables>;
  readonly clock: Clock;
}

/** Rows in one statement. SQLite takes 32,766 parameters and PostgreSQL 65,535; our widest row has 17. */
const ROWS_IN_STATEMENT = 200;
const DEADLOCK_TRIES = 3;
/** Longest text in an indexed column: three of them fit into PostgreSQL's 2,704 bytes for one index entry. */
const KEY_CHARS_MAX = 256;
const SEARCH_CHARS_MAX = 4000;

/** Runs `work` as one change: in the transaction that is open, else in its own. */
export async function atomic<T>(context: StoreContext, work: (context: StoreContext) => Promise<T>): Promise<T> {
  if (context.db.isTransaction) return work(context);
  for (let tries = 1; ; tries++) {
    try {
      return await context.db.transaction().execute((db) => work({ ...context, db }));
    } catch (error) {
      if (!isDeadlock(error) || tries === DEADLOCK_TRIES) throw error;
    }
  }
}

const LOCKS = { schema: 1, findings: 2, alerts: 3, audit: 4 } as const;

/**
 * Everybody else who asks for the same lock waits until this transaction ends. SQLite needs none: its transactions
 * come one after the other. The schema's name is part of the key, so two installations in one database do not wait.
 */
export async function lock(context: StoreContext, name: keyof typeof LOCKS): Promise<void> {
  if (context.kind === 'sqlite') return;
  await sql`select pg_advisory_xact_lock(hashtext(coalesce(current_schema(), '')), ${LOCKS[name]}::int)`.execute(
    context.db,
  );
}

/** Raises a counter in the transaction that is open and answers its new value. */
export async function raise(context: StoreContext, name: string, by: number): Promise<number> {
  const row = await context.db
    .updateTable('counters')
    .set((eb) => ({ value: eb('value', '+', by) }))
    .where('name', '=', name)
    .returning('value')
    .executeTakeFirstOrThrow();
  return row.value;
}

export function* inPortions<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += ROWS_IN_STATEMENT) {
    yield items.slice(start, start + ROWS_IN_STATEMENT);
  }
}

/** Unix milliseconds of a time from outside; text would sort `…00Z` after `…00.5Z`. */
export function ms(time: string): number {
  const value = Date.parse(time);
  if (Number.isNaN(value)) throw new AsepsisError('BAD_REQUEST', 'A time is not RFC 3339.');
  return value;
}

export const flag = (value: boolean): number => (value ? 1 : 0);

/** A text as an indexed column holds it: bounded, and without NUL, which PostgreSQL's text cannot hold. */
export function key(text: string): string {
  return plain(text).slice(0, KEY_CHARS_MAX);
}

/** A name that is looked up without regard to case. */
export function folded(text: string): string {
  return key(text.normalize('NFKC').toLowerCase());
}

export function plain(text: string): string {
  return text.includes('\0') ? text.replaceAll('\0', '\ufffd') : text;
}

/** What the free text of a filter is looked for in. */
export function searchable(...parts: readonly (string | undefined)[]): string {
  return plain(parts.filter(Boolean).join('\n').toLowerCase()).slice(0, SEARCH_CHARS_MAX);
}

/** A LIKE pattern (with `!` as its escape) that finds the text anywhere. */
export function containing(text: string): string {
  return `%${plain(text.toLowerCase()).slice(0, KEY_CHARS_MAX).replaceAll(/[!%_]/g, '!$&')}%`;
}

/**
 * A column of a filter. Together with free text SQLite must not start from the index of a column with few values, which
 * leads it through the wide table row by row: the plus keeps it from that (sqlite.org/optoverview.html, section 4).
 */
export function filterColumn(context: StoreContext, name: string, text: string | undefined): RawBuilder<string> {
  return text && context.kind === 'sqlite' ? sql<string>`+${sql.ref(name)}` : sql<string>`${sql.ref(name)}`;
}

/** SHA-256 over parts, with lengths in front so that no two lists of parts give the same bytes. */
export function digest(...parts: readonly string[]): Uint8Array {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest();
}

export function read<T>(row: { doc: string }): T {
  return JSON.parse(row.doc) as T;
}

export function readOrNull<T>(row: { doc: string } | undefined): T | null {
  return row === undefined ? null : read<T>(row);
}

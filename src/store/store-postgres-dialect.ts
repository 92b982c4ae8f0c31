/** A Kysely dialect over a pool of `pg`: 64-bit integers as numbers, and failures with our codes. */

import { type Dialect, PostgresDialect, type PostgresPoolClient } from 'kysely';
import pg from 'pg';
import { AsepsisError } from '../core/index.ts';
import { plain } from './store-context.ts';
import { storeError } from './store-errors.ts';

/** Connections of one process; PostgreSQL allows 100 in all by default and several processes share them. */
const CONNECTIONS_MAX = 8;
const CONNECT_MS_MAX = 10_000;
/** Type numbers (pg_type.oid) of int8 and numeric: `pg` answers them as text because they may not fit a number. */
const INT8 = 20;
const NUMERIC = 1700;

export function postgresDialect(url: string): Dialect {
  const pool = openPool(url);
  // An idle connection that breaks is dropped by the pool and made anew; without a listener it would end the process.
  pool.on('error', () => {});
  return new PostgresDialect({
    pool: {
      options: {},
      connect: () => pool.connect().then(guarded, (error: unknown) => Promise.reject(storeError(error))),
      end: () => pool.end(),
    },
  });
}

function openPool(url: string): pg.Pool {
  try {
    return new pg.Pool({
      connectionString: url,
      max: CONNECTIONS_MAX,
      connectionTimeoutMillis: CONNECT_MS_MAX,
      application_name: 'asepsis',
      types: {
        getTypeParser: (oid: number, format?: 'text' | 'binary') =>
          oid === INT8 || oid === NUMERIC ? Number : pg.types.getTypeParser(oid, format as 'text'),
      } as pg.CustomTypesConfig,
    });
  } catch (cause) {
    throw new AsepsisError('CONFIG_INVALID', 'store.url is not an address of PostgreSQL.', { cause });
  }
}

function guarded(client: pg.PoolClient): PostgresPoolClient {
  return {
    query: (sql: unknown, values?: readonly unknown[]) =>
      client
        .query(sql as string, values?.map(withoutNul))
        .catch((error: unknown) => Promise.reject(storeError(error))) as never,
    release: (destroy?: boolean) => client.release(destroy),
  };
}

/** PostgreSQL's text refuses NUL, which a log line or a form may well hold. */
function withoutNul(value: unknown): unknown {
  return typeof value === 'string' ? plain(value) : value;
}

/** A Kysely dialect over `node:sqlite`: one connection that callers take in turn, and statements prepared once. */

import assert from 'node:assert/strict';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import { setTimeout } from 'node:timers/promises';
import {
  CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type DialectAdapter,
  type Driver,
  type QueryResult,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import { AsepsisError } from '../core/index.ts';
import { storeError } from './store-errors.ts';

/** Statements kept prepared; the store itself has some hundred, lists in different lengths add more. */
const STATEMENTS_MAX = 400;
/**
 * Another process that writes is waited for without blocking this thread, on which it may even run. A statement outside
 * a transaction that finds the database locked has changed nothing, and so has a `begin`: both can be tried again.
 */
const BUSY_WAIT_MS_MAX = 10_000;
const BUSY_PAUSE_MS = 5;
const SQLITE_BUSY = 5;
/** Waiting longer than this for the connection means that a transaction hangs: say so instead of hanging with it. */
const TURN_WAIT_MS_MAX = 30_000;

export function sqliteDialect(database: DatabaseSync): Dialect {
  return {
    createAdapter: () => ADAPTER,
    createDriver: () => createDriver(database),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}

const ADAPTER: DialectAdapter = {
  supportsCreateIfNotExists: true,
  // There is one connection; saying so would put Kysely's own lock, which never gives up, in front of our turns.
  supportsMultipleConnections: true,
  supportsTransactionalDdl: true,
  supportsReturning: true,
  acquireMigrationLock: async () => {},
  releaseMigrationLock: async () => {},
};

function createDriver(database: DatabaseSync): Driver {
  const turns = createTurns();
  const connection = createConnection(database);
  const raw = (sql: string) => connection.executeQuery(CompiledQuery.raw(sql));
  return {
    init: async () => {},
    acquireConnection: async () => {
      await turns.take();
      return connection;
    },
    // IMMEDIATE: another process that writes makes us wait here, where nothing is lost, and not in the middle.
    beginTransaction: async () => {
      await raw('begin immediate');
    },
    commitTransaction: async () => {
      await raw('commit');
    },
    rollbackTransaction: async () => {
      // SQLite has already rolled back by itself after a full disk or an I/O error.
      if (database.isTransaction) await raw('rollback');
    },
    releaseConnection: async () => turns.give(),
    destroy: async () => {
      await turns.take();
      database.close();
    },
  };
}

interface Prepared {
  readonly statement: StatementSync;
  readonly answersRows: boolean;
}

function createConnection(database: DatabaseSync): DatabaseConnection {
  const prepared = new Map<string, Prepared>();
  const prepare = (sql: string): Prepared => {
    const known = prepared.get(sql);
    if (known) {
      // Taken out and put back, the map's order is the order of last use.
      prepared.delete(sql);
      prepared.set(sql, known);
      return known;
    }
    const statement = database.prepare(sql);
    const made = { statement, answersRows: statement.columns().length > 0 };
    prepared.set(sql, made);
    if (prepared.size > STATEMENTS_MAX) prepared.delete(prepared.keys().next().value as string);
    return made;
  };
  const execute = <R>(query: CompiledQuery): QueryResult<R> => {
    const { statement, answersRows } = prepare(query.sql);
    const values = query.parameters as SQLInputValue[];
    if (!answersRows) return { rows: [], numAffectedRows: BigInt(statement.run(...values).changes) };
    const rows = statement.all(...values) as R[];
    return { rows, numAffectedRows: BigInt(rows.length) };
  };
  return {
    executeQuery: async <R>(query: CompiledQuery) => {
      for (let waitedMs = 0; ; waitedMs += BUSY_PAUSE_MS) {
        try {
          return execute<R>(query);
        } catch (error) {
          const again = isBusy(error) && !database.isTransaction && waitedMs < BUSY_WAIT_MS_MAX;
          if (!again) throw storeError(error);
        }
        await setTimeout(BUSY_PAUSE_MS);
      }
    },
    // The store reads page by page, so that no list holds the one connection for long.
    streamQuery: () => assert.fail('lists are read in pages'),
  };
}

function isBusy(error: unknown): boolean {
  const { errcode } = error as { errcode?: unknown };
  return typeof errcode === 'number' && (errcode & 0xff) === SQLITE_BUSY;
}

/** Callers in the order in which they came, one at a time. */
function createTurns(): { take(): Promise<void>; give(): void } {
  let taken = false;
  const waiting = new Set<() => void>();
  return {
    take: () => {
      if (!taken) {
        taken = true;
        return Promise.resolve();
      }
      return new Promise((resolve, reject) => {
        const go = () => {
          clearTimeout(timer);
          resolve();
        };
        const timer = globalThis.setTimeout(() => {
          waiting.delete(go);
          reject(new AsepsisError('STORE_UNAVAILABLE', 'A change to the database has not ended for 30 seconds.'));
        }, TURN_WAIT_MS_MAX);
        waiting.add(go);
      });
    },
    give: () => {
      const [next] = waiting;
      if (next === undefined) {
        taken = false;
        return;
      }
      waiting.delete(next);
      next();
    },
  };
}

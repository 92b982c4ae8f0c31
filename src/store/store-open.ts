/** Opens the database, brings it to the newest version and puts the sub-stores together. */

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Kysely, sql } from 'kysely';
import { type Clock, ensureFileSync, type Store } from '../core/index.ts';
import { accountStore } from './store-accounts.ts';
import { alertStore } from './store-alerts.ts';
import { assetStore } from './store-assets.ts';
import { auditStore } from './store-audit.ts';
import { backupBefore, backupPostgres, backupSqlite, fileError } from './store-backup.ts';
import { atomic, type StoreContext } from './store-context.ts';
import { coverageStore } from './store-coverage.ts';
import { storeError } from './store-errors.ts';
import { findingStore } from './store-findings.ts';
import { incidentStore } from './store-incidents.ts';
import { MIGRATIONS, type Migration, migrate } from './store-migrations.ts';
import { outboxStore } from './store-outbox.ts';
import { peopleStore } from './store-people.ts';
import { postgresDialect } from './store-postgres-dialect.ts';
import { recordStore } from './store-records.ts';
import { sourceStore } from './store-sources.ts';
import { sqliteDialect } from './store-sqlite-dialect.ts';
import type { Tables } from './store-tables.ts';
import { valueStore } from './store-values.ts';

export const SQLITE_FILE = 'asepsis.db';
/** How long SQLite itself waits for another process: while opening, and after, when the dialect does the waiting. */
const OPEN_BUSY_MS_MAX = 5000;
const BUSY_MS_MAX = 10;

export interface OpenOptions {
  readonly dataDir: string;
  /** `postgres://…`; without it SQLite in the data folder. */
  readonly url?: string | undefined;
  readonly clock: Clock;
  readonly onMigrate?: ((sentence: string) => void) | undefined;
}

/**
 * Opens `<dataDir>/asepsis.db`, or PostgreSQL when there is a `url`. Makes what is not there yet.
 *
 * @throws STORE_NEWER, STORE_UNAVAILABLE, DATA_READ_ONLY, DISK_FULL, CONFIG_INVALID
 */
export function openStore(o: OpenOptions): Promise<Store> {
  return openStoreAt(o, MIGRATIONS);
}

/** The same with other migrations than the released ones. */
export async function openStoreAt(o: OpenOptions, migrations: readonly Migration[]): Promise<Store> {
  const { url, dataDir, clock } = o;
  const path = join(dataDir, SQLITE_FILE);
  const db = new Kysely<Tables>({ dialect: url ? postgresDialect(url) : sqliteDialect(openSqlite(path)) });
  try {
    await migrate(
      { kind: url ? 'postgres' : 'sqlite', db, clock },
      {
        migrations,
        backup: url ? null : (version) => backupBefore(version, { dataDir, db, clock }),
        onMigrate: o.onMigrate,
      },
    );
  } catch (error) {
    await db.destroy();
    throw error;
  }
  return storeOver({ kind: url ? 'postgres' : 'sqlite', db, clock }, (to) =>
    url ? Promise.resolve(backupPostgres(url, to)) : backupSqlite(path, to),
  );
}

function storeOver(context: StoreContext, backup: Store['backup']): Store {
  return {
    kind: context.kind,
    findings: findingStore(context),
    alerts: alertStore(context),
    incidents: incidentStore(context),
    assets: assetStore(context),
    accounts: accountStore(context),
    sources: sourceStore(context),
    coverage: coverageStore(context),
    audit: auditStore(context),
    people: peopleStore(context),
    outbox: outboxStore(context),
    values: valueStore(context),
    records: recordStore(context),
    transaction: (work) => {
      if (context.db.isTransaction) return work(storeOver(context, backup));
      return context.db.transaction().execute((db) => work(storeOver({ ...context, db }, backup)));
    },
    backup: async (path) => {
      assert(!context.db.isTransaction, 'a backup shows one moment between changes, not the middle of one');
      return backup(path);
    },
    removeExercise: () => removeExercise(context),
    ping: async () => {
      await sql`select 1`.execute(context.db);
    },
    close: async () => {
      assert(!context.db.isTransaction, 'the store that is handed to a transaction is not closed');
      await context.db.destroy();
    },
  };
}

const MARKED = ['findings', 'alerts', 'incidents', 'assets', 'accounts', 'sources'] as const;

/** What belongs to a removed record (its entities, its software) goes with it. The audit log stays. */
function removeExercise(context: StoreContext): Promise<void> {
  return atomic(context, async (inside) => {
    for (const table of MARKED) await inside.db.deleteFrom(table).where('exercise', '=', 1).execute();
  });
}

function openSqlite(path: string): DatabaseSync {
  try {
    // Made before SQLite opens it: the files beside it (-wal, -shm) get the same permissions, and SQLite makes durable
    // the name of its log, but not its own.
    ensureFileSync(path, 0o700, 0o600);
  } catch (cause) {
    throw fileError(cause, path);
  }
  try {
    const database = new DatabaseSync(path, { timeout: OPEN_BUSY_MS_MAX, enableForeignKeyConstraints: true });
    database.exec('pragma journal_mode = wal; pragma synchronous = full; pragma trusted_schema = off');
    database.exec(`pragma busy_timeout = ${BUSY_MS_MAX}`);
    return database;
  } catch (cause) {
    throw storeError(cause);
  }
}

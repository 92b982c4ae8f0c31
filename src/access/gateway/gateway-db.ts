/** The gateway's own SQLite file. Several gateway processes may share it; nothing of it needs the desk. */

import { chmodSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS accounts (
  name TEXT PRIMARY KEY, display TEXT NOT NULL, email TEXT NOT NULL DEFAULT '', directory TEXT NOT NULL,
  groups TEXT NOT NULL DEFAULT '[]', password TEXT, disabled INTEGER NOT NULL DEFAULT 0,
  created INTEGER NOT NULL, last_sign_in INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS passkeys (
  id TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts(name) ON DELETE CASCADE, name TEXT NOT NULL,
  public_key BLOB NOT NULL, counter INTEGER NOT NULL, transports TEXT NOT NULL, aaguid TEXT NOT NULL,
  backed_up INTEGER NOT NULL, created INTEGER NOT NULL, last_used INTEGER) STRICT;
CREATE INDEX IF NOT EXISTS passkeys_account ON passkeys(account);
CREATE TABLE IF NOT EXISTS totp (
  account TEXT PRIMARY KEY REFERENCES accounts(name) ON DELETE CASCADE, sealed TEXT NOT NULL,
  last_step INTEGER NOT NULL, drift INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS recovery (
  account TEXT NOT NULL REFERENCES accounts(name) ON DELETE CASCADE, hash TEXT NOT NULL, PRIMARY KEY (account, hash)) STRICT;
CREATE TABLE IF NOT EXISTS invitations (
  hash TEXT PRIMARY KEY, account TEXT NOT NULL, kind TEXT NOT NULL, created_by TEXT NOT NULL, identity TEXT NOT NULL DEFAULT '',
  created INTEGER NOT NULL, expires INTEGER NOT NULL, used INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, account TEXT NOT NULL, doc TEXT NOT NULL, created INTEGER NOT NULL, last_seen INTEGER NOT NULL,
  expires INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS sessions_account ON sessions(account);
CREATE INDEX IF NOT EXISTS sessions_expires ON sessions(expires);
CREATE TABLE IF NOT EXISTS tokens (
  hash TEXT PRIMARY KEY, session TEXT NOT NULL REFERENCES sessions(id) ON DELETE CASCADE, host TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS tokens_session ON tokens(session);
CREATE TABLE IF NOT EXISTS changes (seq INTEGER PRIMARY KEY AUTOINCREMENT, session TEXT NOT NULL, ended INTEGER NOT NULL, at INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS once (hash TEXT PRIMARY KEY, kind TEXT NOT NULL, doc TEXT NOT NULL, expires INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS once_expires ON once(expires);
CREATE TABLE IF NOT EXISTS throttle (
  kind TEXT NOT NULL, key TEXT NOT NULL, failures INTEGER NOT NULL, last INTEGER NOT NULL, until INTEGER NOT NULL,
  PRIMARY KEY (kind, key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS distincts (
  kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (kind, key, value)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS places (
  account TEXT NOT NULL, place TEXT NOT NULL, last INTEGER NOT NULL, PRIMARY KEY (account, place)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS emergency_codes (
  hash TEXT PRIMARY KEY, app TEXT NOT NULL, label TEXT NOT NULL, created INTEGER NOT NULL, used INTEGER) STRICT;
CREATE TABLE IF NOT EXISTS emergencies (
  id TEXT PRIMARY KEY, app TEXT NOT NULL, person TEXT NOT NULL, reason TEXT NOT NULL, how TEXT NOT NULL, address TEXT NOT NULL,
  asked INTEGER NOT NULL, opened INTEGER, until INTEGER, secret TEXT NOT NULL, approvals TEXT NOT NULL DEFAULT '[]',
  session TEXT, reviewed INTEGER, reviewer TEXT, note TEXT) STRICT;
CREATE TABLE IF NOT EXISTS keys (
  kid TEXT PRIMARY KEY, alg TEXT NOT NULL, sealed TEXT NOT NULL, public TEXT NOT NULL, created INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS oidc_uses (code TEXT NOT NULL, access TEXT NOT NULL PRIMARY KEY, doc TEXT NOT NULL, expires INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS upstream_names (
  account TEXT NOT NULL, directory TEXT NOT NULL, name TEXT NOT NULL, PRIMARY KEY (account, directory)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 2;
`;

type Value = string | number | null | Uint8Array;
export type Row = Record<string, Value>;

export interface Db {
  /** Statements are prepared once for each text. */
  all(sql: string, ...values: Value[]): Row[];
  get(sql: string, ...values: Value[]): Row | undefined;
  /** Number of rows that were changed. */
  run(sql: string, ...values: Value[]): number;
  /** Takes the write lock first, so that what was read stays true until the end. */
  atomic<T>(work: () => T): T;
  close(): void;
}

/**
 * @param durable `true` waits for the disk at each commit (factors, codes); `false` may lose the last moments when the
 *   power fails, never when the process dies (sessions, counters)
 */
export function openDb(file: string, durable: boolean): Db {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const db = new DatabaseSync(file, { timeout: 5000 });
  chmodSync(file, 0o600);
  db.exec('PRAGMA journal_mode = WAL; PRAGMA foreign_keys = ON; PRAGMA busy_timeout = 5000;');
  db.exec(`PRAGMA synchronous = ${durable ? 'FULL' : 'NORMAL'}`);
  if (db.prepare('PRAGMA user_version').get()?.user_version !== 2) db.exec(`BEGIN IMMEDIATE; ${SCHEMA} COMMIT;`);
  const statements = new Map<string, StatementSync>();
  const prepared = (sql: string): StatementSync => {
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = db.prepare(sql);
      statements.set(sql, statement);
    }
    return statement;
  };
  let depth = 0;
  return {
    all: (sql, ...values) => prepared(sql).all(...values) as Row[],
    get: (sql, ...values) => prepared(sql).get(...values) as Row | undefined,
    run: (sql, ...values) => Number(prepared(sql).run(...values).changes),
    atomic(work) {
      if (depth > 0) return work();
      prepared('BEGIN IMMEDIATE').run();
      depth++;
      try {
        const result = work();
        prepared('COMMIT').run();
        return result;
      } catch (error) {
        prepared('ROLLBACK').run();
        throw error;
      } finally {
        depth--;
      }
    },
    close: () => db.close(),
  };
}

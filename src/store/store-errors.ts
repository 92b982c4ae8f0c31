/** Turns what the two databases throw into the registry's codes, so that no caller knows which database it talks to. */

import { AsepsisError, type ErrorCode } from '../core/index.ts';

/** Primary result codes of SQLite (sqlite.org/rescode.html); the extended code carries them in its low byte. */
const SQLITE: Readonly<Record<number, readonly [ErrorCode, string]>> = {
  5: ['STORE_UNAVAILABLE', 'Another process keeps the database locked.'],
  6: ['STORE_UNAVAILABLE', 'Another process keeps the database locked.'],
  8: ['DATA_READ_ONLY', 'The database file may not be written.'],
  10: ['STORE_UNAVAILABLE', 'The disk answered a database read or write with an error.'],
  11: ['STORE_UNAVAILABLE', 'The database file is damaged; restore a backup.'],
  13: ['DISK_FULL', 'The database could not grow.'],
  14: ['DATA_READ_ONLY', 'The database file cannot be opened.'],
  26: ['STORE_UNAVAILABLE', 'The database file is not a database; restore a backup.'],
};
const SQLITE_UNIQUE = new Set([1555, 2067, 2579]);
const SQLITE_FOREIGN_KEY = 787;

/** SQLSTATE codes of PostgreSQL (its manual, appendix A); classes are two characters. */
const POSTGRES: Readonly<Record<string, readonly [ErrorCode, string]>> = {
  '23505': ['CONFLICT', 'A record with the same name or id is already there.'],
  '23503': ['NOT_FOUND', 'The record that this one belongs to is not there.'],
  '40001': ['CONFLICT', 'Two changes met; this one was not made.'],
  '40P01': ['CONFLICT', 'Two changes waited for each other; this one was not made.'],
  '53100': ['DISK_FULL', 'The database server has no space left.'],
  '25006': ['DATA_READ_ONLY', 'The database server takes no changes.'],
  '08': ['STORE_UNAVAILABLE', 'The connection to the database server broke.'],
  '28': ['STORE_UNAVAILABLE', 'The database server refused the user or password.'],
  '3D': ['STORE_UNAVAILABLE', 'The database server has no database of that name.'],
  '53': ['STORE_UNAVAILABLE', 'The database server is out of resources.'],
  '57': ['STORE_UNAVAILABLE', 'The database server is starting or stopping.'],
};
const NETWORK = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENOENT',
]);

/** The same failure with our code; what is not known passes unchanged. */
export function storeError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof AsepsisError) return error;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof errcode === 'number') return sqliteError(error, errcode);
  if (typeof code === 'string') {
    const known = POSTGRES[code] ?? (code.length === 5 ? POSTGRES[code.slice(0, 2)] : undefined);
    if (known) return new AsepsisError(known[0], known[1], { cause: error });
    if (NETWORK.has(code)) return unreachable(error);
  }
  // pg gives neither a code nor a class to a connection that ended or never came about.
  if (/^(Connection terminated|timeout exceeded when trying to connect|Client has encountered)/.test(error.message)) {
    return unreachable(error);
  }
  return error;
}

/** True for the victim PostgreSQL chose to end a deadlock: nothing was changed, and trying again is right. */
export function isDeadlock(error: unknown): boolean {
  return error instanceof AsepsisError && (error.cause as { code?: unknown } | undefined)?.code === '40P01';
}

function unreachable(cause: Error): AsepsisError {
  return new AsepsisError('STORE_UNAVAILABLE', 'The database server cannot be reached.', { cause });
}

function sqliteError(error: Error, errcode: number): unknown {
  if (SQLITE_UNIQUE.has(errcode)) {
    return new AsepsisError('CONFLICT', 'A record with the same name or id is already there.', { cause: error });
  }
  if (errcode === SQLITE_FOREIGN_KEY) {
    return new AsepsisError('NOT_FOUND', 'The record that this one belongs to is not there.', { cause: error });
  }
  const known = SQLITE[errcode & 0xff];
  return known ? new AsepsisError(known[0], known[1], { cause: error }) : error;
}

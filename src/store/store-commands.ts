/** `asepsis audit verify`: reads the whole chain without changing anything, also beside a running system. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Command } from 'commander';
import { type Dialect, Kysely } from 'kysely';
import { AsepsisError, EXIT, systemClock, type Terminal } from '../core/index.ts';
import { auditStore } from './store-audit.ts';
import type { StoreContext } from './store-context.ts';
import { storeError } from './store-errors.ts';
import { dataVersion, MIGRATIONS } from './store-migrations.ts';
import { SQLITE_FILE } from './store-open.ts';
import { postgresDialect } from './store-postgres-dialect.ts';
import { sqliteDialect } from './store-sqlite-dialect.ts';
import type { Tables } from './store-tables.ts';

const BUSY_MS_MAX = 5000;

export function auditCommands(program: Command, terminal: Terminal): void {
  program
    .command('audit')
    .description('the log of who did what')
    .command('verify')
    .description('prove that no entry was changed, removed or put into another order')
    .option('--data <dir>', 'the data folder', './data')
    .option('--url <url>', 'the address of PostgreSQL, when the data is there')
    .option('--json', 'one JSON object')
    .action(async (o: { data: string; url?: string; json?: boolean }) => {
      const verdict = await verifyAudit(o.data, o.url);
      if (o.json) terminal.out(`${JSON.stringify(verdict)}\n`);
      else terminal.out(`${sentence(verdict)}\n`);
      if (!verdict.ok) process.exitCode = EXIT.findings;
    });
}

type Verdict = Awaited<ReturnType<ReturnType<typeof auditStore>['verify']>>;

async function verifyAudit(dataDir: string, url: string | undefined): Promise<Verdict> {
  const db = new Kysely<Tables>({ dialect: url ? postgresDialect(url) : readOnlyDialect(dataDir) });
  try {
    const context: StoreContext = { kind: url ? 'postgres' : 'sqlite', db, clock: systemClock };
    const version = await dataVersion(context);
    const newest = MIGRATIONS.at(-1)?.version ?? 0;
    if (version === 0) throw new AsepsisError('INPUT_UNREADABLE', 'There is no audit log in this database.');
    if (version > newest) {
      throw new AsepsisError('STORE_NEWER', `The data has version ${version}; this Asepsis knows ${newest}.`);
    }
    return await auditStore(context).verify();
  } finally {
    await db.destroy();
  }
}

function readOnlyDialect(dataDir: string): Dialect {
  const path = join(dataDir, SQLITE_FILE);
  if (!existsSync(path)) throw new AsepsisError('INPUT_UNREADABLE', `There is no ${path}.`);
  try {
    return sqliteDialect(new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS_MAX }));
  } catch (cause) {
    throw storeError(cause);
  }
}

function sentence(verdict: Verdict): string {
  if (verdict.ok) return `The audit log is whole: ${verdict.entries} entries, each following the one before it.`;
  return `The audit log was tampered with at entry ${verdict.firstBad}: ${verdict.reason} ${verdict.entries} entries before it are whole.`;
}

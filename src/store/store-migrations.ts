/** Migrations: forward only, each one a change that happens whole or not at all, with a copy of the data made before. */

import { sql } from 'kysely';
import { AsepsisError } from '../core/index.ts';
import { atomic, lock, type StoreContext } from './store-context.ts';
import { firstTables } from './store-schema-v1.ts';
import { roomRecords } from './store-schema-v2.ts';

export interface Migration {
  readonly version: number;
  /** What it does, as the end of "The data is brought to version N: …". */
  readonly what: string;
  readonly statements: (kind: StoreContext['kind']) => readonly string[];
}

/** Never change one that was released; add the next. */
export const MIGRATIONS: readonly Migration[] = [
  { version: 1, what: 'the first tables', statements: firstTables },
  { version: 2, what: 'documents of the rooms', statements: roomRecords },
];

/**
 * Brings the data to the newest version.
 *
 * @param o.backup writes a copy before version N and answers its path; null where the database server does backups
 * @throws STORE_NEWER when the data is from a newer Asepsis; nothing was touched then
 */
export async function migrate(
  context: StoreContext,
  o: {
    migrations: readonly Migration[];
    backup: ((version: number) => Promise<string>) | null;
    onMigrate?: ((sentence: string) => void) | undefined;
  },
): Promise<void> {
  const found = await dataVersion(context);
  const newest = o.migrations.at(-1)?.version ?? 0;
  if (found > newest) {
    throw new AsepsisError('STORE_NEWER', `The data has version ${found}; this Asepsis knows ${newest}.`);
  }
  for (const migration of o.migrations) {
    if (migration.version <= found) continue;
    const copy = found > 0 && o.backup ? await o.backup(migration.version) : null;
    const applied = await apply(context, migration);
    if (!applied || found === 0) continue;
    const where = copy === null ? '' : ` A copy from before is ${copy}.`;
    o.onMigrate?.(`The data is brought to version ${migration.version}: ${migration.what}.${where}`);
  }
}

/** The version of the data; 0 when there is none yet. */
export async function dataVersion(context: StoreContext): Promise<number> {
  if (!(await hasVersions(context))) return 0;
  const row = await context.db
    .selectFrom('schema_versions')
    .select((eb) => eb.fn.max<number | null>('version').as('version'))
    .executeTakeFirst();
  return row?.version ?? 0;
}

async function hasVersions(context: StoreContext): Promise<boolean> {
  const there =
    context.kind === 'sqlite'
      ? sql<{ name: string }>`select name from sqlite_master where type = 'table' and name = 'schema_versions'`
      : sql<{ name: string }>`select table_name as name from information_schema.tables
          where table_schema = current_schema() and table_name = 'schema_versions'`;
  return (await there.execute(context.db)).rows.length > 0;
}

/** False when another process was faster. */
function apply(context: StoreContext, migration: Migration): Promise<boolean> {
  return atomic(context, async (inside) => {
    await lock(inside, 'schema');
    if ((await dataVersion(inside)) >= migration.version) return false;
    const statements = migration.statements(inside.kind);
    // PostgreSQL takes them all in one message; SQLite prepares one at a time.
    const messages = inside.kind === 'postgres' ? [statements.join(';\n')] : statements;
    for (const message of messages) await sql.raw(message).execute(inside.db);
    await inside.db
      .insertInto('schema_versions')
      .values({ version: migration.version, what: migration.what, applied: inside.clock.now() })
      .execute();
    return true;
  });
}

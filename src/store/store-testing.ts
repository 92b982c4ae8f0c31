/** What the contract tests run over: a SQLite folder, and a schema of its own in a real PostgreSQL, for each test. */

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import pg from 'pg';
import type {
  Account,
  AccountId,
  Alert,
  AlertId,
  Asset,
  AssetId,
  Clock,
  Evidence,
  FindingObservation,
  Incident,
  IncidentId,
  Person,
  PersonId,
  Rfc3339,
  Software,
  SoftwareId,
  Store,
} from '../core/index.ts';
import { contentId, errorLine, newId, rfc3339 } from '../core/index.ts';
import { digest } from './store-context.ts';
import { MIGRATIONS, type Migration } from './store-migrations.ts';
import { openStoreAt, SQLITE_FILE } from './store-open.ts';

/** One database of one test. */
export interface Place {
  readonly dataDir: string;
  readonly clock: Clock & { nowMs: number };
  open(migrations?: readonly Migration[]): Promise<Store>;
  /** Runs statements past the store, as somebody with access to the database would. */
  tamper(...statements: string[]): Promise<void>;
  /** Closes every store that was opened and removes the database. */
  remove(): Promise<void>;
}

export interface Adapter {
  readonly name: string;
  /** `fresh`: without tables, which `open` makes then. */
  readonly place: (fresh?: boolean) => Promise<Place>;
}

const START_MS = Date.UTC(2026, 2, 1, 8);

/** Both adapters; PostgreSQL is missing, with a reason on stderr, where none answers and none is installed. */
export async function adapters(): Promise<{ present: Adapter[]; stop: () => Promise<void> }> {
  const sqlite: Adapter = { name: 'sqlite', place: sqlitePlace };
  const server = await findPostgres();
  if ('missing' in server) {
    if (process.env.ASEPSIS_REQUIRE_POSTGRES === '1') throw new Error(`PostgreSQL is required: ${server.missing}`);
    process.stderr.write(`The PostgreSQL contract is skipped: ${server.missing}\n`);
    return { present: [sqlite], stop: async () => {} };
  }
  const schemas = createSchemas(server.url);
  const postgres: Adapter = {
    name: 'postgres',
    place: (fresh = false) => postgresPlace(server.url, schemas, fresh),
  };
  return {
    present: [sqlite, postgres],
    stop: async () => {
      await schemas.drop();
      server.stop();
    },
  };
}

async function sqlitePlace(): Promise<Place> {
  const base = basePlace();
  return {
    ...base,
    open: (migrations = MIGRATIONS) => base.opened(openStoreAt({ ...base, onMigrate: undefined }, migrations)),
    tamper: async (...statements) => {
      const database = new DatabaseSync(join(base.dataDir, SQLITE_FILE));
      for (const statement of statements) database.exec(statement);
      database.close();
    },
    remove: base.close,
  };
}

interface Schemas {
  /** A migrated, empty one if there is one left; else, or when `fresh`, a new one without tables. */
  take(fresh: boolean): Promise<string>;
  /** Empties it for the next test, or drops it when a test changed more than rows. */
  give(schema: string, changed: boolean): Promise<void>;
  drop(): Promise<void>;
}

/** Making the tables is most of a test's time, so a schema is used by one test after the other. */
function createSchemas(server: string): Schemas {
  const empty: string[] = [];
  const drop = (schema: string) =>
    runOn(server, 'set client_min_messages = warning', `drop schema if exists ${schema} cascade`);
  return {
    take: async (fresh) => {
      const known = fresh ? undefined : empty.pop();
      if (known !== undefined) return known;
      const schema = `t_${randomBytes(8).toString('hex')}`;
      await runOn(server, `create schema ${schema}`);
      return schema;
    },
    give: async (schema, changed) => {
      if (changed) return drop(schema);
      await runOn(
        schemaUrl(server, schema),
        `set session_replication_role = replica; do $$ declare name text; begin
          for name in select tablename from pg_tables
            where schemaname = '${schema}' and tablename not in ('schema_versions', 'counters', 'audit_head')
          loop execute format('delete from %I', name); end loop; end $$;
        update counters set value = 0; update audit_head set seq = 0, hash = repeat('0', 64)`,
      );
      empty.push(schema);
    },
    drop: async () => {
      for (const schema of empty.splice(0)) await drop(schema);
    },
  };
}

function schemaUrl(server: string, schema: string): string {
  return `${server}?options=-c%20search_path%3D${schema}%20-c%20synchronous_commit%3Doff`;
}

async function postgresPlace(server: string, schemas: Schemas, fresh: boolean): Promise<Place> {
  const base = basePlace();
  const schema = await schemas.take(fresh);
  const url = schemaUrl(server, schema);
  let changed = fresh;
  return {
    ...base,
    open: (migrations = MIGRATIONS) => {
      changed ||= migrations !== MIGRATIONS;
      return base.opened(openStoreAt({ ...base, url }, migrations));
    },
    tamper: (...statements) => {
      changed = true;
      return runOn(url, ...statements);
    },
    remove: async () => {
      await base.close();
      await schemas.give(schema, changed);
    },
  };
}

function basePlace() {
  const dataDir = mkdtempSync(join(tmpdir(), 'asepsis-store-'));
  const clock = { nowMs: START_MS, now: () => clock.nowMs };
  const stores: Store[] = [];
  return {
    dataDir,
    clock,
    opened: async (opening: Promise<Store>) => {
      const store = await opening;
      stores.push(store);
      return store;
    },
    close: async () => {
      await Promise.all(stores.map((store) => store.close()));
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

async function runOn(url: string, ...statements: string[]): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 3000 });
  await client.connect();
  try {
    for (const statement of statements) await client.query(statement);
  } finally {
    await client.end();
  }
}

type Server = { url: string; stop: () => void } | { missing: string };

async function findPostgres(): Promise<Server> {
  const url = 'postgres://postgres@127.0.0.1:5432/postgres';
  try {
    await runOn(url, 'select 1');
    return { url, stop: () => {} };
  } catch {
    return startPostgres();
  }
}

/** A throw-away cluster from installed binaries. They refuse to run as root, so root becomes `postgres`. */
async function startPostgres(): Promise<Server> {
  const bin = installedPostgres();
  if (bin === null) return { missing: 'none answers on 127.0.0.1:5432 and none is installed.' };
  const root = process.getuid?.() === 0;
  const run = (program: string, ...args: string[]) =>
    root
      ? execFileSync('runuser', ['-u', 'postgres', '--', program, ...args], { cwd: '/', stdio: 'pipe' })
      : execFileSync(program, args, { stdio: 'pipe' });
  try {
    const dir = run('mktemp', '-d', join(tmpdir(), 'asepsis-pg-XXXXXX')).toString().trim();
    const port = await freePort();
    run(join(bin, 'initdb'), '-D', join(dir, 'data'), '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--no-sync');
    const options = `-h 127.0.0.1 -p ${port} -k ${dir} -c fsync=off`;
    const control = join(bin, 'pg_ctl');
    run(control, '-D', join(dir, 'data'), '-l', join(dir, 'log'), '-w', '-o', options, 'start');
    let running = true;
    const stop = () => {
      if (!running) return;
      running = false;
      run(control, '-D', join(dir, 'data'), '-m', 'immediate', 'stop');
      rmSync(dir, { recursive: true, force: true });
    };
    process.on('exit', stop);
    return { url: `postgres://postgres@127.0.0.1:${port}/postgres`, stop };
  } catch (error) {
    return { missing: `a throw-away cluster did not start: ${errorLine(error)}` };
  }
}

function installedPostgres(): string | null {
  const base = '/usr/lib/postgresql';
  if (!existsSync(base)) return null;
  const versions = readdirSync(base).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(base, version, 'bin')).find((bin) => existsSync(join(bin, 'initdb'))) ?? null;
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === 'object' ? resolve(address.port) : reject(new Error('no port')),
      );
    });
  });
}

/** `n` minutes after the tests' first moment. */
export const at = (minutes: number): Rfc3339 => rfc3339(START_MS + minutes * 60_000);

export function evidence(what: string, minutes: number): Evidence {
  return { what, seen: at(minutes) };
}

export function observation(change: Partial<FindingObservation> = {}): FindingObservation {
  return {
    room: 'patching',
    kind: 'missing-update',
    key: 'openssl',
    severity: 'high',
    asset: { name: 'pacs01' },
    title: 'openssl waits for a security update',
    evidence: [evidence('openssl 3.0.1 is installed', 0)],
    fix: { title: 'Install the security updates', how: 'apt upgrade', effort: 'minutes', disrupts: false },
    due: null,
    exercise: false,
    ...change,
  };
}

export function alert(name: string | number, change: Partial<Alert> = {}): Alert {
  return {
    id: contentId<AlertId>('alert', digest('test', String(name))),
    rule: { id: 'r1', title: 'Password guessing', level: 'high', tags: [], false_positives: [] },
    title: `Somebody guesses passwords (${name})`,
    time: at(typeof name === 'number' ? name : 0),
    received: at(0),
    source: { name: 'sshd on web01' },
    entities: [{ type: 'address', value: '192.0.2.1', role: 'attacker' }],
    events: [],
    event_count: 1,
    matched: [],
    state: 'new',
    retrospective: false,
    exercise: false,
    ...change,
  };
}

export function incident(name: string, change: Partial<Incident> = {}): Incident {
  return {
    id: contentId<IncidentId>('incident', digest('test', name)),
    title: `Incident ${name}`,
    severity: 'high',
    state: 'open',
    opened: at(0),
    first_event: at(0),
    last_event: at(0),
    entities: [{ type: 'address', value: '192.0.2.1' }],
    tactics: [],
    alert_count: 1,
    event_count: 1,
    comments: [],
    exercise: false,
    version: 1,
    changed_version: 1,
    ...change,
  };
}

export function person(username: string): Person {
  return {
    id: newId<PersonId>('person', START_MS, randomBytes(10)),
    username,
    display_name: username,
    email: null,
    role: 'analyst',
    disabled: false,
    password_hash: 'argon2id-of-something',
    created: at(0),
    last_sign_in: null,
  };
}

export function asset(n: number, change: Partial<Asset> = {}): Asset {
  return {
    id: `ast_${String(n).padStart(26, '0')}` as AssetId,
    name: `Host${n}`,
    class: 'server',
    addresses: [`192.0.2.${n}`],
    macs: [],
    criticality: 'unknown',
    external: null,
    seen_by: [],
    reasons: [],
    first_seen: at(0),
    last_seen: at(0),
    exercise: false,
    ...change,
  };
}

export function account(n: number, change: Partial<Account> = {}): Account {
  return {
    id: `acc_${String(n).padStart(26, '0')}` as AccountId,
    name: `user${n}`,
    service: 'web01',
    privileged: null,
    external: null,
    second_factor: 'none',
    evidence: [evidence('in /etc/passwd', 0)],
    first_seen: at(5),
    last_seen: at(5),
    exercise: false,
    ...change,
  };
}

export function software(n: number, name: string, host = 1): Software {
  return {
    id: `sw_${n}` as SoftwareId,
    asset: asset(host).id,
    ecosystem: 'deb',
    name,
    version: '1.0',
    first_seen: at(0),
    last_seen: at(0),
  };
}

/** The items of every page, in order. */
export async function allPages<T>(
  list: (page: { limit: number; after?: string }) => Promise<{ items: readonly T[]; next: string | null }>,
  limit: number,
): Promise<T[]> {
  const items: T[] = [];
  for (let after: string | undefined; ; ) {
    const page = await list(after === undefined ? { limit } : { limit, after });
    items.push(...page.items);
    if (items.length > 10_000) throw new Error('the pages of this list do not end');
    if (page.next === null) return items;
    after = page.next;
  }
}

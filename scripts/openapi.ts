/** Writes `docs/openapi.json` from the routes; `--check` only says whether it is up to date. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FastifyInstance } from 'fastify';
import { Value } from 'typebox/value';
import { buildApp, createLiveBus, createLog, registerDesk } from '../src/api/index.ts';
import { type Config, ConfigSchema, type Store, systemClock, type TypedApp } from '../src/core/index.ts';
import { registerIngestRoutes } from '../src/ingest/index.ts';
import { registerRooms } from '../src/main-room-services.ts';
import { openRooms } from '../src/main-serve.ts';
import { openStore } from '../src/store/index.ts';

const PATH = fileURLToPath(new URL('../docs/openapi.json', import.meta.url));

/** The routes of the other parts: only declared, never called, so they need nothing that works. One line each. */
async function register(app: FastifyInstance, store: Store): Promise<void> {
  registerIngestRoutes(app, { clock: systemClock, exercise: false, eventsPerSecMax: 1 } as never);
  await registerDesk(app, { live: createLiveBus() } as never);
  await registerRooms(app as unknown as TypedApp, openRooms(store), { store, dataDir: tmpdir() } as never);
}

/** Keys in order, so that the file changes only where the routes do. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, entry]) => [key, sorted(entry)]));
}

async function generate(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), 'asepsis-openapi-'));
  const store = await openStore({ dataDir, clock: systemClock });
  try {
    const config = Value.Default(ConfigSchema, {}) as Config;
    const log = createLog({ level: 'silent' });
    const place = { origin: () => 'http://localhost:8420', names: new Set<string>(), secure: true };
    const options = {
      config,
      store,
      clock: systemClock,
      dataDir,
      consoleDir: null,
      log,
      register: (app: FastifyInstance) => register(app, store),
    };
    const app = await buildApp(options, place);
    await app.ready();
    const document = sorted(JSON.parse(JSON.stringify(app.swagger())));
    await app.close();
    return `${JSON.stringify(document, null, 2)}\n`;
  } finally {
    await store.close();
    await rm(dataDir, { recursive: true, force: true });
  }
}

const text = await generate();
if (process.argv.includes('--check')) {
  const before = await readFile(PATH, 'utf8').catch(() => '');
  if (before !== text) {
    process.stderr.write('docs/openapi.json is not up to date: run `npm run openapi`.\n');
    process.exitCode = 1;
  }
} else {
  await writeFile(PATH, text);
  process.stderr.write(`${PATH}\n`);
}

/** The thread that `serve` reads and judges in: answers, named errors and progress cross over, and an end is an end. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Config, ConfigSchema, type Store, systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { openThread, type ThreadedWorkbench } from './patching-thread.ts';

const SCRIPT = new URL('../main-patching-worker.ts', import.meta.url);
const folder = mkdtempSync(join(tmpdir(), 'asepsis-thread-'));
let store: Store;
let server: Server;
let bench: ThreadedWorkbench;
beforeAll(async () => {
  store = await openStore({ dataDir: folder, clock: systemClock });
  const tracker = { openssl: { 'CVE-2026-1': { releases: { bookworm: { status: 'open', urgency: 'high' } } } } };
  server = createServer((_request, response) => response.end(JSON.stringify(tracker))).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/tracker`;
  const config = Value.Default(ConfigSchema, {
    patching: { own_feeds_only: true, feeds: [{ id: 'debian', kind: 'file', url }] },
  }) as Config;
  bench = openThread(SCRIPT, { dataDir: folder, exercise: false, config });
});
afterAll(async () => {
  await bench.close();
  server.close();
  await store.close();
  rmSync(folder, { recursive: true });
});
const file = (text: string) => {
  const path = join(folder, 'status');
  writeFileSync(path, text);
  return path;
};
const STATUS = 'Package: openssl\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n';

test('feeds and inventories go through it, with progress; the store is the same', async () => {
  const said: string[] = [];
  expect(await bench.updateFeeds({}, (text) => said.push(text))).toMatchObject({ changed: ['debian'], failed: [] });
  expect(said.join('\n')).toContain('debian: ');
  const options = { asset: 'pacs', release: 'Debian:12' };
  expect(await bench.takeFile({ path: file(STATUS), options, source: 'fleet' })).toMatchObject({
    assets: 1,
    opened: 1,
  });
  const { items } = await store.findings.list({ room: 'patching' }, { limit: 10 });
  expect(items.map((one) => [one.kind, one.asset.name])).toEqual([['no-update-yet', 'pacs']]);
  expect(await bench.judgeAll({}, (text) => said.push(text))).toEqual({ assets: 1, opened: 0, fixed: 0 });
  expect(said.at(-1)).toBe('judging 1 of 1 assets');
});

test('errors keep their code', async () => {
  await expect(bench.takeFile({ path: file('hello'), options: {}, source: 'x' })).rejects.toMatchObject({
    code: 'INPUT_UNREADABLE',
  });
  await expect(bench.takeFile({ path: file(STATUS), options: {}, source: 'x' })).rejects.toMatchObject({
    code: 'BAD_REQUEST',
  });
  await expect(bench.importFeeds({ path: file(STATUS), trusted: [], allowOlder: false })).rejects.toThrow(
    'refused whole',
  );
  await expect(bench.rollBackFeeds({})).rejects.toMatchObject({ code: 'NOT_FOUND' });
});

test('what is asked when it ends fails, and does not wait for ever', async () => {
  const config = Value.Default(ConfigSchema, {}) as Config;
  const other = openThread(SCRIPT, { dataDir: folder, exercise: false, config });
  const work = other.judgeAll({});
  const outcome = expect(work).rejects.toThrow('thread of patching ended');
  await other.close();
  await outcome;
  await expect(other.judgeAll({})).rejects.toThrow('Asepsis is ending');
});

test('a thread whose script cannot start says so, and the next piece of work tries again', async () => {
  const config = Value.Default(ConfigSchema, {}) as Config;
  const broken = openThread(new URL('data:text/javascript,throw new Error("no start")'), {
    dataDir: folder,
    exercise: false,
    config,
  });
  for (let i = 0; i < 2; i++) await expect(broken.judgeAll({})).rejects.toThrow('no start');
  await broken.close();
});

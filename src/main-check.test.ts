/** A real round over the machine that runs the tests: whatever it is, identities must hold and the truth be told. */

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createAccess } from './access/index.ts';
import { type Room, type Store, systemClock } from './core/index.ts';
import { checkThisMachine, measureCoverage } from './main-check.ts';
import { createPatching } from './patching/index.ts';
import { createPerimeter } from './perimeter/index.ts';
import { openStore } from './store/index.ts';

let folder = '';
let store: Store;
let rooms: Room[];
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-check-'));
  store = await openStore({ dataDir: folder, clock: systemClock });
  const thread = new URL('./main-patching-worker.ts', import.meta.url);
  rooms = [
    createPatching({ store, clock: systemClock, thread }),
    ...[createPerimeter, createAccess].map((create) => create({ store, clock: systemClock })),
  ];
});
afterAll(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});
const round = () =>
  checkThisMachine({ store, rooms, clock: systemClock, signal: new AbortController().signal, onProgress: () => {} });

test('a service that opens is found, and fixed when it is gone', { timeout: 60_000 }, async () => {
  // VNC's port on all addresses: listed as risky, and free on a test machine.
  const server = createServer();
  const open = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(5900, '0.0.0.0', () => resolve(true));
  });
  expect(open, 'port 5900 must be free for this test').toBe(true);
  const first = await round();
  expect(first.failed).toEqual([]);
  const vnc = first.findings.find((finding) => finding.kind === 'exposed-service' && finding.key === 'tcp/5900');
  expect(vnc).toMatchObject({ state: 'open', room: 'perimeter', severity: 'high' });
  expect(vnc?.evidence[0]?.data?.process).toBeTypeOf('string');

  const second = await round();
  expect(new Set(second.findings.map((finding) => finding.id))).toEqual(new Set(first.findings.map((f) => f.id)));
  await new Promise<void>((resolve) => server.close(() => resolve()));
  const third = await round();
  expect(third.fixed.map((finding) => finding.id)).toContain(vnc?.id);
  expect(await store.findings.get(vnc?.id as NonNullable<typeof vnc>['id'])).toMatchObject({ state: 'fixed' });
  const { items } = await store.assets.list({}, { limit: 10 });
  expect(items).toHaveLength(1);
  expect(items[0]?.seen_by).toEqual(['check']);
});

test('coverage adds up and never counts unknown as covered', async () => {
  const measured = await measureCoverage(store, rooms);
  expect(measured.map((coverage) => coverage.room)).toEqual(['patching', 'perimeter', 'access']);
  for (const coverage of measured) {
    expect(coverage.covered + coverage.not_covered + coverage.unknown).toBe(coverage.in_scope);
    expect(coverage.measured_at === null).toBe(coverage.state === 'no-evidence');
  }
  expect(await store.coverage.latest()).toHaveLength(3);
});

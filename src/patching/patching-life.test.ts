/** Deadlines of findings that live: what feeds, policy and people change counts at once, and the first sight is not forgotten. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Clock, type Finding, rfc3339, type Store } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { readInventory } from './inventories/index.ts';
import { openLibrary } from './patching-library.ts';
import { writePause, writePolicy } from './patching-records.ts';
import { createPatchingService, type PatchingService } from './patching-service.ts';
import { describeFeed } from './patching-update.ts';
import { policyOf } from './policy/index.ts';

const DAY = 86_400_000;
const START = Date.UTC(2026, 0, 1);
const folder = mkdtempSync(join(tmpdir(), 'asepsis-life-'));
let now = START;
const clock: Clock = { now: () => now };
let store: Store;
let service: PatchingService;
beforeAll(async () => {
  store = await openStore({ dataDir: folder, clock });
  service = createPatchingService({ store, clock, dataDir: folder });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

type Urgency = 'high' | 'medium' | 'low';
async function feed(vulnerabilities: Readonly<Record<string, Urgency>>, fixed = '2.0'): Promise<void> {
  const tracker = {
    openssl: Object.fromEntries(
      Object.entries(vulnerabilities).map(([id, urgency]) => [
        id,
        { releases: { bookworm: { status: 'resolved', fixed_version: fixed, urgency } } },
      ]),
    ),
  };
  await openLibrary(join(folder, 'patching', 'feeds')).build('update', rfc3339(now), async (place) => {
    const path = join(place, 'debian');
    writeFileSync(path, JSON.stringify(tracker));
    return [await describeFeed({ id: 'debian', kind: 'file', url: 'https://example.org' }, path, rfc3339(now))];
  });
}
/** Only our own days, so that the numbers are easy to follow. */
const local = (days: object, more: object = {}) =>
  writePolicy(store, policyOf({ bod_26_04: false, cyber_essentials: false, kev_date: false, days, ...more }));
const finding = async (): Promise<Finding> => {
  const { items } = await store.findings.list({ room: 'patching', kind: 'missing-update' }, { limit: 10 });
  expect(items).toHaveLength(1);
  return items[0] as Finding;
};
const dueDay = async () => (Date.parse((await finding()).due ?? '') - START) / DAY;

test('the date counts from the first sight of each vulnerability, by what is known now', async () => {
  await local({ high: 14, medium: 30, low: 90 });
  await feed({ 'CVE-2026-0001': 'low' });
  const path = join(folder, 'status');
  writeFileSync(
    path,
    'Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 1.0\nArchitecture: amd64\n',
  );
  await service.take(await readInventory(path, { asset: 'pacs', release: 'Debian:12' }), 'fleet');
  expect(await dueDay()).toBe(90);

  // Seen again later: it does not move away.
  now = START + 20 * DAY;
  await service.judgeAll();
  expect(await dueDay()).toBe(90);

  // A new one of the same package has its own fourteen days from now, and is not overdue since long.
  now = START + 60 * DAY;
  await feed({ 'CVE-2026-0001': 'low', 'CVE-2026-0002': 'high' });
  await service.judgeAll();
  expect(await dueDay()).toBe(74);
  expect((await finding()).detail).toContain('14 days after it was first seen (high, Local policy), for CVE-2026-0002');

  // The feed takes it back: the date of the one that is left counts again, and nothing speaks of the other any more.
  await feed({ 'CVE-2026-0001': 'low' });
  await service.judgeAll();
  expect(await dueDay()).toBe(90);
  expect((await finding()).evidence.map((one) => one.data?.vulnerability)).toEqual(['CVE-2026-0001']);

  // A milder and a stricter policy count from the first sight as well.
  await local({ low: 365 });
  await service.judgeAll();
  expect(await dueDay()).toBe(365);
  await local({ low: 61 });
  await service.judgeAll();
  expect(await dueDay()).toBe(61);
});

test('a pause moves the date, says why, and ends', async () => {
  const { id } = await finding();
  const pause = { id: 'pause-1', finding: id, reason: 'the maker tests it', by: 'lead' };
  await writePause(store, { ...pause, from: rfc3339(START + 60 * DAY), to: null });
  now = START + 70 * DAY;
  await service.judgeAll();
  expect(await dueDay()).toBe(71);
  await writePause(store, { ...pause, from: rfc3339(START + 60 * DAY), to: rfc3339(START + 72 * DAY) });
  now = START + 80 * DAY;
  await service.judgeAll();
  expect(await dueDay()).toBe(73);
  expect((await finding()).detail).toContain('after it stood still for 12 days (the maker tests it)');
});

test('a vulnerability keeps its age when its repair is published', async () => {
  await local({ low: 61 }, { contain_days: { low: 40 } });
  const at = now;
  writeFileSync(
    join(folder, 'status-2'),
    'Package: curl\nStatus: install ok installed\nVersion: 1.0\nArchitecture: amd64\n',
  );
  const tracker = (state: object) => ({ curl: { 'CVE-2026-0009': { releases: { bookworm: state } } } });
  const bring = async (value: object) => {
    await openLibrary(join(folder, 'patching', 'feeds')).build('update', rfc3339(now), async (place) => {
      const path = join(place, 'debian');
      writeFileSync(path, JSON.stringify(value));
      return [await describeFeed({ id: 'debian', kind: 'file', url: 'https://example.org' }, path, rfc3339(now))];
    });
    await service.judgeAll();
  };
  await bring(tracker({ status: 'open', urgency: 'low' }));
  await service.take(await readInventory(join(folder, 'status-2'), { asset: 'web', release: 'Debian:12' }), 'fleet');
  now += 10 * DAY;
  await bring(tracker({ status: 'resolved', fixed_version: '2.0', urgency: 'low' }));
  const { items } = await store.findings.list({ room: 'patching', state: 'open', text: 'curl' }, { limit: 10 });
  expect(items.map((one) => one.kind)).toEqual(['missing-update']);
  expect(Date.parse(items[0]?.due ?? '')).toBe(at + 61 * DAY);
});

test('an inventory that ends in the middle closes nothing: what is missing in it is not gone', async () => {
  await feed({ 'CVE-2026-0003': 'high' });
  const rows = JSON.stringify(
    ['bash', 'openssl'].map((name) => ({
      name,
      version: '1.0',
      source: '',
      arch: 'amd64',
      status: 'install ok installed',
    })),
  );
  const path = join(folder, 'rows.json');
  const take = async (text: string) => {
    writeFileSync(path, text);
    return service.take(
      await readInventory(path, { asset: 'cut', release: 'Debian:12', format: 'osquery-rows' }),
      'osq',
    );
  };
  expect(await take(rows)).toMatchObject({ opened: 1 });
  expect(await take(rows.slice(0, -30))).toMatchObject({ fixed: 0, faults: { 'The JSON ends in the middle': 1 } });
  expect(await take(rows.replace('openssl', 'zlib1g'))).toMatchObject({ fixed: 1 });
});

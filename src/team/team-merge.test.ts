/** Incidents that turn out to be one: merged by the alert that shows it, by hand, split again; order of arrival does not matter. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Alert,
  type AlertId,
  allRecords,
  type Config,
  contentId,
  type Entity,
  type Incident,
  rfc3339,
  type Store,
} from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { createTeam } from './team-service.ts';

const START = Date.parse('2026-11-24T02:00:00Z');
const clock = { ms: START, now: () => clock.ms++ };
let folder = '';
let store: Store;
let random = 0;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-merge-'));
  store = await openStore({ dataDir: folder, clock });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

function alert(name: string, entities: Entity[], o: { min?: number; level?: Alert['rule']['level'] } = {}): Alert {
  const time = rfc3339(START + (o.min ?? 0) * 60_000);
  return {
    id: contentId<AlertId>('alert', Buffer.from(name)),
    rule: { id: 'r', title: 'Rule', level: o.level ?? 'medium', tags: [], false_positives: [] },
    title: name,
    time,
    received: time,
    source: { name: 'test' },
    entities,
    events: [],
    event_count: 10,
    matched: [],
    state: 'new',
    retrospective: false,
    exercise: false,
  };
}
const attacker = (value: string): Entity => ({ type: 'address', value, role: 'attacker' });
const account = (value: string): Entity => ({ type: 'account', value, role: 'victim' });
const host = (value: string): Entity => ({ type: 'host', value, role: 'victim' });
const team = (seen: Incident[] = []) =>
  createTeam({
    store,
    clock,
    random: (n) =>
      Buffer.from(
        (++random)
          .toString(16)
          .padStart(n * 2, '0')
          .slice(-n * 2),
        'hex',
      ),
    notify: { level: 'critical' } as Config['notify'],
    onChange: (incident) => seen.push(incident),
  });
const incidents = async (state?: 'open') =>
  (await store.incidents.list(state === undefined ? {} : { state }, { limit: 50 })).items;
const titlesOf = async (incident: Incident) =>
  (await store.alerts.list({ incident: incident.id }, { limit: 50 })).items.map((one) => one.title).sort();

const TWO = () => [
  alert('scan', [attacker('203.0.113.1'), host('web-1')]),
  alert('mail', [attacker('203.0.113.2'), account('ada.meyer')], { level: 'high' }),
];
const BRIDGE = () => alert('bridge', [attacker('203.0.113.1'), account('ada.meyer')], { min: 5 });

test('an alert that belongs to two makes them one, with everything both knew', async () => {
  const seen: Incident[] = [];
  const one = team(seen);
  await one.take(TWO());
  const [second, first] = (await incidents()) as [Incident, Incident];
  await one.change(first.id, { version: 1, comment: 'looking' }, { id: 'per_a', name: 'Ada' });
  await one.take([BRIDGE()]);
  const [open, ...others] = await incidents('open');
  expect(others).toEqual([]);
  expect(open).toMatchObject({ id: first.id, severity: 'high', title: 'mail', alert_count: 3, event_count: 30 });
  expect(open?.comments.map((comment) => comment.by)).toEqual(['Ada', 'Asepsis']);
  expect(await titlesOf(open as Incident)).toEqual(['bridge', 'mail', 'scan']);
  const gone = await store.incidents.get(second.id);
  expect(gone).toMatchObject({ state: 'closed', merged_into: first.id });
  expect(
    seen
      .slice(-2)
      .map((incident) => incident.id)
      .sort(),
  ).toEqual([first.id, second.id].sort());
  const audit = await store.audit.list({ action: 'incident.merge' }, { limit: 5 });
  expect(audit.items[0]).toMatchObject({ actor: 'system', target: second.id, outcome: 'success' });
  expect((await store.audit.verify()).ok).toBe(true);
  // Who saw the incident before the merge cannot close what came to it.
  const close = { version: 2, close: { reason: 'done', verdict: 'harmless' as const } };
  expect(await one.change(first.id, close, { id: 'per_a', name: 'Ada' })).toBe('stale');
  await expect(one.change(second.id, { version: 2, reopen: true }, { id: 'per_a', name: 'Ada' })).rejects.toMatchObject(
    {
      code: 'CONFLICT',
    },
  );
});

test('a split gives each its own alerts back, and the machine does not merge them again', async () => {
  const one = team();
  await one.take(TWO());
  const [second, first] = (await incidents()) as [Incident, Incident];
  await one.take([BRIDGE()]);
  const merged = (await store.incidents.get(first.id)) as Incident;
  expect(await one.split(second.id, merged.version - 2)).toBe('stale');
  await expect(one.split(first.id, merged.version)).rejects.toMatchObject({ code: 'CONFLICT' });
  const pair = await one.split(second.id, merged.version);
  expect(pair).toMatchObject({
    into: { id: first.id, alert_count: 2, severity: 'medium', state: 'open' },
    other: { id: second.id, alert_count: 1, event_count: 10, severity: 'high', title: 'mail', state: 'open' },
  });
  expect((await store.incidents.get(second.id))?.merged_into).toBeUndefined();
  expect(await titlesOf(first)).toEqual(['bridge', 'scan']);
  expect(await titlesOf(second)).toEqual(['mail']);
  await one.take([alert('again', [attacker('203.0.113.1'), account('ada.meyer')], { min: 6 })]);
  expect(await incidents('open')).toHaveLength(2);
  // By hand they can be.
  const [a, b] = [await store.incidents.get(first.id), await store.incidents.get(second.id)] as [Incident, Incident];
  expect(await one.merge(b.id, b.version, { id: a.id, version: a.changed_version - 1 })).toBe('stale');
  expect(await one.merge(b.id, b.version, { id: a.id, version: a.version })).toMatchObject({
    into: { alert_count: 4 },
  });
  await expect(one.merge(b.id, 1, { id: b.id, version: 1 })).rejects.toMatchObject({ code: 'CONFLICT' });
});

test('merges of merges come apart in the order in which they were made', async () => {
  const one = team();
  await one.take([
    alert('a', [attacker('203.0.113.1')]),
    alert('b', [attacker('203.0.113.2')]),
    alert('c', [attacker('203.0.113.3')]),
  ]);
  const byTitle = new Map((await incidents()).map((incident) => [incident.title, incident.id]));
  const get = async (title: string) => (await store.incidents.get(byTitle.get(title) as Incident['id'])) as Incident;
  const merge = async (into: string, other: string) => {
    const [x, y] = [await get(into), await get(other)];
    await one.merge(x.id, x.version, { id: y.id, version: y.version });
  };
  await merge('b', 'a');
  await merge('c', 'b');
  await expect(one.split((await get('a')).id, (await get('b')).version)).rejects.toMatchObject({ code: 'CONFLICT' });
  await one.split((await get('b')).id, (await get('c')).version);
  expect(await titlesOf(await get('b'))).toEqual(['a', 'b']);
  await one.split((await get('a')).id, (await get('b')).version);
  expect(await titlesOf(await get('a'))).toEqual(['a']);
  expect(await titlesOf(await get('b'))).toEqual(['b']);
});

test('which alerts end up together does not depend on the order in which they come within the windows', async () => {
  const entity = fc.oneof(
    fc.integer({ min: 1, max: 4 }).map((n) => attacker(`203.0.113.${n}`)),
    fc.integer({ min: 1, max: 4 }).map((n): Entity => ({ type: 'address', value: `203.0.113.${n}`, role: 'victim' })),
    fc.constantFrom('ada', 'bob', 'root').map(account),
    fc.constantFrom('h1', 'h2', 'h3').map(host),
  );
  const shape = fc.record({
    entities: fc.array(entity, { minLength: 1, maxLength: 3 }),
    level: fc.constantFrom<Alert['rule']['level']>('medium', 'high'),
    min: fc.integer({ min: 0, max: 14 }),
  });
  const groups = async (alerts: readonly Alert[]): Promise<string[]> => {
    const dir = await mkdtemp(join(tmpdir(), 'asepsis-order-'));
    const own = await openStore({ dataDir: dir, clock });
    const made = createTeam({
      store: own,
      clock,
      random: (n) =>
        Buffer.from(
          (++random)
            .toString(16)
            .padStart(n * 2, '0')
            .slice(-n * 2),
          'hex',
        ),
      notify: { level: 'critical' } as Config['notify'],
    });
    for (let i = 0; i < alerts.length; i += 3) await made.take(alerts.slice(i, i + 3));
    const members = new Map<string, string[]>();
    for await (const one of allRecords((page) => own.alerts.list({}, page)))
      members.set(String(one.incident), [...(members.get(String(one.incident)) ?? []), one.id]);
    for (const [id, ids] of members) {
      const incident = (await own.incidents.get(id as Incident['id'])) as Incident;
      expect(incident).toMatchObject({ state: 'open', alert_count: ids.length });
    }
    await own.close();
    await rm(dir, { recursive: true });
    return [...members.values()].map((ids) => ids.sort().join()).sort();
  };
  await fc.assert(
    fc.asyncProperty(
      fc.array(shape, { minLength: 2, maxLength: 9 }),
      fc.infiniteStream(fc.nat()),
      async (shapes, keys) => {
        const alerts = shapes.map((one, i) => alert(`alert ${i}`, one.entities, one));
        const shuffled = alerts
          .map((one) => ({ one, key: keys.next().value as number }))
          .sort((a, b) => a.key - b.key)
          .map(({ one }) => one);
        expect(await groups(shuffled)).toEqual(await groups(alerts));
      },
    ),
    { numRuns: 25 },
  );
});

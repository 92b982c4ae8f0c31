/** Alerts become incidents over the real store: grouping, replay, versions, messages. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Alert,
  type AlertId,
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
const clock = { ms: START, now: () => clock.ms };
const QUIET = { level: 'high' } as Config['notify'];
let folder = '';
let store: Store;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-team-'));
  clock.ms = START;
  store = await openStore({ dataDir: folder, clock });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

let made = 0;
function alert(
  entities: Entity[],
  o: { min?: number; level?: Alert['rule']['level']; title?: string; exercise?: boolean } = {},
): Alert {
  made++;
  const time = rfc3339(START + (o.min ?? 0) * 60_000);
  return {
    id: contentId<AlertId>('alert', randomBytes(20)),
    rule: {
      id: 'r',
      title: 'Rule',
      level: o.level ?? 'medium',
      tags: ['attack.credential_access', 'attack.t1110'],
      false_positives: [],
    },
    title: o.title ?? `Alert ${made}`,
    time,
    received: time,
    source: { name: 'test' },
    entities,
    events: [],
    event_count: 10,
    matched: [],
    state: 'new',
    retrospective: false,
    exercise: o.exercise ?? false,
  };
}
const attacker = (value: string): Entity => ({ type: 'address', value, role: 'attacker' });
const account = (value: string): Entity => ({ type: 'account', value, role: 'victim' });
const host = (value: string): Entity => ({ type: 'host', value, role: 'victim' });
const team = (notify = QUIET, seen: Incident[] = []) =>
  createTeam({ store, clock, random: (n) => randomBytes(n), notify, onChange: (incident) => seen.push(incident) });
const incidents = async () => (await store.incidents.list({}, { limit: 50 })).items;

test('guess, success and what follows are one incident, named by its worst alert', async () => {
  await team().take([
    alert([attacker('203.0.113.66'), host('vpn-1'), account('root')], { title: 'Password guessing' }),
    alert([attacker('203.0.113.66'), host('vpn-1'), account('ada.meyer')], {
      min: 2,
      level: 'critical',
      title: 'Reached a working account',
    }),
    alert([account('ada.meyer'), host('vpn-1')], { min: 4, level: 'high' }),
    alert([host('vpn-1'), account('svc-update')], { min: 6, level: 'high' }),
    alert([account('svc-update'), host('ward-03')], { min: 40, level: 'high' }),
  ]);
  const all = await incidents();
  expect(all).toHaveLength(1);
  expect(all[0]).toMatchObject({
    title: 'Reached a working account',
    severity: 'critical',
    alert_count: 5,
    event_count: 50,
    tactics: ['credential-access'],
  });
  expect(all[0]?.entities[0]).toMatchObject({ type: 'address', role: 'attacker' });
});

test('strangers who guess the same common name on the same host are different incidents', async () => {
  await team().take([
    alert([attacker('203.0.113.1'), host('vpn-1'), account('root')]),
    alert([attacker('203.0.113.2'), host('vpn-1'), account('root')]),
  ]);
  expect(await incidents()).toHaveLength(2);
});

test('the window ends, a closed incident stays closed, exercises stay apart', async () => {
  const one = team();
  await one.take([alert([attacker('203.0.113.9')])]);
  await one.take([alert([attacker('203.0.113.9')], { min: 130 })]);
  expect(await incidents()).toHaveLength(2);
  await one.take([alert([attacker('203.0.113.9')], { min: 131, exercise: true })]);
  expect(await incidents()).toHaveLength(3);
  const open = (await incidents())[1] as Incident;
  await one.change(
    open.id,
    { version: open.version, close: { reason: 'ours', verdict: 'harmless' } },
    { id: 'per_x', name: 'Ada' },
  );
  const closed = await store.incidents.get(open.id);
  expect(closed).toMatchObject({ state: 'closed', verdict: 'harmless', close_reason: 'ours' });
  expect((await store.alerts.list({ incident: open.id }, { limit: 5 })).items[0]).toMatchObject({
    state: 'closed',
    verdict: 'harmless',
  });
});

test('taking the same alerts again, also at the same time, changes nothing', async () => {
  const alerts = Array.from({ length: 250 }, (_, i) => alert([attacker(`198.51.100.${i % 5}`)], { min: i % 60 }));
  const one = team();
  const [first, again] = await Promise.all([one.take(alerts), one.take(alerts)]);
  expect(first).toHaveLength(250);
  expect(again).toHaveLength(0);
  const all = await incidents();
  expect(all).toHaveLength(5);
  expect(all.reduce((sum, incident) => sum + incident.alert_count, 0)).toBe(250);
});

test('two people cannot overwrite each other', async () => {
  const one = team();
  await one.take([alert([attacker('203.0.113.9')])]);
  const [incident] = (await incidents()) as [Incident];
  const ada = { id: 'per_a', name: 'Ada' };
  const taken = await one.change(incident.id, { version: 1, assign: 'me' }, ada);
  expect(taken).toMatchObject({ assignee_name: 'Ada', acknowledged_at: rfc3339(START), version: 2 });
  expect(await one.change(incident.id, { version: 1, comment: 'mine' }, ada)).toBe('stale');
  const commented = (await one.change(incident.id, { version: 2, comment: 'looking' }, ada)) as Incident;
  expect(commented.comments).toEqual([{ by: 'Ada', at: rfc3339(START), text: 'looking' }]);
  expect(commented.assignee_name).toBe('Ada');
  // What the machine adds meanwhile does not stand in a person's way.
  await one.take([alert([attacker('203.0.113.9')], { min: 1 })]);
  expect(await one.change(incident.id, { version: commented.version, comment: 'still looking' }, ada)).toMatchObject({
    alert_count: 2,
    version: 5,
  });
  expect(await one.change(incident.id, { version: 99, comment: 'from nowhere' }, ada)).toBe('stale');
});

test('one message for each height of severity, none below the level', async () => {
  const notify = { level: 'high', webhook: { url: 'http://127.0.0.1/', secret_file: '/x' } } as Config['notify'];
  const one = team(notify);
  await one.take([alert([attacker('203.0.113.9')])]);
  expect(await store.outbox.list(10)).toHaveLength(0);
  await one.take([
    alert([attacker('203.0.113.9')], { level: 'high' }),
    alert([attacker('203.0.113.9')], { level: 'high' }),
  ]);
  expect(await store.outbox.list(10)).toHaveLength(1);
  await one.take([alert([attacker('203.0.113.9')], { level: 'critical' })]);
  expect(await store.outbox.list(10)).toHaveLength(2);
});

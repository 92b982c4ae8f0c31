/** The contract of assets, accounts, sources, coverage, the outbox and named values over both databases. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Coverage, Store } from '../core/index.ts';
import { account, adapters, allPages, asset, at, type Place, software } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

const counts = (id: string) => ({
  id: id as never,
  events: 2,
  bytes: 100,
  notUnderstood: 1,
  dropped: 0,
  lastSeen: at(7),
  formats: { 'syslog/sshd': 2 },
  faults: [{ what: 'cut', count: 1, last: at(7) }],
});

describe.each(present)('records over $name', (adapter) => {
  let place: Place;
  let store: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
  });
  afterEach(() => place.remove());

  test('assets by name, filter and page; first seen stays', async () => {
    for (let i = 1; i <= 12; i++) await store.assets.upsert(asset(i));
    await store.assets.upsert(asset(3, { class: 'medical', owner: 'Radiology', first_seen: at(9), last_seen: at(9) }));
    expect(await store.assets.byName('HOST3')).toMatchObject({ id: asset(3).id, first_seen: at(0), last_seen: at(9) });
    expect(await store.assets.byName('nobody')).toBeNull();
    expect((await store.assets.list({ class: 'medical' }, { limit: 5 })).items.map((one) => one.id)).toEqual([
      asset(3).id,
    ]);
    expect((await store.assets.list({ text: 'radio' }, { limit: 5 })).items.map((one) => one.id)).toEqual([
      asset(3).id,
    ]);
    const all = await allPages((page) => store.assets.list({ exercise: false }, page), 5);
    expect(new Set(all.map((one) => one.id)).size).toBe(12);
    expect(all.map((one) => one.name)).toEqual(all.map((one) => one.name).toSorted());
    expect(await store.assets.count({})).toBe(12);
  });

  test('software is replaced as one change', async () => {
    await store.assets.upsert(asset(1));
    await store.assets.replaceSoftware(asset(1).id, [software(1, 'zlib'), software(2, 'bash'), software(3, 'curl')]);
    const all = await allPages((page) => store.assets.software(asset(1).id, page), 2);
    expect(all.map((one) => one.name)).toEqual(['bash', 'curl', 'zlib']);
    await store.assets.replaceSoftware(asset(1).id, [software(4, 'only')]);
    expect((await store.assets.software(asset(1).id, { limit: 5 })).items).toEqual([software(4, 'only')]);
    const orphan = store.assets.replaceSoftware(asset(9).id, [software(4, 'only')]);
    await expect(orphan).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('accounts by service, factor and page; first seen stays', async () => {
    await store.accounts.upsert([account(1), account(2, { service: 'vpn', second_factor: 'enforced' }), account(1)]);
    await store.accounts.upsert([account(1, { first_seen: at(9), last_seen: at(9), privileged: true })]);
    expect(await store.accounts.get(account(1).id)).toMatchObject({
      first_seen: at(5),
      last_seen: at(9),
      privileged: true,
    });
    expect((await allPages((page) => store.accounts.list({}, page), 1)).map((one) => one.service)).toEqual([
      'vpn',
      'web01',
    ]);
    expect((await store.accounts.list({ service: 'vpn' }, { limit: 5 })).items).toHaveLength(1);
    expect((await store.accounts.list({ text: 'USER2' }, { limit: 5 })).items).toHaveLength(1);
    expect(await store.accounts.count({ second_factor: 'none', exercise: false })).toBe(1);
    await store.accounts.upsert([]);
  });

  test('a source is made once, keeps what it was called, and counts what two processes count', async () => {
    const other = await place.open();
    const made = await Promise.all(
      Array.from({ length: 10 }, (_, i) =>
        (i % 2 ? other : store).sources.ensure({ name: 'fw', kind: 'syslog' }, at(i)),
      ),
    );
    const [source] = made;
    expect(new Set(made.map((one) => one.id)).size).toBe(1);
    const id = source?.id as NonNullable<typeof source>['id'];
    const practice = await store.sources.ensure({ name: 'fw', kind: 'syslog', exercise: true }, at(0));
    expect(practice.id).not.toBe(id);
    const named = await store.sources.configure(id, { name: 'Firewall', zone: 'Europe/Paris', critical: true });
    expect(named).toMatchObject({ name: 'Firewall', zone: 'Europe/Paris', critical: true });
    expect(await store.sources.ensure({ name: 'fw', kind: 'syslog' }, at(3))).toMatchObject({ id, name: 'Firewall' });
    const counting = Array.from({ length: 10 }, (_, i) =>
      (i % 2 ? other : store).sources.count([counts(id), counts(practice.id), counts('src_unknown')]),
    );
    await Promise.all(counting);
    expect(await store.sources.get(id)).toMatchObject({
      events: 20,
      bytes: 1000,
      not_understood: 10,
      last_seen: at(7),
      formats: { 'syslog/sshd': 20 },
      faults: [{ what: 'cut', count: 10, last: at(7) }],
      name: 'Firewall',
    });
    const formats = Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`f${i}`, 1]));
    const faults = Array.from({ length: 50 }, (_, i) => ({ what: `fault ${i}`, count: 1, last: at(i) }));
    await store.sources.count([{ ...counts(id), formats: { ...formats, ['__proto__']: 1 }, faults, lastSeen: null }]);
    const bounded = await store.sources.get(id);
    expect(Object.keys(bounded?.formats ?? {})).toHaveLength(64);
    expect(Object.values(bounded?.formats ?? {}).reduce((sum, n) => sum + n)).toBe(221);
    expect(bounded?.faults).toHaveLength(32);
    expect(bounded?.faults[0]?.what).toBe('fault 49');
    expect((await store.sources.list({})).map((one) => one.name)).toEqual(['Firewall', 'fw']);
    expect(await store.sources.configure('src_unknown' as typeof id, {})).toBeNull();
  });

  test('coverage: the latest of each room in the order of the recommendations, and one value a day', async () => {
    const coverage = (room: Coverage['room'], day: number, covered: number): Coverage => ({
      room,
      state: 'measured',
      unit: 'assets',
      in_scope: 10,
      covered,
      not_covered: 9 - covered,
      unknown: 1,
      measured_at: `2026-02-${String(day).padStart(2, '0')}T12:00:00.000Z` as Coverage['measured_at'],
      sentence: 's',
      next: { title: 't' },
      evidence: [],
    });
    await store.coverage.put([coverage('team', 26, 1), coverage('patching', 26, 1)]);
    await store.coverage.put([coverage('patching', 27, 2)]);
    await store.coverage.put([coverage('patching', 27, 3), { ...coverage('access', 1, 0), measured_at: null }]);
    expect((await store.coverage.latest()).map((one) => [one.room, one.covered])).toEqual([
      ['patching', 3],
      ['access', 0],
      ['team', 1],
    ]);
    expect(await store.coverage.trend(2)).toEqual([
      { day: '2026-02-27', room: 'patching', covered: 3, in_scope: 10, unknown: 1 },
      { day: '2026-03-01', room: 'access', covered: 0, in_scope: 10, unknown: 1 },
    ]);
  });

  test('the outbox keeps a message until it is delivered or given up, and never sends it twice', async () => {
    const item = (id: string, minutes: number) =>
      ({ id, channel: 'webhook', payload: `p ${id}`, next_at: at(minutes) }) as const;
    await store.outbox.put([item('a', 1), item('b', 2), item('c', 9)]);
    await store.outbox.put([{ ...item('a', 5), payload: 'other' }]);
    expect((await store.outbox.due(at(2), 10)).map((one) => [one.id, one.payload])).toEqual([
      ['a', 'p a'],
      ['b', 'p b'],
    ]);
    expect(await store.outbox.due(at(2), 1)).toHaveLength(1);
    await store.outbox.failed('a', 'refused', at(8));
    await store.outbox.failed('b', 'gone', null);
    expect(await store.outbox.due(at(7), 10)).toEqual([]);
    expect(await store.outbox.due(at(8), 10)).toMatchObject([{ id: 'a', attempts: 1, last_error: 'refused' }]);
    await store.outbox.done('a');
    await store.outbox.put([item('a', 1)]);
    expect((await store.outbox.list(10)).map((one) => one.id)).toEqual(['b', 'c']);
    place.clock.nowMs += 31 * 24 * 3600_000;
    await store.outbox.done('c');
    await store.outbox.put([item('a', 1)]);
    expect((await store.outbox.list(10)).map((one) => one.id)).toEqual(['a', 'b']);
  });

  test('a value is set by whoever knew what it was', async () => {
    const other = await place.open();
    const attempts = (expected: string | null) =>
      Promise.all(
        Array.from({ length: 10 }, (_, i) =>
          (i % 2 ? other : store).values.compareAndSet('k', expected, `${expected}${i}`),
        ),
      );
    expect((await attempts(null)).filter(Boolean)).toHaveLength(1);
    expect((await attempts(await store.values.get('k'))).filter(Boolean)).toHaveLength(1);
    expect(await store.values.compareAndSet('k', 'not this', 'x')).toBe(false);
    await store.values.set('k', 'set');
    await store.values.set('k', 'set again');
    expect(await store.values.get('k')).toBe('set again');
    await store.values.delete('k');
    expect(await store.values.get('k')).toBeNull();
  });
});

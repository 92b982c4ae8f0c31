/** The contract of the store over both databases: transactions, migrations, paging, and the smaller tables. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Account, AccountId, Asset, AssetId, Coverage, Software, SoftwareId, Store } from '../core/index.ts';
import { MIGRATIONS } from './store-migrations.ts';
import { openStoreAt } from './store-open.ts';
import { adapters, alert, allPages, at, evidence, incident, observation, type Place } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

function asset(n: number, change: Partial<Asset> = {}): Asset {
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

function account(n: number, change: Partial<Account> = {}): Account {
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

describe.each(present)('the store over $name', (adapter) => {
  let place: Place;
  let store: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
  });
  afterEach(() => place.remove());

  test('a transaction is everything or nothing, and one inside another is the same one', async () => {
    const failing = store.transaction(async (outer) => {
      await outer.values.set('a', '1');
      await outer.transaction((inner) => inner.values.set('b', '1'));
      await outer.alerts.add([alert(1)]);
      await outer.findings.observe([observation()], at(0));
      expect(await outer.values.get('b')).toBe('1');
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect(await store.values.get('a')).toBeNull();
    expect(await store.values.get('b')).toBeNull();
    expect(await store.alerts.lastSerial()).toBe(0);
    expect(await store.findings.count({})).toBe(0);
    expect(await store.transaction(async (inside) => (await inside.alerts.add([alert(1)])).length)).toBe(1);
    expect(await store.alerts.lastSerial()).toBe(1);
  });

  test('what others do meanwhile waits for the transaction and is not part of it', async () => {
    const slow = store.transaction(async (inside) => {
      await inside.values.set('a', 'inside');
      await new Promise((resolve) => setTimeout(resolve, 20));
      throw new Error('no');
    });
    const others = Array.from({ length: 5 }, (_, i) => store.values.set(`other ${i}`, 'kept'));
    await expect(slow).rejects.toThrow('no');
    await Promise.all(others);
    expect(await store.values.get('other 4')).toBe('kept');
    expect(await store.values.get('a')).toBeNull();
  });

  test('reopening keeps everything', async () => {
    await store.alerts.add([alert(1)]);
    await store.audit.append({ at: at(0), actor: 'a', action: 'x', outcome: 'success' });
    await store.close();
    const again = await place.open();
    expect(await again.alerts.get(alert(1).id)).toEqual(alert(1));
    expect(await again.audit.verify()).toMatchObject({ ok: true, entries: 1 });
    await again.ping();
  });

  test('a cursor that this list did not give is refused', async () => {
    await store.alerts.add([alert(1), alert(2)]);
    const foreign = (await store.alerts.list({}, { limit: 1 })).next as string;
    const forged = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bad = [
      '',
      '%%%',
      'x'.repeat(100_000),
      foreign,
      foreign.slice(0, -4),
      forged({}),
      forged(['findings']),
      forged(['findings', '1', 2, 'x']),
      forged(['findings', 1.5, 2, 'x']),
      forged(['findings', 1, 2, { $gt: '' }]),
      forged(['findings', 1, 2, '\0']),
    ];
    for (const after of bad) {
      await expect(store.findings.list({}, { limit: 5, after })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    }
    for (const limit of [0, -1, 1.5, Number.NaN]) {
      await expect(store.findings.list({}, { limit })).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    }
    await expect(store.alerts.list({ since: 'soon' as never }, { limit: 5 })).rejects.toMatchObject({
      code: 'BAD_REQUEST',
    });
  });

  test('migrations go forward, one by one, whole or not at all, with a copy from before', async () => {
    await store.values.set('kept', 'yes');
    await store.close();
    const second = {
      version: 2,
      what: 'a table more',
      statements: () => ['create table more (id integer primary key)'],
    };
    const broken = {
      version: 3,
      what: 'nothing good',
      statements: () => ['create table half (id integer)', 'create nonsense'],
    };
    await expect(place.open([...MIGRATIONS, second, broken])).rejects.toThrow(/nonsense/);
    await expect(place.open()).rejects.toMatchObject({ code: 'STORE_NEWER' });
    const again = await place.open([...MIGRATIONS, second]);
    expect(await again.values.get('kept')).toBe('yes');
    await place.tamper('insert into more (id) values (1)');
    await expect(place.tamper('insert into half (id) values (1)')).rejects.toThrow(/half/);
    if (adapter.name === 'postgres') return;
    const backups = join(place.dataDir, 'backups');
    const names = readdirSync(backups).toSorted();
    expect(names).toEqual([
      expect.stringMatching(/^before-v2-2026-03-01T.*\.db$/),
      expect.stringMatching(/^before-v3-2026-03-01T.*\.db$/),
    ]);
    const copy = new DatabaseSync(join(backups, names[0] as string), { readOnly: true });
    expect(copy.prepare('select value from named_values').get()).toMatchObject({ value: 'yes' });
    copy.close();
    expect(statSync(join(backups, names[0] as string)).mode & 0o777).toBe(0o600);
  });

  test('several processes that start at once make the tables once', async () => {
    const fresh = await adapter.place();
    try {
      const stores = await Promise.all([fresh.open(), fresh.open(), fresh.open()]);
      for (const one of stores) await one.ping();
      await stores[0]?.values.set('a', '1');
      expect(await stores[2]?.values.get('a')).toBe('1');
    } finally {
      await fresh.remove();
    }
  });

  test('what is marked as an exercise goes, and only that', async () => {
    const kinds = [false, true];
    for (const exercise of kinds) {
      const n = exercise ? 2 : 1;
      await store.findings.observe([observation({ exercise })], at(0));
      await store.alerts.add([alert(n, { exercise })]);
      await store.incidents.insert(incident(`${n}`, { exercise }));
      await store.assets.upsert(asset(n, { exercise }));
      await store.assets.replaceSoftware(asset(n).id, [software(n, 'openssl')]);
      await store.accounts.upsert([account(n, { exercise })]);
      await store.sources.ensure({ name: 's', kind: 'syslog', exercise }, at(0));
      await store.audit.append({ at: at(0), actor: 'a', action: 'x', outcome: 'success' });
    }
    await store.removeExercise();
    for (const [exercise, left] of [
      [true, 0],
      [false, 1],
    ] as const) {
      expect(await store.findings.count({ exercise })).toBe(left);
      expect(await store.alerts.count({ exercise })).toBe(left);
      expect(await store.alerts.count({ exercise, entity: { type: 'address', value: '192.0.2.1' } })).toBe(left);
      expect(await store.incidents.count({ exercise })).toBe(left);
      expect(await store.incidents.openFor([{ type: 'address', value: '192.0.2.1' }], at(0), exercise)).toHaveLength(
        left,
      );
      expect(await store.assets.count({ exercise })).toBe(left);
      expect(await store.accounts.count({ exercise })).toBe(left);
      expect(await store.sources.list({ exercise })).toHaveLength(left);
    }
    expect((await store.assets.software(asset(2).id, { limit: 5 })).items).toEqual([]);
    expect((await store.assets.software(asset(1).id, { limit: 5 })).items).toHaveLength(1);
    expect(await store.audit.verify()).toMatchObject({ ok: true, entries: 2 });
    expect(await store.alerts.lastSerial()).toBe(2);
    await store.alerts.add([alert(3)]);
    expect(await store.alerts.lastSerial()).toBe(3);
  });

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

  test('a backup is a complete copy, or says how to make one without giving the password away', async () => {
    await store.alerts.add([alert(1)]);
    const path = join(place.dataDir, 'copies', 'one.db');
    const { how } = await store.backup(path);
    expect(how).toContain(path);
    if (adapter.name === 'postgres') {
      expect(how).toMatch(/^Run: pg_dump .*postgres:\/\//);
      expect(existsSync(path)).toBe(false);
      return;
    }
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const copy = new DatabaseSync(path, { readOnly: true });
    expect(copy.prepare('select count(*) as n from alerts').get()).toMatchObject({ n: 1 });
    copy.close();
    await expect(store.backup(path)).rejects.toMatchObject({ code: 'CONFLICT' });
  });
});

function software(n: number, name: string): Software {
  return {
    id: `sw_${n}` as SoftwareId,
    asset: asset(n <= 2 && name === 'openssl' ? n : 1).id,
    ecosystem: 'deb',
    name,
    version: '1.0',
    first_seen: at(0),
    last_seen: at(0),
  };
}

test('a database server that does not answer, and an address that is none, are said plainly', async () => {
  const clock = { now: () => 0 };
  const gone = openStoreAt({ dataDir: '/nowhere', url: 'postgres://postgres@127.0.0.1:1/x', clock }, MIGRATIONS);
  await expect(gone).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

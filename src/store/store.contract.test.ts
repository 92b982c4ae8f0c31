/** The contract of the store over both databases: transactions, migrations, cursors, backups, exercises. */

import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../core/index.ts';
import { MIGRATIONS } from './store-migrations.ts';
import { openStoreAt } from './store-open.ts';
import { account, adapters, alert, asset, at, incident, observation, type Place, software } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

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
    const newest = MIGRATIONS.at(-1)?.version ?? 0;
    const second = {
      version: newest + 1,
      what: 'a table more',
      statements: () => ['create table more (id integer primary key)'],
    };
    const broken = {
      version: newest + 2,
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
      expect.stringMatching(new RegExp(`^before-v${newest + 1}-2026-03-01T.*\\.db$`)),
      expect.stringMatching(new RegExp(`^before-v${newest + 2}-2026-03-01T.*\\.db$`)),
    ]);
    const copy = new DatabaseSync(join(backups, names[0] as string), { readOnly: true });
    expect(copy.prepare('select value from named_values').get()).toMatchObject({ value: 'yes' });
    copy.close();
    expect(statSync(join(backups, names[0] as string)).mode & 0o777).toBe(0o600);
  });

  test('several processes that start at once make the tables once', async () => {
    const fresh = await adapter.place(true);
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
      await store.assets.replaceSoftware(asset(n).id, [software(n, 'openssl', n)]);
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

test('a database server that does not answer, and an address that is none, are said plainly', async () => {
  const clock = { now: () => 0 };
  const gone = openStoreAt({ dataDir: '/nowhere', url: 'postgres://postgres@127.0.0.1:1/x', clock }, MIGRATIONS);
  await expect(gone).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
});

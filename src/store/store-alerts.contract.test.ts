/** The contract of alerts and incidents over both databases: a replay changes nothing, serials follow the commits. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Alert, PersonId, Store } from '../core/index.ts';
import { adapters, alert, allPages, at, incident, type Place } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

describe.each(present)('alerts and incidents over $name', (adapter) => {
  let place: Place;
  let store: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
  });
  afterEach(() => place.remove());

  test('a replay adds only what is not there yet', async () => {
    expect(await store.alerts.add([alert(1), alert(2), alert(2)])).toEqual([alert(1), alert(2)]);
    await store.alerts.update(alert(1).id, { state: 'closed', verdict: 'harmless' });
    expect(await store.alerts.add([alert(1), alert(2), alert(3)])).toEqual([alert(3)]);
    expect(await store.alerts.add([])).toEqual([]);
    expect(await store.alerts.get(alert(1).id)).toMatchObject({ state: 'closed', verdict: 'harmless' });
    expect(await store.alerts.lastSerial()).toBe(3);
    expect((await store.alerts.since(1, 10)).map((one) => [one.serial, one.alert.id])).toEqual([
      [2, alert(2).id],
      [3, alert(3).id],
    ]);
  });

  test('alerts added at once by two processes get serials without gaps, and each is new for one of them', async () => {
    const other = await place.open();
    const batches = Array.from({ length: 20 }, (_, i) => [alert(i), alert(i + 1), alert(`own ${i}`)]);
    const added = await Promise.all(batches.map((batch, i) => (i % 2 ? other : store).alerts.add(batch)));
    const ids = added.flat().map((one) => one.id);
    expect(ids).toHaveLength(41);
    expect(new Set(ids).size).toBe(41);
    const stored = await store.alerts.since(0, 500);
    expect(stored.map((one) => one.serial)).toEqual(Array.from({ length: 41 }, (_, i) => i + 1));
    expect(new Set(stored.map((one) => one.alert.id))).toEqual(new Set(ids));
  });

  test('who follows the serials while others add misses none', async () => {
    const seen: string[] = [];
    let serial = 0;
    let adding = true;
    const follow = async () => {
      while (adding || serial < (await store.alerts.lastSerial())) {
        for (const one of await store.alerts.since(serial, 7)) {
          seen.push(one.alert.id);
          serial = one.serial;
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const following = follow();
    await Promise.all(Array.from({ length: 30 }, (_, i) => store.alerts.add([alert(`a${i}`), alert(`b${i}`)])));
    adding = false;
    await following;
    expect(new Set(seen).size).toBe(60);
    expect(seen).toHaveLength(60);
  });

  test('filters, newest first', async () => {
    const odd: Partial<Alert> = {
      rule: { ...alert(0).rule, id: 'r2', level: 'critical', title: 'Shadow copies deleted' },
      entities: [
        { type: 'host', value: 'FS01' },
        { type: 'account', value: 'svc' },
      ],
      incident: incident('one').id,
      exercise: true,
    };
    await store.alerts.add([alert(1), alert(3), alert(2), alert(9, odd)]);
    const found = async (filter: Parameters<Store['alerts']['list']>[0]) => {
      const { items } = await store.alerts.list(filter, { limit: 10 });
      expect(await store.alerts.count(filter)).toBe(items.length);
      return items.map((one) => one.id);
    };
    const filters = [
      { rule: 'r2' },
      { level: 'critical' },
      { incident: incident('one').id },
      { entity: { type: 'host', value: 'FS01' } },
      { entity: { type: 'host', value: 'FS01' }, level: 'critical', text: 'shadow' },
      { since: at(9) },
      { text: 'fs01' },
      { exercise: true },
    ] as const;
    for (const filter of filters) expect(await found(filter)).toEqual([alert(9).id]);
    expect(await found({ entity: { type: 'account', value: 'FS01' } })).toEqual([]);
    expect(await found({ exercise: false })).toEqual([alert(3).id, alert(2).id, alert(1).id]);
    await store.alerts.update(alert(3).id, { state: 'acknowledged', incident: incident('two').id });
    expect(await found({ state: 'acknowledged' })).toEqual([alert(3).id]);
    expect(await found({ incident: incident('two').id })).toEqual([alert(3).id]);
    expect(await store.alerts.update(alert(77).id, { state: 'closed' })).toBeNull();
  });

  test('pages of an entity hold still while newer alerts come', async () => {
    await store.alerts.add(Array.from({ length: 25 }, (_, i) => alert(i, { time: at(i % 4) })));
    const entity = { type: 'address', value: '192.0.2.1' };
    for (const filter of [{}, { entity }]) {
      const first = await store.alerts.list(filter, { limit: 5 });
      await store.alerts.add([alert(`later ${JSON.stringify(filter)}`, { time: at(99) })]);
      const rest = await allPages(
        (page) => store.alerts.list(filter, { ...page, after: page.after ?? first.next! }),
        6,
      );
      const ids = [...first.items, ...rest].map((one) => one.id);
      expect(new Set(ids).size).toBe(ids.length);
      expect(rest.every((one) => one.time !== at(99))).toBe(true);
    }
  });

  test('a thousand alerts in one call, and hostile text in them', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => alert(i));
    many[500] = alert(500, {
      title: '\0 \ud800 \u2028 '.repeat(2000),
      entities: [
        { type: 'file', value: `\0${'é'.repeat(9000)}` },
        { type: 'file', value: `\0${'é'.repeat(9000)}` },
      ],
    });
    expect(await store.alerts.add(many)).toHaveLength(1000);
    expect(await store.alerts.get(alert(500).id)).toEqual(many[500]);
    const page = await store.alerts.list({ entity: many[500].entities[0]! }, { limit: 5 });
    expect(page.items.map((one) => one.id)).toEqual([alert(500).id]);
  });

  test('an incident is changed only by whoever saw its newest version', async () => {
    await store.incidents.insert(incident('a'));
    await expect(store.incidents.insert(incident('a'))).rejects.toMatchObject({ code: 'CONFLICT' });
    const changes = Array.from({ length: 10 }, (_, i) =>
      store.incidents.replace(incident('a', { version: 2, title: `by ${i}` })),
    );
    expect((await Promise.all(changes)).filter(Boolean)).toHaveLength(1);
    expect(await store.incidents.replace(incident('a', { version: 2 }))).toBe(false);
    expect(await store.incidents.replace(incident('a', { version: 4 }))).toBe(false);
    expect(await store.incidents.replace(incident('a', { version: 3, state: 'closed' }))).toBe(true);
    expect(await store.incidents.get(incident('a').id)).toMatchObject({ version: 3, state: 'closed' });
    expect(await store.incidents.replace(incident('not there', { version: 2 }))).toBe(false);
  });

  test('open incidents are found by any entity they share, in time, and apart from exercises', async () => {
    const host = { type: 'host', value: 'fs01' } as const;
    const address = { type: 'address', value: '192.0.2.1' } as const;
    await store.incidents.insert(incident('recent', { last_event: at(50), entities: [address, host] }));
    await store.incidents.insert(incident('old', { last_event: at(5) }));
    await store.incidents.insert(incident('closed', { last_event: at(50), state: 'closed' }));
    await store.incidents.insert(incident('exercise', { last_event: at(50), exercise: true }));
    await store.incidents.insert(incident('other', { last_event: at(50), entities: [{ ...host, value: 'fs02' }] }));
    const open = async (...o: Parameters<Store['incidents']['openFor']>) =>
      (await store.incidents.openFor(...o)).map((one) => one.title);
    expect(await open([address, host], at(50), false)).toEqual(['Incident recent']);
    expect(await open([{ type: 'host', value: '192.0.2.1' }], at(0), false)).toEqual([]);
    expect(await open([], at(0), false)).toEqual([]);
    expect(await open([address], at(0), true)).toEqual(['Incident exercise']);
    await store.incidents.replace(incident('recent', { version: 2, last_event: at(60), entities: [address] }));
    expect(await open([host], at(0), false)).toEqual([]);
    expect((await open([address], at(0), false)).toSorted()).toEqual(['Incident old', 'Incident recent']);
  });

  test('incidents by filter and page', async () => {
    const assignee = 'per_00000000000000000000000001' as PersonId;
    for (let i = 0; i < 12; i++) await store.incidents.insert(incident(`${i}`, { opened: at(i % 3) }));
    await store.incidents.insert(incident('x', { opened: at(9), assignee, state: 'closed', exercise: true }));
    const filters = [{ assignee }, { state: 'closed' }, { text: 'INCIDENT X' }, { exercise: true }] as const;
    for (const filter of filters) {
      expect((await store.incidents.list(filter, { limit: 5 })).items.map((one) => one.title)).toEqual(['Incident x']);
      expect(await store.incidents.count(filter)).toBe(1);
    }
    const entity = { type: 'address', value: '192.0.2.1' };
    const all = await allPages((page) => store.incidents.list({ entity }, page), 5);
    expect(all.map((one) => one.opened)).toEqual(
      all
        .map((one) => one.opened)
        .toSorted()
        .reverse(),
    );
    expect(all).toHaveLength(13);
    expect(await store.incidents.count({ entity, exercise: false })).toBe(12);
  });
});

/** The contract of the rooms' documents over both databases. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Store } from '../core/index.ts';
import { adapters, allPages, type Place } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

const PLANS = 'patching-plans';

describe.each(present)('documents of the rooms over $name', (adapter) => {
  let place: Place;
  let store: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
  });
  afterEach(() => place.remove());

  test('put inserts or replaces, raises the version, and keeps collections apart', async () => {
    await store.records.put(PLANS, [
      { id: 'a', order: 1, tag: 'open', doc: { n: 1 } },
      { id: 'a', order: 2, tag: 'done', doc: { n: 2, nul: 'x\0y' } },
    ]);
    await store.records.put('access-plans', [{ id: 'a', doc: [1] }]);
    expect(await store.records.get(PLANS, 'a')).toMatchObject({ order: 2, tag: 'done', version: 1, doc: { n: 2 } });
    await store.records.put(PLANS, [{ id: 'a', order: 3, tag: 'open', doc: { n: 3 } }]);
    expect(await store.records.get(PLANS, 'a')).toEqual({ id: 'a', order: 3, tag: 'open', version: 2, doc: { n: 3 } });
    expect(await store.records.get('access-plans', 'a')).toMatchObject({ doc: [1], version: 1 });
    expect(await store.records.get(PLANS, 'b')).toBeNull();
  });

  test('insert and replace say who was first', async () => {
    expect(await store.records.insert(PLANS, { id: 'a', doc: 1 })).toBe(true);
    expect(await store.records.insert(PLANS, { id: 'a', doc: 2 })).toBe(false);
    const both = await Promise.all([
      store.records.replace(PLANS, { id: 'a', doc: 3 }, 1),
      store.records.replace(PLANS, { id: 'a', doc: 4 }, 1),
    ]);
    expect(both.filter(Boolean)).toHaveLength(1);
    expect((await store.records.get(PLANS, 'a'))?.version).toBe(2);
    expect(await store.records.replace(PLANS, { id: 'gone', doc: 3 }, 1)).toBe(false);
  });

  test('lists by tag, text and order, in both directions, page by page', async () => {
    const rows = Array.from({ length: 450 }, (_, i) => ({
      id: `id-${String(i).padStart(3, '0')}`,
      order: Math.floor(i / 2),
      tag: i % 3 === 0 ? 'third' : 'other',
      search: i === 7 ? 'Needle 100%_!' : 'hay',
      doc: { i },
    }));
    await store.records.put(PLANS, rows);
    const oldest = await allPages((page) => store.records.list(PLANS, {}, page, false), 100);
    expect(oldest.map((row) => row.id)).toEqual(rows.map((row) => row.id));
    const newest = await allPages((page) => store.records.list(PLANS, { tag: 'third' }, page), 7);
    expect(newest.map((row) => row.id)).toEqual(
      rows
        .filter((row) => row.tag === 'third')
        .map((row) => row.id)
        .reverse(),
    );
    expect((await store.records.list(PLANS, { text: '100%_!' }, { limit: 5 })).items.map((row) => row.id)).toEqual([
      'id-007',
    ]);
    expect(await store.records.count(PLANS, { from: 10, to: 12 })).toBe(4);
    expect(await store.records.count(PLANS)).toBe(450);
    expect(await store.records.delete(PLANS, rows.map((row) => row.id).concat('gone'))).toBe(450);
    expect(await store.records.count(PLANS)).toBe(0);
  });

  test('what cannot be kept is refused whole', async () => {
    const bad = [
      { id: 'ok', doc: 1 },
      { id: '', doc: 1 },
    ];
    await expect(store.records.put(PLANS, bad)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    await expect(store.records.put('plans', [{ id: 'a', doc: 1 }])).rejects.toMatchObject({ code: 'BAD_REQUEST' });
    const large = { id: 'a', doc: 'x'.repeat(1024 * 1024) };
    await expect(store.records.insert(PLANS, large)).rejects.toMatchObject({ code: 'TOO_LARGE' });
    expect(await store.records.count(PLANS)).toBe(0);
  });
});

/** The contract of the audit log over both databases: appended in order, and every kind of tampering is found. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { AuditEntry, Store } from '../core/index.ts';
import { adapters, allPages, at, type Place } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

describe.each(present)('the audit log over $name', (adapter) => {
  let place: Place;
  let store: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
  });
  afterEach(() => place.remove());

  const append = (minutes: number, change: Partial<AuditEntry> = {}) =>
    store.audit.append({ at: at(minutes), actor: 'alice', action: 'person.sign-in', outcome: 'success', ...change });
  const appendSix = async () => {
    for (let i = 1; i <= 6; i++) await append(i, { detail: `entry ${i}` });
  };
  /** What somebody with all rights over the database would do first. */
  const unguarded =
    adapter.name === 'sqlite'
      ? ['audit_kept', 'audit_not_deleted', 'audit_head_forward', 'audit_head_kept'].map(
          (name) => `drop trigger ${name}`,
        )
      : ['alter table audit disable trigger all', 'alter table audit_head disable trigger all'];

  test('an empty log is whole, and each entry follows the one before it', async () => {
    expect(await store.audit.verify()).toEqual({ ok: true, entries: 0, firstBad: null, reason: null });
    const first = await append(1);
    const second = await append(2, { address: '192.0.2.1', target: 'bob', detail: 'with \0 and \ud800' });
    expect(first).toMatchObject({ seq: 1, previous: '0'.repeat(64) });
    expect(second).toMatchObject({ seq: 2, previous: first.hash, target: 'bob' });
    expect(await store.audit.verify()).toMatchObject({ ok: true, entries: 2 });
  });

  test('entries appended at once by two processes keep the chain', async () => {
    const other = await place.open();
    const appended = await Promise.all(
      Array.from({ length: 60 }, (_, i) =>
        (i % 2 ? other : store).audit.append({ at: at(i), actor: `a${i}`, action: 'x', outcome: 'denied' }),
      ),
    );
    expect(appended.map((entry) => entry.seq).toSorted((a, b) => a - b)).toEqual(appended.map((_, i) => i + 1));
    expect(await store.audit.verify()).toMatchObject({ ok: true, entries: 60 });
  });

  test('a transaction that fails leaves no entry and no gap', async () => {
    await append(1);
    const failing = store.transaction(async (inside) => {
      await inside.audit.append({ at: at(2), actor: 'a', action: 'x', outcome: 'success' });
      throw new Error('no');
    });
    await expect(failing).rejects.toThrow('no');
    expect((await append(3)).seq).toBe(2);
    expect(await store.audit.verify()).toMatchObject({ ok: true, entries: 2 });
  });

  test('filters and pages, newest first', async () => {
    for (let i = 1; i <= 7; i++) await append(i, i === 4 ? { actor: 'bob', action: 'token.create' } : {});
    for (const filter of [{ actor: 'bob' }, { action: 'token.create' }]) {
      expect((await store.audit.list(filter, { limit: 5 })).items.map((entry) => entry.seq)).toEqual([4]);
    }
    const recent = await allPages((page) => store.audit.list({ since: at(3) }, page), 2);
    expect(recent.map((entry) => entry.seq)).toEqual([7, 6, 5, 4, 3]);
  });

  test('a long log is verified over several pages', async () => {
    await store.transaction(async (inside) => {
      for (let i = 0; i < 2100; i++) {
        await inside.audit.append({ at: at(i), actor: 'a', action: 'x', outcome: 'success' });
      }
    });
    expect(await store.audit.verify()).toEqual({ ok: true, entries: 2100, firstBad: null, reason: null });
  });

  test('the database itself refuses to change or remove entries', async () => {
    await appendSix();
    const refused = [
      'update audit set doc = doc where seq = 2',
      'delete from audit where seq = 6',
      'delete from audit',
      'update audit_head set seq = 1',
      'delete from audit_head',
      ...(adapter.name === 'postgres' ? ['truncate audit', 'truncate audit_head'] : []),
    ];
    for (const statement of refused) await expect(place.tamper(statement)).rejects.toThrow('append-only');
    expect(await store.audit.verify()).toMatchObject({ ok: true, entries: 6 });
  });

  test('every kind of tampering is found, and where it begins', async () => {
    await appendSix();
    await place.tamper(
      ...unguarded,
      'create table audit_copy as select * from audit',
      'create table head_copy as select * from audit_head',
    );
    for (const [what, statements, firstBad] of TAMPERINGS) {
      await place.tamper(...statements);
      const verdict = await store.audit.verify();
      expect({ what, ...verdict }).toMatchObject({ what, ok: false, firstBad, reason: expect.stringMatching(/\.$/) });
      await place.tamper(
        'delete from audit',
        'insert into audit select * from audit_copy',
        'delete from audit_head',
        'insert into audit_head select * from head_copy',
      );
      expect(await store.audit.verify()).toMatchObject({ ok: true, entries: 6 });
    }
  });
});

/** What somebody does to six entries, and the first that no longer fits. */
const TAMPERINGS: readonly (readonly [what: string, statements: readonly string[], firstBad: number])[] = [
  ['an edited entry', ["update audit set doc = replace(doc, 'entry 3', 'entry 9') where seq = 3"], 3],
  ['an edited column', ["update audit set actor = 'mallory' where seq = 4"], 4],
  ['a removed entry', ['delete from audit where seq = 3'], 3],
  ['a removed beginning', ['delete from audit where seq < 3'], 1],
  ['a removed end', ['delete from audit where seq > 4'], 5],
  ['everything removed', ['delete from audit'], 1],
  [
    'two entries in another order',
    [
      'update audit set seq = 99 where seq = 2',
      'update audit set seq = 2 where seq = 3',
      'update audit set seq = 3 where seq = 99',
    ],
    2,
  ],
  [
    'a removed entry with the rest moved up',
    ['delete from audit where seq = 3', 'update audit set seq = seq - 1 where seq = 4'],
    3,
  ],
  ['an entry that is no entry', ["update audit set doc = 'null' where seq = 5"], 5],
  ['an entry that is no JSON', ["update audit set doc = '{' where seq = 1"], 1],
  [
    'an entry put in front',
    ['insert into audit (seq, at, actor, action, doc) select 0, at, actor, action, doc from audit where seq = 1'],
    1,
  ],
  ['a head that was set back', ['update audit_head set seq = 4'], 4],
  ['a head that was removed', ['delete from audit_head'], 1],
  ['another head', ["update audit_head set hash = 'x'"], 6],
];

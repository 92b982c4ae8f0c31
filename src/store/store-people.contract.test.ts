/** The contract of people over both databases: what may be used once is used once, however many try at once. */

import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ApiToken, Invitation, PasskeyCredential, Session, SessionId, Store, TokenId } from '../core/index.ts';
import { adapters, at, type Place, person } from './store-testing.ts';

const { present, stop } = await adapters();
afterAll(stop);

describe.each(present)('people over $name', (adapter) => {
  let place: Place;
  let store: Store;
  let other: Store;
  beforeEach(async () => {
    place = await adapter.place();
    store = await place.open();
    other = await place.open();
  });
  afterEach(() => place.remove());

  /** How many of twenty attempts at once, from two processes, were let through. */
  const winners = async (attempt: (people: Store['people']) => Promise<boolean>): Promise<number> => {
    const tries = Array.from({ length: 20 }, (_, i) => attempt((i % 2 ? other : store).people));
    return (await Promise.all(tries)).filter(Boolean).length;
  };

  test('a user name is one person, whatever its case', async () => {
    const alice = person('Alice');
    await store.people.insert(alice);
    await expect(store.people.insert(person('ALICE'))).rejects.toMatchObject({ code: 'CONFLICT' });
    expect(await store.people.byUsername('alice')).toEqual(alice);
    expect(await store.people.byUsername('bob')).toBeNull();
    const bob = person('bob');
    await store.people.insert(bob);
    await expect(store.people.update(bob.id, { username: 'alicE' })).rejects.toMatchObject({ code: 'CONFLICT' });
    const changed = { disabled: true, last_sign_in: at(1), email: undefined as unknown as null };
    expect(await store.people.update(bob.id, changed)).toEqual({ ...bob, disabled: true, last_sign_in: at(1) });
    expect(await store.people.get(bob.id)).toMatchObject({ disabled: true });
    expect((await store.people.list()).map((one) => one.username)).toEqual(['Alice', 'bob']);
    expect(await store.people.count()).toBe(2);
    expect(await store.people.update('per_none' as typeof bob.id, {})).toBeNull();
  });

  test('passkeys: the counter only grows, except where there is none', async () => {
    const alice = person('alice');
    await store.people.insert(alice);
    const key: PasskeyCredential = {
      id: 'credential',
      person: alice.id,
      name: 'Blue key',
      public_key: new Uint8Array([1, 2, 255, 0]),
      counter: 5,
      transports: ['usb'],
      backed_up: false,
      created: at(0),
      last_used: null,
    };
    await store.people.addPasskey(key);
    await store.people.addPasskey({ ...key, id: 'no-counter', counter: 0 });
    expect(await store.people.passkey('credential')).toEqual(key);
    expect(await store.people.usePasskey('credential', 5, at(1))).toBe(false);
    expect(await store.people.usePasskey('credential', 0, at(1))).toBe(false);
    expect(await winners((people) => people.usePasskey('credential', 6, at(2)))).toBe(1);
    expect(await store.people.passkey('credential')).toMatchObject({ counter: 6, last_used: at(2) });
    expect(await store.people.usePasskey('no-counter', 0, at(3))).toBe(true);
    expect(await store.people.usePasskey('no-counter', 0, at(4))).toBe(true);
    expect(await store.people.usePasskey('unknown', 9, at(4))).toBe(false);
    expect(await store.people.removePasskey(person('eve').id, 'credential')).toBe(false);
    expect(await store.people.removePasskey(alice.id, 'credential')).toBe(true);
    expect((await store.people.passkeys(alice.id)).map((one) => one.id)).toEqual(['no-counter']);
    const orphan = { ...key, id: 'orphan', person: person('nobody').id };
    await expect(store.people.addPasskey(orphan)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('a TOTP step, a recovery code and an invitation are taken once', async () => {
    const alice = person('alice');
    await store.people.insert(alice);
    expect(await store.people.totp(alice.id)).toBeNull();
    expect(await store.people.useTotpStep(alice.id, 1)).toBe(false);
    await store.people.setTotp(alice.id, 'sealed');
    expect(await winners((people) => people.useTotpStep(alice.id, 100))).toBe(1);
    expect(await store.people.useTotpStep(alice.id, 99)).toBe(false);
    expect(await store.people.totp(alice.id)).toEqual({ sealed: 'sealed', lastStep: 100 });
    await store.people.setTotp(alice.id, null);
    expect(await store.people.totp(alice.id)).toBeNull();

    await store.people.setRecoveryCodes(alice.id, ['old']);
    await store.people.setRecoveryCodes(alice.id, ['a', 'b', 'b']);
    expect(await winners((people) => people.useRecoveryCode(alice.id, 'a'))).toBe(1);
    expect(await store.people.useRecoveryCode(alice.id, 'old')).toBe(false);
    expect(await store.people.recoveryCodesLeft(alice.id)).toBe(1);

    const invitation: Invitation = {
      token_hash: 'h1',
      role: 'lead',
      username: null,
      created_by: 'system',
      created: at(0),
      expires: at(60),
      used: false,
    };
    await store.people.insertInvitation(invitation);
    await store.people.insertInvitation({ ...invitation, token_hash: 'h2' });
    expect(await winners((people) => people.useInvitation('h1', at(1)))).toBe(1);
    expect(await store.people.invitation('h1')).toEqual({ ...invitation, used: true });
    expect(await store.people.useInvitation('h2', at(60))).toBe(false);
    expect(await store.people.invitation('h3')).toBeNull();
  });

  test('sessions are listed, touched and ended', async () => {
    const [alice, bob] = [person('alice'), person('bob')];
    await store.people.insert(alice);
    await store.people.insert(bob);
    const session = (name: string, of: typeof alice): Session => ({
      id: `ses_${name}` as SessionId,
      person: of.id,
      token_hash: name,
      created: at(0),
      last_seen: at(0),
      expires: at(60),
      address: '192.0.2.1',
      user_agent: 'test',
      factors: ['password', 'totp'],
    });
    for (const one of [session('a1', alice), session('a2', alice), session('b1', bob)]) {
      await store.people.insertSession(one);
    }
    await store.people.touchSession('ses_a1' as SessionId, at(9));
    await store.people.touchSession('ses_a1' as SessionId, at(8));
    expect(await store.people.session('a1')).toEqual({ ...session('a1', alice), last_seen: at(9) });
    expect((await store.people.sessions(alice.id)).map((one) => one.token_hash)).toEqual(['a1', 'a2']);
    expect(await store.people.sessions(null)).toHaveLength(3);
    expect(await winners((people) => people.deleteSession('ses_b1' as SessionId))).toBe(1);
    expect(await store.people.deleteSessionsOf(alice.id)).toBe(2);
    expect(await store.people.session('a1')).toBeNull();
    await store.people.insertSession(session('over', bob));
    place.clock.nowMs += 2 * 3600_000;
    await store.people.insertSession({ ...session('new', bob), expires: at(999) });
    expect((await store.people.sessions(null)).map((one) => one.token_hash)).toEqual(['new']);
  });

  test('tokens are found by their hash, touched, and revoked once', async () => {
    const token: ApiToken = {
      id: 'tok_1' as TokenId,
      name: 'shipper',
      token_hash: 'hash',
      scope: 'ingest',
      role: null,
      source: null,
      created_by: 'alice',
      created: at(0),
      expires: null,
      last_used: null,
      revoked: false,
    };
    await store.people.insertToken(token);
    await store.people.touchToken(token.id, at(3));
    expect(await store.people.token('hash')).toEqual({ ...token, last_used: at(3) });
    expect(await winners((people) => people.revokeToken(token.id))).toBe(1);
    expect(await store.people.tokens()).toEqual([{ ...token, last_used: at(3), revoked: true }]);
    expect(await store.people.token('other')).toBeNull();
  });
});

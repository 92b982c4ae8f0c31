import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { endRevoked } from './access-revocations.ts';

test('each revocation ends the sessions of its account once, whatever way the name is written', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-revoke-'));
  const store = await openStore({ dataDir: folder, clock: systemClock });
  try {
    const ended: string[] = [];
    const gateway = { sessions: { endAll: (account: string) => ended.push(account) } };
    const put = (id: string, order: number, account: unknown) =>
      store.records.put('access-revocations', [{ id, order, doc: { account } }]);
    await put('a', 10, 'HOSPITAL\\Ada');
    await put('b', 20, 17);
    await endRevoked({ store }, gateway);
    expect(ended).toEqual(['ada']);
    await endRevoked({ store }, gateway);
    expect(ended).toHaveLength(1);
    await put('c', 30, 'bo@hospital.example');
    await endRevoked({ store }, gateway);
    expect(ended).toEqual(['ada', 'bo']);
    // In the same millisecond as one that was seen, and a little before it: neither is lost, and nothing comes twice.
    await put('d', 30, 'cy');
    await put('e', 25, 'di');
    await endRevoked({ store }, gateway);
    await endRevoked({ store }, gateway);
    expect(ended.toSorted()).toEqual(['ada', 'bo', 'cy', 'di']);
    // More than a page of them at once.
    for (let i = 0; i < 450; i++) await put(`many${i}`, 300_000, `person${i}`);
    await endRevoked({ store }, gateway);
    await endRevoked({ store }, gateway);
    expect(ended).toHaveLength(454);
  } finally {
    await store.close();
    await rm(folder, { recursive: true, force: true });
  }
});

/** Responses over the real store and archive: who may do what, limits, expiry, undo, the audit log, and what is carried out. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openArchiveReader } from '../../archive/index.ts';
import { loadConfig } from '../../cli/config-load.ts';
import {
  type AccountId,
  type ArchiveReader,
  type AssetId,
  type Config,
  newId,
  type Role,
  type RoomServices,
  rfc3339,
  type Store,
} from '../../core/index.ts';
import { openStore } from '../../store/index.ts';
import type { Ran } from '../detection-run.ts';
import { REVOCATIONS } from './response-carry.ts';
import { createResponses, type ResponseService } from './response-service.ts';
import { type ResponseWorker, startResponseWorker } from './response-worker.ts';

const START = Date.parse('2026-11-24T02:00:00Z');
const clock = { ms: START, now: () => clock.ms };
let folder = '';
let store: Store;
let archive: ArchiveReader;
let config: Config;
let worker: ResponseWorker;
let service: ResponseService;
let ran: { command: readonly string[]; input: string }[];
let answer: Ran;

async function begin(change: (config: Config) => void = () => {}): Promise<void> {
  config = structuredClone(await loadConfig(undefined, folder));
  config.responses.mode = 'enforce';
  change(config);
  const services = {
    store,
    clock,
    config,
    archive,
    dataDir: folder,
    exercise: false,
    emit: async () => {},
    raise: async () => {},
    alarm: () => {},
    log: { info: () => {}, warn: () => {} },
  } satisfies RoomServices;
  // The programs that would be started are written down: nothing of this machine is changed here.
  worker = startResponseWorker(services, async (command, input) => {
    ran.push({ command, input });
    return command.includes('list') ? { code: 1, stdout: '', stderr: 'No such file or directory' } : answer;
  });
  service = createResponses({
    ...services,
    random: randomBytes,
    machine: async () => [],
    carryOut: () => worker.carryOut(),
  });
}

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-responses-'));
  clock.ms = START;
  ran = [];
  answer = { code: 0, stdout: '', stderr: '' };
  store = await openStore({ dataDir: folder, clock });
  archive = await openArchiveReader({ dir: join(folder, 'archive'), streamId: 'test0000', clock });
});
afterEach(async () => {
  await worker.stop();
  await archive.close();
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const by = (role: Role, name = `the.${role}`) => ({ request: null, name, role });
const block = (target: string) => ({ kind: 'block' as const, target, reason: 'guesses passwords' });
const audits = async () =>
  (await store.audit.list({}, { limit: 50 })).items.map((entry) => `${entry.action} ${entry.outcome}`).reverse();
const written = () => ran.filter((one) => one.command.includes('-f')).map((one) => one.input);

async function account(name: string): Promise<void> {
  await store.accounts.upsert([
    {
      id: newId<AccountId>('account', START, randomBytes(10)),
      name,
      service: 'directory',
      privileged: null,
      external: null,
      second_factor: 'unknown',
      evidence: [],
      first_seen: rfc3339(START),
      last_seen: rfc3339(START),
      exercise: false,
    },
  ]);
}

describe('blocks', () => {
  test('one stranger’s address is blocked at once, ends by itself, and all of it stands in the audit log', async () => {
    await begin();
    const made = await service.propose({ ...block('203.0.113.7'), duration_minutes: 10 }, by('analyst'));
    expect(made).toMatchObject({ state: 'active', target: '203.0.113.7', simulated: false, number: 1 });
    expect(made.done).toMatchObject([{ ok: true }]);
    expect(written().at(-1)).toContain('"203.0.113.7","timeout":600');
    clock.ms += 10 * 60_000;
    await worker.carryOut();
    expect(await service.get(made.id)).toMatchObject({ state: 'expired', ended_by: 'system' });
    expect(await audits()).toEqual(['response.propose success', 'response.done success', 'response.ended success']);
    expect((await store.audit.verify()).ok).toBe(true);
  });
  test('a network waits for a lead; an undo takes it back', async () => {
    await begin();
    const made = await service.propose(block('203.0.113.0/24'), by('analyst'));
    expect(made.state).toBe('proposed');
    expect(written()).toEqual([]);
    const good = await service.approve(made.id, by('lead'));
    expect(good).toMatchObject({ state: 'active', approved_by: 'the.lead' });
    expect(written().at(-1)).toContain('"prefix":{"addr":"203.0.113.0","len":24}');
    const back = await service.undo(made.id, by('analyst'));
    expect(back.state).toBe('undone');
    await expect(service.undo(made.id, by('analyst'))).rejects.toMatchObject({ code: 'CONFLICT' });
    await expect(service.approve(made.id, by('lead'))).rejects.toMatchObject({ code: 'CONFLICT' });
  });
  test('an IPv6 attacker loses its /64', async () => {
    await begin();
    expect((await service.propose(block('2001:db8:1:2:3:4:5:6'), by('analyst'))).target).toBe('2001:db8:1:2::/64');
  });
  test('nobody blocks what is protected, and the attempt is on record', async () => {
    await begin((one) => one.responses.partners.push('198.51.100.0/24'));
    await store.assets.upsert({
      id: newId<AssetId>('asset', START, randomBytes(10)),
      name: 'pump-3',
      class: 'medical',
      addresses: ['203.0.113.80'],
      macs: [],
      criticality: 'unknown',
      external: null,
      seen_by: [],
      reasons: [],
      first_seen: rfc3339(START),
      last_seen: rfc3339(START),
      exercise: false,
    });
    for (const target of ['10.1.2.3', '127.0.0.1', '203.0.113.80', '203.0.113.0/24', '198.51.100.9', '8.0.0.0/8'])
      await expect(service.propose(block(target), by('administrator'))).rejects.toMatchObject({
        code: 'RESPONSE_REFUSED',
      });
    expect(new Set(await audits())).toEqual(new Set(['response.propose denied']));
    const asking = { request: { caller: null, ip: '192.0.2.10' }, name: 'lead', role: 'lead' as const };
    await expect(service.propose(block('192.0.2.10'), asking)).rejects.toThrow('signed in');
    await expect(service.propose(block('not an address'), by('lead'))).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  });
  test('the budget of an hour holds, also when all ask at once', async () => {
    await begin((one) => {
      one.responses.blocks_per_hour_max = 3;
    });
    const all = await Promise.allSettled(
      Array.from({ length: 8 }, (_, i) => service.propose(block(`203.0.113.${i + 1}`), by('lead'))),
    );
    expect(all.filter((one) => one.status === 'fulfilled')).toHaveLength(3);
    clock.ms += 3_600_001;
    expect((await service.propose(block('203.0.113.99'), by('lead'))).state).toBe('active');
  });
  test('in simulation nothing is started', async () => {
    await begin((one) => {
      one.responses.mode = 'simulate';
    });
    const made = await service.propose(block('203.0.113.7'), by('lead'));
    expect(made).toMatchObject({ state: 'active', simulated: true });
    expect(made.done[0]?.what).toContain('Rehearsed');
    expect(written()).toEqual([]);
  });
  test('a firewall that refuses is an alarm, and tried again', async () => {
    await begin();
    answer = { code: 1, stdout: '', stderr: 'Operation not permitted' };
    await service.propose(block('203.0.113.7'), by('lead'));
    expect(worker.fault()).toContain('Operation not permitted');
    answer = { code: 0, stdout: '', stderr: '' };
    await worker.carryOut();
    expect(worker.fault()).toBeNull();
  });
});

describe('accounts', () => {
  const commands = (one: Config) => {
    one.responses.disable_account = ['/usr/sbin/usermod', '--expiredate', '1', '{account}'];
    one.responses.enable_account = ['/usr/sbin/usermod', '--expiredate', '', '{account}'];
  };
  test('a lead disables an account that is known; the name is one argument; a lead gives it back', async () => {
    await begin(commands);
    await account('nils.haas');
    const made = await service.propose({ kind: 'disable-account', target: 'nils.haas', reason: 'x' }, by('analyst'));
    expect(made.state).toBe('proposed');
    expect(made.preview.reasons[0]).toContain('cannot sign in');
    await service.approve(made.id, by('lead'));
    expect(ran.at(-1)?.command).toEqual(['/usr/sbin/usermod', '--expiredate', '1', 'nils.haas']);
    await expect(service.undo(made.id, by('analyst'))).rejects.toMatchObject({ code: 'FORBIDDEN' });
    await service.undo(made.id, by('lead'));
    expect(ran.at(-1)?.command).toEqual(['/usr/sbin/usermod', '--expiredate', '', 'nils.haas']);
  });
  test.each(['nobody.knows', 'root', '$(reboot)', '-rf', 'a;b', 'a\nb'])('%j is refused', async (target) => {
    await begin(commands);
    await account('root');
    await expect(service.propose({ kind: 'disable-account', target, reason: 'x' }, by('lead'))).rejects.toThrow();
    expect(ran.filter((one) => one.command[0] === '/usr/sbin/usermod')).toEqual([]);
  });
  test.each([
    ['HOSP\\svc-pumps', 'svc-pumps'],
    ['svc-pumps', 'HOSP\\svc-pumps'],
    ['svc-pumps@hosp.example', 'svc-pumps'],
    ['svc-pumps', 'ｓvc-pumps'],
  ])('%s is protected, so %s is', async (kept, target) => {
    await begin((one) => {
      commands(one);
      one.responses.protected_accounts = [kept];
    });
    await account(target);
    await expect(service.propose({ kind: 'disable-account', target, reason: 'x' }, by('lead'))).rejects.toThrow(
      /protected/,
    );
  });
  test('a command that fails is said to have failed', async () => {
    await begin(commands);
    await account('nils.haas');
    answer = { code: 6, stdout: '', stderr: 'no such user' };
    const made = await service.propose({ kind: 'disable-account', target: 'nils.haas', reason: 'x' }, by('lead'));
    expect(made).toMatchObject({ state: 'failed', done: [{ ok: false }] });
    expect((await audits()).at(-1)).toBe('response.done failure');
  });
  test('sessions end through a record that the gateway reads', async () => {
    await begin();
    await account('Nils.Haas');
    await service.propose({ kind: 'revoke-sessions', target: 'Nils.Haas', reason: 'x' }, by('lead'));
    const { items } = await store.records.list(REVOCATIONS, { tag: 'nils.haas' }, { limit: 5 });
    expect(items.map((one) => one.doc)).toMatchObject([{ account: 'Nils.Haas', by: 'the.lead' }]);
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type FindingObservation, rfc3339, systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { startAccess } from './access-gateway.ts';
import { joinOwn } from './access-join.ts';
import { openGateway, parseGatewayConfig } from './gateway/index.ts';
import { addPerson } from './testing/gateway-harness.ts';

const page = (name: string): FindingObservation => ({
  room: 'perimeter',
  kind: 'single-factor-login',
  key: 'web',
  severity: 'high',
  asset: { name },
  title: 'A log-in with a password only',
  evidence: [{ what: 'A form asks for a password', seen: rfc3339(0) }],
  fix: { title: 'x', how: 'x', effort: 'days', disrupts: false },
  due: null,
  exercise: false,
});

test('pages with a password only are joined, those behind the gateway are covered, and its own accounts are known', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-join-'));
  const config = stringify({
    origin: 'http://login.localhost:8430',
    apps: [{ name: 'notes', hosts: ['notes.example'], emergency: 'closed' }],
  });
  mkdirSync(join(folder, 'access'));
  writeFileSync(join(folder, 'access', 'gateway.yaml'), config);
  const gateway = await openGateway({
    folder: join(folder, 'access'),
    config: parseGatewayConfig(config, 'x'),
    clock: systemClock,
    send: null,
    alarm: () => {},
  });
  await addPerson(gateway, 'anna');
  await gateway.close();
  const store = await openStore({ dataDir: folder, clock: systemClock });
  try {
    await store.findings.observe([page('notes.example'), page('old.example')], rfc3339(Date.now()));
    const input = { accounts: [], seen: [], faults: new Map(), formats: new Map() } as Parameters<typeof joinOwn>[0];
    await joinOwn(input, store, folder);
    expect(
      input.accounts.map((one) => `${one.service} ${one.name} ${one.factor}`).sort((a, b) => a.localeCompare(b)),
    ).toEqual([
      'access gateway anna enforced',
      'web notes.example everybody enforced',
      'web old.example everybody none',
    ]);
  } finally {
    await store.close();
    rmSync(folder, { recursive: true, force: true });
  }
});

test('inside serve: a broken file is an alarm and not the end of the desk; a taken port leaves the desk its view', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-start-'));
  mkdirSync(join(folder, 'access'));
  const alarms = new Map<string, string | null>();
  const services = {
    dataDir: folder,
    config: { access: { gateway: 'auto' } },
    clock: systemClock,
    emit: async () => {},
    alarm: (what: string, sentence: string | null) => alarms.set(what, sentence),
    log: { info: () => {}, warn: () => {} },
  } as never;
  const held = { current: null };
  try {
    writeFileSync(join(folder, 'access', 'gateway.yaml'), 'origin: nonsense');
    await (await startAccess(services, held))();
    expect(alarms.get('access-gateway')).toContain('did not start');
    const { createServer } = await import('node:net');
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    writeFileSync(
      join(folder, 'access', 'gateway.yaml'),
      stringify({ origin: `http://login.localhost:${port}`, listen: { port } }),
    );
    const stop = await startAccess(services, held);
    expect(held.current).toMatchObject({ listens: false });
    await stop();
    other.close();
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

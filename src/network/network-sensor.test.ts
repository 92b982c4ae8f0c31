/** Sensors and the Network page's routes over a real store: captures dropped into a folder become findings, machines, alerts. */

import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Fastify from 'fastify';
import { Value } from 'typebox/value';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Alert,
  type Config,
  ConfigSchema,
  type RoomServices,
  type Store,
  systemClock,
  type TypedApp,
} from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { captureLabel, keyedHash } from './network-hash.ts';
import { hashKey } from './network-key.ts';
import { lossOf } from './network-live.ts';
import { networkRoutes } from './network-routes.ts';
import { startSensors } from './network-sensor.ts';
import { CANARY, connection, dicomStore, ethernet, ipv4, MLLP, pcap, said, udp } from './network-testing.ts';

let dir: string;
let store: Store;
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'sensor-'));
  mkdirSync(join(dir, 'drop'));
  store = await openStore({ dataDir: dir, clock: systemClock });
});
afterEach(async () => {
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});

function services(sensors: Config['network']['sensors']) {
  const alerts: Alert[] = [];
  const alarms = new Map<string, string | null>();
  const config = Value.Parse(ConfigSchema, Value.Default(ConfigSchema, { network: { sensors } })) as Config;
  const made = {
    store,
    clock: systemClock,
    config,
    dataDir: dir,
    exercise: false,
    raise: async (more: readonly Alert[]) => void alerts.push(...more),
    alarm: (what: string, sentence: string | null) => void alarms.set(what, sentence),
    log: { info: () => {}, warn: () => {} },
  } as unknown as RoomServices;
  return { made, alerts, alarms };
}

const lie = (mac: number) =>
  ethernet(
    0x0806,
    Buffer.from([0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, mac, 10, 1, 2, 3, 2, 0, 0, 0, 0, 9, 10, 1, 9, 9]),
    mac,
  );

const upnp = Buffer.from(
  'NOTIFY * HTTP/1.1\r\nNT: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nSERVER: Linux FRITZ!Box\r\n\r\n',
);
const CAPTURE = pcap(
  [
    ...Array.from({ length: 6 }, () => lie(66)),
    ...connection([said('client', MLLP)]).map((packet) => ethernet(0x0800, packet)),
    ...connection(dicomStore(true), { clientPort: 52_000, port: 104 }).map((packet) => ethernet(0x0800, packet, 7)),
    ethernet(0x0800, ipv4(17, udp(1900, 1900, upnp), [10, 1, 2, 1], [239, 255, 255, 250]), 5),
  ],
  { link: 1 },
);

async function until(true_: () => Promise<boolean> | boolean): Promise<void> {
  for (let i = 0; i < 200; i++) {
    if (await true_()) return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error('waited too long');
}

function drop(name: string): string {
  const path = join(dir, 'drop', name);
  writeFileSync(path, CAPTURE);
  utimesSync(path, new Date(1_700_000_000_000), new Date(1_700_000_000_000));
  return path;
}

test('a dropped capture becomes findings, machines, an alert and a source, and is deleted', async () => {
  // Whoever captures may name the file after the patient.
  const path = drop(`${CANARY.family} ${CANARY.id}.pcap`);
  const { made, alerts } = services([{ name: 'ward-7', folder: join(dir, 'drop'), after: 'delete' }]);
  const stop = await startSensors(made);
  await until(() => !existsSync(path));
  await stop();
  const findings = (await store.findings.list({ room: 'network', state: 'open' }, { limit: 100 })).items;
  const kinds = findings.map((one) => one.kind);
  expect(kinds.toSorted()).toEqual(
    ['arp-spoofing', 'clear-text-patient-data', 'clear-text-patient-data', 'consumer-router'].toSorted(),
  );
  expect(alerts).toHaveLength(1);
  expect(alerts[0]).toMatchObject({ rule: { id: 'network-arp-spoofing' }, state: 'new' });
  expect(alerts[0]?.rule.description).toContain('10.1.2.3 → 10.1.9.9:40001 hl7');
  const modality = await store.assets.byName('10.1.2.3');
  expect(modality).toMatchObject({ class: 'medical', seen_by: ['network'] });
  expect(modality?.reasons).toContain('sends images (DICOM C-STORE)');
  expect(modality?.reasons).toContain('sends HL7 as application LAB');
  const [source] = await store.sources.list({});
  expect(source).toMatchObject({ name: 'sensor ward-7', dropped: 0 });
  expect(source?.events).toBeGreaterThan(10);
  await store.backup(join(dir, 'copy'));
  for (const name of readdirSync(dir, { recursive: true, withFileTypes: true }))
    if (name.isFile())
      for (const canary of Object.values(CANARY))
        expect(readFileSync(join(name.parentPath, name.name)).includes(canary), `${name.name} ${canary}`).toBe(false);
});

test('a kept capture is read once; a folder that is not there is an alarm', async () => {
  drop(`${CANARY.family}.pcap`);
  for (let i = 0; i < 2; i++) {
    const { made } = services([{ name: 'ward-8', folder: join(dir, 'drop'), after: 'keep' }]);
    const stop = await startSensors(made);
    await until(async () => (await store.records.count('network-captures')) === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    await stop();
  }
  const [source] = await store.sources.list({});
  const once = source?.events;
  expect(once).toBeLessThan(60);
  expect(existsSync(join(dir, 'drop', `${CANARY.family}.pcap`))).toBe(true);
  expect(JSON.stringify((await store.records.list('network-captures', {}, { limit: 9 })).items)).not.toContain(
    CANARY.family,
  );
  const { made, alarms } = services([{ name: 'gone', folder: join(dir, 'nowhere'), after: 'keep' }]);
  const stop = await startSensors(made);
  await until(() => typeof alarms.get('network-sensor-gone') === 'string');
  await stop();
});

test('what stands in the way in a folder does not keep the next capture from being read', async () => {
  // As many captures as are looked at in one turn, all read before.
  const hash = keyedHash(await hashKey(store));
  for (let i = 0; i < 256; i++) {
    const name = `a${String(i).padStart(3, '0')}.pcap`;
    const path = join(dir, 'drop', name);
    writeFileSync(path, '');
    const { size, mtimeMs } = statSync(path);
    const id = `ward-6/${captureLabel(hash, name)}`;
    await store.records.put('network-captures', [{ id, doc: { mark: `${size} ${mtimeMs}` } }]);
  }
  symlinkSync('/nowhere', join(dir, 'drop', 'b1.pcap'));
  mkdirSync(join(dir, 'drop', 'b2.pcap'));
  expect(spawnSync('mkfifo', [join(dir, 'drop', 'b3.pcap')]).status).toBe(0);
  drop('z.pcap');
  const { made } = services([{ name: 'ward-6', folder: join(dir, 'drop'), after: 'keep' }]);
  const stop = await startSensors(made);
  const last = `ward-6/${captureLabel(hash, 'z.pcap')}`;
  await until(async () => (await store.records.get('network-captures', last)) !== null);
  await stop();
  expect(await store.records.count('network-captures')).toBe(257);
});

test('the Network page: flows, routers, and a verdict in somebody’s name', async () => {
  const path = drop('c.pcap');
  const { made } = services([{ name: 'ward-9', folder: join(dir, 'drop'), after: 'delete' }]);
  const stop = await startSensors(made);
  await until(() => !existsSync(path));
  await stop();
  const app = Fastify();
  app.decorateRequest('caller', { getter: () => ({ kind: 'person', id: 'x', name: 'Ada', role: 'analyst' }) } as never);
  networkRoutes(app as unknown as TypedApp, made);
  const flows = (await app.inject('/v1/network/flows')).json() as {
    items: { application: string; patients: number }[];
  };
  expect(flows.items.map((one) => `${one.application} ${one.patients}`).toSorted()).toEqual(['dicom 1', 'hl7 1']);
  const routers = (await app.inject('/v1/network/routers')).json() as { items: { mac: string; verdict: string }[] };
  expect(routers.items).toMatchObject([{ mac: '02:00:00:00:00:05', verdict: 'consumer', override: null }]);
  const put = await app.inject({
    method: 'POST',
    url: '/v1/network/routers/02:00:00:00:00:05/verdict',
    payload: { verdict: 'professional', reason: 'a test' },
  });
  expect(put.json()).toMatchObject({ verdict: 'professional', override: { owner: 'Ada', reason: 'a test' } });
  const left = (await store.findings.list({ room: 'network', state: 'open' }, { limit: 100 })).items;
  expect(left.some((one) => one.kind === 'consumer-router')).toBe(false);
  expect(
    (
      await app.inject({
        method: 'POST',
        url: '/v1/network/routers/02:00:00:00:00:99/verdict',
        payload: { verdict: null },
      })
    ).statusCode,
  ).toBeGreaterThanOrEqual(400);
  await app.close();
});

test('what capture programs say about their losses', () => {
  expect(lossOf("Packets received/dropped on interface 'eth0': 1200/34 (pcap:34/dumpcap:0)")).toEqual({
    received: 1200,
    lost: 34,
  });
  expect(lossOf('10 packets captured\n12 packets received by filter\n2 packets dropped by kernel\n')).toEqual({
    received: 12,
    lost: 2,
  });
});

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Alert, type AssetId, rfc3339, type Store, systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { compareVantages, driftOf, type Exposure } from './perimeter-assess.ts';
import { perimeterFiles } from './perimeter-files.ts';
import { isOwnScan, withoutOwnScans } from './perimeter-own.ts';
import { run } from './perimeter-run.ts';
import { COLLECTION, raiseDrift } from './perimeter-service.ts';
import { loopbackScope } from './testing/perimeter-scopes.ts';

let dir: string;
let store: Store;
const servers: Server[] = [];
beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'perimeter-service-'));
  store = await openStore({ dataDir: dir, clock: systemClock });
});
afterEach(async () => {
  for (const server of servers.splice(0)) server.close();
  await store.close();
  rmSync(dir, { recursive: true, force: true });
});
async function serve(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  servers.push(server);
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}
const scan = (ports: readonly number[]) =>
  run({
    scope: loopbackScope('', '127.0.0.1'),
    files: perimeterFiles(dir),
    clock: systemClock,
    store,
    ports,
    udp: false,
    names: false,
    from: 'inside',
    only: [],
    lookAlikes: [],
    exercise: false,
  });

test('a scan, a port that appears, an alert once, a fix when it is gone; the log has every probe', async () => {
  const web = createHttp((_request, response) =>
    response.setHeader('server', 'nginx/1.18.0').end('<input type="password">'),
  );
  const webPort = await serve(web);
  const redis = createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', (chunk) =>
      socket.write(chunk.toString().includes('PING') ? '+PONG\r\n' : '-ERR unknown command\r\n'),
    );
  });
  const redisPort = await serve(redis);
  redis.close();
  await once(redis, 'close');
  const ports = [webPort, redisPort];
  const first = await scan(ports);
  expect(first.recorded?.drift).toEqual([]);
  expect(first.recorded?.findings.map(({ kind }) => kind)).toEqual(
    expect.arrayContaining(['http-without-https', 'single-factor-login']),
  );
  const asset = await store.assets.byName('127.0.0.1');
  expect(asset?.seen_by).toContain('scan');
  expect(first.recorded?.findings.every((finding) => finding.asset.id === asset?.id)).toBe(true);
  expect((await store.assets.software(asset?.id as AssetId, { limit: 10 })).items).toMatchObject([
    { ecosystem: 'banner', name: 'nginx', version: '1.18.0' },
  ]);

  redis.listen(redisPort, '127.0.0.1');
  await once(redis, 'listening');
  const second = await scan(ports);
  expect(second.recorded?.drift).toMatchObject([
    { kind: 'port-appeared', severity: 'high', where: `tcp/${redisPort}` },
  ]);
  expect(second.recorded?.findings.map(({ kind }) => kind)).toContain('no-authentication');
  const raised: Alert[] = [];
  const raise = async (alerts: readonly Alert[]) => void raised.push(...alerts);
  expect(await raiseDrift(store.records, raise)).toBe(1);
  expect(await raiseDrift(store.records, raise)).toBe(0);
  expect(raised[0]?.title).toContain(`REDIS appeared on 127.0.0.1:${redisPort}`);

  redis.close();
  const third = await scan(ports);
  expect(third.recorded?.fixed.map(({ kind }) => kind)).toEqual(['no-authentication']);
  expect(third.recorded?.drift).toMatchObject([{ kind: 'port-gone' }]);
  // A scan of other ports says nothing about these.
  const other = await scan([9]);
  expect(other.recorded?.fixed).toEqual([]);
  const log = readFileSync(join(dir, 'perimeter', 'probes.ndjson'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { purpose: string; address: string });
  expect(log.length).toBe(first.probes.sent + second.probes.sent + third.probes.sent + other.probes.sent);
  expect(new Set(log.map(({ address }) => address))).toEqual(new Set(['127.0.0.1']));
});

test('a medical device of the inventory gets no packet unless the scope names it', async () => {
  let reached = 0;
  const port = await serve(
    createServer((socket) => {
      reached++;
      socket.destroy();
    }),
  );
  const at = rfc3339(Date.now());
  await store.assets.upsert({
    id: 'ast_00000000000000000000000001' as AssetId,
    name: 'ct-1',
    class: 'medical',
    addresses: ['127.0.0.1'],
    macs: [],
    criticality: 'diagnostic',
    external: null,
    seen_by: ['network'],
    reasons: [],
    first_seen: at,
    last_seen: at,
    exercise: false,
  });
  const result = await scan([port]);
  expect(result.probes.sent).toBe(0);
  expect(result.notSeen.join()).toMatch(/medical device/);
  expect(reached).toBe(0);
});

test('the kill switch of the installation ends a scan, and lets none begin', async () => {
  const files = perimeterFiles(dir);
  files.kill('a ward called');
  const result = await scan([80]);
  expect(result.stopped ?? result.notSeen.join()).toMatch(/a ward called/);
  expect(result.probes.sent).toBe(0);
  files.revive();
  expect((await scan([9])).probes.sent).toBe(1);
});

test('alerts about our own scan are left out; the same from anybody else, or of another kind, are not', async () => {
  const now = Date.now();
  const own = { addresses: ['192.0.2.10'], fromMs: now - 1000, untilMs: now + 1000 };
  const alert = (address: string, tag: string, time = now) =>
    ({
      rule: { tags: [tag] },
      time: rfc3339(time),
      entities: [{ type: 'address', value: address, role: 'attacker' }],
    }) as unknown as Alert;
  expect(isOwnScan(alert('192.0.2.10', 'attack.t1046'), [own])).toBe(true);
  expect(isOwnScan(alert('192.0.2.11', 'attack.t1046'), [own])).toBe(false);
  expect(isOwnScan(alert('192.0.2.10', 'attack.t1110'), [own])).toBe(false);
  expect(isOwnScan(alert('192.0.2.10', 'attack.t1046', now + 600_000), [own])).toBe(false);
  await store.records.put(COLLECTION.own, [{ id: '1', order: now, doc: own }]);
  const left = await withoutOwnScans(store.records, systemClock, [
    alert('192.0.2.10', 'attack.t1595.002'),
    alert('198.51.100.1', 'attack.t1595.002'),
  ]);
  expect(left.own).toBe(1);
  expect(left.alerts).toHaveLength(1);
});

const exposure = (port: number, more: Partial<Exposure> = {}): Exposure => ({
  port,
  transport: 'tcp',
  service: 'http',
  tls: true,
  grade: 'A',
  banner: null,
  title: '',
  certificate: null,
  software: [],
  worst: null,
  ...more,
});
test('what changed: service, grade, certificate from another issuer', () => {
  const certificate = { sha256: 'a', subject: 'CN=x', issuer: 'CN=A', until: '2027-01-01T00:00:00.000Z' };
  const kinds = (before: Exposure, now: Exposure) =>
    driftOf('h', [before], [now], 0).map(({ kind, severity }) => `${kind} ${severity}`);
  expect(kinds(exposure(443), exposure(443))).toEqual([]);
  expect(kinds(exposure(443), exposure(443, { service: 'rdp' }))).toEqual(['service-changed high']);
  expect(kinds(exposure(443), exposure(443, { grade: 'F' }))).toEqual(['grade-fell medium']);
  expect(kinds(exposure(443, { grade: 'C' }), exposure(443))).toEqual([]);
  expect(
    kinds(exposure(443, { certificate }), exposure(443, { certificate: { ...certificate, sha256: 'b' } })),
  ).toEqual(['certificate-changed information']);
  expect(
    kinds(
      exposure(443, { certificate }),
      exposure(443, { certificate: { ...certificate, sha256: 'b', issuer: 'CN=B' } }),
    ),
  ).toEqual(['certificate-changed medium']);
});

test('inside and outside are compared by host and port', () => {
  const rows = compareVantages(
    new Map([['h', [exposure(22), exposure(443)]]]),
    new Map([['h', [exposure(443), exposure(3389)]]]),
  );
  expect(rows.map(({ where, seen }) => `${where} ${seen}`)).toEqual([
    'tcp/22 inside only',
    'tcp/443 both',
    'tcp/3389 outside only',
  ]);
});

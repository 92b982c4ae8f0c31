/** The way of a package through the installation: feeds from a real server, inventories of several sources, findings, proof. */

import { sign } from 'node:crypto';
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Asset, allRecords, type Store, systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { fetchFeed } from './feeds/feed-fetch.ts';
import type { FeedSource } from './feeds/index.ts';
import { readInventory } from './inventories/index.ts';
import { bundleKey, exportBundle, importBundle, publicKeyOf } from './patching-bundle.ts';
import { openLibrary } from './patching-library.ts';
import { createPatchingService, type PatchingService } from './patching-service.ts';
import { updateFeeds } from './patching-update.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-patching-'));
let store: Store;
let service: PatchingService;
let server: Server;
let base = '';
const asked: string[] = [];
const served = new Map<string, { body: Buffer; etag: string }>();
const serve = (path: string, body: string | Buffer) =>
  served.set(path, { body: Buffer.from(body), etag: `"${served.size}-${body.length}-${Math.random()}"` });

beforeAll(async () => {
  store = await openStore({ dataDir: folder, clock: systemClock });
  service = createPatchingService({ store, clock: systemClock, dataDir: folder });
  server = createServer((request, response) => {
    const found = served.get((request.url ?? '').split('?', 1)[0] as string);
    const same = found !== undefined && request.headers['if-none-match'] === found.etag;
    asked.push(`${request.url} ${found ? (same ? 304 : 200) : 404}`);
    if (!found) response.writeHead(404).end();
    else if (same) response.writeHead(304).end();
    else response.writeHead(200, { etag: found.etag }).end(found.body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  await store.close();
  rmSync(folder, { recursive: true });
});

const tracker = (fixed: string, more: object = {}) =>
  JSON.stringify({
    openssl: {
      'CVE-2026-1111': {
        description: 'x',
        releases: { bookworm: { status: 'resolved', fixed_version: fixed, urgency: 'high' } },
      },
      ...more,
    },
  });
const osv = (id: string, modified: string, fixed: string, withdrawn = false) => ({
  schema_version: '1.6.0',
  id,
  modified,
  ...(withdrawn ? { withdrawn: modified } : {}),
  affected: [
    {
      package: { ecosystem: 'PyPI', name: 'pydicom' },
      ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed }] }],
    },
  ],
});
function zip(name: string, text: string): Buffer {
  const packed = deflateRawSync(Buffer.from(text));
  const head = Buffer.alloc(30);
  head.writeUInt32LE(0x0403_4b50, 0);
  head.writeUInt16LE(name.length, 26);
  const entry = Buffer.alloc(46);
  entry.writeUInt32LE(0x0201_4b50, 0);
  entry.writeUInt16LE(8, 10);
  entry.writeUInt32LE(packed.length, 20);
  entry.writeUInt32LE(text.length, 24);
  entry.writeUInt16LE(name.length, 28);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt32LE(46 + name.length, 12);
  end.writeUInt32LE(30 + name.length + packed.length, 16);
  return Buffer.concat([head, Buffer.from(name), packed, entry, Buffer.from(name), end]);
}
const sources = (): FeedSource[] => [
  { id: 'debian', kind: 'file', url: `${base}/tracker` },
  { id: 'osv-pypi', kind: 'osv', url: `${base}/PyPI/` },
  { id: 'kev', kind: 'file', url: `${base}/kev` },
];
const library = openLibrary(join(folder, 'patching', 'feeds'));
const update = () => updateFeeds(library, sources(), systemClock, () => {});
let serial = 0;
const file = (text: string, name = `file-${serial++}`) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};
const dpkg = (version: string) =>
  `Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: ${version}\nArchitecture: amd64\n\nPackage: bash\nStatus: install ok installed\nVersion: 5\nArchitecture: amd64\n`;
const take = async (text: string, source: string, options: Parameters<typeof readInventory>[1] = {}) =>
  service.take(await readInventory(file(text), options), source);
const assets = async () => {
  const found: Asset[] = [];
  for await (const asset of allRecords((page) => store.assets.list({}, page))) found.push(asset);
  return found;
};
const open = async () => (await store.findings.list({ room: 'patching', state: 'open' }, { limit: 100 })).items;

describe('feeds', () => {
  test('update: whole at first, then only what changed; what fails stays', async () => {
    serve('/tracker', tracker('3.0.11-1~deb12u2'));
    serve('/PyPI/modified_id.csv', '2026-01-01T00:00:00Z,GHSA-1\n');
    serve('/PyPI/all.zip', zip('GHSA-1.json', JSON.stringify(osv('GHSA-1', '2026-01-01T00:00:00Z', '2.0'))));
    serve(
      '/kev',
      JSON.stringify({
        catalogVersion: '1',
        dateReleased: new Date().toISOString(),
        vulnerabilities: [{ cveID: 'CVE-2026-1111', dateAdded: '2026-01-01', dueDate: '2026-01-20' }],
      }),
    );
    const first = await update();
    expect(first).toMatchObject({ changed: ['debian', 'osv-pypi', 'kev'], failed: [], generation: { generation: 1 } });
    asked.length = 0;
    serve('/PyPI/modified_id.csv', '2026-02-01T00:00:00Z,GHSA-2\n2026-01-01T00:00:00Z,GHSA-1\n');
    serve('/PyPI/GHSA-2.json', JSON.stringify(osv('GHSA-2', '2026-02-01T00:00:00Z', '3.0')));
    served.delete('/kev');
    const second = await update();
    expect(second).toMatchObject({ changed: ['osv-pypi'], same: ['debian'], failed: [{ id: 'kev' }] });
    expect(asked).toEqual(['/tracker 304', '/PyPI/modified_id.csv 200', '/PyPI/GHSA-2.json 200', '/kev 404']);
    const set = await library.load();
    expect(set.advisories.flatMap((one) => one.items.map((item) => item.id)).sort()).toEqual([
      'CVE-2026-1111/openssl',
      'GHSA-1',
      'GHSA-2',
    ]);
    expect(set.exploited.size).toBe(1);
    expect(second.generation?.feeds.find((one) => one.id === 'kev')?.failed).toContain('404');
  });
  test('only https, or this machine', async () => {
    const result = await updateFeeds(
      library,
      [...sources(), { id: 'plain', kind: 'file', url: 'http://192.0.2.1/x' }],
      systemClock,
      () => {},
    );
    expect(result.failed.map((one) => one.id)).toEqual(['kev', 'plain']);
  });
  test('a feed that moved is followed, but never to plain http elsewhere', async () => {
    const feed = tracker('9.9');
    const moving = createServer((request, response) => {
      if (request.url === '/new') response.writeHead(200).end(feed);
      else response.writeHead(302, { location: request.url === '/old' ? '/new' : 'http://127.0.0.2:9/x' }).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => moving.once('listening', resolve));
    const at = `http://127.0.0.1:${(moving.address() as AddressInfo).port}`;
    const place = (name: string) => ({
      place: join(folder, name),
      before: null,
      onBytes: () => {},
      signal: new AbortController().signal,
      now: Date.now(),
    });
    try {
      await fetchFeed({ id: 'a', kind: 'file', url: `${at}/old` }, place('moved-a'));
      expect(readFileSync(join(folder, 'moved-a'), 'utf8')).toBe(feed);
      await expect(fetchFeed({ id: 'b', kind: 'file', url: `${at}/away` }, place('moved-b'))).rejects.toThrow(
        'https only',
      );
    } finally {
      moving.close();
    }
  });
  test('a signed bundle cannot name feeds outside its folder', async () => {
    const { privateKey, publicText } = await bundleKey(join(folder, 'keys'));
    const head = Buffer.from(
      JSON.stringify({
        format: 'asepsis-feeds-1',
        made: '2026-01-01T00:00:00Z',
        feeds: [{ id: '../../keys' }],
        parts: [],
      }),
    );
    const path = join(folder, 'outside.bundle');
    writeFileSync(path, Buffer.concat([head, Buffer.from(`\n${sign(null, head, privateKey).toString('base64')}\n`)]));
    const other = openLibrary(join(folder, 'outside'));
    await expect(importBundle(other, path, [publicKeyOf(publicText)], new Date().toISOString())).rejects.toThrow(
      'refused whole',
    );
    expect(await other.generation()).toBe(0);
  });
  test('a bundle: signed, whole or not at all, back and forth', async () => {
    const { privateKey, publicText } = await bundleKey(join(folder, 'keys'));
    const bundle = join(folder, 'feeds.bundle');
    await exportBundle(library, privateKey, bundle);
    const other = openLibrary(join(folder, 'air-gapped'));
    const now = new Date().toISOString();
    await expect(importBundle(other, bundle, [], now)).rejects.toThrow('no key is trusted');
    const stranger = await bundleKey(join(folder, 'stranger'));
    await expect(importBundle(other, bundle, [publicKeyOf(stranger.publicText)], now)).rejects.toThrow(
      'no key that is trusted',
    );
    const bytes = readFileSync(bundle);
    for (const at of [10, bytes.length - 5]) {
      const broken = Buffer.from(bytes);
      broken[at] = (broken[at] as number) ^ 1;
      writeFileSync(join(folder, 'broken'), broken);
      await expect(importBundle(other, join(folder, 'broken'), [publicKeyOf(publicText)], now)).rejects.toThrow(
        'refused whole',
      );
    }
    appendFileSync(join(folder, 'broken'), 'more');
    await expect(importBundle(other, join(folder, 'broken'), [publicKeyOf(publicText)], now)).rejects.toThrow(
      'refused whole',
    );
    expect(await other.generation()).toBe(0);
    await importBundle(other, bundle, [publicKeyOf(publicText)], now);
    const [here, there] = [await library.load(), await other.load()];
    const names = (set: typeof here) => set.advisories.flatMap((one) => one.items.map((item) => item.id)).sort();
    expect(names(there)).toEqual(names(here));
    const older = JSON.parse(readFileSync(bundle, 'utf8').split('\n', 1)[0] as string) as { made: string };
    await updateFeeds(library, sources(), systemClock, () => {});
    await exportBundle(library, privateKey, join(folder, 'newer.bundle'));
    await importBundle(other, join(folder, 'newer.bundle'), [publicKeyOf(publicText)], now);
    await expect(importBundle(other, bundle, [publicKeyOf(publicText)], now)).rejects.toThrow(older.made.slice(0, 10));
    expect((await other.rollBack()).generation).toBe(1);
  });
});

describe('inventories', () => {
  test('no feed is stale that was asked today', async () => {
    await service.judgeAll();
    expect(await open()).toEqual([]);
  });
  test('several sources, one asset, with the reason', async () => {
    const first = await take(dpkg('3.0.11-1~deb12u1'), 'dpkg', { asset: 'pacs-1', release: 'Debian:12' });
    expect(first).toMatchObject({ assets: 1, created: 1, opened: 1 });
    const register = await take(
      'Name,Manufacturer,Model,Serial number,MAC,Criticality,Department\npacs-1.hospital.example,Dell,R640,ABC1234,00-11-22-33-44-55,diagnostic,Radiology\n',
      'cmms',
    );
    expect(register.created).toBe(0);
    expect(register.merged[0]?.reason).toContain('the same host name pacs-1');
    const osquery = await take(
      JSON.stringify([{ hardware_serial: 'ABC1234', uuid: 'U-1', hardware_vendor: 'Dell', hardware_model: 'R640' }]),
      'osquery',
      { asset: 'host-77' },
    );
    expect(osquery.merged[0]?.reason).toContain('the same serial number ABC1234');
    // Other hardware under the same name is another machine.
    const replaced = await take('Name,Model,Serial number,Manufacturer\npacs-1,R740,ZZZ9999,Dell\n', 'inventory');
    expect(replaced.created).toBe(1);
    const all = await assets();
    expect(all.map((one) => one.name).sort()).toEqual(['pacs-1', 'pacs-1 (ZZZ9999)']);
    expect(all.find((one) => one.name === 'pacs-1')).toMatchObject({
      criticality: 'diagnostic',
      owner: 'Radiology',
      macs: ['00:11:22:33:44:55'],
    });
  });
  test('a finding says feed, version, date, and every clock; known exploited is critical', async () => {
    const [finding] = await open();
    expect(finding).toMatchObject({
      kind: 'missing-update',
      key: 'debian:12/openssl',
      severity: 'critical',
      due: '2026-01-20T00:00:00.000Z',
      asset: { name: 'pacs-1' },
    });
    expect(finding?.evidence[0]?.data).toMatchObject({
      feed: 'Debian security tracker',
      fixed: '3.0.11-1~deb12u2',
      kev_due: '2026-01-20',
    });
    expect(finding?.detail).toContain('CISA BOD 26-04');
  });
  test('an upgrade closes it with its proof; the software of the asset is the new one', async () => {
    const after = await take(dpkg('3.0.11-1~deb12u2'), 'dpkg', { asset: 'pacs-1', release: 'Debian:12' });
    expect(after).toMatchObject({ created: 0, fixed: 1 });
    expect(await open()).toEqual([]);
    const [fixed] = (await store.findings.list({ room: 'patching', state: 'fixed' }, { limit: 10 })).items;
    expect(fixed?.fixed_by?.what).toMatch(/debian:12\/openssl is 3\.0\.11-1~deb12u2 in the inventory of dpkg/);
    const asset = (await assets()).find((one) => one.name === 'pacs-1') as Asset;
    const software = await store.assets.software(asset.id, { limit: 10 });
    expect(software.items.map((one) => `${one.name} ${one.version}`)).toEqual(['bash 5', 'libssl3 3.0.11-1~deb12u2']);
  });
  test('differential results change the list they belong to', async () => {
    const row = (version: string) => ({ name: 'pydicom', version });
    const line = (action: string, version: string, unixTime: number) =>
      JSON.stringify({ name: 'python_packages', hostIdentifier: 'ws-1', unixTime, action, columns: row(version) });
    const now = Math.floor(Date.now() / 1000);
    expect(await take(`${line('added', '1.0', now - 20)}\n`, 'fleet')).toMatchObject({ opened: 1 });
    const batch = JSON.stringify({
      name: 'python_packages',
      hostIdentifier: 'ws-1',
      unixTime: now - 10,
      diffResults: { removed: [row('1.0')], added: [row('3.1')] },
    });
    expect(await take(`${batch}\n`, 'fleet')).toMatchObject({ fixed: 1 });
    expect(await open()).toEqual([]);
  });
  test('a corrected advisory opens, a withdrawn one closes what it opened; a feed that is gone closes nothing', async () => {
    serve('/tracker', tracker('3.0.12-1'));
    await update();
    service.reload();
    expect(await service.judgeAll()).toMatchObject({ opened: 1 });
    await updateFeeds(
      library,
      sources().filter((one) => one.id !== 'debian'),
      systemClock,
      () => {},
    );
    service.reload();
    expect(await service.judgeAll()).toMatchObject({ fixed: 0 });
    expect((await open()).map((one) => one.key)).toContain('debian:12/openssl');
    serve(
      '/tracker',
      JSON.stringify({
        bash: { 'CVE-2026-2': { releases: { bookworm: { status: 'resolved', fixed_version: '1', urgency: 'low' } } } },
      }),
    );
    await update();
    service.reload();
    expect(await service.judgeAll()).toMatchObject({ fixed: 1 });
    const [fixed] = (await store.findings.list({ room: 'patching', state: 'fixed', text: 'openssl' }, { limit: 10 }))
      .items;
    expect(fixed?.fixed_by?.what).toContain('corrected or withdrawn');
  });
});

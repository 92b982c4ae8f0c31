import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { type InventoryOptions, readInventory } from './inventories/index.ts';
import { jsonPieces } from './patching-json-items.ts';
import { ecosystemKey, packageOf, parsePurl } from './patching-package.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-inventory-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;
async function read(text: string | Buffer, options: InventoryOptions = {}) {
  const path = join(folder, `host-${serial++}.txt`);
  writeFileSync(path, text);
  const inventory = await readInventory(path, { asset: 'h', ...options });
  const hosts = Object.fromEntries(
    [...inventory.hosts].map(([host, list]) => [
      host,
      list.map((one) => `${one.ecosystem} ${one.name} ${one.version}`),
    ]),
  );
  return {
    format: inventory.format,
    hosts,
    faults: Object.fromEntries(inventory.faults),
    records: inventory.hosts.get('h') ?? [],
  };
}

describe('CycloneDX', () => {
  const bom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    metadata: { component: { type: 'application', name: 'ward-display', purl: 'pkg:npm/ward@1' } },
    components: [
      {
        type: 'library',
        name: 'lodash',
        version: '4.17.20',
        purl: 'pkg:npm/lodash@4.17.20',
        components: [{ type: 'library', purl: 'pkg:pypi/Django@3.2' }],
      },
      { type: 'library', name: 'inhouse', version: '1' },
      { type: 'file', name: 'a.bin' },
      { type: 'library', purl: 'pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&distro=debian-12&upstream=openssl' },
    ],
  };
  const expected = ['npm lodash 4.17.20', 'pypi Django 3.2', 'product inhouse 1', 'deb libssl3 3.0.11-1'];
  test('JSON, nested, gzip', async () => {
    for (const text of [JSON.stringify(bom), JSON.stringify(bom, null, 2), gzipSync(JSON.stringify(bom))]) {
      const found = await read(text);
      expect(found).toMatchObject({
        format: 'cyclonedx-json',
        hosts: { h: expected },
        faults: {},
      });
      expect(packageOf(found.records[3] as never)).toMatchObject({
        ecosystem: 'debian:12',
        name: 'openssl',
        version: '3.0.11-1',
      });
    }
  });
  test('XML', async () => {
    const xml = `<?xml version="1.0"?><bom xmlns="http://cyclonedx.org/schema/bom/1.4"><!-- <component/> -->
      <metadata><component type="application"><purl>pkg:npm/ward@1</purl></component></metadata>
      <components><component type="library"><name>lodash</name><version>4.17.20</version><purl>pkg:npm/lodash@4.17.20</purl>
      <components><component type="library"><purl><![CDATA[pkg:pypi/Django@3.2]]></purl></component></components></component>
      <component type="file"/><component type="library"><purl>pkg:deb/debian/libssl3@3.0.11-1?arch=amd64&amp;distro=debian-12</purl></component></components></bom>`;
    expect(await read(xml)).toMatchObject({
      format: 'cyclonedx-xml',
      hosts: { h: ['pypi Django 3.2', 'npm lodash 4.17.20', 'deb libssl3 3.0.11-1'] },
      faults: {},
    });
  });
  test('entities that grow are not read', async () => {
    const xml =
      '<!DOCTYPE bom [<!ENTITY a "aaaa">]><bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components/></bom>';
    expect((await read(xml)).faults).toEqual({ 'XML with a DOCTYPE or a broken tag': 1 });
  });
  test('cut in the middle: the good part is kept, the rest is counted', async () => {
    const text = JSON.stringify(bom);
    const found = await read(text.slice(0, text.indexOf('"inhouse"')));
    expect(found.hosts).toEqual({ h: expected.slice(0, 2) });
    expect(found.faults).toEqual({ 'The JSON ends in the middle': 1 });
  });
});

test('SPDX 2 and 3', async () => {
  const two = {
    spdxVersion: 'SPDX-2.3',
    packages: [
      { name: 'x', versionInfo: '1', externalRefs: [{ referenceType: 'purl', referenceLocator: 'pkg:gem/rails@7.0' }] },
      { name: 'y' },
    ],
  };
  expect(await read(JSON.stringify(two))).toMatchObject({
    format: 'spdx-json',
    hosts: { h: ['gem rails 7.0'] },
    faults: { 'A package without package URL or version': 1 },
  });
  const three = {
    '@context': 'https://spdx.org/rdf/3.0.1/spdx-context.jsonld',
    '@graph': [{ type: 'software_Package', software_packageUrl: 'pkg:cargo/ring@0.16' }, { type: 'Person' }],
  };
  expect(await read(JSON.stringify(three))).toMatchObject({ format: 'spdx-json', hosts: { h: ['cargo ring 0.16'] } });
});

test('osquery rows and logged snapshots, deb and rpm', async () => {
  const deb = [
    { name: 'libc6', version: '2.36-9', source: 'glibc', arch: 'amd64', revision: '9', status: 'install ok installed' },
  ];
  const found = await read(JSON.stringify(deb));
  expect(found).toMatchObject({ format: 'osquery-rows', hosts: { h: ['deb libc6 2.36-9'] } });
  expect(found.records[0]?.source_name).toBe('glibc');
  const rpm = {
    name: 'bash',
    version: '5.1',
    release: '9.el9',
    epoch: '1',
    source: 'bash-5.1-9.el9.src.rpm',
    arch: 'x86_64',
  };
  const log = [
    { name: 'rpm_packages', hostIdentifier: 'pacs', snapshot: [rpm, rpm] },
    { name: 'deb_packages', hostIdentifier: 'lab', action: 'added', columns: {} },
  ];
  expect(await read(`${log.map((line) => JSON.stringify(line)).join('\n')}\n{broken\n`)).toMatchObject({
    format: 'osquery-log',
    hosts: { pacs: ['rpm bash 1:5.1-9.el9'] },
    faults: { 'A row without name or version': 1, 'A line that is no JSON': 1 },
  });
});

test('dpkg status: only what is installed, with its source', async () => {
  const text =
    'Package: libssl3\nStatus: install ok installed\nSource: openssl (3.0.1-1)\nVersion: 3.0.1-1+b1\nDescription: x\n Version: 9\n\nPackage: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: bad\nStatus: install ok installed\n';
  const found = await read(text, { release: 'Debian:12' });
  expect(found).toMatchObject({
    format: 'dpkg-status',
    hosts: { h: ['deb libssl3 3.0.1-1+b1'] },
    faults: { 'A paragraph without package or version': 1 },
  });
  expect(packageOf(found.records[0] as never)).toEqual({
    scheme: 'deb',
    ecosystem: 'debian:12',
    name: 'openssl',
    version: '3.0.1-1',
  });
});

test('rpm -qa, plain and with columns', async () => {
  expect(
    await read('bash-5.1.8-9.el9.x86_64\nopenssl-libs-3.0.7-24.el9.x86_64\nnonsense\ngpg-pubkey-1-2\n'),
  ).toMatchObject({
    format: 'rpm-list',
    hosts: { h: ['rpm bash 5.1.8-9.el9', 'rpm openssl-libs 3.0.7-24.el9'] },
    faults: { 'A line that is no package': 1 },
  });
  const [one] = (await read('openssl-libs\t1:3.0.7-24.el9\tx86_64\topenssl-3.0.7-24.el9.src.rpm\n')).records;
  expect(one).toMatchObject({ version: '1:3.0.7-24.el9', source_name: 'openssl' });
});

test('tables: usual headings, told headings, quotes and line ends in cells', async () => {
  const usual = 'Host;Type;Name;Version;Release\npacs;deb;bash;5.2;Debian:12\n"lab\n2";npm;"a ""b""";1;\n;npm;;2;\n';
  expect(await read(usual)).toMatchObject({
    format: 'csv',
    hosts: { pacs: ['deb bash 5.2'], 'lab\n2': ['npm a "b" 1'] },
    faults: { 'A row without name or version': 1 },
  });
  const told = 'Inventarnummer,Produkt,Fassung\n17,openssl,1.0\n';
  expect(await read(told, { columns: { host: 'Inventarnummer', name: 'Produkt', version: 'Fassung' } })).toMatchObject({
    hosts: { 17: ['unknown openssl 1.0'] },
  });
  expect((await read('a,b\n1,2\n')).faults).toEqual({ 'A table without columns for name and version': 1 });
});

test('purl', () => {
  expect(parsePurl('pkg:npm/%40angular/core@1.0.0')).toMatchObject({
    ecosystem: 'npm',
    name: '@angular/core',
    version: '1.0.0',
  });
  expect(parsePurl('pkg:maven/org.a/b@1?type=jar#x')).toMatchObject({ name: 'org.a:b' });
  expect(parsePurl('pkg:rpm/redhat/x@1-1?epoch=2&distro=rhel-9.4')).toMatchObject({ version: '2:1-1' });
  expect(parsePurl('pkg:deb/ubuntu/x@1?distro=jammy')).toMatchObject({ release: 'ubuntu:22.04' });
  for (const bad of [
    '',
    'pkg:',
    'pkg:npm',
    'npm/x',
    'pkg:npm/%zz@1',
    `pkg:npm/${'x'.repeat(300)}@1`,
    'pkg:npm/a%00b@1',
  ])
    expect(parsePurl(bad)).toBeNull();
});

test('one spelling of an ecosystem', () => {
  expect(
    [
      'Debian:12',
      'bookworm',
      'debian-12.5',
      'Ubuntu:22.04:LTS',
      'Alpine:v3.18',
      'Rocky Linux:9',
      'cargo',
      'crates.io',
      'Ubuntu:Pro:18.04:LTS',
      'openSUSE:Leap 15.5',
      'openSUSE Leap 15.5',
      'VMware Photon OS/Linux 5.0',
      'Photon OS:5.0',
    ].map(ecosystemKey),
  ).toEqual([
    'debian:12',
    'debian:12',
    'debian:12',
    'ubuntu:22.04',
    'alpine:3.18',
    'rocky linux:9',
    'crates.io',
    'crates.io',
    'ubuntu:pro:18.04',
    'opensuse leap:15.5',
    'opensuse leap:15.5',
    'photon os:5.0',
    'photon os:5.0',
  ]);
  // Distributions that always move on have no releases, and are judged nevertheless.
  const rolling = parsePurl('pkg:apk/wolfi/openssl@3.1-r0?arch=x86_64');
  expect(rolling && packageOf(rolling)).toMatchObject({ ecosystem: 'wolfi', scheme: 'apk' });
  const leap = parsePurl('pkg:rpm/opensuse/bash@5-1?distro=opensuse-leap-15.5');
  expect(leap && packageOf(leap)).toMatchObject({ ecosystem: 'opensuse leap:15.5', scheme: 'rpm' });
});

test('JSON in pieces says what JSON.parse says, wherever the chunks end', async () => {
  const value = fc.dictionary(fc.string({ maxLength: 4 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 });
  await fc.assert(
    fc.asyncProperty(value, fc.integer({ min: 1, max: 7 }), async (object, size) => {
      const bytes = Buffer.from(JSON.stringify(object));
      const found: [string, unknown][] = [];
      for await (const piece of jsonPieces(chunked(bytes, size))) {
        if (piece.kind === 'fault') throw new Error(piece.what);
        found.push([piece.key, piece.value]);
      }
      const whole = JSON.parse(bytes.toString()) as Record<string, unknown>;
      const expected = Object.entries(whole).flatMap(([key, one]) =>
        Array.isArray(one) ? one.map((each) => [key, each]) : [[key, one]],
      );
      expect(found).toEqual(expected);
    }),
  );
  async function* chunked(bytes: Buffer, size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  }
});

test('anything at all as an inventory ends with an answer', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(
        '{"bomFormat":"CycloneDX",',
        '[{"name":1,"version":',
        '<bom xmlns="http://cyclonedx.org/schema/bom/1.4">',
        'Package: a\nVersion: ',
        'name,version\n',
      ),
      fc.string({ maxLength: 200 }),
      async (start, rest) => {
        await read(start + rest).catch((error: unknown) => expect(error).toHaveProperty('code', 'INPUT_UNREADABLE'));
      },
    ),
    { numRuns: 100 },
  );
  const deep = await read(`{"bomFormat":"CycloneDX","components":[${'{"components":['.repeat(100_000)}`);
  expect(deep.faults).toEqual({ 'The JSON is nested too deeply': 1 });
});

test('a register whose headings nobody knows is read by those that are told', async () => {
  const text = 'Geräteliste 2026\nNr;Firma;Bauart;Stand;Ort\nCT-1;Acme;Ring 3;1.0;Radiologie\n';
  const columns = { host: 'Nr', vendor: 'Firma', model: 'Bauart', version: 'Stand', department: 'Ort' };
  const path = join(folder, 'told.csv');
  writeFileSync(path, text);
  const found = await readInventory(path, { columns });
  expect(found.facts.get('CT-1')).toMatchObject({
    vendor: 'Acme',
    model: 'Ring 3',
    version: '1.0',
    department: 'Radiologie',
  });
  expect(Object.fromEntries(found.faults)).toEqual({});
});

test('osquery hosts that a manager names by UUID get the name of their decorations, and the UUID as identity', async () => {
  const uuid = '4c4c4544-0042-3510-8052-b4c04f4b4d32';
  const line = (more: object) =>
    JSON.stringify({
      name: 'pack/deb_packages',
      hostIdentifier: uuid,
      action: 'added',
      columns: { name: 'bash', version: '5.2', source: '', arch: 'amd64' },
      ...more,
    });
  const path = join(folder, 'fleet.log');
  writeFileSync(path, `${line({ decorations: { host_uuid: uuid, hostname: 'pacs-1' } })}\n`);
  const found = await readInventory(path);
  expect([...found.hosts.keys()]).toEqual(['pacs-1']);
  expect(found.facts.get('pacs-1')).toMatchObject({ uuid: uuid.toUpperCase() });
  writeFileSync(path, `${line({})}\n`);
  expect([...(await readInventory(path)).hosts.keys()]).toEqual([uuid]);
});

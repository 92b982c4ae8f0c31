/** Broken, enormous, duplicated and contradictory inventories and feeds: named and counted, the good part kept. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { readFeed } from './feeds/index.ts';
import { readInventory } from './inventories/index.ts';
import { scanXml } from './inventories/inventory-xml.ts';
import { emptyFeedSet } from './patching-advisory.ts';
import { ecosystemKey } from './patching-distro.ts';
import { Faults } from './patching-input.ts';
import { joinParts } from './patching-parts.ts';
import { tableRows } from './patching-table.ts';

const folder = mkdtempSync(join(tmpdir(), 'asepsis-bad-'));
afterAll(() => rmSync(folder, { recursive: true }));
let serial = 0;
const file = (content: string | Buffer) => {
  const path = join(folder, `file-${serial++}`);
  writeFileSync(path, content);
  return path;
};
const read = async (content: string | Buffer, options: Parameters<typeof readInventory>[1] = {}) => {
  const found = await readInventory(file(content), { asset: 'h', ...options });
  return {
    format: found.format,
    software: [...found.hosts].flatMap(([host, list]) =>
      list.map((one) => `${host}: ${one.ecosystem} ${one.name} ${one.version}`),
    ),
    facts: Object.fromEntries(found.facts),
    faults: Object.fromEntries(found.faults),
    gone: [...found.gone.values()].flat().map((one) => `${one.name} ${one.version}`),
    partial: [...found.partial],
  };
};

/** A workbook as small as it can be. */
function workbook(rows: readonly (readonly string[])[], more: readonly (readonly [string, string])[] = []): Buffer {
  const cell = (text: string, column: number, row: number) =>
    `<c r="${String.fromCharCode(65 + column)}${row + 1}" t="inlineStr"><is><t>${text.replace(/&/g, '&amp;').replace(/</g, '&lt;')}</t></is></c>`;
  const sheet = `<worksheet xmlns="x"><sheetData>${rows.map((row, i) => `<row r="${i + 1}">${row.map((text, j) => cell(text, j, i)).join('')}</row>`).join('')}</sheetData></worksheet>`;
  const parts = [
    [
      'xl/workbook.xml',
      '<workbook xmlns:r="y"><sheets><sheet name="Devices" sheetId="1" r:id="rId1"/></sheets></workbook>',
    ],
    [
      'xl/_rels/workbook.xml.rels',
      '<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>',
    ],
    ['xl/worksheets/sheet1.xml', sheet],
    ...more,
  ] as const;
  const body: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of parts) {
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
    entry.writeUInt32LE(offset, 42);
    body.push(head, Buffer.from(name), packed);
    directory.push(entry, Buffer.from(name));
    offset += 30 + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x0605_4b50, 0);
  end.writeUInt32LE(Buffer.concat(directory).length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...body, ...directory, end]);
}

describe('more forms of inventory', () => {
  test('osquery batches and events: what came, what went, and that it is not the whole', async () => {
    const row = (name: string, version: string) => ({ name, version, source: '', arch: 'amd64' });
    const lines = [
      {
        name: 'pack_deb_packages',
        hostIdentifier: 'a',
        unixTime: 1_700_000_000,
        diffResults: { added: [row('bash', '2')], removed: [row('bash', '1')] },
      },
      { name: 'pack_deb_packages', hostIdentifier: 'a', action: 'added', columns: row('curl', '1') },
      { name: 'pack_deb_packages', hostIdentifier: 'a', action: 'removed', columns: row('curl', '1') },
      {
        name: 'os_version',
        hostIdentifier: 'a',
        snapshot: [{ name: 'Ubuntu', version: '22.04.3 LTS (Jammy Jellyfish)', platform: 'ubuntu', major: '22' }],
      },
    ];
    const found = await read(lines.map((one) => JSON.stringify(one)).join('\n'));
    expect(found).toMatchObject({
      software: ['a: deb bash 2'],
      gone: ['bash 1', 'curl 1'],
      partial: ['a'],
      faults: {},
    });
    expect(found.facts.a).toMatchObject({ release: 'Ubuntu 22.04.3', seenMs: 1_700_000_000_000 });
  });
  test('apk, macOS, PowerShell, Get-HotFix, systeminfo as CSV, SPDX tag-value', async () => {
    expect((await read('C:Q1abc=\nP:libcrypto3\nV:3.1.4-r1\nA:x86_64\no:openssl\n\nP:broken\n')).software).toEqual([
      'h: apk libcrypto3 3.1.4-r1',
    ]);
    expect((await read('libcrypto3-3.1.4-r1 x86_64 {openssl} (Apache-2.0) [installed]\n')).software).toEqual([
      'h: apk libcrypto3 3.1.4-r1',
    ]);
    expect((await read('ProductName:\t\tmacOS\nProductVersion:\t\t14.2.1\nBuildVersion:\t\t23C71\n')).software).toEqual(
      ['h: macos macOS 14.2.1'],
    );
    expect(
      (
        await read(
          'Source        Description      HotFixID      InstalledBy          InstalledOn\n------        -----------      --------      -----------          -----------\nPC-9          Security Update  KB5034122     NT AUTHORITY\\SYSTEM  1/9/2026\n',
        )
      ).facts,
    ).toMatchObject({ 'PC-9': { hotfixes: ['5034122'] } });
    expect(
      (
        await read(
          '"Host Name","OS Name","OS Version","Hotfix(s)"\n"PC-8","Microsoft Windows 11 Pro","10.0.22631 N/A Build 22631","1 Hotfix(s) Installed.,[01]: KB5034123"\n',
        )
      ).software,
    ).toEqual(['PC-8: windows Windows 11 Pro 10.0.22631']);
    expect(
      (
        await read(
          'SPDXVersion: SPDX-2.3\nPackageName: lodash\nPackageVersion: 4.17.20\nExternalRef: PACKAGE-MANAGER purl pkg:npm/lodash@4.17.20\n',
        )
      ).software,
    ).toEqual(['h: npm lodash 4.17.20']);
  });
  test('a register and an MDS2 form, from Excel as from CSV, with headings further down', async () => {
    const rows = [
      ['Medical devices of the hospital'],
      [],
      ['Asset tag', 'Manufacturer', 'Model', 'Software version', 'Serial number', 'MAC address', 'Risk class', 'Ward'],
      ['P-1', 'Philips', 'IntelliVue MX700', 'N.01', 'DE123456', '00-11-22-33-44-55', 'IIb', 'ICU'],
    ];
    const found = await read(workbook(rows));
    expect(found).toMatchObject({ format: 'xlsx', faults: {} });
    expect(found.facts['P-1']).toMatchObject({
      vendor: 'Philips',
      model: 'IntelliVue MX700',
      version: 'N.01',
      serial: 'DE123456',
      macs: ['00:11:22:33:44:55'],
      criticality: 'diagnostic',
      department: 'ICU',
    });
    expect((await read(rows.map((row) => row.join(';')).join('\n'))).facts['P-1']).toMatchObject({
      model: 'IntelliVue MX700',
    });
    const form = await read(
      workbook([
        ['DOC-1', 'Manufacturer Name', 'Acme'],
        ['DOC-3', 'Device Model', 'Flow 9'],
        ['', 'Software Revision', '2.1'],
      ]),
    );
    expect(form.facts['Acme Flow 9']).toMatchObject({
      vendor: 'Acme',
      model: 'Flow 9',
      version: '2.1',
      class: 'medical',
    });
  });
});

describe('bad inventories', () => {
  test('broken ones keep their good part, and say what was not read', async () => {
    const bom = JSON.stringify({
      bomFormat: 'CycloneDX',
      specVersion: '1.5',
      components: [
        { type: 'library', purl: 'pkg:npm/a@1' },
        { type: 'library', purl: 'pkg:npm/b@2' },
      ],
    });
    expect(await read(bom.slice(0, -25))).toMatchObject({
      software: ['h: npm a 1'],
      faults: { 'The JSON ends in the middle': 1 },
    });
    const xml =
      '<bom xmlns="http://cyclonedx.org/schema/bom/1.4"><components><component type="library"><purl>pkg:npm/a@1</purl></component><component';
    expect(await read(xml)).toMatchObject({
      software: ['h: npm a 1'],
      faults: { 'XML with a DOCTYPE or a broken tag': 1 },
    });
    await expect(read(gzipSync(bom).subarray(0, 40))).rejects.toHaveProperty('code', 'INPUT_UNREADABLE');
    await expect(read(workbook([['a']]).subarray(0, 60))).rejects.toHaveProperty('code', 'INPUT_UNREADABLE');
  });
  test('the same twice is once; hostile names and versions are no records', async () => {
    const row = (name: string, version: string) => ({ name, version, source: '', status: 'install ok installed' });
    const found = await read(
      JSON.stringify([
        row('bash', '1'),
        row('bash', '1'),
        row('x\u0000y', '1'),
        row('a'.repeat(300), '1'),
        row('b', '9'.repeat(300)),
        row('', ''),
      ]),
    );
    expect(found).toMatchObject({ software: ['h: deb bash 1'], faults: { 'A row without name or version': 4 } });
  });
  test('sources that contradict each other: the newer list counts, and that is said', () => {
    const part = (source: string, atMs: number, version: string) => ({
      source,
      format: 'x',
      atMs,
      facts: { kernel: `k${version}` },
      products: [],
      software: [
        { ecosystem: 'deb', name: 'bash', version },
        { ecosystem: 'npm', name: source, version: '1' },
      ],
    });
    const whole = joinParts([part('old', 1, '1'), part('new', 2, '2')]);
    expect(whole.software.map((one) => `${one.name} ${one.version}`)).toEqual(['bash 2', 'new 1', 'old 1']);
    expect(whole.facts.kernel).toBe('k2');
    expect(whole.notes).toEqual(['old and new both list deb packages; the newer list of new counts']);
  });
  test('anything ends with an answer or a named error', async () => {
    const start = fc.constantFrom(
      '{"bomFormat":"CycloneDX",',
      '<bom xmlns="http://cyclonedx.org/schema/bom/1.4">',
      '{"hostIdentifier":"h","snapshot":',
      'Package: a\nVersion: 1\n',
      'Host Name: x\nOS Name:   Microsoft Windows 10\nOS Version: 10.0.1 ',
      'name,vendor,model\n',
      '{"document":{"tracking":{"id":"x"}},',
      '[{"cycle":"1","eol":',
      '',
    );
    await fc.assert(
      fc.asyncProperty(start, fc.string({ maxLength: 300, unit: 'binary' }), async (head, tail) => {
        const path = file(head + tail);
        await readInventory(path).catch((error: { code?: string }) => expect(error.code).toMatch(/^[A-Z_]+$/));
        await readFeed(path, emptyFeedSet()).catch((error: { code?: string }) =>
          expect(error.code).toMatch(/^[A-Z_]+$/),
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe('bombs', () => {
  test('XML is read node by node: many small elements are never in memory together', () => {
    const text = `<r>${'<a/>'.repeat(1_000_000)}</r>`;
    const before = process.memoryUsage().heapUsed;
    for (const node of scanXml(text, new Faults())) {
      expect(node).toMatchObject({ kind: 'open', name: 'r' });
      break;
    }
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(96 * 1024 * 1024);
  });

  test('a workbook of enormous sheets, or of enormous rows, is refused or cut', async () => {
    const sheet = `<worksheet>${' '.repeat(30 * 1024 * 1024)}</worksheet>`;
    const sheets = Array.from({ length: 10 }, (_, i) => [`xl/worksheets/more${i}.xml`, sheet] as const);
    await expect(read(workbook([['a']], sheets))).rejects.toHaveProperty('code', 'TOO_LARGE');
    const wide = `<worksheet>${'<row><c r="GR1"><v>1</v></c></row>'.repeat(60_000)}</worksheet>`;
    const two = workbook([['a', 'b']], [['xl/worksheets/sheet1.xml', wide]]);
    expect((await read(two)).faults).toHaveProperty('More cells than are read');
  });
});

test('a quote without an end is not searched again with every line', async () => {
  async function* lines() {
    yield 'name,version';
    for (let k = 0; k < 200; k++) {
      yield `"${'y'.repeat(60_000)}`;
      for (let i = 0; i < 2600; i++) yield 'x';
    }
    yield 'a,"1';
    yield '2"';
  }
  const start = process.cpuUsage();
  const rows: string[][] = [];
  for await (const row of tableRows(lines(), new Faults())) rows.push(row);
  expect(rows.at(-1)).toEqual(['a', '1\n2']);
  expect(process.cpuUsage(start).user / 1000).toBeLessThan(3000);
});

test.each(['ubuntu:constructor', 'ubuntu:valueof', 'debian:constructor'])(
  '%s is a release without a code name',
  (release) => expect(ecosystemKey(release)).toBe(release),
);

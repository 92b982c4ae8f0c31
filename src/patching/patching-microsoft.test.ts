/** Microsoft's months as CVRF and its advisories as CSAF: Windows by KB and build. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readFeed } from './feeds/index.ts';
import { readInventory } from './inventories/index.ts';
import { emptyFeedSet } from './patching-advisory.ts';
import { matchInventories } from './patching-match.ts';
import { NOW, testBench } from './patching-testing.ts';

const { folder, file, run, close } = testBench();
afterAll(close);

describe('Microsoft', () => {
  const month = (kb: string, build: string, supersedes: string) => ({
    DocumentTitle: { Value: 'x' },
    DocumentTracking: {
      Identification: { ID: { Value: '2026-Jan' } },
      Version: '1',
      CurrentReleaseDate: '2026-01-09T00:00:00Z',
    },
    ProductTree: {
      FullProductName: [
        { ProductID: '1', Value: 'Windows 10 Version 22H2 for x64-based Systems' },
        { ProductID: '2', Value: 'Windows Server 2019 (Server Core installation)' },
      ],
    },
    Vulnerability: [
      {
        CVE: 'CVE-2026-5000',
        Title: { Value: 'RDP' },
        Threats: [{ Type: 3, Description: { Value: 'Critical' } }],
        Remediations: [
          {
            Description: { Value: kb },
            ProductID: ['1'],
            FixedBuild: build,
            Supercedence: supersedes,
            RestartRequired: { Value: 'Yes' },
          },
        ],
      },
    ],
  });
  const january = month('5034122', '10.0.19045.3930', '5033372');
  const february = {
    ...month('5034763', '10.0.19045.4046', '5034122'),
    Vulnerability: [{ ...month('5034763', '10.0.19045.4046', '5034122').Vulnerability[0], CVE: 'CVE-2026-6000' }],
  };
  const both = [january, february];
  const system = (version: string) =>
    JSON.stringify({
      CsName: 'pc-1',
      OsName: 'Microsoft Windows 10 Pro',
      OsVersion: version,
      WindowsUBR: '',
      OsBuildNumber: '19045',
    });
  test('by the build with its UBR', async () => {
    const json = (ubr: number) =>
      JSON.stringify({ CsName: 'pc-1', OsName: 'Microsoft Windows 10 Pro', OsVersion: '10.0.19045', WindowsUBR: ubr });
    const found = await run(json(3803), [january]);
    expect(found.findings[0]).toMatchObject({
      kind: 'missing-update',
      key: 'windows/client:19045',
      severity: 'critical',
      asset: { name: 'pc-1' },
    });
    expect(found.findings[0]?.fix.title).toContain('KB5034122');
    expect((await run(json(3930), [january])).kinds).toEqual([]);
  });
  test('by hotfixes, a newer one supersedes; with neither it is unknown, never clean', async () => {
    const inFolder = join(folder, 'msrc');
    mkdirSync(inFolder);
    for (const [i, one] of both.entries()) writeFileSync(join(inFolder, `${i}.json`), JSON.stringify(one));
    const set = emptyFeedSet();
    await readFeed(inFolder, set);
    const match = async (text: string) => matchInventories([await readInventory(file(text))], set, NOW);
    const info = (kb: string) =>
      `\r\nHost Name:                 PC-1\r\nOS Name:                   Microsoft Windows 10 Pro\r\nOS Version:                10.0.19045 N/A Build 19045\r\nSystem Manufacturer:       LENOVO\r\nHotfix(s):                 1 Hotfix(s) Installed.\r\n                           [01]: ${kb}\r\nNetwork Card(s):           1 NIC(s) Installed.\r\n                                 [01]: 10.1.2.3\r\n`;
    expect((await match(info('KB5034763'))).findings).toEqual([]);
    const [january_] = (await match(info('KB5034122'))).findings;
    expect(january_?.evidence.map((one) => one.data?.vulnerability)).toEqual(['CVE-2026-6000']);
    expect((await match(info('KB5000001'))).findings[0]?.evidence).toHaveLength(2);
    expect(await match(system('10.0.19045'))).toMatchObject({ findings: [], unknown: 1 });
  });
});

test('Microsoft as CSAF: by the build; a list of hotfixes alone is unknown', async () => {
  const range = (id: string, category: string, name: string) => ({
    category,
    name,
    product: { product_id: id, name: id },
  });
  const feed = {
    document: {
      category: 'csaf_security_advisory',
      title: 'RDP',
      publisher: { name: 'Microsoft Security Response Center' },
      tracking: { id: 'msrc_CVE-2026-5000', version: '1', current_release_date: '2026-01-09T00:00:00Z' },
    },
    product_tree: {
      branches: [
        {
          category: 'vendor',
          name: 'Microsoft',
          branches: [
            {
              category: 'product_name',
              name: 'Windows 10 Version 22H2 for x64-based Systems',
              branches: [
                range('1', 'product_version_range', '<10.0.19045.3930'),
                range('2', 'product_version', '10.0.19045.3930'),
              ],
            },
          ],
        },
      ],
    },
    vulnerabilities: [
      {
        cve: 'CVE-2026-5000',
        product_status: { known_affected: ['1'], fixed: ['2'] },
        scores: [{ products: ['1'], cvss_v3: { vectorString: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' } }],
      },
    ],
  };
  const host = (ubr: number | string) =>
    JSON.stringify({ CsName: 'pc-1', OsName: 'Microsoft Windows 10 Pro', OsVersion: '10.0.19045', WindowsUBR: ubr });
  const found = await run(host(3803), [feed]);
  expect(found.findings[0]).toMatchObject({
    key: 'windows/client:19045',
    severity: 'critical',
    kind: 'missing-update',
  });
  expect((await run(host(3930), [feed])).kinds).toEqual([]);
  expect(await run(host(''), [feed])).toMatchObject({ kinds: [], unknown: 1 });
});

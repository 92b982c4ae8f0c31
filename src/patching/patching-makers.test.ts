/** What makers publish: CSAF, NVD, Vulnrichment, end of life. */

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { readFeed } from './feeds/index.ts';
import { emptyFeedSet } from './patching-advisory.ts';
import { testBench } from './patching-testing.ts';

const { folder, run, close } = testBench();
afterAll(close);
const rpm = (version: string, arch = 'x86_64') =>
  `openssl\t1:${version}\t${arch}\topenssl-${version}.src.rpm\nbash\t0:5.1-9.el9\tx86_64\tbash-5.1-9.el9.src.rpm\n`;
const redHat = (status: object, more: object = {}) => ({
  document: {
    category: 'csaf_vex',
    title: 'x',
    publisher: { name: 'Red Hat Product Security' },
    tracking: { id: 'CVE-2026-7000', version: '3', current_release_date: '2026-01-02T00:00:00Z', revision_history: [] },
    aggregate_severity: { text: 'Important' },
  },
  product_tree: {
    branches: [
      {
        category: 'vendor',
        name: 'Red Hat',
        branches: [
          {
            category: 'product_name',
            name: 'Red Hat Enterprise Linux 9',
            product: {
              product_id: 'BaseOS',
              name: 'RHEL 9',
              product_identification_helper: { cpe: 'cpe:/o:redhat:enterprise_linux:9::baseos' },
            },
          },
          {
            category: 'product_version',
            name: 'openssl',
            product: {
              product_id: 'ssl-x',
              name: 'openssl',
              product_identification_helper: { purl: 'pkg:rpm/redhat/openssl@3.0.7-25.el9_3?arch=x86_64&epoch=1' },
            },
          },
          {
            category: 'product_version',
            name: 'openssl',
            product: {
              product_id: 'ssl',
              name: 'openssl',
              product_identification_helper: { purl: 'pkg:rpm/redhat/openssl' },
            },
          },
        ],
      },
    ],
    relationships: ['ssl-x', 'ssl'].map((id) => ({
      category: 'default_component_of',
      product_reference: id,
      relates_to_product_reference: 'BaseOS',
      full_product_name: { product_id: `BaseOS:${id}`, name: id },
    })),
  },
  vulnerabilities: [
    { cve: 'CVE-2026-7000', product_status: status, flags: [{ label: 'vulnerable_code_not_present' }], ...more },
  ],
});
const options = { release: 'Red Hat Enterprise Linux 9.3 (Plow)' };

describe('Red Hat CSAF', () => {
  test('fixed from a version on, with epoch; another architecture is not meant', async () => {
    const feed = redHat({ fixed: ['BaseOS:ssl-x'] });
    const found = await run(rpm('3.0.7-24.el9'), [feed], options);
    expect(found.findings[0]).toMatchObject({ kind: 'missing-update', key: 'red hat:9/openssl', severity: 'high' });
    expect(found.findings[0]?.evidence[0]?.data).toMatchObject({
      fixed: '1:3.0.7-25.el9_3',
      feed: 'Red Hat Product Security CSAF',
    });
    expect((await run(rpm('3.0.7-25.el9_3'), [feed], options)).kinds).toEqual([]);
    expect((await run(rpm('3.0.7-24.el9', 'aarch64'), [feed], options)).kinds).toEqual([]);
    expect((await run(rpm('3.0.7-24.el9'), [feed], { release: 'Red Hat Enterprise Linux 8.9' })).kinds).toEqual([]);
  });
  test('affected without a fix; not affected takes off what another feed says', async () => {
    expect((await run(rpm('3.0.7-24.el9'), [redHat({ known_affected: ['BaseOS:ssl'] })], options)).kinds).toEqual([
      'no-update-yet red hat:9/openssl',
    ]);
    const osv = {
      id: 'RHSA-1',
      modified: '2026-01-01T00:00:00Z',
      upstream: ['CVE-2026-7000'],
      affected: [
        {
          package: { ecosystem: 'Red Hat:enterprise_linux:9::baseos', name: 'openssl' },
          ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '1:9' }] }],
        },
      ],
    };
    expect((await run(rpm('3.0.7-24.el9'), [osv], options)).kinds).toEqual(['missing-update red hat:9/openssl']);
    expect(
      await run(rpm('3.0.7-24.el9'), [osv, redHat({ known_not_affected: ['BaseOS:ssl'] })], options),
    ).toMatchObject({ kinds: [], cleared: 1 });
  });
  test('a withdrawn document, broken ones: counted, the good part kept', async () => {
    const gone = redHat({ fixed: ['BaseOS:ssl-x'] });
    const all = {
      ...gone,
      document: {
        ...gone.document,
        tracking: { ...gone.document.tracking, revision_history: [{ summary: 'This advisory was withdrawn' }] },
      },
    };
    expect((await run(rpm('3.0.7-24.el9'), [all], options)).kinds).toEqual([]);
    const inFolder = join(folder, 'mixed');
    mkdirSync(inFolder);
    writeFileSync(join(inFolder, 'a.json'), '{"document": ');
    writeFileSync(join(inFolder, 'b.json'), JSON.stringify({ document: {}, vulnerabilities: 'x' }));
    writeFileSync(join(inFolder, 'c.json'), JSON.stringify(gone));
    const set = emptyFeedSet();
    const report = await readFeed(inFolder, set);
    expect(set.advisories.flatMap((one) => one.items)).toHaveLength(1);
    expect([...report.faults.values()].reduce((sum, count) => sum + count, 0)).toBe(2);
  });
});

test('NVD names programs by CPE: low confidence, without a deadline', async () => {
  const nvd = {
    resultsPerPage: 1,
    format: 'NVD_CVE',
    version: '2.0',
    timestamp: '2026-01-09T00:00:00.000',
    vulnerabilities: [
      {
        cve: {
          id: 'CVE-2026-3000',
          lastModified: '2026-01-08',
          vulnStatus: 'Analyzed',
          metrics: { cvssMetricV31: [{ cvssData: { vectorString: 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' } }] },
          configurations: [
            {
              nodes: [
                {
                  cpeMatch: [
                    {
                      vulnerable: true,
                      criteria: 'cpe:2.3:a:7-zip:7-zip:*:*:*:*:*:*:*:*',
                      versionEndExcluding: '24.07',
                    },
                  ],
                },
              ],
            },
          ],
        },
      },
      { cve: { id: 'CVE-2026-4000', vulnStatus: 'Rejected' } },
      { cve: {} },
    ],
  };
  const found = await run('host,ecosystem,name,version\npc,windows-program,7-Zip,22.01\npc,windows-program,Other,1\n', [
    nvd,
  ]);
  expect(found.findings[0]).toMatchObject({ kind: 'possible-match', severity: 'information', due: null });
  expect(found.findings[0]?.evidence[0]?.data).toMatchObject({ confidence: 'low', severity: 'critical', feed: 'NVD' });
  expect(found.faults).toEqual({ 'An entry that is no NVD vulnerability': 1 });
});

test('Vulnrichment decides with its points; end of life is a finding', async () => {
  const record = {
    dataType: 'CVE_RECORD',
    cveMetadata: { cveId: 'CVE-2026-7000', dateUpdated: '2026-01-08T00:00:00Z' },
    containers: {
      adp: [
        {
          metrics: [
            {
              other: {
                type: 'ssvc',
                content: {
                  options: [{ Exploitation: 'active' }, { Automatable: 'yes' }, { 'Technical Impact': 'total' }],
                },
              },
            },
          ],
        },
      ],
    },
  };
  const found = await run(rpm('3.0.7-24.el9'), [redHat({ fixed: ['BaseOS:ssl-x'] }), record], options);
  expect(found.findings[0]?.evidence[0]?.data).toMatchObject({
    ssvc_exploitation: 'active',
    ssvc_technical_impact: 'total',
  });
  expect(found.findings[0]?.detail).toContain('CISA SSVC: act');
  const ends = {
    rhel: [
      { cycle: '9', eol: '2025-12-31' },
      { cycle: '8', eol: false },
    ],
  };
  expect(
    (await run(rpm('3.0.7-24.el9'), [ends], options)).findings.find((one) => one.kind === 'end-of-life'),
  ).toMatchObject({ key: 'rhel/9', severity: 'high' });
  expect((await run(rpm('3.0.7-24.el9'), [ends], { release: 'Red Hat Enterprise Linux 8.9' })).kinds).toEqual([]);
});

test('a kernel that does not run is not judged; a newer one that waits for a restart is a finding', async () => {
  const tracker = {
    linux: {
      'CVE-2026-8000': { releases: { bookworm: { status: 'resolved', fixed_version: '6.1.76-1', urgency: 'high' } } },
    },
  };
  const rows = (running: string) =>
    [
      {
        name: 'deb_packages',
        hostIdentifier: 'h',
        snapshot: ['6.1.0-17-amd64 6.1.69-1', '6.1.0-18-amd64 6.1.76-1'].map((one) => ({
          name: `linux-image-${one.split(' ')[0]}`,
          version: one.split(' ')[1],
          source: `linux-signed-amd64 (${one.split(' ')[1]?.replace('-', '+')})`,
          status: 'install ok installed',
        })),
      },
      {
        name: 'os_version',
        hostIdentifier: 'h',
        snapshot: [{ name: 'Debian GNU/Linux', version: '12 (bookworm)', major: '12', platform: 'debian' }],
      },
      { name: 'kernel_info', hostIdentifier: 'h', snapshot: [{ version: running, arguments: '' }] },
    ]
      .map((one) => JSON.stringify(one))
      .join('\n');
  expect((await run(rows('6.1.0-17-amd64'), [tracker])).kinds).toEqual([
    'missing-update debian:12/linux',
    'restart-needed the machine',
  ]);
  expect((await run(rows('6.1.0-18-amd64'), [tracker])).kinds).toEqual([]);
});

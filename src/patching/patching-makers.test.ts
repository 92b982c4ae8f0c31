/** What makers publish: CSAF, NVD, VEX in three forms, Vulnrichment, end of life. */

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

describe('VEX', () => {
  const sbom = {
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    serialNumber: 'urn:uuid:1-2',
    version: 1,
    metadata: { component: { type: 'application', 'bom-ref': 'app', name: 'Ward Display', version: '2.4.0' } },
    components: [{ type: 'library', name: 'log4j-core', purl: 'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0' }],
  };
  const osv = {
    id: 'GHSA-jfh8',
    aliases: ['CVE-2021-44228'],
    modified: '2026-01-01T00:00:00Z',
    affected: [
      {
        package: { ecosystem: 'Maven', name: 'org.apache.logging.log4j:log4j-core' },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '2.0' }, { fixed: '2.15.0' }] }],
      },
    ],
  };
  const cyclone = (state: string, affect: object = { ref: 'app' }, component: object = sbom.metadata.component) => ({
    bomFormat: 'CycloneDX',
    specVersion: '1.4',
    metadata: { timestamp: '2026-01-05T00:00:00Z', component },
    vulnerabilities: [
      { id: 'CVE-2021-44228', analysis: { state, justification: 'code_not_reachable' }, affects: [affect] },
    ],
  });
  const found = async (...vex: object[]) => (await run(sbom, [osv, ...vex])).kinds;
  test('CycloneDX: about the product, by version, by range, by BOM-Link, about the part', async () => {
    const part = ['missing-update maven/org.apache.logging.log4j:log4j-core'];
    expect(await found()).toEqual(part);
    expect(await found(cyclone('not_affected'))).toEqual([]);
    expect(await found(cyclone('resolved'))).toEqual([]);
    expect(
      await found(cyclone('not_affected', { ref: 'app' }, { ...sbom.metadata.component, version: '2.5.0' })),
    ).toEqual(part);
    const bare = { type: 'application', 'bom-ref': 'app', name: 'Ward Display' };
    expect(
      await found(
        cyclone(
          'not_affected',
          { ref: 'app', versions: [{ range: 'vers:semver/>=2.2.0|<=2.4.0', status: 'unaffected' }] },
          bare,
        ),
      ),
    ).toEqual([]);
    expect(
      await found(
        cyclone('not_affected', { ref: 'app', versions: [{ version: '2.3.0', status: 'unaffected' }] }, bare),
      ),
    ).toEqual(part);
    expect(await found(cyclone('not_affected', { ref: 'urn:cdx:1-2/1#app' }))).toEqual([]);
    // A part of this bill of materials; what is said of the same part elsewhere does not hold here.
    const partOf = (bom: string) => ({ ref: `urn:cdx:${bom}/1#pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0` });
    expect(await found(cyclone('not_affected', partOf('1-2')))).toEqual([]);
    expect(await found(cyclone('not_affected', partOf('9-9')))).toEqual(part);
    expect(await found(cyclone('exploitable'))).toEqual([...part, 'no-update-yet product/ward display'].sort());
  });
  test('OpenVEX: a part is spoken of inside its product alone', async () => {
    const inside = (product: string, status = 'not_affected') => ({
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': 'https://x/2',
      timestamp: '2026-01-01T00:00:00Z',
      statements: [
        {
          vulnerability: { name: 'CVE-2021-44228' },
          products: [
            {
              '@id': product,
              subcomponents: [{ '@id': 'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0' }],
            },
          ],
          status,
        },
      ],
    });
    const part = 'missing-update maven/org.apache.logging.log4j:log4j-core';
    const image = { type: 'container', 'bom-ref': 'i', name: 'ward', version: '1', purl: 'pkg:oci/ward-display' };
    const kinds = async (bom: object, vex: object) => (await run(bom, [osv, vex])).kinds;
    const inImage = { ...sbom, metadata: { component: image } };
    expect(await kinds(inImage, inside('pkg:oci/ward-display'))).toEqual([]);
    expect(await kinds(inImage, inside('pkg:oci/another'))).toEqual([part]);
    expect(await kinds(sbom, inside('pkg:oci/ward-display'))).toEqual([part]);
    expect(await kinds(sbom, inside('https://example.org/a-product'))).toEqual([part]);
    // What is affected is the product, not each host that has the part.
    expect((await run(sbom, [inside('pkg:oci/another', 'affected')])).kinds).toEqual([]);
  });
  test('OpenVEX: the newest statement about a product counts', async () => {
    const statement = (status: string, day: string) => ({
      vulnerability: { name: 'CVE-2021-44228' },
      products: [{ '@id': 'pkg:maven/org.apache.logging.log4j/log4j-core@2.14.0' }],
      status,
      timestamp: `2026-01-0${day}T00:00:00Z`,
    });
    const open = (...statements: object[]) => ({
      '@context': 'https://openvex.dev/ns/v0.2.0',
      '@id': 'https://x/1',
      timestamp: '2026-01-01T00:00:00Z',
      statements,
    });
    expect(await found(open(statement('not_affected', '2')))).toEqual([]);
    expect(await found(open(statement('not_affected', '2'), statement('affected', '3')))).toHaveLength(1);
    expect(await found(open(statement('affected', '2'), statement('fixed', '3')))).toEqual([]);
    expect((await run(sbom, [osv, open({ status: 'sometimes' }, statement('fixed', '1'))])).faults).toEqual({
      'A VEX statement whose status is not known': 1,
    });
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

/** VEX in its three forms: what makers say takes findings off, and only where they say it. */

import { afterAll, describe, expect, test } from 'vitest';
import { testBench } from './patching-testing.ts';

const { run, close } = testBench();
afterAll(close);

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

test('CSAF VEX about a component of a device holds inside that device alone', async () => {
  const vex = {
    document: {
      category: 'csaf_vex',
      title: 'x',
      publisher: { name: 'Acme' },
      tracking: { id: 'ACME-1', version: '1', current_release_date: '2026-01-02T00:00:00Z' },
    },
    product_tree: {
      branches: [
        {
          category: 'vendor',
          name: 'Acme',
          branches: [
            {
              category: 'product_name',
              name: 'Ward Display',
              branches: [
                {
                  category: 'product_version',
                  name: '2.4.0',
                  product: { product_id: 'WD', name: 'Ward Display 2.4.0' },
                },
              ],
            },
            {
              category: 'product_name',
              name: 'pydicom',
              product: {
                product_id: 'PD',
                name: 'pydicom',
                product_identification_helper: { purl: 'pkg:pypi/pydicom@1.0' },
              },
            },
          ],
        },
      ],
      relationships: [
        {
          category: 'default_component_of',
          product_reference: 'PD',
          relates_to_product_reference: 'WD',
          full_product_name: { product_id: 'WD:PD', name: 'pydicom in Ward Display' },
        },
      ],
    },
    vulnerabilities: [
      {
        cve: 'CVE-2026-7',
        product_status: { known_not_affected: ['WD:PD'] },
        flags: [{ label: 'vulnerable_code_not_in_execute_path', product_ids: ['WD:PD'] }],
      },
    ],
  };
  const osv = {
    id: 'GHSA-7',
    aliases: ['CVE-2026-7'],
    modified: '2026-01-01T00:00:00Z',
    affected: [
      {
        package: { ecosystem: 'PyPI', name: 'pydicom' },
        ranges: [{ type: 'ECOSYSTEM', events: [{ introduced: '0' }, { fixed: '2' }] }],
      },
    ],
  };
  const bom = (name: string) => ({
    bomFormat: 'CycloneDX',
    specVersion: '1.5',
    metadata: { component: { type: 'application', 'bom-ref': 'a', name, version: '2.4.0' } },
    components: [{ type: 'library', name: 'pydicom', purl: 'pkg:pypi/pydicom@1.0' }],
  });
  expect((await run(bom('Ward Display'), [osv, vex])).kinds).toEqual([]);
  expect((await run(bom('Other Display'), [osv, vex])).kinds).toEqual(['missing-update pypi/pydicom']);
});

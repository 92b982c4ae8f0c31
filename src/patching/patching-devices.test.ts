import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import type { DeviceProduct } from './devices/device-advisory.ts';
import { judgeDevice } from './devices/device-match.ts';
import { sameVendor } from './devices/device-name.ts';
import { judgeVersion, readVersionText } from './devices/device-version.ts';
import { matchDevices, readDeviceAdvisories, readDevices } from './devices/index.ts';
import { Faults } from './patching-input.ts';

const product = (vendor: string, name: string, version: string): DeviceProduct => ({
  vendor,
  product: name,
  version,
  score: 9.8,
  cves: ['CVE-2020-0001'],
});
const answer = (one: DeviceProduct, vendor: string, model: string, version: string) =>
  judgeDevice({ name: 'd', vendor, model, version }, one)?.answer ?? 'no';

describe('version texts', () => {
  test.each([
    ['vers:all/*', '3', 'in'],
    ['all versions', '', 'in'],
    ['<= 2.3.6', '2.3.6', 'in'],
    ['<= 2.3.6', '2.3.7', 'out'],
    ['prior to 2.1.3', '2.1.2', 'in'],
    ['Version 2.1.3 and prior', '2.1.4', 'out'],
    ['2.3.6 and  below', '2.3', 'in'],
    ['versions 1.0 through 1.4', '1.4.0', 'in'],
    ['1.0 to 1.4', '1.5', 'out'],
    ['>= 1.1 | <= 1.3.2', '1.0', 'out'],
    ['2.X', '2.7.1', 'in'],
    ['2.X | 4.X', '3.0', 'out'],
    ['1.10 | 1.11', 'Software 1.11', 'in'],
    ['< B.06.18', 'B.06.17', 'in'],
    ['< B.06.18', '5.1', 'unknown'],
    ['< August 2019', '1.0', 'unknown'],
    ['<8/30/2024', '1.0', 'unknown'],
    ['>= 2003 | <= 2006', '3', 'unknown'],
    ['3002', '1.0', 'unknown'],
    ['Rev J-M', 'K', 'in'],
    ['Rev J-M', 'Rev N', 'out'],
    ['<=N', 'N.01.02', 'in'],
    ['<= C.00.04', 'B.99', 'in'],
    ['A10 < A11', 'A10', 'in'],
    ['< 1.8.4 Service Pack 01', '1.8.4', 'in'],
    ['< 1.8.4 Service Pack 01', '1.8.4 SP1', 'out'],
    ['1.3.1 Build 13', '1.3.1', 'unknown'],
    ['1.1.3 MR Build 11', '1.1.3 MR Build 11', 'in'],
    ['<=2023.3_Build_9342', '2024.1', 'out'],
    ['all versions prior to 4.2', '4.1.9', 'in'],
    ['4.20 | 4.20 SR1 | 4.30', '4.20 SR1', 'in'],
    ['<= 3.0 D15', '3.0 D14', 'in'],
    ['between 2.0 and 2.4', '2.1', 'in'],
    ['2.1.3 and all previous versions', '2.0', 'in'],
    ['>= 1.0 | <= 1.5 | >= 2.0 | <= 2.5', '1.7', 'out'],
    ['>= 1.0 | <= 1.5 | >= 2.0 | <= 2.5', '2.2', 'in'],
    ['>= 2.0 | <= 2.5 | >= 1.0 | <= 1.5', '1.7', 'unknown'],
    ['<= 2.0', 'newest', 'unknown'],
    ['<= 2.0', '', 'unknown'],
  ] as const)('%s, device %s: %s', (text, version, expected) => {
    expect(judgeVersion(readVersionText(text), version)).toBe(expected);
  });
  test('anything ends with an answer', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 400 }), fc.string({ maxLength: 60 }), (text, version) => {
        expect(['in', 'out', 'unknown']).toContain(judgeVersion(readVersionText(text), version));
      }),
    );
  });
});

test('vendors: aliases, misspellings, several in one', () => {
  expect(sameVendor('Phillips', 'Philips Healthcare')).toBe(true);
  expect(sameVendor('BD', 'Becton, Dickinson and Company (BD)')).toBe(true);
  expect(sameVendor('GE Healthcare', 'Silex Technology and GE Healthcare')).toBe(true);
  expect(sameVendor('Medtronik', 'Medtronic Inc.')).toBe(true);
  expect(sameVendor('Siemens', 'Philips')).toBe(false);
  expect(sameVendor('Acme Medical', 'Other Medical')).toBe(false);
});

describe('devices', () => {
  const pump = product('Examplus Medical', 'FlowMaster Infusion Pump 4000/4100', '<= 2.3');
  const monitor = product('Examplus', 'VitaView MX800/700/600 Patient Monitor', 'vers:all/*');
  test.each([
    [pump, 'Examplus', 'FlowMaster 4100', '2.2', 'affected'],
    [pump, 'Examplus', 'FlowMaster 4100', '2.4', 'no'],
    [pump, 'Examplus', 'FlowMaster 4100', '', 'maybe'],
    [pump, 'Examplus', 'FlowMaster 4100', 'R7', 'unknown'],
    [pump, 'Examplus', 'FlowMaster', '2.2', 'maybe'],
    [pump, 'Examplus', 'FlowMaster 5000', '2.2', 'no'],
    [pump, '', 'FlowMaster 4100', '2.2', 'maybe'],
    [pump, 'Another', 'FlowMaster 4100', '2.2', 'no'],
    [monitor, 'Exampluss', 'VitaView MX700', '', 'affected'],
    [monitor, 'Examplus', 'VitaView MX500', '', 'no'],
    [monitor, 'Examplus', 'Centrifuge', '', 'no'],
    [product('Examplus', 'Insulin pump', 'EX-1715 | EX-1754'), 'Examplus', 'Pump EX-1754', '1', 'affected'],
  ])('%#', (one, vendor, model, version, expected) => {
    expect(answer(one, vendor, model, version)).toBe(expected);
  });
});

const folder = mkdtempSync(join(tmpdir(), 'asepsis-devices-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('from table and advisories to findings with words and question', async () => {
  const csaf = {
    document: {
      title: 'Examplus FlowMaster',
      tracking: { id: 'ICSMA-99-001-01', version: '2', current_release_date: '2026-01-01T00:00:00Z' },
    },
    product_tree: {
      branches: [
        {
          category: 'vendor',
          name: 'Examplus',
          branches: [
            {
              category: 'product_name',
              name: 'FlowMaster',
              branches: [{ category: 'product_version_range', name: '<= 2.3', product: { product_id: 'P1' } }],
            },
          ],
        },
      ],
    },
    vulnerabilities: [
      {
        cve: 'CVE-2026-0001',
        product_status: { known_affected: ['P1'] },
        scores: [{ products: ['P1'], cvss_v3: { baseScore: 9.8 } }],
      },
    ],
  };
  mkdirSync(join(folder, 'feed'));
  writeFileSync(join(folder, 'feed', 'a.json'), JSON.stringify(csaf));
  writeFileSync(join(folder, 'feed', 'b.json'), '{');
  writeFileSync(
    join(folder, 'devices.csv'),
    'Asset;Manufacturer;Model;Firmware\npump-1;Examplus;FlowMaster;2.1\npump-2;Examplus;FlowMaster;\npump-3;Examplus;FlowMaster;3.0\n;;;\n',
  );
  const faults = new Faults();
  const advisories = await readDeviceAdvisories(join(folder, 'feed'), faults);
  const devices = await readDevices(join(folder, 'devices.csv'), {}, faults);
  expect(Object.fromEntries(faults)).toEqual({ 'A file that cannot be read as JSON': 1, 'A row without a model': 1 });
  const found = matchDevices(devices, advisories, Date.UTC(2026, 0, 2));
  expect(found.map((one) => [one.asset.name, one.kind, one.severity, one.evidence[0]?.data?.answer])).toEqual([
    ['pump-1', 'device-advisory', 'critical', 'affected'],
    ['pump-2', 'device-advisory-question', 'information', 'maybe'],
  ]);
  expect(found[1]?.detail).toBe('Which version does pump-2 run? The advisory names "<= 2.3" of FlowMaster.');
  expect(found[0]?.evidence[0]?.data).toMatchObject({
    feed_version: '2',
    feed_date: '2026-01-01T00:00:00Z',
    words: 'Examplus · flowmaster · <= 2.3',
  });
});

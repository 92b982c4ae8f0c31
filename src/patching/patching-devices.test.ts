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
  test.each([
    ['version 2.x and earlier', '2.7', 'in'],
    ['version 2.x and earlier', '1.0', 'in'],
    ['version 2.x and earlier', '3.0', 'out'],
    ['all versions prior to and including R3.1', 'R3.1', 'in'],
    ['all versions prior to and including R3.1', '3.1', 'in'],
    ['all versions prior to and including R3.1', 'R3.2', 'out'],
    ['firmware versions before 4.01.00', '4.00.99', 'in'],
    ['firmware versions before 4.01.00', '4.01.00', 'out'],
    ['1.2(3)a', '1.2(3)a', 'in'],
    ['<= 1.2(3)a', '1.2(2)', 'in'],
    ['<= 1.2(3)', '1.2(4)', 'out'],
    ['prior to 12.1(2)', '12.1(1)', 'in'],
    ['built before 2019-05-01', '1.0', 'unknown'],
    ['manufactured before May 2019', '1.0', 'unknown'],
    ['serial numbers before 12345', '1', 'unknown'],
    ['V3.0 and lower', '2.9', 'in'],
    ['Version 3.5, 3.5.1 and 4.0', '3.5.1', 'in'],
    ['Version 3.5, 3.5.1 and 4.0', '3.6', 'out'],
    ['versions 4.0, 4.1, and 4.2', '4.2', 'in'],
    ['2.0.x through 2.4.x', '2.4.9', 'in'],
    ['2.0.x through 2.4.x', '2.5', 'out'],
    ['2.0.x through 2.4.x', '1.9', 'out'],
    ['v1.x < 1.8.3', '1.8.2', 'in'],
    ['v1.x < 1.8.3', '1.8.3', 'out'],
    ['All versions < 3.1', '3.0', 'in'],
    ['<=v2.3', '2.3', 'in'],
    ['<V4.1_HF2', '4.1', 'in'],
    ['<V4.1_HF2', '4.1 HF2', 'out'],
    ['prior to Version 2016.1.2.101', '2016.1.2.100', 'in'],
    ['Software Version 9.8.1 or earlier', '9.8.1', 'in'],
    ['Software Version 9.8.1 or earlier', '9.8.2', 'out'],
    ['all versions up to 7.0.5', '7.0.5', 'in'],
    ['7.x prior to 7.0.5', '7.0.4', 'in'],
    ['7.x prior to 7.0.5', '7.0.5', 'out'],
    ['7.x prior to 7.0.5', '6.9', 'out'],
    ['Release 11.0.3.0 SP2 and earlier', '11.0.3.0 SP1', 'in'],
    ['(all versions)', '1', 'in'],
    ['ALL VERSIONS', '1', 'in'],
    ['All', '1', 'in'],
    ['all software versions', '1', 'in'],
    ['All firmware versions', '1', 'in'],
    ['N/A', '1', 'unknown'],
    ['unspecified', '1', 'unknown'],
    ['Unknown', '1', 'unknown'],
    ['all versions except 3.2', '3.1', 'in'],
    ['all versions except 3.2', '3.2', 'out'],
    ['< 2.1.0 (EU)', '2.0', 'unknown'],
    ['< 2.1.0 (EU)', '2.2', 'out'],
    ['>=1.0 <=1.5', '1.2', 'in'],
    ['>=2.0 <2.5', '2.5', 'out'],
    ['>=2.0,<2.5', '2.4', 'in'],
    ['2.0 - 2.5', '2.3', 'in'],
    ['2.0–2.5', '2.3', 'in'],
    ['2.0-2.5', '2.6', 'out'],
    ['2.0 thru 2.5', '2.3', 'in'],
    ['2.0 up to 2.5', '2.3', 'in'],
    ['2.0 up to 2.5', '1.9', 'out'],
    ['from 2.0 to 2.5', '2.3', 'in'],
    ['from 2.0 through 2.5 inclusive', '2.5', 'in'],
    ['from 2.0 up to and including 2.5', '2.5', 'in'],
    ['later than 2.0', '2.1', 'in'],
    ['2.0 or later', '2.0', 'in'],
    ['2.0 and newer', '1.9', 'out'],
    ['2.0+', '2.1', 'in'],
    ['2.0 and above', '2.0', 'in'],
    ['earlier than 2.0', '1.9', 'in'],
    ['v.2.0', '2.0', 'in'],
    ['ver 2.0', '2.0', 'in'],
    ['Rev. 2.0', '2.0', 'in'],
    ['versions prior to 5.1, and version 6.0', '5.0', 'in'],
    ['versions prior to 5.1, and version 6.0', '6.0', 'in'],
    ['versions prior to 5.1, and version 6.0', '5.5', 'out'],
    ['All versions prior to 3.2.1 and 4.0 through 4.3', '4.1', 'in'],
    ['1.5 and 1.6 only', '1.6', 'in'],
    ['version 1.5 only', '1.5', 'in'],
    ['version 1.5 (build 1234)', '1.5', 'unknown'],
    ['Versions 1.0, 1.1 and prior to 0.9', '0.8', 'in'],
    ['Software versions 2.1 and 2.2 running on Windows XP', '2.1', 'unknown'],
    ['Software versions 2.1 and 2.2 running on Windows XP', '3', 'out'],
    ['2.1.3 and all prior', '2.1.3', 'in'],
    ['2.1.3 and previous', '2.0', 'in'],
    ['2.1.3 & earlier', '2.0', 'in'],
    ['2.1.3 or lower', '2.0', 'in'],
    ['≤ 2.1.3', '2.1.3', 'in'],
    ['=< 2.1.3', '2.1.3', 'in'],
    ['Versions before and including 3.3', '3.3', 'in'],
    ['before or equal to 3.3', '3.3', 'in'],
    ['up to, and including, 3.3', '3.3', 'in'],
    ['through 3.3', '3.3', 'in'],
    ['prior to (but not including) 3.3', '3.3', 'out'],
    ['3.3 and under', '3.2', 'in'],
    ['not later than 3.3', '3.3', 'in'],
    ['no later than 3.3', '3.4', 'out'],
    ['older than version 3.3', '3.2', 'in'],
    ['lower than or equal to 3.3', '3.3', 'in'],
    ['less than or equal to 3.3', '3.3', 'in'],
    ['greater than or equal to 3.3', '3.3', 'in'],
    ['at least 2.0 and less than 3.0', '2.5', 'in'],
    ['at least 2.0 and less than 3.0', '3.0', 'out'],
    ['3.x', '3.1', 'in'],
    ['3.*', '3.1', 'in'],
    ['A.01 | C.0x | 4.0', 'C.03', 'in'],
    ['A.01 | C.0x | 4.0', 'C.10', 'unknown'],
    ['AP 3.0 and earlier', 'AP 2.9', 'in'],
    ['AP 3.0 and earlier', 'AP 3.1', 'out'],
    ['AP 3.0 and earlier', '2.9', 'unknown'],
    ['Versions 12.2.x.x and prior', '12.2.8.400', 'in'],
    ['Versions 12.2.x.x and prior', '12.3.0.1', 'out'],
    ['06.08.00.00 and prior', '06.08.00.00', 'in'],
    ['all versions before 03.01.03 (serial number below KQ0400000)', '03.01.02', 'unknown'],
    ['all versions before 03.01.03 (serial number below KQ0400000)', '03.01.04', 'out'],
    ['4.1L1 and prior', '4.1L1', 'in'],
    ['<= v1.3.1', '1.3.1', 'in'],
    ['3', '3.1', 'unknown'],
    ['version 3', '3.0', 'in'],
    ['version 3', '2.9', 'out'],
    ['1.3 (all builds)', '1.3', 'in'],
    ['vers:generic/<=2.3.6', '2.3.6', 'in'],
    ['vers:generic/>=1.0|<2.0', '2.0', 'out'],
    ['vers:unknown/<=2.3', '2.3', 'in'],
    ['vers:all/*', '', 'in'],
    ['vers:intdot/>=1.0|<=1.5', '1.3', 'in'],
    ['Versions 8.3 and prior, and 8.4 before Patch 2', '8.2', 'in'],
    ['PB1.0.0.15', '1.0.0.15', 'unknown'],
    ['A.03.09', 'A.03.09', 'in'],
    ['L82', 'L82', 'in'],
    ['< 012U000062', '012U000061', 'in'],
    ['<= 012U000061', '012U000062', 'out'],
    ['2017 R2', '2017 R2', 'in'],
    ['< 2017 R2', '2016 R1', 'in'],
    ['2022.2.1.0 and prior', '2022.1', 'in'],
    ['7.5 before SP4', '7.5 SP3', 'in'],
    ['7.5 before SP4', '7.5 SP4', 'out'],
    ['1.8.4.1 and earlier (except 1.8.3)', '1.8.2', 'in'],
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

test('models and vendors as registers really write them', () => {
  const one = product('General Electric (GE)', 'Optima 520', '<= 1.002');
  const say = (vendor: string, model: string, version = '1.001') => answer(one, vendor, model, version);
  for (const [vendor, model] of [
    ['GE Healthcare', 'Optima-520'],
    ['GE HEALTHCARE', 'OPTIMA_520'],
    ['General Electric', 'Optima520'],
    ['Genreal Electric', 'Optima® 520'],
    ['GE Medical Systems GmbH', 'Optima (TM) 520'],
    ['GE', 'GE Optima 520 S/N 4711-22'],
  ] as const)
    expect([vendor, model, say(vendor, model)]).toEqual([vendor, model, 'affected']);
  expect(say('GE', 'Optima 520', '1,003')).toBe('no');
  expect(say('GE', 'Optima-640')).toBe('no');
  expect(say('Gemini Electric', 'Optima 520')).toBe('no');
});

test('the question asks for what is missing: the version, or whether the words hold for the one that is there', () => {
  const one = product('Examplus', 'FlowMaster', '< 2.0 (with the wireless option)');
  const ask = (version: string) => judgeDevice({ name: 'p-1', vendor: 'Examplus', model: 'FlowMaster', version }, one);
  expect(ask('')?.question).toBe(
    'Which version does p-1 run? The advisory names "< 2.0 (with the wireless option)" of FlowMaster.',
  );
  expect(ask('1.5')).toMatchObject({ answer: 'unknown', question: expect.stringContaining('given as 1.5?') });
  expect(ask('2.1')).toBeNull();
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

/** CVSS base scores against the examples that FIRST publishes for each version. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readNvd } from './feeds/feed-nvd.ts';
import { readOsv } from './feeds/feed-osv.ts';
import { readCycloneVex } from './feeds/feed-vex.ts';
import { csafScores } from './patching-csaf-scores.ts';
import { cvssPoints, cvssScore, severityOfVector } from './patching-cvss.ts';
import { Faults } from './patching-input.ts';

describe('published examples', () => {
  test.each([
    // CVSS v2 guide, section 3.3.
    ['AV:N/AC:L/Au:N/C:N/I:N/A:C', 7.8],
    ['AV:N/AC:L/Au:N/C:C/I:C/A:C', 10],
    ['(AV:L/AC:H/Au:N/C:C/I:C/A:C)', 6.2],
    ['CVSS2#AV:L/AC:H/Au:N/C:C/I:C/A:C', 6.2],
    ['CVSS:2.0/AV:L/AC:H/Au:N/C:C/I:C/A:C', 6.2],
    // CVSS v3.1 examples.
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1],
    ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N', 6.4],
    ['CVSS:3.0/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N', 3.1],
    ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H', 9.9],
    ['CVSS:3.1/AV:N/AC:L/PR:L/UI:N/S:C/C:H/I:H/A:H/E:P/RL:O/RC:C', 9.9],
    ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N', 0],
    // CVSS v4.0 examples.
    ['CVSS:4.0/AV:L/AC:L/AT:P/PR:L/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 7.3],
    ['CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:P/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N', 7.7],
    ['CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:L/VA:L/SC:N/SI:N/SA:N', 8.3],
    ['CVSS:4.0/AV:L/AC:L/AT:N/PR:N/UI:A/VC:L/VI:N/VA:N/SC:N/SI:N/SA:N', 4.6],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:A/VC:N/VI:N/VA:N/SC:L/SI:L/SA:N', 5.1],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:N/SC:N/SI:N/SA:N', 6.9],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N', 8.7],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H', 10],
    ['CVSS:4.0/AV:A/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:H/SI:N/SA:H', 6.4],
    ['CVSS:4.0/AV:L/AC:L/AT:N/PR:H/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H', 9.3],
    ['CVSS:4.0/AV:P/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H', 8.6],
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N', 0],
    // Threat and environment do not change the base score.
    ['CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:N/VA:N/SC:N/SI:N/SA:N/E:U/CR:L/AU:Y', 8.7],
  ] as const)('%s is %f', (vector, score) => {
    expect(cvssScore(vector)).toBe(score);
  });
});

test('what is no whole vector has no score', () => {
  for (const text of [
    '',
    'CVSS:3.1/',
    'CVSS:5.0/AV:N',
    'CVSS:3.1/AV:N/AC:L',
    'CVSS:3.1/AV:constructor/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:3.1/AV:N/AV:P/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H',
    'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H',
    'CVSS:4.0/AV:/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H',
    `CVSS:3.1/${'A:H/'.repeat(200)}`,
  ])
    expect([text, cvssScore(text)]).toEqual([text, null]);
});

const metric = (name: string, values: string) =>
  fc.constantFrom(...values.split('')).map((value) => `${name}:${value}`);
const v4 = fc
  .tuple(
    ...[
      'AV:NALP',
      'AC:LH',
      'AT:NP',
      'PR:NLH',
      'UI:NPA',
      'VC:HLN',
      'VI:HLN',
      'VA:HLN',
      'SC:HLN',
      'SI:HLN',
      'SA:HLN',
    ].map((text) => metric(text.slice(0, 2), text.slice(3))),
  )
  .map((parts) => `CVSS:4.0/${parts.join('/')}`);
const WORSE: Readonly<Record<string, string>> = {
  AV: 'NALP',
  AC: 'LH',
  AT: 'NP',
  PR: 'NLH',
  UI: 'NPA',
  VC: 'HLN',
  VI: 'HLN',
  VA: 'HLN',
  SC: 'HLN',
  SI: 'HLN',
  SA: 'HLN',
};
test('version 4: one metric that is worse never gives a lower score', () => {
  fc.assert(
    fc.property(v4, fc.nat(10), (vector, place) => {
      const parts = vector.split('/').slice(1);
      const [name = '', value = ''] = (parts[place] as string).split(':');
      const order = WORSE[name] as string;
      const worse = order[order.indexOf(value) - 1];
      if (worse === undefined) return;
      const other = `CVSS:4.0/${parts.with(place, `${name}:${worse}`).join('/')}`;
      expect(cvssScore(other)).toBeGreaterThanOrEqual(cvssScore(vector) as number);
    }),
    { numRuns: 2000 },
  );
});

test('words and points of each version', () => {
  expect(severityOfVector('AV:N/AC:L/Au:N/C:C/I:C/A:C')).toBe('high');
  expect(severityOfVector('CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N')).toBe('critical');
  expect(cvssPoints('AV:N/AC:L/Au:N/C:C/I:C/A:C')).toEqual({ automatable: true, total: true });
  expect(cvssPoints('CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N')).toEqual({
    automatable: false,
    total: true,
  });
  expect(cvssPoints('CVSS:4.0/AV:N/AC:L/AT:P/PR:N/UI:N/VC:H/VI:H/VA:L/SC:N/SI:N/SA:N/AU:Y')).toEqual({
    automatable: true,
    total: false,
  });
  expect(cvssPoints('nothing')).toBeNull();
});

test('feeds that give only a vector of another version, or only a number, are weighed by it', async () => {
  const v4text = 'CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N';
  const osv = (severity: object[]) =>
    readOsv({ id: 'X-1', modified: '2026-01-01T00:00:00Z', severity, affected: [] }, new Faults());
  expect(osv([{ type: 'CVSS_V4', score: v4text }])).toMatchObject({
    advisory: { severity: 'critical', vector: v4text },
  });
  expect(osv([{ type: 'CVSS_V2', score: 'AV:N/AC:L/Au:N/C:C/I:C/A:C' }])).toMatchObject({
    advisory: { severity: 'high' },
  });
  const nvd = (metrics: object) => readNvd({ cve: { id: 'CVE-2026-0001', metrics } }, new Faults());
  const of = (vectorString: string) => [{ cvssData: { vectorString } }];
  expect(nvd({ cvssMetricV40: of(v4text) })).toMatchObject({ advisory: { severity: 'critical' } });
  expect(nvd({ cvssMetricV2: of('AV:N/AC:L/Au:N/C:N/I:N/A:C') })).toMatchObject({ advisory: { severity: 'high' } });
  expect(
    nvd({
      cvssMetricV2: of('AV:N/AC:L/Au:N/C:C/I:C/A:C'),
      cvssMetricV31: of('CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N'),
    }),
  ).toMatchObject({ advisory: { severity: 'low' } });
  const csaf = (more: object) => csafScores({ cve: 'x', ...more });
  expect(csaf({ scores: [{ cvss_v4: { vectorString: v4text } }] })).toMatchObject({ severity: 'critical' });
  expect(csaf({ metrics: [{ content: { cvss_v4: { vectorString: v4text } } }] })).toMatchObject({ score: 9.3 });
  expect(csaf({ scores: [{ cvss_v3: { baseScore: 8.1 } }] })).toEqual({ score: 8.1, severity: 'high', vector: '' });
  expect(csaf({ scores: [{ cvss_v3: { baseScore: '8.1' } }] })).toBeNull();
});

test('a rating of CycloneDX names its version beside a bare vector; words never meet what objects inherit', () => {
  const read = (rating: object, state = 'exploitable') =>
    readCycloneVex(
      {
        bomFormat: 'CycloneDX',
        metadata: { component: { 'bom-ref': 'a', name: 'App', version: '1' } },
        vulnerabilities: [{ id: 'CVE-1', ratings: [rating], analysis: { state }, affects: [{ ref: 'a' }] }],
      },
      new Faults(),
    );
  const severity = (rating: object) => read(rating).advisories[0]?.severity;
  expect(severity({ method: 'CVSSv31', vector: 'AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H' })).toBe('critical');
  expect(severity({ method: 'CVSSv2', vector: 'AV:N/AC:L/Au:N/C:C/I:C/A:C' })).toBe('high');
  expect(severity({ method: 'CVSSv4', score: 9.1 })).toBe('critical');
  expect(severity({ severity: 'low' })).toBe('low');
  for (const word of ['constructor', '__proto__', 'toString']) expect(read({}, word).statements).toEqual([]);
});

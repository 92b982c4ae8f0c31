/** Deadlines: CISA's tables row by row, several clocks, pauses, and what is assumed is said. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  DEFAULT_POLICY,
  decide,
  pausedDue,
  policyOf,
  ssvcDecision,
  UNKNOWN_CONTEXT,
  type VulnerabilityFacts,
} from './policy/index.ts';
import { BOD_MEANING, bodOutcome } from './policy/policy-bod.ts';

const NOW = Date.UTC(2026, 0, 10);
const DAY = 86_400_000;
const feed = { name: 'CISA KEV', version: '1', date: '2026-01-01T00:00:00Z', dateOf: 'feed' } as const;
const facts = (more: Partial<VulnerabilityFacts> = {}): VulnerabilityFacts => ({
  severity: 'high',
  fixable: true,
  exploited: null,
  points: null,
  vector: null,
  published: null,
  ...more,
});

// Known exploited, exposed, automatable, total: the sixteen rows as CERT/CC publishes them, in the order of its file.
test.each([
  ['NNNP', 'FSU'],
  ['YNNP', '14D'],
  ['NYNP', '60D'],
  ['NNYP', '60D'],
  ['NNNT', 'FSU'],
  ['YYNP', '14D'],
  ['YNYP', '14D'],
  ['NYYP', '14D'],
  ['YNNT', '14D'],
  ['NYNT', '14D'],
  ['NNYT', '60D'],
  ['YYYP', '3D'],
  ['YYNT', '3DF'],
  ['YNYT', '3DF'],
  ['NYYT', '3D'],
  ['YYYT', '3DF'],
] as const)('BOD 26-04 %s is %s', (row, outcome) => {
  const [kev, exposed, automatable, impact] = row;
  expect(
    bodOutcome({ kev: kev === 'Y', exposed: exposed === 'Y', automatable: automatable === 'Y', total: impact === 'T' }),
  ).toBe(outcome);
});

test('BOD 26-04: more danger never gives more days', () => {
  const days = (points: Parameters<typeof bodOutcome>[0]) => BOD_MEANING[bodOutcome(points)].days ?? 1000;
  fc.assert(
    fc.property(
      fc.record({ kev: fc.boolean(), exposed: fc.boolean(), automatable: fc.boolean(), total: fc.boolean() }),
      fc.constantFrom('kev', 'exposed', 'automatable', 'total'),
      (points, more) => {
        expect(days({ ...points, [more]: true })).toBeLessThanOrEqual(days(points));
      },
    ),
  );
});

test('CISA SSVC 2.0.3: rows of its table', () => {
  const rows = `none no partial low track;none no total high track*;none yes partial high attend;poc no partial high track*;poc no total medium track*;poc no total high attend;poc yes partial medium track;poc yes total medium track*;active no partial high attend;active no total low track;active no total medium attend;active no total high act;active yes partial low attend;active yes partial high act;active yes total low attend;active yes total medium act`;
  for (const row of rows.split(';')) {
    const [exploitation, automatable, impact, mission, decision] = row.split(' ');
    expect(
      ssvcDecision({
        exploitation: exploitation as 'none',
        automatable: automatable === 'yes',
        total: impact === 'total',
        mission: mission as 'low',
      }),
      row,
    ).toBe(decision);
  }
});

describe('clocks', () => {
  test('the strictest wins, the others run beside it', () => {
    const exploited = { added: '2026-01-02', due: '2026-01-23', ransomware: false, feed };
    const points = { exploitation: 'active', automatable: true, total: true, feed } as const;
    const found = decide(
      facts({ exploited, points, severity: 'critical', published: '2026-01-08T00:00:00Z' }),
      { exposed: true, exposedBy: 'perimeter saw it', criticality: 'life-sustaining' },
      DEFAULT_POLICY,
      NOW,
    );
    expect(found.clocks.map((one) => [one.rule, one.from, (one.dueMs - NOW) / DAY])).toEqual([
      ['bod-26-04', 'detected', 3],
      ['local', 'detected', 7],
      ['cyber-essentials', 'released', 12],
      ['kev', 'kev', 13],
    ]);
    expect(found.clocks[0]).toMatchObject({ triage: true });
    expect(found.clocks[0]?.why).toContain('perimeter saw it');
    expect(found).toMatchObject({ ssvc: 'act', assumed: [] });
  });
  test('what nobody knows is assumed as the policy says, and that is said', () => {
    const found = decide(facts({ severity: 'medium' }), UNKNOWN_CONTEXT, DEFAULT_POLICY, NOW);
    expect(found.assumed).toEqual([
      'automatable is not known, taken as no',
      'total impact is not known, taken as no',
      'exposure is not known, taken as no',
    ]);
    const strict = policyOf({ assume: { exposed: true, automatable: true, total_impact: true } });
    expect(decide(facts({ severity: 'medium' }), UNKNOWN_CONTEXT, strict, NOW).clocks[0]).toMatchObject({
      rule: 'bod-26-04',
      dueMs: NOW + 3 * DAY,
    });
    const vector = 'CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H';
    expect(
      decide(facts({ vector }), { exposed: true, exposedBy: null, criticality: 'unknown' }, DEFAULT_POLICY, NOW)
        .assumed,
    ).toEqual(['automatable from its CVSS vector', 'total impact from its CVSS vector']);
  });
  test('a policy is data, with its limits', () => {
    expect(policyOf({ days: { high: 2 } }).days).toEqual({ critical: 14, high: 2, medium: 30, low: 90 });
    for (const bad of [{ days: { high: -1 } }, { days: 3 }, { more: 1 }])
      expect(() => policyOf(bad)).toThrow('not valid');
    const off = policyOf({ bod_26_04: false, cyber_essentials: false, kev_date: false, days: { high: null } });
    expect(decide(facts(), UNKNOWN_CONTEXT, off, NOW).clocks).toEqual([]);
  });
  test('pauses move own clocks by their length, never the dates of others, and not after the day', () => {
    const clock = { rule: 'local', startMs: NOW, dueMs: NOW + 10 * DAY } as const;
    const pause = (from: number, to: number | null) => ({
      fromMs: NOW + from * DAY,
      toMs: to === null ? null : NOW + to * DAY,
      reason: 'waits for the maker',
      by: 'lead',
    });
    expect(pausedDue(clock, [pause(2, 5)], NOW)).toBe(NOW + 13 * DAY);
    expect(pausedDue(clock, [pause(2, 5), pause(12, 14)], NOW)).toBe(NOW + 15 * DAY);
    expect(pausedDue(clock, [pause(11, 14)], NOW)).toBe(NOW + 10 * DAY);
    expect(pausedDue(clock, [pause(2, null)], NOW + 6 * DAY)).toBe(NOW + 14 * DAY);
    expect(pausedDue({ ...clock, rule: 'kev' }, [pause(2, 5)], NOW)).toBe(NOW + 10 * DAY);
  });
});

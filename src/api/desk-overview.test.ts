import { expect, test } from 'vitest';
import { type Incident, ROOM_NAMES, rfc3339, type Source } from '../core/index.ts';
import { allCoverage, overviewSentence, silentSources } from './desk-overview.ts';

const NOW = Date.parse('2026-11-24T02:14:00Z');
const source = (name: string, silentMin: number | null, kind: Source['kind'] = 'syslog'): Source => ({
  id: `src_${name.padEnd(26, '0')}` as Source['id'],
  name,
  kind,
  expected_silence_sec: 600,
  critical: false,
  first_seen: rfc3339(NOW - 86_400_000),
  last_seen: silentMin === null ? null : rfc3339(NOW - silentMin * 60_000),
  events: 1,
  bytes: 1,
  not_understood: 0,
  dropped: 0,
  formats: {},
  faults: [],
  exercise: false,
});
const sentence = (o: Partial<Parameters<typeof overviewSentence>[0]>) =>
  overviewSentence({ incidents: [], alarm: null, total: 0, silent: [], ...o });

test('silence counts only where a source should send', () => {
  const silent = silentSources(
    [source('lab-sw-3', 14), source('vpn-1', 2), source('never', null), source('old-file', 900, 'import')],
    NOW,
  );
  expect(silent.map(({ name, silent_sec }) => [name, silent_sec])).toEqual([['lab-sw-3', 840]]);
});

test('the sentence says first what needs somebody, then whether the evidence still comes', () => {
  expect(sentence({})).toBe('Nothing needs you now. No source has sent anything yet.');
  const silent = silentSources([source('lab-sw-3', 14)], NOW);
  expect(sentence({ total: 15, silent })).toBe(
    'Nothing needs you now. 14 of 15 sources are sending; lab-sw-3 has been silent for 14 minutes.',
  );
  const incident = { title: 'Password guessing on vpn-1 from 203.0.113.66' } as Incident;
  expect(sentence({ incidents: [incident], total: 2 })).toBe(
    'One thing needs you: password guessing on vpn-1 from 203.0.113.66. All 2 sources are sending.',
  );
  expect(sentence({ incidents: [incident, incident], total: 1 })).toMatch(/^2 incidents need you; the worst: password/);
  expect(sentence({ alarm: 'Intake has stopped: the disk is full.' })).not.toContain('Nothing needs you');
});

test('every recommendation has a row, and one without evidence is not covered', () => {
  const rows = allCoverage([]);
  expect(rows.map((row) => row.room)).toEqual([...ROOM_NAMES]);
  for (const row of rows) {
    expect(row).toMatchObject({ state: 'no-evidence', covered: 0, in_scope: 0, measured_at: null });
    expect(row.next.title.length).toBeGreaterThan(10);
  }
});

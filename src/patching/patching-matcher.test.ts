import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Advisory, FeedRef, FeedSet } from './patching-advisory.ts';
import { cvssScore } from './patching-cvss.ts';
import { judgePackage, packageFinding } from './patching-judge.ts';
import { createMatcher, type Matcher } from './patching-matcher.ts';
import { type Package, packageKey } from './patching-package.ts';
import { EVERY_VERSION } from './patching-range.ts';
import { weighPackage } from './patching-weigh.ts';

const NOW = Date.UTC(2026, 0, 1);
const feedOf = (name: string): FeedRef => ({ name, version: '1', date: '2026-01-01T00:00:00.000Z', dateOf: 'feed' });
const item = (ecosystem: string, name: string, version: string): Package => ({
  scheme: 'deb',
  ecosystem,
  name,
  version,
});
const advisory = (
  id: string,
  keys: readonly string[],
  fixed: string | null,
  more: Partial<Advisory> = {},
): Advisory => ({
  id,
  names: [id],
  summary: '',
  severity: null,
  published: null,
  affected: keys.map((key) => ({
    key,
    range: {
      scheme: 'deb',
      intervals: [{ ...EVERY_VERSION, to: fixed, fixed: fixed !== null }],
      exact: [],
      except: [],
    },
  })),
  ...more,
});

const ecosystems = fc.constantFrom('debian:12', 'debian:13', 'debian');
const names = fc.constantFrom('openssl', 'bash', 'glibc');
const version = fc.constantFrom('1', '2', '3', '4');
const change = fc.record({
  feed: fc.constantFrom('OSV', 'Debian'),
  items: fc.array(
    fc.tuple(
      fc.constantFrom('A', 'B', 'C'),
      fc.array(fc.tuple(ecosystems, names), { maxLength: 3 }),
      fc.option(version),
    ),
    { maxLength: 3 },
  ),
  withdrawn: fc.array(fc.constantFrom('A', 'B', 'C'), { maxLength: 2 }),
});
const step = fc.oneof(
  fc.record({ package: fc.tuple(fc.constantFrom('debian:12', 'debian:13'), names, version) }),
  fc.record({ change }),
);
const contents = (matcher: Matcher) =>
  Object.fromEntries(
    Array.from({ length: matcher.size }, (_, id) => [
      JSON.stringify(matcher.packageAt(id)),
      JSON.stringify(matcher.matches(id)),
    ]),
  );

test('incremental equals full, and what did not change is not said to have changed', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const incremental = createMatcher();
      const known = new Map<string, { feed: string; advisory: Advisory }>();
      const packages: Package[] = [];
      for (const one of steps) {
        if ('package' in one) {
          const [ecosystem, name, at] = one.package;
          packages.push(item(ecosystem, name, at));
          incremental.intern(item(ecosystem, name, at));
          continue;
        }
        const items = one.change.items.map(([id, keys, fixed]) =>
          advisory(
            id,
            keys.map(([ecosystem, name]) => packageKey(ecosystem, name)),
            fixed,
          ),
        );
        const before = contents(incremental);
        const changed = incremental.apply({ feed: feedOf(one.change.feed), items, withdrawn: one.change.withdrawn });
        const after = contents(incremental);
        for (let id = 0; id < incremental.size; id++) {
          const key = JSON.stringify(incremental.packageAt(id));
          if (before[key] !== after[key]) expect(changed.has(id)).toBe(true);
        }
        for (const id of one.change.withdrawn) known.delete(`${one.change.feed}/${id}`);
        for (const next of items) known.set(`${one.change.feed}/${next.id}`, { feed: one.change.feed, advisory: next });
      }
      const full = createMatcher();
      for (const { feed, advisory: one } of known.values())
        full.apply({ feed: feedOf(feed), items: [one], withdrawn: [] });
      for (const one of packages) full.intern(one);
      expect(contents(incremental)).toEqual(contents(full));
    }),
    { numRuns: 500 },
  );
});

describe('judging', () => {
  const lists = (): Pick<FeedSet, 'exploited' | 'likelihood'> => ({ exploited: new Map(), likelihood: new Map() });
  const judged = (advisories: readonly Advisory[], from = lists(), feed = 'OSV') => {
    const matcher = createMatcher();
    matcher.apply({ feed: feedOf(feed), items: advisories, withdrawn: [] });
    const weighed = weighPackage(matcher, matcher.intern(item('debian:12', 'openssl', '1')), from);
    return judgePackage(weighed, { now: NOW }).map((one) => packageFinding(one, NOW));
  };
  const key = packageKey('debian:12', 'openssl');

  test('one finding a package, the newest fix, the worst severity, 14 days', () => {
    const [found, ...rest] = judged([
      advisory('CVE-1', [key], '2', { severity: 'high' }),
      advisory('CVE-2', [key], '3', { severity: 'low' }),
    ]);
    expect(rest).toEqual([]);
    expect(found).toMatchObject({ kind: 'missing-update', severity: 'high', due: '2026-01-15T00:00:00.000Z' });
    expect(found?.fix.title).toBe('Upgrade openssl to 3 or newer');
    expect(found?.evidence.map((one) => one.data?.fixed)).toEqual(['2', '3']);
    expect(found?.evidence[0]?.data).toMatchObject({
      feed: 'OSV',
      feed_version: '1',
      feed_date: '2026-01-01T00:00:00.000Z',
    });
  });
  test('without a fix it is another kind, with days for containing it', () => {
    expect(judged([advisory('CVE-1', [key], null, { severity: 'high' })])).toMatchObject([
      { kind: 'no-update-yet', due: '2026-01-15T00:00:00.000Z' },
    ]);
    expect(judged([advisory('CVE-1', [key], null, { severity: 'low' })])).toMatchObject([{ due: null }]);
  });
  test('known exploited is critical, and its own date is the strictest', () => {
    const from = lists();
    from.exploited.set('CVE-1', { added: '2025-12-20', due: '2026-01-10', ransomware: true, feed: feedOf('CISA KEV') });
    expect(
      judged([advisory('GHSA-1', [key], '2', { names: ['GHSA-1', 'CVE-1'], severity: 'low' })], from),
    ).toMatchObject([{ severity: 'critical', due: '2026-01-10T00:00:00.000Z' }]);
  });
  test('likely exploitation raises; a severity that nobody says is unknown', () => {
    const from = lists();
    from.likelihood.set('CVE-1', { score: 0.8, feed: feedOf('EPSS') });
    expect(judged([advisory('CVE-1', [key], '2', { severity: 'low' })], from)[0]?.severity).toBe('high');
    expect(judged([advisory('CVE-9', [key], '2')])[0]).toMatchObject({
      severity: 'medium',
      evidence: [{ data: { severity: 'unknown' } }],
    });
  });
  test('not affected is no finding; what cannot be judged is a question without a deadline', () => {
    expect(judged([advisory('CVE-1', [key], '1')])).toEqual([]);
    expect(judged([advisory('CVE-1', [key], '1', { affected: [{ key, range: null }] })])).toMatchObject([
      { kind: 'advisory-question', severity: 'information', due: null },
    ]);
  });
});

// Scores that FIRST publishes with the CVSS 3.1 examples.
test.each([
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H', 10],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N', 7.5],
  ['CVSS:3.0/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N', 6.1],
  ['CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H', 7.8],
  ['CVSS:3.1/AV:N/AC:H/PR:N/UI:R/S:U/C:L/I:N/A:N', 3.1],
  ['CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N', 0],
  ['CVSS:4.0/AV:N', null],
  ['CVSS:3.1/AV:N/AC:L', null],
])('%s is %s', (vector, score) => {
  expect(cvssScore(vector)).toBe(score);
});

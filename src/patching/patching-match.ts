/** Inventories and feeds in, findings out, and plainly what could not be judged. */

import { type FindingObservation, rfc3339 } from '../core/index.ts';
import type { Inventory } from './inventories/index.ts';
import type { FeedRef, FeedSet } from './patching-advisory.ts';
import { judgePackage, type PackageFinding } from './patching-judge.ts';
import { createMatcher } from './patching-matcher.ts';
import { packageOf } from './patching-package.ts';

const STALE_MS = 7 * 86_400_000;

export interface MatchResult {
  readonly findings: readonly FindingObservation[];
  readonly hosts: number;
  /** Packages on hosts, and different ones among them. */
  readonly installed: number;
  readonly unique: number;
  readonly judged: number;
  readonly unjudged: { readonly host: string; readonly reason: string; readonly count: number }[];
  /** Statements about installed packages that could not be judged for the installed version. */
  readonly unknown: number;
}

const REASONS = {
  'unknown-ecosystem': 'of a kind whose versions we cannot order',
  'unknown-release': 'of a distribution whose release is not told (--release "Debian:12")',
  'no-version': 'without a version that can be compared',
} as const;

export function matchInventories(inventories: readonly Inventory[], feeds: FeedSet, now: number): MatchResult {
  const matcher = createMatcher();
  for (const change of feeds.advisories) matcher.apply(change);
  const verdicts: (PackageFinding[] | undefined)[] = [];
  const findings: FindingObservation[] = [];
  const unjudged = new Map<string, { host: string; reason: string; count: number }>();
  const hosts = new Set<string>();
  const unknown = new Set<number>();
  let installed = 0;
  let judged = 0;
  for (const [host, ids] of hostPackages()) {
    judged += ids.size;
    for (const id of ids) {
      verdicts[id] ??= judgePackage(matcher, id, feeds, now);
      if (matcher.matches(id).some((match) => match.answer === 'unknown')) unknown.add(id);
      for (const one of verdicts[id] as PackageFinding[]) findings.push({ ...one, asset: { name: host } });
    }
  }
  for (const { feed } of feeds.advisories) {
    const stale = staleFeed(feed, now);
    if (stale) findings.push(stale);
  }
  return {
    findings,
    hosts: hosts.size,
    installed,
    unique: matcher.size,
    judged,
    unjudged: [...unjudged.values()],
    unknown: unknown.size,
  };

  function hostPackages(): Map<string, Set<number>> {
    const found = new Map<string, Set<number>>();
    for (const inventory of inventories)
      for (const [host, software] of inventory.hosts) {
        hosts.add(host);
        installed += software.length;
        const ids = found.get(host) ?? new Set();
        found.set(host, ids);
        for (const one of software) {
          const item = packageOf(one);
          if (typeof item === 'object') ids.add(matcher.intern(item));
          else count(host, REASONS[item]);
        }
      }
    return found;
  }
  function count(host: string, reason: string): void {
    const entry = unjudged.get(`${host}\n${reason}`) ?? { host, reason, count: 0 };
    entry.count++;
    unjudged.set(`${host}\n${reason}`, entry);
  }
}

/** Old feeds do not know new vulnerabilities; that is a finding, not silence. */
function staleFeed(feed: FeedRef, now: number): FindingObservation | null {
  const days = Math.floor((now - Date.parse(feed.date)) / 86_400_000);
  if (!(now - Date.parse(feed.date) > STALE_MS)) return null;
  return {
    room: 'patching',
    kind: 'stale-feed',
    key: feed.name,
    severity: 'medium',
    asset: { name: 'Asepsis' },
    title: `${feed.name} is ${days} days old: newer vulnerabilities are not known`,
    evidence: [
      {
        what: `The date of the ${feed.dateOf} is ${feed.date}`,
        seen: rfc3339(now),
        data: { feed: feed.name, feed_version: feed.version, feed_date: feed.date, feed_date_of: feed.dateOf },
      },
    ],
    fix: {
      title: `Bring a newer ${feed.name}`,
      how: 'Fetch the feed again and match with it.',
      effort: 'minutes',
      disrupts: false,
    },
    due: rfc3339(now),
    exercise: false,
  };
}

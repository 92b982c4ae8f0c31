/** Hosts and feeds in, findings out, and plainly what could not be judged. Each different package is weighed once. */

import { type FindingObservation, LIMITS, rfc3339 } from '../core/index.ts';
import type { HostFacts, Inventory, ListedProduct } from './inventories/index.ts';
import type { FeedRef, FeedSet } from './patching-advisory.ts';
import { createEndIndex, endFindings } from './patching-ends.ts';
import { judgePackage, type KnownLife, packageFinding, type Verdict, withLife } from './patching-judge.ts';
import { chooseKernel } from './patching-kernel.ts';
import type { Generation } from './patching-library.ts';
import { createMatcher, type Matcher } from './patching-matcher.ts';
import { packageOf, type SoftwareRecord } from './patching-package.ts';
import { createVexIndex, type VexSubject } from './patching-vex.ts';
import { type Weighed, weighPackage } from './patching-weigh.ts';
import { type AssetContext, DEFAULT_POLICY, type Policy, UNKNOWN_CONTEXT } from './policy/index.ts';

export interface HostInput {
  readonly name: string;
  readonly software: readonly SoftwareRecord[];
  readonly facts?: HostFacts;
  readonly products?: readonly ListedProduct[];
  readonly context?: AssetContext;
  /** What is known of findings that are there already, by kind and key; null: it is new. */
  readonly life?: (kind: string, key: string) => KnownLife | null;
}

export interface Unjudged {
  readonly reason: string;
  readonly count: number;
}

export interface HostResult {
  readonly findings: readonly FindingObservation[];
  /** Keys "ecosystem/name" of packages that feeds speak of: what is not found again there is fixed. */
  readonly judgedKeys: ReadonlySet<string>;
  readonly judged: number;
  readonly unjudged: readonly Unjudged[];
  readonly unknown: number;
  /** Vulnerabilities that makers took off the list. */
  readonly cleared: number;
}

const REASONS = {
  'unknown-ecosystem': 'of a kind whose versions we cannot order',
  'unknown-release': 'of a distribution whose release is not told (--release "Debian:12")',
  'no-version': 'without a version that can be compared',
  'no-feed': 'that no feed speaks of',
} as const;
type Reason = keyof typeof REASONS;

export interface Judge {
  host(input: HostInput): HostResult;
  readonly matcher: Matcher;
  /** After the matcher took a feed's change in: what was known of these packages is weighed anew. */
  forget(ids: Iterable<number>): void;
}

export function createJudge(feeds: FeedSet, now: number, policy: Policy = DEFAULT_POLICY, known?: Matcher): Judge {
  const matcher = known ?? createMatcher();
  if (known === undefined) for (const change of feeds.advisories) matcher.apply(change);
  const vex = createVexIndex(feeds.vex);
  const ends = createEndIndex(feeds.ends);
  const weighed: (Weighed | undefined)[] = [];
  const verdicts = new Map<string, (Verdict[] | undefined)[]>();

  const weighedOf = (id: number): Weighed => {
    const known = weighed[id] ?? weighPackage(matcher, id, feeds, vex);
    weighed[id] = known;
    return known;
  };
  const verdictsOf = (id: number, context: AssetContext, subjects: readonly VexSubject[]): Verdict[] => {
    if (subjects.length > 0 && matcher.matches(id).length > 0)
      return judgePackage(weighPackage(matcher, id, feeds, vex, subjects), { now, policy, context });
    const key = `${context.exposed}\n${context.exposedBy}\n${context.criticality}`;
    const list = verdicts.get(key) ?? [];
    verdicts.set(key, list);
    const known = list[id] ?? judgePackage(weighedOf(id), { now, policy, context });
    list[id] = known;
    return known;
  };
  const lived = (one: Verdict, context: AssetContext, life: HostInput['life']): Verdict => {
    const known = life?.(one.kind, `${one.item.ecosystem}/${one.item.name}`.slice(0, 512)) ?? null;
    return known === null ? one : withLife(one, { now, policy, context }, known);
  };
  return {
    matcher,
    forget(ids) {
      for (const id of ids) {
        weighed[id] = undefined;
        for (const list of verdicts.values()) list[id] = undefined;
      }
    },
    host({ name, software, facts = {}, products = [], context = UNKNOWN_CONTEXT, life }) {
      const { software: chosen, restart } = chooseKernel(withProducts(software, products), facts.kernel);
      const subjects = products.filter((product) => vex.size > 0 && vex.knows(product));
      const reasons = new Map<Reason, number>();
      const keys = new Set<string>();
      const ids = new Set<number>();
      for (const one of chosen) {
        const item = packageOf(one, facts.hotfixes);
        if (typeof item !== 'object') reasons.set(item, (reasons.get(item) ?? 0) + 1);
        else if (!matcher.covers(item.ecosystem)) reasons.set('no-feed', (reasons.get('no-feed') ?? 0) + 1);
        else {
          ids.add(matcher.intern(item));
          keys.add(`${item.ecosystem}/${item.name}`);
        }
      }
      const asset = { name };
      const findings: FindingObservation[] = [];
      let unknown = 0;
      let cleared = 0;
      for (const id of ids) {
        if (matcher.matches(id).length === 0) continue;
        for (const one of verdictsOf(id, context, subjects)) {
          if (one.kind === 'advisory-question') unknown++;
          else findings.push({ ...packageFinding(lived(one, context, life), now), asset });
        }
        cleared += weighedOf(id).cleared.length;
      }
      findings.push(...endFindings(asset, facts.release, software, ends, now, policy.end_of_life_days));
      findings.push(...restartFindings(asset, facts, restart, now));
      return {
        findings,
        judgedKeys: keys,
        judged: ids.size,
        unjudged: [...reasons].map(([reason, count]) => ({ reason: REASONS[reason], count })),
        unknown,
        cleared,
      };
    },
  };
}

/** What a bill of materials is about is software too. */
function withProducts(
  software: readonly SoftwareRecord[],
  products: readonly ListedProduct[],
): readonly SoftwareRecord[] {
  const own = products
    .filter((product) => product.version !== '' && product.version.length <= 256)
    .map(({ ecosystem, name, version }) => ({ ecosystem, name, version }));
  return own.length === 0 ? software : [...software, ...own];
}

const RESTART_DAYS = 14;

/** Updated, not restarted: the kernel, and services that still run the old library. */
function restartFindings(
  asset: { name: string },
  facts: HostFacts,
  kernel: { running: string; newest: string } | null,
  now: number,
): FindingObservation[] {
  const found = (facts.oldCode ?? []).map((text) => ({
    key: (text.split(' uses ', 1)[0] as string).slice(0, 200),
    what: `${text}, from before an update`,
  }));
  if (kernel) found.push({ key: 'the machine', what: `Kernel ${kernel.running} runs, ${kernel.newest} is installed` });
  return found.map(({ key, what }) => ({
    room: 'patching',
    kind: 'restart-needed',
    key,
    severity: 'medium',
    asset,
    title: `${key} on ${asset.name} is updated, not restarted`.slice(0, LIMITS.nameCharsMax),
    detail: `${what}.`,
    evidence: [{ what, seen: rfc3339(now) }],
    fix: {
      title: `Restart ${key === 'the machine' ? asset.name : key}`.slice(0, LIMITS.nameCharsMax),
      how: 'Restart in a maintenance window, and bring a new inventory.',
      effort: 'minutes',
      disrupts: true,
    },
    due: rfc3339(now + RESTART_DAYS * 86_400_000),
    exercise: false,
  }));
}

export interface MatchResult {
  readonly findings: readonly FindingObservation[];
  readonly hosts: number;
  /** Packages on hosts, and different ones among them. */
  readonly installed: number;
  readonly unique: number;
  readonly judged: number;
  readonly unjudged: { readonly host: string; readonly reason: string; readonly count: number }[];
  /** Packages that feeds name, and whose version cannot be judged by what they say. */
  readonly unknown: number;
  readonly cleared: number;
}

export function matchInventories(
  inventories: readonly Inventory[],
  feeds: FeedSet,
  now: number,
  policy: Policy = DEFAULT_POLICY,
): MatchResult {
  const judge = createJudge(feeds, now, policy);
  const hosts = hostsOf(inventories);
  const findings: FindingObservation[] = [];
  const unjudged: MatchResult['unjudged'] = [];
  let [installed, judged, unknown, cleared] = [0, 0, 0, 0];
  for (const host of hosts) {
    const result = judge.host(host);
    installed += host.software.length;
    judged += result.judged;
    unknown += result.unknown;
    cleared += result.cleared;
    findings.push(...result.findings);
    for (const one of result.unjudged) unjudged.push({ host: host.name, ...one });
  }
  findings.push(...staleFeeds(feeds, now));
  return { findings, hosts: hosts.length, installed, unique: judge.matcher.size, judged, unjudged, unknown, cleared };
}

/** What several files say of one host, together. */
function hostsOf(inventories: readonly Inventory[]): HostInput[] {
  const found = new Map<string, { software: SoftwareRecord[]; facts: HostFacts; products: ListedProduct[] }>();
  for (const inventory of inventories)
    for (const [name, software] of inventory.hosts) {
      const host = found.get(name) ?? { software: [], facts: {}, products: [] };
      found.set(name, host);
      host.software.push(...software);
      const facts = inventory.facts.get(name);
      host.facts = facts ? { ...facts, ...host.facts, ...joined(host.facts, facts) } : host.facts;
      host.products.push(...(inventory.products.get(name) ?? []));
    }
  return [...found].map(([name, host]) => {
    const { release } = host.facts;
    const needs = (one: SoftwareRecord) => !one.release && ['deb', 'rpm', 'apk'].includes(one.ecosystem);
    const software =
      release === undefined ? host.software : host.software.map((one) => (needs(one) ? { ...one, release } : one));
    return { name, ...host, software };
  });
}

const joined = (a: HostFacts, b: HostFacts): HostFacts => ({
  ...(a.hotfixes || b.hotfixes ? { hotfixes: [...new Set([...(a.hotfixes ?? []), ...(b.hotfixes ?? [])])] } : {}),
  ...(a.oldCode || b.oldCode ? { oldCode: [...new Set([...(a.oldCode ?? []), ...(b.oldCode ?? [])])] } : {}),
});

const STALE_MS = 7 * 86_400_000;

/** Old feeds do not know new vulnerabilities; that is a finding, not silence. */
export function staleFeeds(feeds: FeedSet, now: number): FindingObservation[] {
  const refs = new Map<string, FeedRef>();
  const take = (feed: FeedRef) => {
    const known = refs.get(feed.name);
    if (!known || known.date < feed.date) refs.set(feed.name, feed);
  };
  for (const { feed } of feeds.advisories) take(feed);
  for (const map of [feeds.exploited, feeds.likelihood, feeds.decisions]) {
    const [first] = map.values();
    if (first) take(first.feed);
  }
  return [...refs.values()].flatMap((feed) => {
    // Advisories of single makers and VEX are no daily feeds: nothing new is no sign of age.
    const steady = feed.dateOf === 'newest advisory' && feed.name !== 'OSV';
    return steady || !(now - Date.parse(feed.date) > STALE_MS) ? [] : [staleFeed(feed, now)];
  });
}

/** Feeds that the installation keeps are as old as the last time their publisher was asked, whether or not he had news. */
export function staleInLibrary(library: Generation | null, now: number): FindingObservation[] {
  return (library?.feeds ?? []).flatMap((one) => {
    if (!(now - Date.parse(one.fetched) > STALE_MS)) return [];
    return [
      staleFeed(
        {
          name: one.feed === 'OSV' ? `OSV ${one.id}` : one.feed,
          version: one.version,
          date: one.fetched,
          dateOf: 'feed',
        },
        now,
      ),
    ];
  });
}

function staleFeed(feed: FeedRef, now: number): FindingObservation {
  const days = Math.floor((now - Date.parse(feed.date)) / 86_400_000);
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
      how: 'asepsis patch feeds update, or feeds import on a network without internet.',
      effort: 'minutes',
      disrupts: false,
    },
    due: rfc3339(now),
    exercise: false,
  };
}

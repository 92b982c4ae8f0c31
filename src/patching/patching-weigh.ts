/** The vulnerabilities of a package, however many feeds and ids speak of each, weighed by what all of them say. */

import { type Severity, severityRank } from '../core/index.ts';
import type { FeedSet, KnownExploited, Likelihood, SsvcPoints } from './patching-advisory.ts';
import type { Match, Matcher } from './patching-matcher.ts';
import type { Package } from './patching-package.ts';
import { clears, type VexIndex, type VexStatement, type VexSubject } from './patching-vex.ts';
import { compareVersions } from './versions/index.ts';

/** EPSS: exploitation in the next 30 days is more likely than not. */
const LIKELY = 0.5;

export interface Vulnerability {
  readonly name: string;
  readonly matches: readonly Match[];
  readonly severity: Severity;
  readonly basis: string;
  readonly fixed: string | null;
  readonly exploited: KnownExploited | null;
  readonly likelihood: Likelihood | null;
  readonly points: SsvcPoints | null;
}

/** Everything about a package that is the same on every host. */
export interface Weighed {
  readonly item: Package;
  readonly fixable: readonly Vulnerability[];
  readonly open: readonly Vulnerability[];
  /** Only guessed from names (NVD's CPE). */
  readonly possible: readonly Vulnerability[];
  /** Feeds name the package, and what they say cannot be judged for this version. */
  readonly unclear: readonly Vulnerability[];
  /** Taken off by what a maker says. */
  readonly cleared: readonly { readonly name: string; readonly statement: VexStatement }[];
}

export type FeedLists = Pick<FeedSet, 'exploited' | 'likelihood'> & Partial<Pick<FeedSet, 'decisions'>>;
const NOTHING: readonly never[] = [];

/** @param subjects what VEX statements may speak of beside the package: the products that it is a part of */
export function weighPackage(
  matcher: Matcher,
  id: number,
  lists: FeedLists,
  vex: VexIndex | null = null,
  subjects: readonly VexSubject[] = [],
): Weighed {
  const item = matcher.packageAt(id);
  const matches = matcher.matches(id);
  if (matches.length === 0)
    return { item, fixable: NOTHING, open: NOTHING, possible: NOTHING, unclear: NOTHING, cleared: NOTHING };
  const cleared: { name: string; statement: VexStatement }[] = [];
  const groups = new Map<string, Match[]>();
  for (const match of matches) {
    const name = match.advisory.names.find((one) => one.startsWith('CVE-')) ?? match.advisory.id;
    const group = groups.get(name);
    if (group) group.push(match);
    else groups.set(name, [match]);
  }
  const all: Vulnerability[] = [];
  for (const [name, group] of groups) {
    const statement = vex === null || vex.size === 0 ? null : statementOf(vex, item, subjects, group);
    if (clears(statement)) cleared.push({ name, statement });
    else all.push(vulnerability(item, name, group, lists));
  }
  all.sort(compareVulnerabilities);
  const certain = all.filter((one) => one.matches.some((match) => match.answer === 'affected' && !match.affected.low));
  return {
    item,
    fixable: certain.filter((one) => one.fixed !== null),
    open: certain.filter((one) => one.fixed === null),
    possible: all.filter((one) => !certain.includes(one) && one.matches.some((match) => match.answer === 'affected')),
    unclear: all.filter((one) => one.matches.every((match) => match.answer === 'unknown')),
    cleared,
  };
}

function statementOf(
  vex: VexIndex,
  item: Package,
  subjects: readonly VexSubject[],
  group: readonly Match[],
): VexStatement | null {
  const names = [...new Set(group.flatMap((match) => match.advisory.names))];
  // A maker's word about the whole product counts before what is said of the part alone.
  for (const subject of [...subjects, item, ...(item.also === undefined ? [] : [{ ...item, name: item.also }])]) {
    const found = vex.find(names, subject, subjects);
    if (found) return found;
  }
  return null;
}

function compareVulnerabilities(a: Vulnerability, b: Vulnerability): number {
  return (
    severityRank(a.severity) - severityRank(b.severity) ||
    (b.likelihood?.score ?? 0) - (a.likelihood?.score ?? 0) ||
    (a.name < b.name ? -1 : 1)
  );
}

function vulnerability(item: Package, name: string, group: readonly Match[], lists: FeedLists): Vulnerability {
  const sure = group.filter((match) => match.answer === 'affected');
  const matches = sure.length > 0 ? sure : group;
  const names = matches.flatMap((match) => match.advisory.names);
  const exploited = firstOf(names, lists.exploited);
  const likelihood = firstOf(names, lists.likelihood);
  const points = lists.decisions ? firstOf(names, lists.decisions) : null;
  let fixed: string | null = null;
  for (const match of matches)
    if (match.fixed !== null && (fixed === null || compareVersions(item.scheme, match.fixed, fixed) > 0))
      fixed = match.fixed;
  return { name, matches, fixed, exploited, likelihood, points, ...severityOf(matches, exploited, points, likelihood) };
}

function firstOf<T>(names: readonly string[], map: ReadonlyMap<string, T>): T | null {
  for (const name of names) {
    const found = map.get(name);
    if (found !== undefined) return found;
  }
  return null;
}

function severityOf(
  matches: readonly Match[],
  exploited: KnownExploited | null,
  points: SsvcPoints | null,
  likelihood: Likelihood | null,
): { severity: Severity; basis: string } {
  if (exploited) return { severity: 'critical', basis: 'known to be exploited (CISA KEV)' };
  let said: Severity | null = null;
  for (const { affected, advisory } of matches) {
    const severity = affected.severity ?? advisory.severity;
    if (severity !== null && (said === null || severityRank(severity) < severityRank(said))) said = severity;
  }
  const below = said === null || severityRank(said) > severityRank('high');
  if (points?.exploitation === 'active' && below)
    return { severity: 'high', basis: 'exploited, as CISA Vulnrichment says' };
  if (likelihood && likelihood.score >= LIKELY && below)
    return { severity: 'high', basis: `exploitation is likely (EPSS ${likelihood.score})` };
  if (said !== null) return { severity: said, basis: 'as the advisory says' };
  return { severity: 'medium', basis: 'unknown: no feed says how bad it is; handled as medium' };
}

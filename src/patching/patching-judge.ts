/** What the matches of a package mean: one finding a package and asset, how bad, until when, and which feed says so. */

import { createHash } from 'node:crypto';
import {
  contentId,
  type Evidence,
  type Finding,
  type FindingId,
  type FindingObservation,
  LIMITS,
  type Rfc3339,
  rfc3339,
  type Severity,
  severityRank,
} from '../core/index.ts';
import type { FeedSet, KnownExploited, Likelihood } from './patching-advisory.ts';
import type { Match, Matcher } from './patching-matcher.ts';
import type { Package } from './patching-package.ts';
import { compareVersions } from './versions/index.ts';

const DAY_MS = 86_400_000;
/** Cyber Essentials: critical and high within 14 days; the rest is our own default. Days from when we first see it. */
const DUE_DAYS: Readonly<Record<Severity, number | null>> = {
  critical: 14,
  high: 14,
  medium: 30,
  low: 90,
  information: null,
};
/** EPSS: exploitation in the next 30 days is more likely than not. */
const LIKELY = 0.5;
const NAME_MAX = LIMITS.nameCharsMax;

interface Vulnerability {
  readonly name: string;
  readonly matches: readonly Match[];
  readonly severity: Severity;
  readonly basis: string;
  readonly fixed: string | null;
  readonly exploited: KnownExploited | null;
  readonly likelihood: Likelihood | null;
}

export type PackageFinding = Omit<FindingObservation, 'asset'>;

/** The findings that a package means wherever it is installed; the same object for every host. */
export function judgePackage(
  matcher: Matcher,
  id: number,
  lists: Pick<FeedSet, 'exploited' | 'likelihood'>,
  now: number,
): PackageFinding[] {
  const item = matcher.packageAt(id);
  const all = vulnerabilities(item, matcher.matches(id), lists);
  const fixable = all.filter((one) => one.fixed !== null);
  const open = all.filter((one) => one.fixed === null);
  const found: PackageFinding[] = [];
  if (fixable.length > 0) found.push(finding('missing-update', item, fixable, now));
  if (open.length > 0) found.push(finding('no-update-yet', item, open, now));
  return found;
}

/** Statements about one vulnerability belong together, whichever feed and id they come under. */
function vulnerabilities(
  item: Package,
  matches: readonly Match[],
  lists: Pick<FeedSet, 'exploited' | 'likelihood'>,
): Vulnerability[] {
  const groups = new Map<string, Match[]>();
  for (const match of matches) {
    if (match.answer !== 'affected') continue;
    const name = match.advisory.names.find((one) => one.startsWith('CVE-')) ?? match.advisory.id;
    const group = groups.get(name);
    if (group) group.push(match);
    else groups.set(name, [match]);
  }
  const found = [...groups].map(([name, group]) => vulnerability(item, name, group, lists));
  return found.sort(
    (a, b) =>
      severityRank(a.severity) - severityRank(b.severity) ||
      (b.likelihood?.score ?? 0) - (a.likelihood?.score ?? 0) ||
      (a.name < b.name ? -1 : 1),
  );
}

function vulnerability(
  item: Package,
  name: string,
  matches: readonly Match[],
  lists: Pick<FeedSet, 'exploited' | 'likelihood'>,
): Vulnerability {
  const names = matches.flatMap((match) => match.advisory.names);
  const exploited = firstOf(names, lists.exploited);
  const likelihood = firstOf(names, lists.likelihood);
  let fixed: string | null = null;
  for (const match of matches)
    if (match.fixed !== null && (fixed === null || compareVersions(item.scheme, match.fixed, fixed) > 0))
      fixed = match.fixed;
  return { name, matches, fixed, exploited, likelihood, ...severityOf(matches, exploited, likelihood) };
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
  likelihood: Likelihood | null,
): { severity: Severity; basis: string } {
  if (exploited) return { severity: 'critical', basis: 'known to be exploited (CISA KEV)' };
  let said: Severity | null = null;
  for (const { affected, advisory } of matches) {
    const severity = affected.severity ?? advisory.severity;
    if (severity !== null && (said === null || severityRank(severity) < severityRank(said))) said = severity;
  }
  if (likelihood && likelihood.score >= LIKELY && (said === null || severityRank(said) > severityRank('high')))
    return { severity: 'high', basis: `exploitation is likely (EPSS ${likelihood.score})` };
  if (said !== null) return { severity: said, basis: 'as the advisory says' };
  return { severity: 'medium', basis: 'unknown: no feed says how bad it is; handled as medium' };
}

function finding(
  kind: 'missing-update' | 'no-update-yet',
  item: Package,
  all: readonly Vulnerability[],
  now: number,
): PackageFinding {
  const worst = all[0] as Vulnerability;
  const exploited = all.filter((one) => one.exploited !== null).length;
  const target = all.reduce<string | null>((best, { fixed }) => {
    if (fixed === null) return best;
    return best === null || compareVersions(item.scheme, fixed, best) > 0 ? fixed : best;
  }, null);
  const deadline = dueOf(all, kind, now);
  const seen = rfc3339(now);
  const count = all.length === 1 ? worst.name : `${all.length} vulnerabilities`;
  const known = exploited > 0 ? `, ${exploited} known to be exploited` : '';
  const verb = kind === 'missing-update' ? 'lacks the fixes for' : 'has no fix yet for';
  return {
    room: 'patching',
    kind,
    key: `${item.ecosystem}/${item.name}`.slice(0, 512),
    severity: worst.severity,
    title: `${item.name} ${item.version} ${verb} ${count}${known}`.slice(0, NAME_MAX),
    detail: `${item.ecosystem}. Severity: ${worst.basis}. ${deadline.why}`,
    evidence: all.slice(0, LIMITS.evidenceMax).map((one) => evidenceOf(item, one, seen)),
    fix: fixOf(kind, item, target),
    due: deadline.due,
    exercise: false,
  };
}

function fixOf(kind: 'missing-update' | 'no-update-yet', item: Package, target: string | null): Finding['fix'] {
  if (kind === 'missing-update')
    return {
      title: `Upgrade ${item.name} to ${target ?? 'a fixed version'} or newer`.slice(0, NAME_MAX),
      how: `Install ${item.name} ${target ?? ''} or newer (${item.ecosystem}) in a maintenance window, restart what uses it, and bring a new inventory.`,
      effort: 'minutes',
      disrupts: true,
    };
  return {
    title: `Contain ${item.name} until there is a fix (${item.ecosystem})`.slice(0, NAME_MAX),
    how: 'No feed names a version that repairs it. Remove it where it is not needed, keep it away from untrusted input, or accept the risk until a date.',
    effort: 'unknown',
    disrupts: true,
  };
}

/** The strictest deadline wins. */
function dueOf(all: readonly Vulnerability[], kind: string, now: number): { due: Rfc3339 | null; why: string } {
  let best: { ms: number; why: string } | null = null;
  const offer = (ms: number, why: string) => {
    if (best === null || ms < best.ms) best = { ms, why };
  };
  for (const { exploited, severity, name } of all) {
    if (exploited?.due) offer(Date.parse(exploited.due), `Due: CISA KEV sets ${exploited.due} for ${name}.`);
    const days = DUE_DAYS[severity];
    if (kind === 'missing-update' && days !== null)
      offer(
        now + days * DAY_MS,
        `Due: ${days} days after it was first seen (${severity}${days === 14 ? ', Cyber Essentials' : ''}).`,
      );
  }
  const chosen = best as { ms: number; why: string } | null;
  return chosen ? { due: rfc3339(chosen.ms), why: chosen.why } : { due: null, why: 'No deadline applies.' };
}

function evidenceOf(item: Package, one: Vulnerability, seen: Rfc3339): Evidence {
  const match = one.matches.find((candidate) => candidate.fixed === one.fixed) ?? (one.matches[0] as Match);
  const { feed, advisory, affected } = match;
  const notes = [...new Set(one.matches.map((other) => other.affected.note).filter((note) => note !== undefined))];
  return {
    what: `${one.name}: ${item.name} ${item.version} is affected, ${one.fixed === null ? 'no fixed version is named' : `fixed in ${one.fixed}`} (${feed.name}, ${feed.date.slice(0, 10)})`,
    seen,
    data: {
      vulnerability: one.name,
      advisory: advisory.id,
      installed: item.version,
      ...(one.fixed === null ? {} : { fixed: one.fixed }),
      severity: one.basis.startsWith('unknown') ? 'unknown' : one.severity,
      severity_basis: one.basis,
      feed: feed.name,
      feed_version: feed.version,
      feed_date: feed.date,
      feed_date_of: feed.dateOf,
      other_feeds: [...new Set(one.matches.map((other) => other.feed.name))]
        .filter((name) => name !== feed.name)
        .join(', '),
      ...(notes.length === 0 ? {} : { note: notes.join(', ') }),
      ...(affected.severity === undefined ? {} : { distribution_severity: affected.severity }),
      ...(advisory.published === null ? {} : { published: advisory.published }),
      ...(one.exploited === null
        ? {}
        : {
            kev_added: one.exploited.added,
            kev_due: one.exploited.due ?? 'not given',
            kev_ransomware: one.exploited.ransomware,
            kev_version: one.exploited.feed.version,
          }),
      ...(one.likelihood === null
        ? {}
        : {
            epss: one.likelihood.score,
            epss_version: one.likelihood.feed.version,
            epss_date: one.likelihood.feed.date,
          }),
    },
  };
}

/** A finding as commands print it, where no store gives it its life. */
export function publicFinding(observation: FindingObservation, now: number): object {
  const digest = createHash('sha256')
    .update(`${observation.room}\n${observation.kind}\n${observation.key}\n${observation.asset.name}`)
    .digest();
  const { room, kind, key, severity, asset, title, detail, evidence, fix, due } = observation;
  const seen = rfc3339(now);
  return {
    id: contentId<FindingId>('finding', digest),
    room,
    kind,
    key,
    severity,
    asset,
    title,
    detail,
    evidence,
    first_seen: seen,
    last_seen: seen,
    due,
    fix,
    state: 'open',
  };
}

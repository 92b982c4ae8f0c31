/** The evidence for one vulnerability of a package: what each feed says, with its version and date. */

import { createHash } from 'node:crypto';
import {
  contentId,
  type Evidence,
  type FindingId,
  type FindingObservation,
  type Rfc3339,
  rfc3339,
} from '../core/index.ts';
import type { Match } from './patching-matcher.ts';
import type { Package } from './patching-package.ts';
import type { Vulnerability } from './patching-weigh.ts';

/** @param detected when the vulnerability was first seen on the asset: clocks count from there */
export function evidenceOf(item: Package, one: Vulnerability, seen: Rfc3339, detected: Rfc3339): Evidence {
  const match = one.matches.find((candidate) => candidate.fixed === one.fixed) ?? (one.matches[0] as Match);
  const { feed, advisory, affected } = match;
  const notes = [...new Set(one.matches.map((other) => other.affected.note).filter((note) => note !== undefined))];
  const others = [...new Set(one.matches.map((other) => other.feed.name))].filter((name) => name !== feed.name);
  const state =
    match.answer === 'affected' ? (affected.low ? 'may be affected' : 'is affected') : 'is named, and cannot be judged';
  const fix = one.fixed === null ? 'no fixed version is named' : `fixed in ${one.fixed}`;
  return {
    what: `${one.name}: ${item.name} ${item.version} ${state}, ${fix} (${feed.name}, ${feed.date.slice(0, 10)})`.slice(
      0,
      4000,
    ),
    seen,
    data: {
      vulnerability: one.name,
      advisory: advisory.id,
      installed: item.version,
      detected,
      ...(one.fixed === null ? {} : { fixed: one.fixed }),
      severity: one.basis.startsWith('unknown') ? 'unknown' : one.severity,
      severity_basis: one.basis,
      confidence: match.answer === 'unknown' ? 'unknown' : affected.low ? 'low' : 'high',
      feed: feed.name,
      feed_version: feed.version,
      feed_date: feed.date,
      feed_date_of: feed.dateOf,
      other_feeds: others.join(', '),
      ...(notes.length === 0 ? {} : { note: notes.join(', ') }),
      ...(affected.severity === undefined ? {} : { distribution_severity: affected.severity }),
      ...(affected.restart === undefined ? {} : { restart: affected.restart }),
      ...(advisory.vector === undefined ? {} : { vector: advisory.vector }),
      ...(advisory.published === null ? {} : { published: advisory.published }),
      ...listEvidence(one),
    },
  };
}

function listEvidence({ exploited, likelihood, points }: Vulnerability): Record<string, string | number | boolean> {
  return {
    ...(exploited === null
      ? {}
      : {
          kev_added: exploited.added,
          kev_due: exploited.due ?? 'not given',
          kev_ransomware: exploited.ransomware,
          kev_version: exploited.feed.version,
        }),
    ...(likelihood === null
      ? {}
      : { epss: likelihood.score, epss_version: likelihood.feed.version, epss_date: likelihood.feed.date }),
    ...(points === null
      ? {}
      : {
          ssvc_exploitation: points.exploitation,
          ssvc_automatable: points.automatable,
          ssvc_technical_impact: points.total ? 'total' : 'partial',
          ssvc_date: points.feed.date,
        }),
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

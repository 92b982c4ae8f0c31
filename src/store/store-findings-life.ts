/** The life of a finding as pure decisions: born, seen again, accepted for a while, fixed, come back. */

import {
  contentId,
  type Evidence,
  type Finding,
  type FindingId,
  type FindingObservation,
  LIMITS,
  type Rfc3339,
} from '../core/index.ts';
import { digest, ms } from './store-context.ts';

/** The same weakness always gets the same id, in every process and after every restart. */
export function findingId(seen: FindingObservation): FindingId {
  const { room, kind, asset, key, exercise } = seen;
  return contentId<FindingId>('finding', digest(room, kind, asset.name, key, exercise ? 'exercise' : ''));
}

export function born(seen: FindingObservation, at: Rfc3339): Finding {
  return {
    ...observed(seen),
    id: findingId(seen),
    evidence: mergeEvidence(seen.evidence, []),
    first_seen: at,
    last_seen: at,
    state: 'open',
    reopened: 0,
  };
}

/** Only what an observation may say: a wider object handed in does not reach the record. */
function observed(seen: FindingObservation): FindingObservation {
  const { room, kind, key, severity, asset, title, detail, evidence, fix, due, exercise } = seen;
  return {
    room,
    kind,
    key,
    severity,
    asset,
    title,
    ...(detail === undefined ? {} : { detail }),
    evidence,
    fix,
    due,
    exercise,
  };
}

export function seenAgain(finding: Finding, seen: FindingObservation, at: Rfc3339, whole = false): Finding {
  const back = finding.state === 'fixed' && !isBefore(at, finding.fixed_at ?? at);
  const { fixed_at, fixed_by, accepted, ...life } = finding;
  const next: Finding = {
    ...life,
    ...observed(seen),
    // A round that does not know the asset's id does not take it away from one that did.
    asset: { ...finding.asset, ...seen.asset },
    evidence: mergeEvidence(seen.evidence, whole ? [] : finding.evidence),
    first_seen: isBefore(at, finding.first_seen) ? at : finding.first_seen,
    last_seen: isBefore(finding.last_seen, at) ? at : finding.last_seen,
    due: whole || back || finding.severity !== seen.severity ? seen.due : earlier(finding.due, seen.due),
  };
  if (back) return { ...next, state: 'open', reopened: finding.reopened + 1 };
  if (finding.state === 'fixed') {
    return { ...next, ...(fixed_at ? { fixed_at } : {}), ...(fixed_by ? { fixed_by } : {}) };
  }
  if (accepted === undefined) return next;
  return isBefore(at, accepted.until) ? { ...next, accepted } : { ...next, state: 'open' };
}

export function fixed(finding: Finding, proof: Evidence, at: Rfc3339): Finding {
  if (finding.state === 'fixed') return finding;
  const { accepted: _over, ...life } = finding;
  return { ...life, state: 'fixed', fixed_at: at, fixed_by: proof };
}

export function accepted(
  finding: Finding,
  by: { owner: string; reason: string; until: Rfc3339; by: string },
  at: Rfc3339,
): Finding {
  const { owner, reason, until } = by;
  return { ...finding, state: 'accepted', accepted: { owner, reason, until, by: by.by, at } };
}

/** By hand, or because the time of an acceptance is over. */
export function openAgain(finding: Finding): Finding {
  const { accepted: _accepted, fixed_at: _at, fixed_by: _by, ...life } = finding;
  return { ...life, state: 'open', reopened: finding.reopened + (finding.state === 'fixed' ? 1 : 0) };
}

/** Newest first; the same sentence about the same thing is kept once, with its newest time; bounded. */
function mergeEvidence(newer: readonly Evidence[], older: readonly Evidence[]): Evidence[] {
  const kept = new Map<string, Evidence>();
  for (const evidence of [...newer, ...older]) {
    const same = JSON.stringify([evidence.what, evidence.event, evidence.command]);
    if (!kept.has(same)) kept.set(same, evidence);
    if (kept.size === LIMITS.evidenceMax) break;
  }
  return [...kept.values()];
}

function isBefore(a: Rfc3339, b: Rfc3339): boolean {
  return ms(a) < ms(b);
}

/** A date to fix it by does not move away because the weakness was seen again. */
function earlier(a: Rfc3339 | null, b: Rfc3339 | null): Rfc3339 | null {
  if (a === null || b === null) return a ?? b;
  return isBefore(b, a) ? b : a;
}

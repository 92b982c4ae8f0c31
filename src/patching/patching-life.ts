/** What findings carry over from one judgement to the next: when each vulnerability was first seen, and pauses of its clocks. */

import {
  type Finding,
  type FindingObservation,
  type Rfc3339,
  rfc3339,
  type Severity,
  severityRank,
} from '../core/index.ts';
import type { KnownLife } from './patching-judge.ts';
import type { PauseRecord } from './patching-records.ts';
import { type Pause, pausedDue } from './policy/index.ts';

export const pauseOf = ({ from, to, reason, by }: PauseRecord): Pause => ({
  fromMs: Date.parse(from),
  toMs: to === null ? null : Date.parse(to),
  reason,
  by,
});

/** When the vulnerability that this evidence is about was first seen; what older versions wrote does not say it. */
export const detectedMsOf = (finding: Finding, data: Readonly<Record<string, unknown>> | undefined): number =>
  Date.parse(typeof data?.detected === 'string' ? data.detected : finding.first_seen);

const idOf = (kind: string, key: string) => `${kind}\n${key}`;

export interface Lives {
  of(kind: string, key: string): KnownLife | null;
  /** The observation with a date that counts from the finding's first sight, for kinds whose clock is one number of days. */
  sinceFirstSeen(observation: FindingObservation, nowMs: number): FindingObservation;
}

/**
 * @param findings the asset's open and accepted findings as they were before this judgement
 * @param pauses by the id of the finding
 */
export function livesOf(findings: readonly Finding[], pauses: ReadonlyMap<string, readonly PauseRecord[]>): Lives {
  const known = new Map(findings.map((one) => [idOf(one.kind, one.key), one]));
  // A vulnerability keeps its age when a repair is published and its finding changes its kind.
  const detected = new Map<string, Map<string, number>>();
  for (const finding of findings) {
    const names = detected.get(finding.key) ?? new Map<string, number>();
    detected.set(finding.key, names);
    for (const { data } of finding.evidence) {
      if (typeof data?.vulnerability !== 'string') continue;
      const at = detectedMsOf(finding, data);
      names.set(data.vulnerability, Math.min(names.get(data.vulnerability) ?? at, at));
    }
  }
  const pausesOf = (finding: Finding | undefined) => (finding ? (pauses.get(finding.id) ?? []).map(pauseOf) : []);
  return {
    of(kind, key) {
      const names = detected.get(key);
      if (names === undefined) return null;
      return { detectedMs: (name) => names.get(name) ?? null, pauses: pausesOf(known.get(idOf(kind, key))) };
    },
    sinceFirstSeen(observation, nowMs) {
      const before = known.get(idOf(observation.kind, observation.key));
      if (before === undefined || observation.due === null) return observation;
      const startMs = Date.parse(before.first_seen);
      const dueMs = startMs + (Date.parse(observation.due) - nowMs);
      return { ...observation, due: rfc3339(pausedDue({ rule: 'local', startMs, dueMs }, pausesOf(before), nowMs)) };
    },
  };
}

/** Two versions of a package on one asset are one finding: the worse word, the earlier date, the evidence of both. */
export function joinObservations(all: readonly FindingObservation[]): FindingObservation[] {
  const found = new Map<string, FindingObservation>();
  for (const one of all) {
    const id = idOf(one.kind, one.key);
    const known = found.get(id);
    if (known === undefined) found.set(id, one);
    else {
      const [worse, other] = isWorse(one.severity, known.severity) ? [one, known] : [known, one];
      found.set(id, {
        ...worse,
        evidence: [...worse.evidence, ...other.evidence],
        due: earlier(worse.due, other.due),
      });
    }
  }
  return [...found.values()];
}

const isWorse = (a: Severity, b: Severity) => severityRank(a) < severityRank(b);
const earlier = (a: Rfc3339 | null, b: Rfc3339 | null): Rfc3339 | null => {
  if (a === null || b === null) return a ?? b;
  return Date.parse(a) <= Date.parse(b) ? a : b;
};

/** Several clocks at once: each rule offers a day with its reason, and the strictest wins. Pauses stop own clocks only. */

import type { Asset, Severity } from '../../core/index.ts';
import type { KnownExploited, SsvcPoints } from '../patching-advisory.ts';
import { cvssPoints } from '../patching-cvss.ts';
import { BOD_MEANING, bodOutcome } from './policy-bod.ts';
import { type Policy, policyDays } from './policy-local.ts';
import { type SsvcDecision, ssvcDecision } from './policy-ssvc.ts';

const DAY_MS = 86_400_000;

/** What is known of the asset that a vulnerability is on. */
export interface AssetContext {
  /** Null: no scan, no sensor and no person has said. */
  readonly exposed: boolean | null;
  readonly exposedBy: string | null;
  readonly criticality: Asset['criticality'];
}
export const UNKNOWN_CONTEXT: AssetContext = { exposed: null, exposedBy: null, criticality: 'unknown' };

export interface VulnerabilityFacts {
  readonly severity: Severity;
  readonly fixable: boolean;
  readonly exploited: KnownExploited | null;
  readonly points: SsvcPoints | null;
  readonly vector: string | null;
  /** When the advisory was published; null: not said. */
  readonly published: string | null;
}

export interface Clock {
  /** From when it runs. */
  readonly from: 'detected' | 'released' | 'kev';
  readonly rule: 'kev' | 'bod-26-04' | 'cyber-essentials' | 'local';
  readonly startMs: number;
  readonly dueMs: number;
  readonly why: string;
  readonly triage: boolean;
}

export interface Decision {
  /** The strictest first; empty: no deadline applies. */
  readonly clocks: readonly Clock[];
  readonly ssvc: SsvcDecision;
  /** What was taken without evidence. */
  readonly assumed: readonly string[];
}

interface Points {
  readonly automatable: boolean;
  readonly total: boolean;
  readonly exposed: boolean;
  readonly exploitation: 'none' | 'poc' | 'active';
  readonly assumed: readonly string[];
}

function pointsOf(one: VulnerabilityFacts, context: AssetContext, policy: Policy): Points {
  const assumed: string[] = [];
  const fromVector = one.vector === null ? null : cvssPoints(one.vector);
  const take = (name: string, said: boolean | undefined, derived: boolean | undefined, otherwise: boolean) => {
    if (said !== undefined) return said;
    assumed.push(
      derived === undefined
        ? `${name} is not known, taken as ${otherwise ? 'yes' : 'no'}`
        : `${name} from its CVSS vector`,
    );
    return derived ?? otherwise;
  };
  return {
    automatable: take('automatable', one.points?.automatable, fromVector?.automatable, policy.assume.automatable),
    total: take('total impact', one.points?.total, fromVector?.total, policy.assume.total_impact),
    exposed: take('exposure', context.exposed ?? undefined, undefined, policy.assume.exposed),
    exploitation: one.exploited ? 'active' : (one.points?.exploitation ?? 'none'),
    assumed,
  };
}

/** The strictest first; of one day the name of the rule, so that the answer is always the same. */
export const byDay = (a: Pick<Clock, 'dueMs' | 'rule'>, b: Pick<Clock, 'dueMs' | 'rule'>): number =>
  a.dueMs - b.dueMs || (a.rule < b.rule ? -1 : 1);

export function decide(one: VulnerabilityFacts, context: AssetContext, policy: Policy, detectedMs: number): Decision {
  const points = pointsOf(one, context, policy);
  const clocks: Clock[] = [];
  const add = (clock: Omit<Clock, 'triage'> & { triage?: boolean }) => clocks.push({ triage: false, ...clock });
  if (policy.kev_date && one.exploited?.due) {
    const startMs = Date.parse(one.exploited.added);
    add({
      from: 'kev',
      rule: 'kev',
      startMs,
      dueMs: Date.parse(one.exploited.due),
      why: `CISA KEV sets ${one.exploited.due}`,
    });
  }
  if (policy.bod_26_04) bodClock(one, points, context, detectedMs, add);
  const releasedMs = one.published === null ? Number.NaN : Date.parse(one.published);
  if (policy.cyber_essentials && one.fixable && (one.severity === 'critical' || one.severity === 'high')) {
    const known = !Number.isNaN(releasedMs);
    const startMs = known ? releasedMs : detectedMs;
    add({
      from: known ? 'released' : 'detected',
      rule: 'cyber-essentials',
      startMs,
      dueMs: startMs + 14 * DAY_MS,
      why: `14 days after ${known ? 'its release' : 'it was first seen, since no feed says its release'} (${one.severity}, Cyber Essentials)`,
    });
  }
  const days = one.fixable
    ? policyDays(policy, context.criticality, one.severity)
    : one.severity === 'information'
      ? null
      : policy.contain_days[one.severity];
  if (days !== null)
    add({
      from: 'detected',
      rule: 'local',
      startMs: detectedMs,
      dueMs: detectedMs + days * DAY_MS,
      why: `${days} days after it was first seen (${one.severity}${context.criticality === 'unknown' ? '' : `, ${context.criticality}`}, ${policy.name})`,
    });
  return {
    clocks: clocks.sort(byDay),
    ssvc: ssvcDecision({ ...points, mission: MISSION[context.criticality] }),
    assumed: points.assumed,
  };
}

const MISSION = { 'life-sustaining': 'high', diagnostic: 'medium', administrative: 'low', unknown: 'medium' } as const;

function bodClock(
  one: VulnerabilityFacts,
  points: Points,
  context: AssetContext,
  detectedMs: number,
  add: (clock: Omit<Clock, 'triage'> & { triage?: boolean }) => void,
): void {
  const kev = one.exploited !== null;
  const outcome = bodOutcome({ kev, exposed: points.exposed, automatable: points.automatable, total: points.total });
  const { days, triage, words } = BOD_MEANING[outcome];
  if (days === null) return;
  const said = [
    kev ? 'known exploited' : 'not known exploited',
    points.exposed ? `exposed${context.exposedBy === null ? '' : ` (${context.exposedBy})`}` : 'not exposed',
    points.automatable ? 'automatable' : 'not automatable',
    points.total ? 'total impact' : 'partial impact',
  ];
  add({
    from: 'detected',
    rule: 'bod-26-04',
    startMs: detectedMs,
    dueMs: detectedMs + days * DAY_MS,
    why: `${words} (CISA BOD 26-04: ${said.join(', ')})`,
    triage,
  });
}

export interface Pause {
  readonly fromMs: number;
  /** Null: it still holds. */
  readonly toMs: number | null;
  readonly reason: string;
  readonly by: string;
}

/** Pauses move own clocks by as long as they lasted while the clock ran; dates that others set do not move. */
export function pausedDue(
  clock: Pick<Clock, 'rule' | 'startMs' | 'dueMs'>,
  pauses: readonly Pause[],
  nowMs: number,
): number {
  if (clock.rule === 'kev' || clock.rule === 'bod-26-04') return clock.dueMs;
  let { dueMs } = clock;
  for (const pause of pauses.toSorted((a, b) => a.fromMs - b.fromMs)) {
    const from = Math.max(pause.fromMs, clock.startMs);
    const to = Math.max(from, pause.toMs ?? nowMs);
    // A pause that began when the day was over came too late.
    if (from < dueMs) dueMs += to - from;
  }
  return dueMs;
}

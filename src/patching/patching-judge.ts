/** What a package's vulnerabilities mean on an asset: one finding a package, how bad, until when and why. */

import { type Finding, type FindingObservation, LIMITS, type Rfc3339, rfc3339 } from '../core/index.ts';
import { evidenceOf } from './patching-evidence.ts';
import type { Package } from './patching-package.ts';
import type { Vulnerability, Weighed } from './patching-weigh.ts';
import {
  type AssetContext,
  byDay,
  type Clock,
  DEFAULT_POLICY,
  type Decision,
  decide,
  type Pause,
  type Policy,
  pausedDue,
  UNKNOWN_CONTEXT,
} from './policy/index.ts';
import { compareVersions } from './versions/index.ts';

const NAME_MAX = LIMITS.nameCharsMax;

export type PackageFinding = Omit<FindingObservation, 'asset'>;
export type PackageKind = 'missing-update' | 'no-update-yet' | 'possible-match' | 'advisory-question';

/** A clock of a finding, with the vulnerability that it runs for. */
export interface NamedClock extends Clock {
  readonly name: string;
  /** How long it stood still, and why. */
  readonly pausedMs: number;
  readonly reasons: readonly string[];
}

/** What a finding is before it is written out; the same object for every host of one context. */
export interface Verdict {
  readonly kind: PackageKind;
  readonly item: Package;
  readonly all: readonly Vulnerability[];
  /** Of each rule the one that ends first; the strictest first. */
  readonly clocks: readonly NamedClock[];
  readonly assumed: readonly string[];
  readonly ssvc: string;
  /** When each vulnerability was first seen here; null: now. */
  readonly life: KnownLife | null;
}

/** What is known of a finding that was there before: since when, and when its clocks stood still. */
export interface KnownLife {
  /** Null: it was not there. */
  detectedMs(vulnerability: string): number | null;
  readonly pauses: readonly Pause[];
}

export interface Judging {
  readonly now: number;
  readonly policy?: Policy;
  readonly context?: AssetContext;
}

export function judgePackage(
  weighed: Weighed,
  { now, policy = DEFAULT_POLICY, context = UNKNOWN_CONTEXT }: Judging,
): Verdict[] {
  const found: Verdict[] = [];
  const add = (kind: PackageKind, all: readonly Vulnerability[]) => {
    if (all.length > 0) found.push(verdict(kind, weighed.item, all, { now, policy, context }));
  };
  add('missing-update', weighed.fixable);
  add('no-update-yet', weighed.open);
  add('possible-match', weighed.possible);
  add('advisory-question', weighed.unclear);
  return found;
}

/** Most vulnerabilities differ in nothing that a deadline asks for: each different one is decided once a moment. */
const decided = new Map<string, Decision>();
const DECIDED_MAX = 20_000;

function decisionOf(one: Vulnerability, { policy, context }: Required<Judging>, detectedMs: number): Decision {
  const vector = one.matches.find((match) => match.advisory.vector)?.advisory.vector ?? null;
  const { published } = (one.matches[0] as Vulnerability['matches'][number]).advisory;
  const facts = {
    severity: one.severity,
    fixable: one.fixed !== null,
    exploited: one.exploited,
    points: one.points,
    vector,
    published,
  };
  if (one.exploited !== null || one.points !== null || policy !== DEFAULT_POLICY)
    return decide(facts, context, policy, detectedMs);
  const key = `${detectedMs}|${one.severity}|${facts.fixable}|${vector}|${published}|${context.exposed}|${context.exposedBy}|${context.criticality}`;
  const known = decided.get(key);
  if (known) return known;
  if (decided.size >= DECIDED_MAX) decided.clear();
  const made = decide(facts, context, policy, detectedMs);
  decided.set(key, made);
  return made;
}

const SSVC_ORDER = ['track', 'track*', 'attend', 'act'];

function verdict(
  kind: PackageKind,
  item: Package,
  all: readonly Vulnerability[],
  judging: Required<Judging>,
  life: KnownLife | null = null,
): Verdict {
  // What is only guessed, or cannot be told, is a question and has no deadline of ours.
  const sure = kind === 'missing-update' || kind === 'no-update-yet';
  let ssvc = 'track';
  const best: NamedClock[] = [];
  const assumed = new Set<string>();
  for (const one of all) {
    const detectedMs = life?.detectedMs(one.name) ?? judging.now;
    const decision = decisionOf(one, judging, detectedMs);
    if (SSVC_ORDER.indexOf(decision.ssvc) > SSVC_ORDER.indexOf(ssvc)) ssvc = decision.ssvc;
    if (sure) for (const clock of decision.clocks) keepStrictest(best, clock, one.name, life, judging.now);
    for (const text of decision.assumed) assumed.add(text);
  }
  return { kind, item, all, clocks: best.sort(byDay), assumed: best.length > 0 ? [...assumed] : [], ssvc, life };
}

function keepStrictest(best: NamedClock[], clock: Clock, name: string, life: KnownLife | null, now: number): void {
  const dueMs = life === null || life.pauses.length === 0 ? clock.dueMs : pausedDue(clock, life.pauses, now);
  const at = best.findIndex((one) => one.rule === clock.rule);
  if (at >= 0 && (best[at] as NamedClock).dueMs <= dueMs) return;
  const pausedMs = dueMs - clock.dueMs;
  const reasons = pausedMs > 0 ? (life?.pauses ?? []).map((pause) => pause.reason) : [];
  const named = { ...clock, name, dueMs, pausedMs, reasons };
  if (at >= 0) best[at] = named;
  else best.push(named);
}

/** The same verdict where the finding was there before: each clock counts from when its vulnerability was first seen. */
export const withLife = (one: Verdict, judging: Required<Judging>, life: KnownLife): Verdict =>
  verdict(one.kind, one.item, one.all, judging, life);

const VERB: Readonly<Record<PackageKind, string>> = {
  'missing-update': 'lacks the fixes for',
  'no-update-yet': 'has no fix yet for',
  'possible-match': 'may be affected by',
  'advisory-question': 'cannot be judged for',
};

/** The version that repairs all of it. */
export function targetOf({ item, all }: Pick<Verdict, 'item' | 'all'>): string | null {
  let best: string | null = null;
  for (const { fixed } of all)
    if (fixed !== null && (best === null || compareVersions(item.scheme, fixed, best) > 0)) best = fixed;
  return best;
}

export function packageFinding(one: Verdict, now: number): PackageFinding {
  const { kind, item, all, clocks } = one;
  const worst = all[0] as Vulnerability;
  const exploited = all.filter((each) => each.exploited !== null).length;
  const count = all.length === 1 ? worst.name : `${all.length} vulnerabilities`;
  const known = exploited > 0 ? `, ${exploited} known to be exploited` : '';
  const sure = kind === 'missing-update' || kind === 'no-update-yet';
  const seen = rfc3339(now);
  return {
    room: 'patching',
    kind,
    key: `${item.ecosystem}/${item.name}`.slice(0, 512),
    severity: sure ? worst.severity : 'information',
    title: `${item.name} ${item.version} ${VERB[kind]} ${count}${known}`.slice(0, NAME_MAX),
    detail: `${item.ecosystem}. Severity: ${worst.basis}. ${whyDue(one)}`.slice(0, LIMITS.textCharsMax),
    evidence: all
      .slice(0, LIMITS.evidenceMax)
      .map((each) => evidenceOf(item, each, seen, detectedAt(one.life?.detectedMs(each.name) ?? null) ?? seen)),
    fix: fixOf(one),
    due: dueOf(clocks),
    exercise: false,
  };
}

const dueOf = (clocks: readonly Clock[]): Rfc3339 | null => (clocks[0] ? rfc3339(clocks[0].dueMs) : null);

const detectedAt = (ms: number | null) => (ms === null ? null : rfc3339(ms));
const DAY_MS = 86_400_000;

/** The deadline in a sentence, the other clocks that run beside it, and what was assumed. */
function whyDue({ clocks, assumed, ssvc }: Verdict): string {
  const [first, ...others] = clocks;
  if (!first) return 'No deadline applies.';
  const stood = ({ pausedMs, reasons }: NamedClock) =>
    pausedMs <= 0 ? '' : `, after it stood still for ${Math.ceil(pausedMs / DAY_MS)} days (${reasons.join('; ')})`;
  const beside = others.map(
    (clock) => `${rfc3339(clock.dueMs).slice(0, 10)}: ${clock.why}, for ${clock.name}${stood(clock)}`,
  );
  return [
    `Due: ${first.why}, for ${first.name}${stood(first)}.`,
    ...(first.triage ? ['Look for signs of a break-in first.'] : []),
    `CISA SSVC: ${ssvc}.`,
    ...(beside.length > 0 ? [`Also: ${beside.join('; ')}.`] : []),
    ...(assumed.length > 0 ? [`Assumed: ${assumed.join(', ')}.`] : []),
  ].join(' ');
}

function fixOf(one: Verdict): Finding['fix'] {
  const { kind, item } = one;
  const target = targetOf(one);
  if (kind === 'missing-update') {
    const hotfix = target?.startsWith('KB') === true;
    const what = hotfix
      ? `Install ${target} or a newer update on ${item.name}`
      : `Upgrade ${item.name} to ${target ?? 'a fixed version'} or newer`;
    return {
      title: what.slice(0, NAME_MAX),
      how: `Install ${hotfix ? target : `${item.name} ${target ?? ''}`} or newer (${item.ecosystem}) in a maintenance window, restart what uses it, and bring a new inventory.`,
      effort: 'minutes',
      disrupts: true,
    };
  }
  if (kind === 'no-update-yet')
    return {
      title: `Contain ${item.name} until there is a fix (${item.ecosystem})`.slice(0, NAME_MAX),
      how: 'No feed names a version that repairs it. Remove it where it is not needed, keep it away from untrusted input, or accept the risk until a date.',
      effort: 'unknown',
      disrupts: true,
    };
  return {
    title: `Find out whether ${item.name} is affected`.slice(0, NAME_MAX),
    how:
      kind === 'possible-match'
        ? 'The name was guessed from a CPE of the NVD. Compare the product and version with what the maker says.'
        : 'Feeds name this package, but what they say cannot be compared with this version. Ask the maker.',
    effort: 'minutes',
    disrupts: false,
  };
}

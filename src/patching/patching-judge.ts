/** What a package's vulnerabilities mean on an asset: one finding a package, how bad, until when and why. */

import { type Finding, type FindingObservation, LIMITS, type Rfc3339, rfc3339 } from '../core/index.ts';
import { evidenceOf } from './patching-evidence.ts';
import type { Package } from './patching-package.ts';
import type { Vulnerability, Weighed } from './patching-weigh.ts';
import {
  type AssetContext,
  type Clock,
  DEFAULT_POLICY,
  type Decision,
  decide,
  type Policy,
  UNKNOWN_CONTEXT,
} from './policy/index.ts';
import { compareVersions } from './versions/index.ts';

const NAME_MAX = LIMITS.nameCharsMax;

export type PackageFinding = Omit<FindingObservation, 'asset'>;
export type PackageKind = 'missing-update' | 'no-update-yet' | 'possible-match' | 'advisory-question';

/** What a finding is before it is written out; the same object for every host of one context. */
export interface Verdict {
  readonly kind: PackageKind;
  readonly item: Package;
  readonly all: readonly Vulnerability[];
  /** The strictest first. */
  readonly clocks: readonly Clock[];
  readonly assumed: readonly string[];
  readonly ssvc: string;
  /** The vulnerability whose clock is the strictest. */
  readonly decidedBy: string;
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

function decisionOf(one: Vulnerability, { now, policy, context }: Required<Judging>): Decision {
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
    return decide(facts, context, policy, now);
  const key = `${now}|${one.severity}|${facts.fixable}|${vector}|${published}|${context.exposed}|${context.exposedBy}|${context.criticality}`;
  const known = decided.get(key);
  if (known) return known;
  if (decided.size >= DECIDED_MAX) decided.clear();
  const made = decide(facts, context, policy, now);
  decided.set(key, made);
  return made;
}

const SSVC_ORDER = ['track', 'track*', 'attend', 'act'];

function verdict(
  kind: PackageKind,
  item: Package,
  all: readonly Vulnerability[],
  { now, policy, context }: Required<Judging>,
): Verdict {
  let clocks: readonly Clock[] = [];
  let assumed: readonly string[] = [];
  let ssvc = 'track';
  let decidedBy = '';
  for (const one of all) {
    const decision = decisionOf(one, { now, policy, context });
    if (SSVC_ORDER.indexOf(decision.ssvc) > SSVC_ORDER.indexOf(ssvc)) ssvc = decision.ssvc;
    const [first] = decision.clocks;
    if (first && (clocks.length === 0 || first.dueMs < (clocks[0] as Clock).dueMs)) {
      clocks = decision.clocks;
      assumed = decision.assumed;
      decidedBy = one.name;
    }
  }
  // What is only guessed, or cannot be told, is a question and has no deadline of ours.
  const sure = kind === 'missing-update' || kind === 'no-update-yet';
  return { kind, item, all, clocks: sure ? clocks : [], assumed, ssvc, decidedBy };
}

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
  return {
    room: 'patching',
    kind,
    key: `${item.ecosystem}/${item.name}`.slice(0, 512),
    severity: sure ? worst.severity : 'information',
    title: `${item.name} ${item.version} ${VERB[kind]} ${count}${known}`.slice(0, NAME_MAX),
    detail: `${item.ecosystem}. Severity: ${worst.basis}. ${whyDue(one)}`.slice(0, LIMITS.textCharsMax),
    evidence: all.slice(0, LIMITS.evidenceMax).map((each) => evidenceOf(item, each, rfc3339(now))),
    fix: fixOf(one),
    due: dueOf(clocks),
    exercise: false,
  };
}

const dueOf = (clocks: readonly Clock[]): Rfc3339 | null => (clocks[0] ? rfc3339(clocks[0].dueMs) : null);

/** The deadline in a sentence, the other clocks that run beside it, and what was assumed. */
function whyDue({ clocks, assumed, ssvc, decidedBy }: Verdict): string {
  const [first, ...others] = clocks;
  if (!first) return 'No deadline applies.';
  const beside = others.map((clock) => `${rfc3339(clock.dueMs).slice(0, 10)}: ${clock.why}`);
  return [
    `Due: ${first.why}, for ${decidedBy}.`,
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

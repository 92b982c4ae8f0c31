/** Joins accounts with what was seen, into verdicts, findings and a coverage that counts external and privileged first. */

import { createHash } from 'node:crypto';
import {
  contentId,
  type Finding,
  type FindingId,
  type FindingObservation,
  rfc3339,
  type Severity,
} from '../../core/index.ts';
import { markHashes } from './audit-hash.ts';
import type { AccountMark, AuditAccount, AuditInput, FactorState, SeenLogin } from './audit-record.ts';

const DAY_MS = 86_400_000;
/** NHS England's multi-factor policy and the HHS cybersecurity performance goals set no number; 90 days is what CIS 5.3 allows 45 for. */
const STALE_DAYS = 90;
const NEW_DAYS = 14;

export interface Verdict extends AuditAccount {
  readonly stale: boolean;
  readonly neverUsed: boolean;
  /** When a log-in of it was seen last, in whatever source. */
  readonly seenMs: number | null;
}

const nameKey = (name: string): string => {
  const plain = name.normalize('NFKC').toLowerCase();
  return plain.slice(plain.lastIndexOf('\\') + 1).split('@')[0] as string;
};

/** What was seen beats what is configured: a log-in that went through shows what is possible. */
export function judge(input: AuditInput, o: { nowMs: number; external?: readonly string[] }): Verdict[] {
  markHashes(input.accounts);
  const byName = new Map<string, SeenLogin[]>();
  for (const login of input.seen) {
    const key = nameKey(login.name);
    const held = byName.get(key);
    if (held === undefined) byName.set(key, [login]);
    else held.push(login);
  }
  const external = new Set((o.external ?? []).map((one) => one.toLowerCase()));
  const marked = hashMarks(input.accounts);
  return input.accounts
    .filter((one) => !one.service.startsWith('hashes '))
    .map((one) => {
      const mine = (byName.get(nameKey(one.name)) ?? []).filter(
        (login) => login.service === null || login.service === one.service || sameService(login.service, one.service),
      );
      const seenMs = mine.reduce<number | null>((last, login) => Math.max(last ?? 0, login.atMs), null);
      const lastMs = Math.max(one.lastSignInMs ?? 0, seenMs ?? 0);
      const known = one.lastSignInMs !== null || seenMs !== null;
      const young = one.createdMs !== null && o.nowMs - one.createdMs < NEW_DAYS * DAY_MS;
      const active = one.enabled !== false;
      return {
        ...one,
        ...seenVerdict(one, mine),
        seenMs,
        external: external.has(one.service.toLowerCase()) ? true : one.external,
        marks: [...new Set([...one.marks, ...(marked.get(nameKey(one.name)) ?? [])])],
        neverUsed: active && known && lastMs === 0 && !young,
        stale: active && lastMs > 0 && o.nowMs - lastMs > STALE_DAYS * DAY_MS,
      };
    });
}

function hashMarks(accounts: readonly AuditAccount[]): Map<string, AccountMark[]> {
  const found = new Map<string, AccountMark[]>();
  for (const one of accounts) if (one.service.startsWith('hashes ')) found.set(nameKey(one.name), [...one.marks]);
  return found;
}

const sameService = (a: string, b: string): boolean => b.toLowerCase().split(/[\s.]/).includes(a.toLowerCase());

function seenVerdict(
  one: AuditAccount,
  mine: readonly SeenLogin[],
): { factor: FactorState; protocol: string | null; why: string } {
  const legacy = mine.findLast((login) => login.legacy !== null && login.factors !== 'multi');
  const { factor, protocol, why } = one;
  if (legacy !== undefined && factor !== 'none')
    return {
      factor: 'bypassed',
      protocol: legacy.legacy,
      why: `a log-in by ${legacy.legacy} went through with the password alone on ${rfc3339(legacy.atMs).slice(0, 10)}; ${why}`,
    };
  const single = mine.findLast((login) => login.factors === 'single');
  if (single !== undefined && factor === 'enforced')
    return {
      factor: 'registered',
      protocol,
      why: `a log-in with one factor went through on ${rfc3339(single.atMs).slice(0, 10)}, although ${why}`,
    };
  const multi = mine.findLast((login) => login.factors === 'multi');
  if (multi !== undefined && factor === 'unknown')
    return {
      factor: 'registered',
      protocol,
      why: `a log-in with two factors was seen on ${rfc3339(multi.atMs).slice(0, 10)}; whether it is enforced is not known`,
    };
  return { factor, protocol, why };
}

const WORDS: Readonly<
  Record<Exclude<FactorState, 'enforced' | 'unknown'>, { kind: string; title: (one: Verdict) => string; how: string }>
> = {
  none: {
    kind: 'no-second-factor',
    title: (one) => `A password alone opens ${one.name} on ${one.service}`,
    how: 'Enrol a passkey, security key or authenticator app for the account and let a policy ask for it; put the access gateway in front of services that cannot.',
  },
  registered: {
    kind: 'second-factor-not-enforced',
    title: (one) => `${one.name} on ${one.service} has a second factor that a log-in can do without`,
    how: 'Let the policy ask everybody, everywhere, without exceptions by place, platform or application.',
  },
  bypassed: {
    kind: 'second-factor-bypassed',
    title: (one) => `${one.protocol ?? 'A protocol'} goes around the second factor of ${one.name} on ${one.service}`,
    how: 'Block the named protocol for everybody; move what still uses it to one that can ask for a second factor.',
  },
};

const MARKS: Readonly<Record<AccountMark, { severity: Severity; title: (one: Verdict) => string; how: string }>> = {
  'password-not-required': {
    severity: 'high',
    title: (one) => `${one.name} on ${one.service} may have an empty password`,
    how: 'Clear PASSWD_NOTREQD and set a password.',
  },
  'password-never-expires': {
    severity: 'information',
    title: (one) => `The password of ${one.name} on ${one.service} never ends`,
    how: 'Move service accounts to group managed ones; for people a second factor matters more than expiry.',
  },
  'password-reused': {
    severity: 'high',
    title: (one) => `${one.name} shares its password with another account`,
    how: 'Set a different password for each of them.',
  },
  'password-default': {
    severity: 'critical',
    title: (one) => `${one.name} has a default password`,
    how: 'Change it now, and look at who used the account.',
  },
  'empty-password': {
    severity: 'critical',
    title: (one) => `${one.name} on ${one.service} has an empty password`,
    how: 'Lock the account or set a password.',
  },
};

function severityOf(one: Verdict): Severity {
  if (one.factor === 'bypassed' || one.factor === 'none') {
    if (one.privileged && one.external) return 'critical';
    return one.privileged || one.external ? 'high' : 'medium';
  }
  return one.privileged || one.external ? 'medium' : 'low';
}

const DUE_DAYS: Readonly<Record<Severity, number>> = { critical: 3, high: 14, medium: 60, low: 90, information: 365 };

/** One finding for each weakness of each account that is on. */
export function observations(verdicts: readonly Verdict[], nowMs: number): FindingObservation[] {
  const seen = rfc3339(nowMs);
  const found: FindingObservation[] = [];
  for (const one of verdicts) {
    if (one.enabled === false) continue;
    const add = (kind: string, severity: Severity, title: string, fix: string, how: string, what: string) =>
      found.push({
        room: 'access',
        kind,
        key: one.name.slice(0, 512),
        severity,
        asset: { name: one.service.slice(0, 256) },
        title: title.slice(0, 256),
        evidence: [
          {
            what: what.slice(0, 1000),
            seen,
            data: {
              account: one.name.slice(0, 256),
              service: one.service.slice(0, 256),
              verdict: one.factor,
              ...(one.protocol && { protocol: one.protocol }),
              privileged: one.privileged ?? 'unknown',
              external: one.external ?? 'unknown',
              source: one.source.slice(0, 256),
            },
          },
        ],
        fix: { title: fix.slice(0, 256), how, effort: 'minutes', disrupts: false },
        due: rfc3339(nowMs + DUE_DAYS[severity] * DAY_MS),
        exercise: false,
      });
    if (one.factor !== 'enforced' && one.factor !== 'unknown' && one.kind !== 'service') {
      const words = WORDS[one.factor];
      add(
        words.kind,
        severityOf(one),
        words.title(one),
        `Enforce a second factor on ${one.service}`,
        words.how,
        one.why,
      );
    }
    if (one.kind === 'shared')
      add(
        'shared-account',
        one.privileged ? 'high' : 'medium',
        `${one.name} on ${one.service} looks like an account that several people share`,
        'Replace shared accounts by personal ones',
        'Give each person an account, and shared workstations the gateway’s fast switching.',
        `the name "${one.name}" is not a person’s`,
      );
    if (one.stale)
      add(
        'stale-account',
        one.privileged ? 'high' : 'low',
        `${one.name} on ${one.service} was not used for ${Math.floor((nowMs - Math.max(one.lastSignInMs ?? 0, one.seenMs ?? 0)) / DAY_MS)} days`,
        `Turn off accounts on ${one.service} that nobody uses`,
        'Ask the owner’s manager, then disable it; keep the files.',
        `last used ${rfc3339(Math.max(one.lastSignInMs ?? 0, one.seenMs ?? 0)).slice(0, 10)}`,
      );
    if (one.neverUsed)
      add(
        'never-used-account',
        one.privileged ? 'high' : 'low',
        `${one.name} on ${one.service} was never used`,
        `Turn off accounts on ${one.service} that nobody uses`,
        'Ask who asked for it; disable it.',
        'the export says that nobody ever signed in',
      );
    for (const mark of one.marks)
      add(
        mark,
        MARKS[mark].severity,
        MARKS[mark].title(one),
        MARKS[mark].how.split(/[.;,]/)[0] as string,
        MARKS[mark].how,
        `${mark} (${one.source})`,
      );
  }
  return found;
}

export const findingId = (one: FindingObservation): FindingId =>
  contentId<FindingId>(
    'finding',
    createHash('sha256')
      .update(JSON.stringify([one.room, one.kind, one.asset.name, one.key]))
      .digest(),
  );

/** An observation as a finding of this moment, where no store keeps its life. */
export function passing(one: FindingObservation, nowMs: number): Finding {
  const seen = rfc3339(nowMs);
  return { ...one, id: findingId(one), first_seen: seen, last_seen: seen, state: 'open', reopened: 0 };
}

export interface AuditCoverage {
  readonly accounts: number;
  readonly enforced: number;
  readonly registered: number;
  readonly bypassed: number;
  readonly none: number;
  readonly unknown: number;
}

/** Accounts that are on and people's or shared, by verdict: external and privileged ones first, as the policies ask. */
export function auditCoverage(
  verdicts: readonly Verdict[],
): Record<'external_privileged' | 'external' | 'privileged' | 'all', AuditCoverage> {
  const of = (some: readonly Verdict[]): AuditCoverage => {
    const count = (state: FactorState) => some.reduce((sum, one) => sum + (one.factor === state ? 1 : 0), 0);
    return {
      accounts: some.length,
      enforced: count('enforced'),
      registered: count('registered'),
      bypassed: count('bypassed'),
      none: count('none'),
      unknown: count('unknown'),
    };
  };
  const on = verdicts.filter((one) => one.enabled !== false && one.kind !== 'service');
  return {
    external_privileged: of(on.filter((one) => one.external && one.privileged)),
    external: of(on.filter((one) => one.external)),
    privileged: of(on.filter((one) => one.privileged)),
    all: of(on),
  };
}

/** Which rule each number answers to, as data. */
export const POLICIES = [
  {
    id: 'nhs-england-mfa-2023',
    title: 'NHS England multi-factor authentication policy',
    asks: 'Multi-factor authentication on all remote user access, and on all privileged access to externally hosted systems',
    measure: ['external', 'external_privileged'],
  },
  {
    id: 'hhs-cpg-essential-mfa',
    title: 'HHS healthcare cybersecurity performance goals, essential: multifactor authentication',
    asks: 'Multi-factor authentication where assets are accessible from the internet',
    measure: ['external'],
  },
  {
    id: 'hhs-cpg-essential-privileged',
    title: 'HHS healthcare cybersecurity performance goals, essential: separate user and privileged accounts',
    asks: 'Privileged accounts apart from ordinary ones, each protected',
    measure: ['privileged'],
  },
] as const;

/** What an audit found, into the store: accounts and findings, marked where they belong to an exercise. */

import { createHash } from 'node:crypto';
import { type AccountId, contentId, type Finding, rfc3339, type Store } from '../../core/index.ts';
import { judge, observations, type Verdict } from './audit-judge.ts';
import { readExports } from './audit-read.ts';

const WRITE_ROWS = 500;

/** Reads exports and keeps what they say; answers how many accounts there were. */
export async function takeExports(
  store: Store,
  paths: readonly string[],
  o: { nowMs: number; exercise: boolean; external?: readonly string[] },
): Promise<number> {
  const input = await readExports(paths);
  const verdicts = judge(input, { nowMs: o.nowMs, ...(o.external && { external: o.external }) });
  await keepAudit(store, verdicts, observations(verdicts, o.nowMs), o);
  return verdicts.length;
}

/** Accounts and findings into the store; what a complete audit of a service no longer shows is fixed by the next round of it. */
export async function keepAudit(
  store: Store,
  verdicts: readonly Verdict[],
  seen: ReturnType<typeof observations>,
  { nowMs, exercise }: { nowMs: number; exercise: boolean },
): Promise<readonly Finding[]> {
  const at = rfc3339(nowMs);
  for (let from = 0; from < verdicts.length; from += WRITE_ROWS)
    await store.accounts.upsert(
      verdicts.slice(from, from + WRITE_ROWS).map((one) => ({
        id: accountId(one),
        name: one.name.slice(0, 256),
        service: one.service.slice(0, 256),
        privileged: one.privileged,
        external: one.external,
        second_factor: one.factor,
        ...(one.lastSignInMs && { last_sign_in: rfc3339(one.lastSignInMs) }),
        evidence: [{ what: one.why.slice(0, 1000), seen: at }],
        first_seen: at,
        last_seen: at,
        exercise,
      })),
    );
  const kept: Finding[] = [];
  for (let from = 0; from < seen.length; from += WRITE_ROWS)
    kept.push(
      ...(await store.findings.observe(
        seen.slice(from, from + WRITE_ROWS).map((one) => ({ ...one, exercise })),
        at,
      )),
    );
  const proof = { what: 'The audit no longer shows it', seen: at };
  const kinds = [
    ...new Set([
      'no-second-factor',
      'second-factor-not-enforced',
      'second-factor-bypassed',
      'shared-account',
      'stale-account',
      'never-used-account',
    ]),
  ];
  const byService = Map.groupBy(kept, (one) => one.asset.name);
  for (const service of new Set(verdicts.map((one) => one.service.slice(0, 256))))
    await store.findings.fixMissing(
      {
        room: 'access',
        assetName: service,
        kinds,
        seen: (byService.get(service) ?? []).map((one) => one.id),
        exercise,
      },
      proof,
      at,
    );
  return kept;
}

/** The same account of the same service is the same record at the next audit. */
const accountId = (one: Verdict): AccountId =>
  contentId<AccountId>(
    'account',
    createHash('sha256')
      .update(JSON.stringify([one.service, one.name]))
      .digest(),
  );

/** How far the second factor is true: accounts by what protects them. Registered alone is not covered when it can be left out. */

import { type Clock, type Coverage, RECOMMENDATIONS, rfc3339, type Store } from '../core/index.ts';

export async function accessCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const count = (second_factor: 'enforced' | 'registered' | 'bypassed' | 'none' | 'unknown') =>
    store.accounts.count({ second_factor });
  const [enforced, registered, bypassed, none, unknown] = await Promise.all([
    count('enforced'),
    count('registered'),
    count('bypassed'),
    count('none'),
    count('unknown'),
  ]);
  const not = registered + bypassed + none;
  const all = enforced + not + unknown;
  const measured = all > 0;
  const [action] = await store.findings.actions({ room: 'access' }, 1);
  const { firstStep, command } = RECOMMENDATIONS.access;
  return {
    room: 'access',
    state: measured ? 'measured' : 'no-evidence',
    unit: 'accounts',
    in_scope: all,
    covered: enforced,
    not_covered: not,
    unknown,
    measured_at: measured ? rfc3339(clock.now()) : null,
    sentence: measured
      ? `${enforced} of ${all} known accounts must show a second factor, ${not} need not, of ${unknown} it is not known.`
      : 'No evidence yet.',
    next: action ? { title: action.title } : { title: firstStep, command },
    evidence: [
      { label: 'Accounts', href: '/accounts', count: all },
      {
        label: 'Open access findings',
        href: '/findings?room=access&state=open',
        count: await store.findings.count({ room: 'access', state: 'open' }),
      },
    ],
  };
}

/** How far the second factor is true: accounts by what protects them. Registered alone is not covered when it can be left out. */

import { type Clock, type Coverage, coverageOf, openFindings, rfc3339, type Store } from '../core/index.ts';

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
  const open = await openFindings(store, 'access');
  return coverageOf('access', {
    unit: 'accounts',
    covered: enforced,
    notCovered: not,
    unknown,
    measuredAt: all > 0 ? rfc3339(clock.now()) : null,
    sentence: `${enforced} of ${all} known accounts must show a second factor, ${not} need not, of ${unknown} it is not known.`,
    next: open.next,
    evidence: [{ label: 'Accounts', href: '/accounts', count: all }, open.evidence],
  });
}

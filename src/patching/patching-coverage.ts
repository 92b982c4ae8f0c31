/** How far patching is true: assets whose packages are known and wait for no security update. */

import { type Clock, type Coverage, RECOMMENDATIONS, rfc3339, type Store } from '../core/index.ts';

const FRESH_MS = 8 * 86_400_000;

export async function patchingCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  let inScope = 0;
  let covered = 0;
  let waiting = 0;
  let after: string | undefined;
  do {
    const page = await store.assets.list({}, after === undefined ? { limit: 500 } : { limit: 500, after });
    for (const asset of page.items) {
      inScope++;
      const known = asset.seen_by.includes('check') && now - Date.parse(asset.last_seen) < FRESH_MS;
      if (!known) continue;
      const open = await store.findings.list(
        { room: 'patching', state: 'open', asset: asset.id, severity: 'high' },
        { limit: 1 },
      );
      const critical = await store.findings.list(
        { room: 'patching', state: 'open', asset: asset.id, severity: 'critical' },
        { limit: 1 },
      );
      if (open.items.length + critical.items.length > 0) waiting++;
      else covered++;
    }
    after = page.next ?? undefined;
  } while (after !== undefined);
  const unknown = inScope - covered - waiting;
  const { firstStep, command } = RECOMMENDATIONS.patching;
  const [action] = await store.findings.actions({ room: 'patching' }, 1);
  const measured = covered + waiting > 0;
  return {
    room: 'patching',
    state: measured ? 'measured' : 'no-evidence',
    unit: 'assets',
    in_scope: inScope,
    covered,
    not_covered: waiting,
    unknown,
    measured_at: measured ? rfc3339(now) : null,
    sentence: measured
      ? `${covered} of ${inScope} assets have all their security updates, ${waiting} wait for one, ${unknown} are not known.`
      : 'No evidence yet.',
    next: action
      ? { title: action.title }
      : { title: measured ? 'Bring the inventory of the other assets.' : firstStep, ...(measured ? {} : { command }) },
    evidence: [
      {
        label: 'Open patching findings',
        href: '/findings?room=patching&state=open',
        count: await store.findings.count({ room: 'patching', state: 'open' }),
      },
    ],
  };
}

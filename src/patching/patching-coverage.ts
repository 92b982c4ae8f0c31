/** How far patching is true: assets whose packages are known and wait for no security update. */

import {
  allRecords,
  assetsWithFindings,
  type Clock,
  type Coverage,
  coverageOf,
  openFindings,
  rfc3339,
  type Store,
} from '../core/index.ts';

const FRESH_MS = 8 * 86_400_000;

export async function patchingCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  const serious = await assetsWithFindings(store, 'patching', ['critical', 'high']);
  let covered = 0;
  let waiting = 0;
  let unknown = 0;
  for await (const asset of allRecords((page) => store.assets.list({}, page))) {
    const known = asset.seen_by.includes('check') && now - Date.parse(asset.last_seen) < FRESH_MS;
    if (!known) unknown++;
    else if (serious.has(asset.id)) waiting++;
    else covered++;
  }
  const measured = covered + waiting > 0;
  const open = await openFindings(store, 'patching');
  return coverageOf('patching', {
    unit: 'assets',
    covered,
    notCovered: waiting,
    unknown,
    measuredAt: measured ? rfc3339(now) : null,
    sentence: `${covered} of ${covered + waiting + unknown} assets have all their security updates, ${waiting} wait for one, ${unknown} are not known.`,
    next: open.next ?? (measured ? { title: 'Bring the inventory of the other assets.' } : undefined),
    evidence: [open.evidence],
  });
}

/** How far external servers are strengthened: assets that face outside and have no open finding of weight. */

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

export async function perimeterCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const exposed = await assetsWithFindings(store, 'perimeter');
  let covered = 0;
  let weak = 0;
  let unknown = 0;
  let looked = 0;
  for await (const asset of allRecords((page) => store.assets.list({}, page))) {
    if (asset.external === false) continue;
    if (asset.seen_by.includes('check') || asset.seen_by.includes('scan')) looked++;
    if (exposed.has(asset.id)) weak++;
    else if (asset.external === true) covered++;
    else unknown++;
  }
  const open = await openFindings(store, 'perimeter');
  return coverageOf('perimeter', {
    unit: 'assets that may face outside',
    covered,
    notCovered: weak,
    unknown,
    measuredAt: looked > 0 ? rfc3339(clock.now()) : null,
    sentence: `${weak} assets offer something outside that should be closed or strengthened, ${covered} do not; of ${unknown} it is not known whether they face outside.`,
    next: open.next,
    evidence: [open.evidence],
  });
}

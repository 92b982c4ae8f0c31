/** How far external servers are strengthened: assets that face outside and have no open finding of weight. */

import { type Clock, type Coverage, RECOMMENDATIONS, rfc3339, type Store } from '../core/index.ts';

export async function perimeterCoverage(store: Store, clock: Clock): Promise<Coverage> {
  let covered = 0;
  let weak = 0;
  let unknown = 0;
  let looked = 0;
  let after: string | undefined;
  do {
    const page = await store.assets.list({}, after === undefined ? { limit: 500 } : { limit: 500, after });
    for (const asset of page.items) {
      if (asset.external === false) continue;
      const open = await store.findings.count({ room: 'perimeter', state: 'open', asset: asset.id });
      if (asset.seen_by.includes('check')) looked++;
      if (open > 0) weak++;
      else if (asset.external === true) covered++;
      else unknown++;
    }
    after = page.next ?? undefined;
  } while (after !== undefined);
  const measured = looked > 0;
  const [action] = await store.findings.actions({ room: 'perimeter' }, 1);
  const { firstStep, command } = RECOMMENDATIONS.perimeter;
  return {
    room: 'perimeter',
    state: measured ? 'measured' : 'no-evidence',
    unit: 'assets that may face outside',
    in_scope: covered + weak + unknown,
    covered,
    not_covered: weak,
    unknown,
    measured_at: measured ? rfc3339(clock.now()) : null,
    sentence: measured
      ? `${weak} assets offer something outside that should be closed or strengthened, ${covered} do not; of ${unknown} it is not known whether they face outside.`
      : 'No evidence yet.',
    next: action ? { title: action.title } : { title: firstStep, command },
    evidence: [
      {
        label: 'Open perimeter findings',
        href: '/findings?room=perimeter&state=open',
        count: await store.findings.count({ room: 'perimeter', state: 'open' }),
      },
    ],
  };
}

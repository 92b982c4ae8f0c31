/** How far critical servers are watched: known servers and devices whose logs arrived lately. */

import { type Clock, type Coverage, RECOMMENDATIONS, rfc3339, type Store } from '../core/index.ts';

/** A machine that has logged nothing for a day is not watched. */
const HEARD_MS = 24 * 3_600_000;

export async function detectionCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  let watched = 0;
  let silent = 0;
  let never = 0;
  let after: string | undefined;
  do {
    const page = await store.assets.list({}, after === undefined ? { limit: 500 } : { limit: 500, after });
    for (const asset of page.items) {
      if (asset.class === 'mobile' || asset.class === 'printer') continue;
      if (!asset.seen_by.includes('logs')) never++;
      else if (now - Date.parse(asset.last_seen) <= HEARD_MS) watched++;
      else silent++;
    }
    after = page.next ?? undefined;
  } while (after !== undefined);
  const all = watched + silent + never;
  const measured = watched + silent > 0;
  const sources = await store.sources.list({});
  const { firstStep, command } = RECOMMENDATIONS.detection;
  return {
    room: 'detection',
    state: measured ? 'measured' : 'no-evidence',
    unit: 'assets',
    in_scope: all,
    covered: watched,
    not_covered: silent + never,
    unknown: 0,
    measured_at: measured ? rfc3339(now) : null,
    sentence: measured
      ? `${watched} of ${all} known assets sent logs in the last day; ${silent + never} did not.`
      : 'No evidence yet.',
    next:
      measured && silent + never > 0
        ? { title: `Point the logs of ${silent + never} more assets here`, command }
        : measured
          ? { title: 'Name the servers that are missing here.' }
          : { title: firstStep, command },
    evidence: [
      { label: 'Sources', href: '/sources', count: sources.length },
      { label: 'Assets', href: '/assets', count: all },
    ],
  };
}

/** How far critical servers are watched: known servers and devices whose logs arrived lately. */

import { allRecords, type Clock, type Coverage, coverageOf, firstStepOf, rfc3339, type Store } from '../core/index.ts';

/** A machine that has logged nothing for a day is not watched. */
const HEARD_MS = 24 * 3_600_000;

export async function detectionCoverage(store: Store, clock: Clock): Promise<Coverage> {
  const now = clock.now();
  let watched = 0;
  let silent = 0;
  let never = 0;
  for await (const asset of allRecords((page) => store.assets.list({}, page))) {
    if (asset.class === 'mobile' || asset.class === 'printer') continue;
    if (!asset.seen_by.includes('logs')) never++;
    else if (now - Date.parse(asset.last_seen) <= HEARD_MS) watched++;
    else silent++;
  }
  const unwatched = silent + never;
  const measured = watched + silent > 0;
  const sources = await store.sources.list({});
  return coverageOf('detection', {
    unit: 'assets',
    covered: watched,
    notCovered: unwatched,
    unknown: 0,
    measuredAt: measured ? rfc3339(now) : null,
    sentence: `${watched} of ${watched + unwatched} known assets sent logs in the last day; ${unwatched} did not.`,
    next: measured ? nextStep(unwatched) : undefined,
    evidence: [
      { label: 'Sources', href: '/sources', count: sources.length },
      { label: 'Assets', href: '/assets', count: watched + unwatched },
    ],
  });
}

function nextStep(unwatched: number): Coverage['next'] {
  return unwatched > 0
    ? { ...firstStepOf('detection'), title: `Point the logs of ${unwatched} more assets here` }
    : { title: 'Name the servers that are missing here.' };
}

/** Hosts that named themselves in their logs become assets: unknown ones are made, known ones live longer. */

import { randomBytes } from 'node:crypto';
import { type AssetId, type Clock, LIMITS, newId, rfc3339, type Store } from './core/index.ts';
import type { Sighting } from './pipeline/pipeline-messages.ts';

/** A name that a log line made up must not fill the list of assets without bound. */
const ASSETS_MAX = 50_000;

export async function recordSightings(store: Store, clock: Clock, sightings: readonly Sighting[]): Promise<void> {
  if (sightings.length === 0) return;
  let room = ASSETS_MAX - (await store.assets.count({}));
  for (const sighting of sightings) {
    const name = sighting.host.slice(0, LIMITS.nameCharsMax);
    const known = await store.assets.byName(name);
    // The time of receipt bounds what a wrong clock may claim.
    const at = rfc3339(Math.min(sighting.lastMs, clock.now()));
    if (known) {
      if (known.seen_by.includes('logs') && Date.parse(at) - Date.parse(known.last_seen) < 60_000) continue;
      await store.assets.upsert({
        ...known,
        seen_by: [...new Set([...known.seen_by, 'logs'])],
        last_seen: at < known.last_seen ? known.last_seen : at,
        ...(known.os === undefined && sighting.product ? { os: sighting.product } : {}),
      });
    } else if (room > 0) {
      room--;
      await store.assets.upsert({
        id: newId<AssetId>('asset', clock.now(), randomBytes(10)),
        name,
        class: 'unknown',
        addresses: [],
        macs: [],
        ...(sighting.product ? { os: sighting.product } : {}),
        criticality: 'unknown',
        external: null,
        seen_by: ['logs'],
        reasons: [`Named itself in logs read as ${sighting.format}`],
        first_seen: at,
        last_seen: at,
        exercise: sighting.exercise,
      });
    }
  }
}

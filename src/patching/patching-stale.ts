/** A feed of the library that nobody could bring for a week is a finding, whether or not an inventory comes. */

import { type Clock, rfc3339, type Store } from '../core/index.ts';
import type { FeedLibrary } from './patching-library.ts';
import { staleInLibrary } from './patching-match.ts';

export async function observeStale(o: {
  store: Store;
  clock: Clock;
  library: FeedLibrary;
  exercise: boolean;
}): Promise<void> {
  const { store, clock, library, exercise } = o;
  const now = clock.now();
  const at = rfc3339(now);
  const stale = staleInLibrary(await library.current(), now);
  const seen = await store.findings.observe(
    stale.map((one) => ({ ...one, exercise })),
    at,
  );
  await store.findings.fixMissing(
    { room: 'patching', assetName: 'Asepsis', kinds: ['stale-feed'], seen: seen.map((one) => one.id), exercise },
    { what: 'The feed is fresh again', seen: at },
    at,
  );
}

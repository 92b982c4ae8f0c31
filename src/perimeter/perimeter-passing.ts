/** Findings without a store: what one scan shows has no life of its own yet. */

import { createHash } from 'node:crypto';
import { contentId, type Finding, type FindingId, type FindingObservation } from '../core/index.ts';

export function passingFinding(observation: FindingObservation): Finding {
  const { room, kind, asset, key } = observation;
  const digest = createHash('sha256')
    .update(JSON.stringify([room, kind, asset.name, key]))
    .digest();
  const seen = observation.evidence[0]?.seen ?? ('1970-01-01T00:00:00.000Z' as Finding['last_seen']);
  return {
    ...observation,
    id: contentId<FindingId>('finding', digest),
    first_seen: seen,
    last_seen: seen,
    state: 'open',
    reopened: 0,
  };
}

/** What relays change in the judgement of a capture: the last hop on both sides is expected, and what still flows beside a relay says so. */

import { allRecords, type FindingObservation, type Rfc3339, type Store } from '../core/index.ts';
import type { PairSeen } from './network-report.ts';
import { type RelayRecord, relayVerdicts } from './relay/index.ts';

const flowKey = (client: string, server: { host: string; port: number }) =>
  `${client}>${server.host}:${server.port}/tcp/`;

/**
 * @param observations what the capture showed, before it is kept
 * @returns the same, with the hops inside the device's and the server's own segment as low, and with a line of evidence
 *   where clear text flows although there is a relay for it
 */
export function withRelays(
  observations: readonly FindingObservation[],
  relays: readonly RelayRecord[],
  pairs: ReadonlyMap<string, PairSeen>,
): FindingObservation[] {
  if (relays.length === 0) return [...observations];
  return observations.map((observation) => {
    for (const relay of relays) {
      const { client, near, far, server, name } = relay;
      const inside = [flowKey(client, near), flowKey(far.host, server)];
      if (inside.some((start) => observation.key.startsWith(start)) && observation.kind !== 'weak-tls')
        return {
          ...observation,
          severity: 'low',
          detail: `This is the hop inside its own segment; the relay ${name} carries it on with TLS. Keep the segment to these two.`,
        };
      if (!observation.key.startsWith(flowKey(client, server))) continue;
      const [verdict] = relayVerdicts([relay], pairs, () => 0);
      const [first, ...rest] = observation.evidence;
      if (verdict?.state !== 'still-clear' || first === undefined) continue;
      return { ...observation, evidence: [first, ...rest, { what: verdict.why, seen: first.seen }] };
    }
    return observation;
  });
}

/** The pairs of relays that were made for findings. */
export async function relaysOf(store: Store): Promise<readonly RelayRecord[]> {
  const relays: RelayRecord[] = [];
  for await (const row of allRecords((page) => store.records.list('network-relays', {}, page)))
    relays.push(row.doc as RelayRecord);
  return relays;
}

export const lastSeenMs = (evidence: readonly { seen: Rfc3339 }[]): number =>
  Math.max(0, ...evidence.map((one) => Date.parse(one.seen)));

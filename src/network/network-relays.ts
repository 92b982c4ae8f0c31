/** What relays change in the judgement of a capture: the last hop on both sides is expected, and what still flows beside a relay says so. Pure. */

import type { FindingObservation, Rfc3339 } from '../core/index.ts';
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

/** Findings that the capture proves fixed by their relay. */
export function fixedByRelay(
  relays: readonly RelayRecord[],
  pairs: ReadonlyMap<string, PairSeen>,
  lastClearMs: (finding: string) => number | null,
): { finding: string; what: string; atMs: number }[] {
  return relayVerdicts(relays, pairs, lastClearMs).flatMap((verdict) =>
    verdict.state === 'fixed' ? [{ finding: verdict.relay.finding, what: verdict.why, atMs: verdict.atMs }] : [],
  );
}

export const lastSeenMs = (evidence: readonly { seen: Rfc3339 }[]): number =>
  Math.max(0, ...evidence.map((one) => Date.parse(one.seen)));

/** Whether a relay ended the clear text that it was made for: judged on what sensors see afterwards, never on the configuration. Pure. */

import type { RelayEnd, RelayKind } from './relay-config.ts';

/** What is remembered of a pair that was made for a finding (`store.records`, collection `network-relays`). */
export interface RelayRecord {
  readonly name: string;
  readonly kind: RelayKind;
  readonly finding: string;
  /** The clear flow that it replaces. */
  readonly client: string;
  readonly server: RelayEnd;
  readonly near: RelayEnd;
  readonly far: RelayEnd;
  /** Address of the near relay on the way to the far one, where it is not the one that the device sees. */
  readonly nearSeenAs?: string;
  readonly made: string;
}

export type RelayVerdict =
  | { readonly state: 'fixed'; readonly relay: RelayRecord; readonly atMs: number; readonly why: string }
  | { readonly state: 'still-clear' | 'waiting'; readonly relay: RelayRecord; readonly why: string };

interface Seen {
  readonly state: 'protected' | 'clear' | 'unknown';
  readonly atMs: number;
}

/**
 * @param pairs what an inspection saw, by `client server port`
 * @param lastClearMs when the finding's own flow was last seen in clear, Unix milliseconds
 */
export function relayVerdicts(
  relays: readonly RelayRecord[],
  pairs: ReadonlyMap<string, Seen>,
  lastClearMs: (finding: string) => number | null,
): RelayVerdict[] {
  return relays.flatMap((relay): RelayVerdict[] => {
    const { near, far, server, client } = relay;
    const old = pairs.get(`${client} ${server.host} ${server.port}`);
    const tunnel = pairs.get(`${relay.nearSeenAs ?? near.host} ${far.host} ${far.port}`);
    const lastMs = lastClearMs(relay.finding);
    if (lastMs === null) return [];
    const way = `from ${client} to ${server.host} port ${server.port}`;
    if (old?.state === 'clear') {
      const beside =
        tunnel?.state === 'protected' ? 'although the relay is in use' : 'and nothing crosses the relay yet';
      return [{ state: 'still-clear', relay, why: `Clear text still flows ${way}, ${beside}.` }];
    }
    if (tunnel?.state === 'protected' && tunnel.atMs > lastMs)
      return [
        {
          state: 'fixed',
          relay,
          atMs: tunnel.atMs,
          why: `A later capture shows the relay ${relay.name} carrying it protected (${relay.nearSeenAs ?? near.host} to ${far.host} port ${far.port}), and nothing in clear ${way}`,
        },
      ];
    if (tunnel?.state === 'clear')
      return [{ state: 'still-clear', relay, why: `What crosses between the relays of ${relay.name} is not TLS.` }];
    return [{ state: 'waiting', relay, why: `No capture since then shows the relay ${relay.name} in use.` }];
  });
}

/** Keeps nftables on this host as the responses want it: written when they change, looked at again, mended when flushed. */

import type { Ran, Run } from '../detection-run.ts';
import type { AddressRange } from './response-address.ts';
import { rangeText } from './response-address.ts';
import { type NftBlock, type NftSeen, nftRemove, nftReplace, nftSeen, sameBlocks } from './response-nft.ts';

/** How often the kernel is asked whether everything still stands: somebody may have flushed the ruleset. */
const LOOK_EVERY_MS = 5_000;

export interface Firewall {
  /** Makes the kernel hold exactly these blocks. Answers what is wrong, or null. */
  hold(blocks: readonly TimedBlock[], allowed: readonly AddressRange[], nowMs: number): Promise<string | null>;
  /** Takes the table away. */
  remove(): Promise<string | null>;
  /** Packets dropped for each range, as of the last look. */
  dropped(): ReadonlyMap<string, number>;
}

export interface TimedBlock {
  readonly range: AddressRange;
  readonly expiresMs: number;
}

const sayFailure = (ran: Ran): string =>
  ran.code === null ? ran.stderr : `exit ${ran.code}: ${ran.stderr.split('\n')[0] ?? ''}`;

export function createFirewall(command: readonly string[], run: Run): Firewall {
  let held = '';
  let looked = 0;
  let seen: readonly NftSeen[] = [];

  const look = async (): Promise<readonly NftSeen[] | null> => {
    const ran = await run([...command, '-j', 'list', 'table', 'inet', 'asepsis'], '');
    return ran.code === 0 ? nftSeen(ran.stdout) : null;
  };
  const write = async (document: unknown): Promise<string | null> => {
    const ran = await run([...command, '-j', '-f', '-'], JSON.stringify(document));
    return ran.code === 0 ? null : `nftables could not be changed (${sayFailure(ran).slice(0, 300)})`;
  };

  return {
    hold: async (blocks, allowed, nowMs) => {
      const wanted: NftBlock[] = blocks
        .filter((block) => block.expiresMs > nowMs)
        .map((block) => ({ range: block.range, secondsLeft: (block.expiresMs - nowMs) / 1000 }));
      const key = JSON.stringify([
        blocks.map((block) => `${rangeText(block.range)} ${block.expiresMs}`).sort(),
        allowed.map(rangeText).sort(),
      ]);
      let right = key === held;
      if (right && nowMs - looked < LOOK_EVERY_MS) return null;
      const now = await look();
      looked = nowMs;
      if (now) seen = now;
      right &&= now !== null && sameBlocks(wanted, now);
      if (right) return null;
      // Nothing to hold and nothing there: a host without blocks has no table of ours.
      if (wanted.length === 0 && now === null) {
        held = key;
        return null;
      }
      const fault = await write(wanted.length === 0 ? nftRemove() : nftReplace(wanted, allowed));
      held = fault === null ? key : '';
      if (fault === null && wanted.length === 0) seen = [];
      return fault;
    },
    remove: async () => {
      held = '';
      seen = [];
      return (await look()) === null ? null : write(nftRemove());
    },
    dropped: () => new Map(seen.map((one) => [one.range, one.packets])),
  };
}

/**
 * The blocks that bouncers are told of, kept between questions: some bouncers ask for every request of a web server, and
 * there may be thousands of blocks. Read again when a response changed; what is protected is looked at every few seconds.
 */

import type { RoomServices } from '../../core/index.ts';
import { type AddressRange, bitsOf, cut, parseRange } from './response-address.ts';
import type { Block } from './response-decisions.ts';
import { newestChange, responsesInForce, responsesSince } from './response-store.ts';

/** How long an ended block is told of: a bouncer that was away for longer starts anew anyway. */
const ENDED_TOLD_MS = 48 * 3_600_000;
/** How old the answer of what is protected may be. */
const PROTECTED_KEPT_MS = 5000;
/** Ended blocks leave the list this often where nothing changes. */
const KEPT_MS = 3_600_000;

export interface BlockView {
  readonly all: readonly Block[];
  /** Blocks that hold all of a range, the widest first. */
  holding(range: AddressRange): Block[];
}

export function viewOf(all: readonly Block[]): BlockView {
  const byPrefix = new Map<string, { prefix: number; version: 4 | 6; of: Map<bigint, Block[]> }>();
  for (const block of all) {
    const { version, prefix, base } = block.range;
    const key = `${version}/${prefix}`;
    const group = byPrefix.get(key) ?? { prefix, version, of: new Map<bigint, Block[]>() };
    byPrefix.set(key, group);
    const same = group.of.get(base);
    if (same === undefined) group.of.set(base, [block]);
    else same.push(block);
  }
  const groups = [...byPrefix.values()].sort((a, b) => a.prefix - b.prefix);
  return {
    all,
    holding: ({ version, base, prefix }) =>
      groups.flatMap((group) =>
        group.version === version && group.prefix <= prefix
          ? (group.of.get(cut(version, base, group.prefix).base) ?? [])
          : [],
      ),
  };
}

/** @param isAllowed whether a range holds something that is never blocked, now */
export function createBlocks(
  { store, clock }: Pick<RoomServices, 'store' | 'clock'>,
  isAllowed: (range: AddressRange) => Promise<boolean>,
): { now(): Promise<BlockView> } {
  let read: Block[] = [];
  let readMs = Number.NEGATIVE_INFINITY;
  let newest = '';
  let view = viewOf([]);
  let viewMs = Number.NEGATIVE_INFINITY;

  const readAll = async (nowMs: number): Promise<Block[]> => {
    const byId = new Map<string, Block>();
    for (const { response, changed } of [
      ...(await responsesInForce(store)),
      ...(await responsesSince(store, nowMs - ENDED_TOLD_MS)),
    ]) {
      const range = response.kind === 'block' ? parseRange(response.target) : null;
      // What was never in force is nobody's business; what is rehearsed only is not told.
      if (range === null || response.simulated || response.exercise || response.expires === undefined) continue;
      const block = {
        expiresMs: Date.parse(response.expires),
        scenario: response.incident === undefined ? 'asepsis/manual' : 'asepsis/incident',
        changed,
        active: response.state === 'active',
      };
      byId.set(response.id, { ...block, number: 2 * response.number, range });
      // Bouncers that know no ranges are told the attacker's own address beside an IPv6 network.
      const named = response.named === undefined ? null : parseRange(response.named);
      if (named) byId.set(`${response.id} named`, { ...block, number: 2 * response.number + 1, range: named });
    }
    return [...byId.values()];
  };

  let refreshing: Promise<void> | null = null;
  const refresh = async (): Promise<void> => {
    const nowMs = clock.now();
    const latest = await newestChange(store);
    const changed = latest !== newest || nowMs - readMs > KEPT_MS;
    if (changed) {
      read = await readAll(nowMs);
      [newest, readMs] = [latest, nowMs];
    }
    if (!changed && nowMs - viewMs < PROTECTED_KEPT_MS && nowMs >= viewMs) return;
    const all: Block[] = [];
    // What became protected after it was blocked (a new medical device) is let through.
    for (const block of read)
      all.push(block.active && (await isAllowed(block.range)) ? { ...block, active: false } : block);
    [view, viewMs] = [viewOf(all), nowMs];
  };
  return {
    now: async () => {
      // Those that ask meanwhile wait for the same look.
      refreshing ??= refresh().finally(() => {
        refreshing = null;
      });
      await refreshing;
      return view;
    },
  };
}

/** Addresses of one range that are told one by one. */
const EXPANDED_BITS_MAX = 12;

/** The addresses of an IPv4 range, for bouncers that know no ranges; the range itself where that would be too many. */
export function addressesOf(range: AddressRange): AddressRange[] {
  const bits = bitsOf(range) - range.prefix;
  if (range.version === 6 || bits === 0 || bits > EXPANDED_BITS_MAX) return [range];
  return Array.from({ length: 2 ** bits }, (_, i) => ({ version: 4, base: range.base + BigInt(i), prefix: 32 }));
}

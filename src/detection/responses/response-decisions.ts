/**
 * Our blocks in the words of CrowdSec's local API (its swagger `Decision`, `DecisionsStreamResponse`), so that its bouncers
 * enforce them: pure. Go durations are `3h59m58.5s`.
 */

import { type AddressRange, baseText, bitsOf, contains, parseRange, rangeText } from './response-address.ts';
import { addressesOf, type BlockView } from './response-blocks.ts';

/** A block as far as bouncers care. */
export interface Block {
  /** The id of the decision. */
  readonly number: number;
  readonly range: AddressRange;
  readonly expiresMs: number;
  /** Why, in a few words without names. */
  readonly scenario: string;
  /** The order in which it last changed; bouncers ask for what changed since. */
  readonly changed: number;
  readonly active: boolean;
}

export interface Decision {
  readonly duration: string;
  readonly id: number;
  readonly origin: 'asepsis';
  readonly scenario: string;
  readonly scope: 'Ip' | 'Range';
  readonly type: 'ban';
  readonly value: string;
}

/** Go's `time.Duration.String()`; negative ones are over. */
export function goDuration(ms: number): string {
  const sign = ms < 0 ? '-' : '';
  const all = Math.abs(Math.round(ms));
  const hours = Math.floor(all / 3_600_000);
  const minutes = Math.floor(all / 60_000) % 60;
  const seconds = (all % 60_000) / 1000;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}s`;
  return minutes > 0 ? `${sign}${minutes}m${seconds}s` : `${sign}${seconds}s`;
}

export function decisionOf(block: Block, nowMs: number): Decision {
  const single = block.range.prefix === bitsOf(block.range);
  return {
    duration: goDuration(block.expiresMs - nowMs),
    id: block.number,
    origin: 'asepsis',
    scenario: block.scenario,
    scope: single ? 'Ip' : 'Range',
    type: 'ban',
    value: single ? baseText(block.range) : rangeText(block.range),
  };
}

export interface DecisionFilter {
  readonly ip?: string;
  readonly range?: string;
  readonly scope?: string;
  readonly scopes?: string;
  readonly value?: string;
  readonly type?: string;
  readonly origins?: string;
  readonly scenarios_containing?: string;
  readonly scenarios_not_containing?: string;
  /** Blocks that hold the address or range (default), or, when false, those inside it. */
  readonly contains?: boolean;
}

const listed = (text: string): string[] =>
  text
    .toLowerCase()
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');

/** @returns null when the filter names something that is no address */
export function filterBlocks(view: BlockView, filter: DecisionFilter): readonly Block[] | null {
  const wanted = filter.ip ?? filter.range;
  const range = wanted === undefined ? null : parseRange(wanted);
  if (wanted !== undefined && range === null) return null;
  const scopes = filter.scopes ?? filter.scope;
  const blocks =
    range === null
      ? view.all
      : filter.contains === false
        ? view.all.filter((block) => contains(range, block.range))
        : view.holding(range);
  const asked = Object.entries(filter).some(
    ([name, value]) => value !== undefined && name !== 'ip' && name !== 'range' && name !== 'contains',
  );
  if (!asked) return blocks;
  const fits = (block: Block): boolean => {
    const decision = decisionOf(block, 0);
    const scenario = decision.scenario.toLowerCase();
    if (scopes !== undefined && !listed(scopes).includes(decision.scope.toLowerCase())) return false;
    if (filter.value !== undefined && filter.value !== decision.value) return false;
    if (filter.type !== undefined && filter.type !== decision.type) return false;
    if (filter.origins !== undefined && !listed(filter.origins).includes(decision.origin)) return false;
    if (filter.scenarios_containing && !listed(filter.scenarios_containing).some((word) => scenario.includes(word)))
      return false;
    return !(
      filter.scenarios_not_containing && listed(filter.scenarios_not_containing).some((word) => scenario.includes(word))
    );
  };
  return blocks.filter(fits);
}

export interface Stream {
  readonly new: readonly Decision[];
  readonly deleted: readonly Decision[];
}

/**
 * @param since what the bouncer has seen: null at its start, when it gets all that is active. Of ended blocks it is told
 * only when no other active block has the same value: a bouncer deletes by value.
 * @param addresses all blocks, for a bouncer that knows no ranges: it is told the addresses of IPv4 ranges one by one
 */
export function streamOf(
  blocks: readonly Block[],
  since: number | null,
  nowMs: number,
  addresses: BlockView | null,
): Stream {
  const isActive = (block: Block): boolean => block.active && block.expiresMs > nowMs;
  const isNews = (block: Block): boolean => since === null || block.changed > since;
  const each = (block: Block): Block[] =>
    addresses === null ? [block] : addressesOf(block.range).map((range) => ({ ...block, range }));
  const fresh = blocks.filter((block) => isActive(block) && isNews(block)).flatMap(each);
  const over = blocks
    .filter((block) => !isActive(block) && (isNews(block) || (block.active && block.expiresMs <= nowMs)))
    .flatMap(each);
  let held: Set<string> | null = null;
  const isHeld = ({ range }: Block): boolean => {
    // The address may be one of a range that goes on.
    if (addresses !== null)
      return addresses
        .holding(range)
        .some((one) => isActive(one) && (same(one.range, range) || one.range.version === 4));
    held ??= new Set(blocks.filter(isActive).map((block) => rangeText(block.range)));
    return held.has(rangeText(range));
  };
  const ended = over.filter((block) => !isHeld(block));
  return {
    new: fresh.map((block) => decisionOf(block, nowMs)),
    deleted: ended.map((block) => decisionOf({ ...block, expiresMs: Math.min(block.expiresMs, nowMs) }, nowMs)),
  };
}

const same = (a: AddressRange, b: AddressRange): boolean => a.base === b.base && a.prefix === b.prefix;

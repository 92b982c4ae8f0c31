/**
 * The nftables table `inet asepsis` as JSON for `nft -j -f -` (libnftables-json(5)): whole, so that one transaction of the
 * kernel replaces what was there, and each element with the time it has left, so that a block ends without us too.
 */

import { type AddressRange, baseText, bitsOf, contains, rangeText } from './response-address.ts';

export const NFT_TABLE = { family: 'inet', name: 'asepsis' } as const;
const IN_TABLE = { family: NFT_TABLE.family, table: NFT_TABLE.name } as const;
/** After connection tracking (-200) and before everybody's filter rules (0); linux/netfilter_ipv4.h. */
const PRIORITY = -190;

export interface NftBlock {
  readonly range: AddressRange;
  readonly secondsLeft: number;
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

const elementOf = (range: AddressRange): Json =>
  range.prefix === bitsOf(range) ? baseText(range) : { prefix: { addr: baseText(range), len: range.prefix } };

/**
 * Ranges in a set may not overlap. Inside a wider block a narrower one is left out; the wider one's end is a change,
 * after which the table is written anew with what is left.
 */
export function withoutCovered(blocks: readonly NftBlock[]): NftBlock[] {
  const sorted = blocks.toSorted((a, b) => a.range.prefix - b.range.prefix || b.secondsLeft - a.secondsLeft);
  const kept: NftBlock[] = [];
  for (const block of sorted) if (!kept.some((one) => contains(one.range, block.range))) kept.push(block);
  return kept;
}

/** Protected ranges, without those inside others. */
export function widest(ranges: readonly AddressRange[]): AddressRange[] {
  const kept: AddressRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.prefix - b.prefix))
    if (!kept.some((one) => contains(one, range))) kept.push(range);
  return kept;
}

const setOf = (name: string, version: 4 | 6, timed: boolean): Json => ({
  add: {
    set: {
      ...IN_TABLE,
      name,
      type: version === 4 ? 'ipv4_addr' : 'ipv6_addr',
      flags: timed ? ['interval', 'timeout'] : ['interval'],
      ...(timed ? { stmt: [{ counter: null }] } : {}),
    },
  },
});

const elements = (set: string, elem: readonly Json[]): Json[] =>
  elem.length === 0 ? [] : [{ add: { element: { ...IN_TABLE, name: set, elem } } }];

const match = (op: '==' | '!=', version: 4 | 6, field: 'saddr' | 'daddr', set: string): Json => ({
  match: { op, left: { payload: { protocol: version === 4 ? 'ip' : 'ip6', field } }, right: `@${set}` },
});

/** What is protected passes even if somebody else put it into a block set. */
const dropRule = (chain: string, version: 4 | 6, field: 'saddr' | 'daddr'): Json => ({
  add: {
    rule: {
      ...IN_TABLE,
      chain,
      expr: [
        match('==', version, field, `block${version}`),
        match('!=', version, field, `allow${version}`),
        { drop: null },
      ],
    },
  },
});

/** Hook → the sides of a packet on which an attacker may stand. */
const CHAINS = [
  ['input', ['saddr']],
  ['forward', ['saddr', 'daddr']],
  ['output', ['daddr']],
] as const;

function chains(): Json[] {
  return CHAINS.flatMap(([hook, fields]) => [
    { add: { chain: { ...IN_TABLE, name: hook, type: 'filter', hook, prio: PRIORITY, policy: 'accept' } } },
    ...fields.flatMap((field) => ([4, 6] as const).map((version) => dropRule(hook, version, field))),
  ]);
}

/** The transaction that makes the table hold exactly these blocks. */
export function nftReplace(blocks: readonly NftBlock[], allowed: readonly AddressRange[]): Json {
  const kept = withoutCovered(blocks);
  const of = (version: 4 | 6): Json[] =>
    kept
      .filter(({ range }) => range.version === version)
      .map(({ range, secondsLeft }) => ({
        elem: { val: elementOf(range), timeout: Math.max(1, Math.ceil(secondsLeft)) },
      }));
  const free = (version: 4 | 6): Json[] => widest(allowed.filter((range) => range.version === version)).map(elementOf);
  return {
    nftables: [
      ...nftRemoval(),
      { add: { table: NFT_TABLE } },
      setOf('allow4', 4, false),
      setOf('allow6', 6, false),
      setOf('block4', 4, true),
      setOf('block6', 6, true),
      ...chains(),
      ...elements('allow4', free(4)),
      ...elements('allow6', free(6)),
      ...elements('block4', of(4)),
      ...elements('block6', of(6)),
    ],
  };
}

/** A table can only be deleted when it is there: it is made first. */
function nftRemoval(): Json[] {
  return [{ add: { table: NFT_TABLE } }, { delete: { table: NFT_TABLE } }];
}

export const nftRemove = (): Json => ({ nftables: nftRemoval() });

export interface NftSeen {
  readonly range: string;
  readonly packets: number;
}

/** Reads `nft -j list table inet asepsis`: the blocks in force and what each has dropped. Null when it is something else. */
export function nftSeen(text: string): NftSeen[] | null {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    return null;
  }
  const items = (document as { nftables?: unknown }).nftables;
  if (!Array.isArray(items)) return null;
  const seen: NftSeen[] = [];
  for (const item of items as { set?: { name?: string; elem?: unknown[] } }[]) {
    if (item.set?.name !== 'block4' && item.set?.name !== 'block6') continue;
    for (const one of item.set.elem ?? []) {
      const inner = (one as { elem?: { val?: unknown; counter?: { packets?: number } } }).elem;
      const value = inner?.val ?? one;
      const prefix = (value as { prefix?: { addr: string; len: number } }).prefix;
      const range = prefix ? `${prefix.addr}/${prefix.len}` : String(value);
      seen.push({ range, packets: inner?.counter?.packets ?? 0 });
    }
  }
  return seen;
}

/** True when the kernel holds exactly the wanted blocks. */
export function sameBlocks(wanted: readonly NftBlock[], seen: readonly NftSeen[]): boolean {
  const want = new Set(withoutCovered(wanted).map(({ range }) => rangeText(range)));
  return want.size === seen.length && seen.every(({ range }) => want.has(range));
}

/** One asset seen by several sources is one asset: what tells it, and the sentence why. */

import type { Asset, AssetId } from '../core/index.ts';
import type { HostFacts } from './inventories/index.ts';

/** What the record of an asset does not hold and tells it again. */
export interface Identity {
  readonly id: AssetId;
  readonly name: string;
  readonly serial?: string;
  readonly uuid?: string;
  readonly macs: readonly string[];
  /** Names that sources give it: "source\nname". */
  readonly known: readonly string[];
}

export interface IdentityIndex {
  put(identity: Identity): void;
  get(id: AssetId): Identity | null;
  /** The asset that a source's host is, with the reason; null: it is new. */
  find(source: string, name: string, facts: HostFacts): { identity: Identity; reason: string | null } | null;
  /** Whether a name belongs to another asset already. */
  taken(name: string, id: AssetId | null): boolean;
}

const fold = (text: string) => text.trim().toLowerCase();
const shortName = (name: string) => (/^[0-9.]+$/.test(name) ? name : (fold(name).split('.', 1)[0] as string));
/** A MAC that so many assets have is a dock's or a virtual adapter's, and tells nothing. */
const SHARED_MAC_FROM = 2;

export function createIdentityIndex(): IdentityIndex {
  const all = new Map<AssetId, Identity>();
  const at = new Map<string, Set<AssetId>>();
  const keysOf = (identity: Identity): string[] => [
    ...identity.known.map((known) => `known\n${known}`),
    ...(identity.serial ? [`serial\n${fold(identity.serial)}`] : []),
    ...(identity.uuid ? [`uuid\n${fold(identity.uuid)}`] : []),
    ...identity.macs.map((mac) => `mac\n${mac}`),
    `name\n${fold(identity.name)}`,
    `short\n${shortName(identity.name)}`,
  ];
  const only = (key: string): Identity | null => {
    const ids = at.get(key);
    const [first] = ids ?? [];
    return ids && ids.size < SHARED_MAC_FROM && first ? (all.get(first) ?? null) : null;
  };
  const contradicts = (identity: Identity, facts: HostFacts) =>
    (identity.serial !== undefined && facts.serial !== undefined && fold(identity.serial) !== fold(facts.serial)) ||
    (identity.uuid !== undefined && facts.uuid !== undefined && fold(identity.uuid) !== fold(facts.uuid));
  return {
    get: (id) => all.get(id) ?? null,
    put(identity) {
      const old = all.get(identity.id);
      if (old) for (const key of keysOf(old)) at.get(key)?.delete(identity.id);
      all.set(identity.id, identity);
      for (const key of keysOf(identity)) {
        const ids = at.get(key);
        if (ids) ids.add(identity.id);
        else at.set(key, new Set([identity.id]));
      }
    },
    taken: (name, id) => [...(at.get(`name\n${fold(name)}`) ?? [])].some((other) => other !== id),
    find(source, name, facts) {
      const ways: readonly (readonly [string, string | null])[] = [
        [`known\n${source}\n${fold(name)}`, null],
        ...(facts.serial ? [[`serial\n${fold(facts.serial)}`, `the same serial number ${facts.serial}`] as const] : []),
        ...(facts.uuid ? [[`uuid\n${fold(facts.uuid)}`, `the same hardware UUID ${facts.uuid}`] as const] : []),
        ...(facts.macs ?? []).map((mac) => [`mac\n${mac}`, `the same network address ${mac}`] as const),
        [`name\n${fold(name)}`, `the same name ${name}`],
        [`short\n${shortName(name)}`, `the same host name ${shortName(name)}`],
      ];
      for (const [key, reason] of ways) {
        const identity = only(key);
        // A machine that was replaced keeps its name: other hardware is another asset.
        if (identity && !contradicts(identity, facts)) return { identity, reason };
      }
      return null;
    },
  };
}

/** The identity with what a source says now; what is known stays. */
export function learn(identity: Identity, source: string, name: string, facts: HostFacts): Identity {
  const serial = identity.serial ?? facts.serial;
  const uuid = identity.uuid ?? facts.uuid;
  return {
    ...identity,
    ...(serial === undefined ? {} : { serial }),
    ...(uuid === undefined ? {} : { uuid }),
    macs: [...new Set([...identity.macs, ...(facts.macs ?? [])])].slice(0, 64),
    known: [...new Set([...identity.known, `${source}\n${fold(name)}`])].slice(-64),
  };
}

/** The record of an asset from all sources; what a person or a better source set is not unset by one that does not know. */
export function mergeAsset(
  known: Asset | null,
  seen: { id: AssetId; name: string; facts: HostFacts; source: string; at: Asset['last_seen']; exercise: boolean },
  reasons: readonly string[],
): Asset {
  const { facts } = seen;
  const kept = <T>(said: T | undefined, before: T | undefined, unknown: T): T =>
    said !== undefined && said !== unknown ? said : (before ?? said ?? unknown);
  const os = facts.os ?? known?.os;
  // Windows names its "registered owner" daily; the ward that a register said is what blackouts go by.
  const owner = facts.department ?? known?.owner ?? facts.owner;
  return {
    id: seen.id,
    name: seen.name.slice(0, 256),
    class: kept(facts.class, known?.class, 'unknown'),
    addresses: [...new Set([...(facts.addresses ?? []), ...(known?.addresses ?? [])])].slice(0, 64),
    macs: [...new Set([...(known?.macs ?? []), ...(facts.macs ?? [])])].slice(0, 64),
    ...(os === undefined ? {} : { os: os.slice(0, 256) }),
    ...(owner === undefined ? {} : { owner: owner.slice(0, 256) }),
    criticality: kept(facts.criticality, known?.criticality, 'unknown'),
    external: facts.external ?? known?.external ?? null,
    seen_by: [...new Set([...(known?.seen_by ?? []), seen.source])].slice(-32),
    reasons: [...new Set([...(known?.reasons ?? []), ...reasons])].slice(-16),
    first_seen: known?.first_seen ?? seen.at,
    last_seen: known && known.last_seen > seen.at ? known.last_seen : seen.at,
    exercise: seen.exercise,
  };
}

/** What several threads saw of one capture, as one inspection: the same keys are the same thing. Pure. */

import type { CertificateServer } from './network-certificates.ts';
import type { Inspection } from './network-inspect.ts';
import { type Count, HASHES_MAX, type Leak, type PairSeen } from './network-report.ts';

const SET_MAX = 64;
const RANK = { clear: 2, protected: 1, unknown: 0 } as const;

/** By a key; `join` puts the later one into the earlier. */
function joined<T>(all: readonly (readonly T[])[], key: (one: T) => string, join: (into: T, from: T) => void): T[] {
  const known = new Map<string, T>();
  for (const one of all.flat()) {
    const before = known.get(key(one));
    if (before === undefined) known.set(key(one), one);
    else join(before, one);
  }
  return [...known.values()];
}

interface Sighted {
  count: number;
  lastMs: number;
}

function sightings(into: Sighted, from: Sighted): void {
  into.count += from.count;
  into.lastMs = Math.max(into.lastMs, from.lastMs);
}

function fill<T>(into: Set<T>, from: ReadonlySet<T>, most = SET_MAX): void {
  for (const one of from) if (into.size < most) into.add(one);
}

function counts(into: Map<string, Count>, from: ReadonlyMap<string, Count>): void {
  for (const [word, { times }] of from) {
    const known = into.get(word);
    if (known) known.times += times;
    else into.set(word, { times });
  }
}

/** The first sight is the earlier one's. */
function joinLeak(into: Leak, from: Leak): void {
  counts(into.what, from.what);
  counts(into.fields, from.fields);
  fill(into.hashes, from.hashes, HASHES_MAX);
  fill(into.names, from.names, 8);
  into.nhsValid += from.nhsValid;
  into.nhsInvalid += from.nhsInvalid;
  into.messages += from.messages;
  if (from.firstMs < into.firstMs) {
    into.file = from.file;
    into.packet = from.packet;
  }
  into.firstMs = Math.min(into.firstMs, from.firstMs);
  into.lastMs = Math.max(into.lastMs, from.lastMs);
}

/** Once clear stays clear. */
function joinPairs(all: readonly ReadonlyMap<string, PairSeen>[]): Map<string, PairSeen> {
  const pairs = new Map<string, PairSeen>();
  for (const one of all)
    for (const [key, seen] of one) {
      const before = pairs.get(key);
      const rank = before === undefined ? -1 : RANK[before.state] - RANK[seen.state];
      if (before === undefined || rank < 0) pairs.set(key, seen);
      else if (rank === 0) pairs.set(key, { state: seen.state, atMs: Math.max(seen.atMs, before.atMs) });
    }
  return pairs;
}

function joinCertificates(into: CertificateServer, from: CertificateServer): void {
  for (const [key, shown] of from.keys) {
    const known = into.keys.get(key);
    if (!known) {
      into.keys.set(key, shown);
      continue;
    }
    fill(known.clients, shown.clients);
    known.firstMs = Math.min(known.firstMs, shown.firstMs);
    known.lastMs = Math.max(known.lastMs, shown.lastMs);
  }
}

/** Numbers of the same names, added up. */
function sums<T extends object>(all: readonly T[]): T {
  const total = { ...all[0]! } as Record<string, number>;
  for (const one of all.slice(1))
    for (const [name, value] of Object.entries(one)) total[name] = (total[name] ?? 0) + Number(value);
  return total as T;
}

type Machine = Inspection['machines'][number];
function joinMachines(all: readonly Inspection[]): Machine[] {
  const known = new Map<string, Machine>();
  const both = <T>(a: readonly T[], z: readonly T[]): T[] => [...new Set([...a, ...z])].slice(0, 16);
  for (const one of all.flatMap((part) => part.machines)) {
    const before = known.get(one.address);
    if (before === undefined) {
      known.set(one.address, one);
      continue;
    }
    const facts = new Map(before.facts);
    for (const [what, values] of one.facts) facts.set(what, new Set(both([...(facts.get(what) ?? [])], [...values])));
    known.set(one.address, {
      address: one.address,
      macs: both(before.macs, one.macs),
      vlans: both(before.vlans, one.vlans),
      hops: both(before.hops, one.hops),
      facts,
      firstMs: Math.min(before.firstMs, one.firstMs),
      lastMs: Math.max(before.lastMs, one.lastMs),
    });
  }
  return [...known.values()];
}

export function mergeInspections(parts: readonly Inspection[]): Inspection {
  const of = <T>(pick: (part: Inspection) => readonly T[]) => parts.map(pick);
  return {
    packets: sums(parts.map((part) => part.packets)),
    streams: sums(parts.map((part) => part.streams)),
    flows: sums(parts.map((part) => part.flows)),
    memory: sums(parts.map((part) => part.memory)),
    leaksDropped: parts.reduce((sum, part) => sum + part.leaksDropped, 0),
    leaks: joined(
      of((part) => part.leaks),
      (one) => `${one.kind}|${one.client}|${one.server}|${one.port}|${one.udp}|${one.app}`,
      joinLeak,
    ).toSorted((a, z) => a.firstMs - z.firstMs || a.packet - z.packet),
    conflicts: joined(
      of((part) => part.conflicts),
      (one) => `${one.vlan}|${one.address}`,
      (into, from) => {
        sightings(into, from);
        fill(into.macs, from.macs);
        into.returns += from.returns;
      },
    ),
    routers: joined(
      of((part) => part.routers),
      (one) => `${one.vlan}|${one.mac}|${one.address}`,
      (into, from) => {
        sightings(into, from);
        into.valid &&= from.valid;
      },
    ),
    pairs: joinPairs(parts.map((part) => part.pairs)),
    signs: joined(
      of((part) => part.signs),
      (one) => `${one.kind}|${one.suspect}|${one.address}|${one.vlan}`,
      (into, from) => {
        sightings(into, from);
        fill(into.affected, from.affected, 256);
      },
    ),
    handshakes: joined(
      of((part) => part.handshakes),
      (one) => `${one.client}|${one.server}|${one.port}|${one.name}|${one.ja4}|${one.ja4s}`,
      (into, from) => {
        into.count += from.count;
      },
    ),
    certificates: joined(
      of((part) => part.certificates),
      (one) => `${one.server}|${one.port}|${one.name}`,
      joinCertificates,
    ),
    machines: joinMachines(parts),
    dhcpServers: joined(
      of((part) => part.dhcpServers),
      (one) => `${one.version}|${one.mac}|${one.address}|${one.vlan}`,
      (into, from) => {
        sightings(into, from);
        fill(into.gateways, from.gateways);
        fill(into.resolvers, from.resolvers);
        fill(into.clients, from.clients, 256);
      },
    ),
  };
}

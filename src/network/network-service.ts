/** Findings and coverage of the network in the store: the key that hashes, what was inspected, how far it is protected. */

import { hash as digest, randomBytes } from 'node:crypto';
import {
  AsepsisError,
  allRecords,
  type Clock,
  type Coverage,
  coverageOf,
  type Finding,
  type FindingObservation,
  openFindings,
  type Rfc3339,
  rfc3339,
  type Store,
} from '../core/index.ts';
import { fixedByRelay, lastSeenMs, withRelays } from './network-relays.ts';
import type { PairSeen, PairState } from './network-report.ts';
import type { RelayRecord } from './relay/index.ts';

const KEY_NAME = 'network.hash-key';
const PAIRS_NAME = 'network.pairs';
const PAIRS_MAX = 20_000;

export type Hash = (value: string | Uint8Array) => string;

const BLOCK_BYTES = 64;
const KNOWN_MAX = 65_536;

/**
 * HMAC-SHA-256 cut to 64 bits: enough to tell patients apart, useless without the key. Written out (RFC 2104 section 2)
 * because making an Hmac object for each message costs ten times the hash.
 */
export function keyedHash(key: Uint8Array): Hash {
  const short = key.length > BLOCK_BYTES ? digest('sha256', key, 'buffer') : key;
  const inner = Buffer.alloc(BLOCK_BYTES, 0x36);
  const outer = Buffer.alloc(BLOCK_BYTES + 32, 0x5c);
  for (const [i, byte] of short.entries()) {
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  const known = new Map<number, string>();
  const seed = randomBytes(4).readInt32LE();
  return (value) => {
    // The same patients come again and again. What is remembered is a number of the value, not the value.
    const number = quickNumber(value, seed);
    const before = known.get(number);
    if (before !== undefined) return before;
    const made = hmac(value);
    if (known.size >= KNOWN_MAX) known.clear();
    known.set(number, made);
    return made;
  };
  function hmac(value: string | Uint8Array): string {
    const text = typeof value === 'string' ? Buffer.from(value) : value;
    outer.set(digest('sha256', Buffer.concat([inner, text]), 'buffer'), BLOCK_BYTES);
    return digest('sha256', outer, 'hex').slice(0, 16);
  }
}

/** Two 32-bit mixes of a value as one number of 53 bits: equal for different values once in a million million. */
function quickNumber(value: string | Uint8Array, seed: number): number {
  let a = seed ^ 0x9e3779b9;
  let z = seed ^ 0x85ebca6b;
  const text = typeof value === 'string';
  for (let i = 0; i < value.length; i++) {
    const c = text ? value.charCodeAt(i) : value[i]!;
    a = Math.imul(a ^ c, 0x9e3779b1);
    z = Math.imul(z ^ c, 0x5f356495);
    a = (a << 13) | (a >>> 19);
  }
  a = Math.imul(a ^ (a >>> 16), 0x85ebca6b) ^ Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b) ^ Math.imul(a ^ (a >>> 13), 0xc2b2ae35);
  return (z & 0x1fffff) * 4294967296 + (a >>> 0);
}

/** The installation's key, made once; without a store a key that nobody will know again. */
export async function hashKey(store: Store | null): Promise<Uint8Array> {
  if (store === null) return randomBytes(32);
  const known = await store.values.get(KEY_NAME);
  if (known !== null) return Buffer.from(known, 'base64');
  const fresh = randomBytes(32);
  if (await store.values.compareAndSet(KEY_NAME, null, fresh.toString('base64'))) return fresh;
  const theirs = await store.values.get(KEY_NAME);
  if (theirs === null) throw new AsepsisError('STORE_UNAVAILABLE', 'The key of the network room cannot be kept.');
  return Buffer.from(theirs, 'base64');
}

interface Inspected {
  readonly at: string;
  readonly pairs: Record<string, PairState>;
}

async function inspected(store: Store): Promise<Inspected | null> {
  const text = await store.values.get(PAIRS_NAME);
  return text === null ? null : (JSON.parse(text) as Inspected);
}

/** Keeps the findings and what each pair of machines was seen doing last. */
export async function recordInspection(o: {
  store: Store;
  clock: Clock;
  observations: readonly FindingObservation[];
  pairs: ReadonlyMap<string, PairSeen>;
}): Promise<readonly Finding[]> {
  const at = rfc3339(o.clock.now());
  return o.store.transaction(async (store) => {
    const relays = await relaysOf(store);
    const findings = await store.findings.observe(withRelays(o.observations, relays, o.pairs), at);
    const seenNow = new Set<string>(findings.map((finding) => finding.id));
    await fixProtected(store, o.pairs, seenNow, at);
    await fixRelayed(store, relays, o.pairs, seenNow, at);
    const known = await inspected(store);
    const pairs = new Map(Object.entries(known?.pairs ?? {}));
    for (const [key, { state }] of o.pairs) {
      pairs.delete(key);
      pairs.set(key, state);
    }
    // What was seen longest ago goes first.
    for (const key of pairs.keys()) {
      if (pairs.size <= PAIRS_MAX) break;
      pairs.delete(key);
    }
    await store.values.set(PAIRS_NAME, JSON.stringify({ at, pairs: Object.fromEntries(pairs) } satisfies Inspected));
    return findings;
  });
}

async function relaysOf(store: Store): Promise<readonly RelayRecord[]> {
  const relays: RelayRecord[] = [];
  for await (const row of allRecords((page) => store.records.list('network-relays', {}, page)))
    relays.push(row.doc as RelayRecord);
  return relays;
}

/** Open findings for which a relay was made, and which the capture proves ended by it. */
async function fixRelayed(
  store: Store,
  relays: readonly RelayRecord[],
  pairs: ReadonlyMap<string, PairSeen>,
  seenNow: ReadonlySet<string>,
  at: Rfc3339,
): Promise<void> {
  const open = new Map<string, Finding>();
  for (const relay of relays) {
    const finding = await store.findings.get(relay.finding as Finding['id']);
    if (finding?.state === 'open' && !seenNow.has(finding.id)) open.set(finding.id, finding);
  }
  const lastMs = (id: string) => {
    const finding = open.get(id);
    return finding === undefined ? null : lastSeenMs(finding.evidence);
  };
  for (const { finding, what, atMs } of fixedByRelay(relays, pairs, lastMs))
    await store.findings.fix(finding as Finding['id'], { what, seen: rfc3339(atMs) }, at);
}

/** Open findings whose two machines now speak protected on the same port, later than the finding was seen, are fixed. */
async function fixProtected(
  store: Store,
  pairs: ReadonlyMap<string, PairSeen>,
  seenNow: ReadonlySet<string>,
  at: Rfc3339,
): Promise<void> {
  const gone: { finding: Finding; atMs: number }[] = [];
  for await (const finding of allRecords((page) => store.findings.list({ room: 'network', state: 'open' }, page))) {
    const flow = /^([^>]{1,64})>(.{1,64}):(\d{1,5})\/tcp\//.exec(finding.key);
    const pair = flow ? pairs.get(`${flow[1]} ${flow[2]} ${flow[3]}`) : undefined;
    if (pair?.state !== 'protected' || seenNow.has(finding.id)) continue;
    if (pair.atMs > lastSeenMs(finding.evidence)) gone.push({ finding, atMs: pair.atMs });
  }
  for (const { finding, atMs } of gone) {
    const flow = finding.key.slice(0, finding.key.lastIndexOf('/'));
    await store.findings.fix(finding.id, { what: `A later capture shows ${flow} protected`, seen: rfc3339(atMs) }, at);
  }
}

/** How far what was inspected is protected; captures that nobody took stay unknown, and so does the room without any. */
export async function networkCoverage(store: Store): Promise<Coverage> {
  const known = await inspected(store);
  const states = Object.values(known?.pairs ?? {});
  const count = (state: PairState) => states.filter((one) => one === state).length;
  const covered = count('protected');
  const clear = count('clear');
  const unknown = count('unknown');
  const open = await openFindings(store, 'network');
  return coverageOf('network', {
    unit: 'connections between machines',
    covered,
    notCovered: clear,
    unknown,
    measuredAt: known ? (known.at as Coverage['measured_at']) : null,
    sentence: `${clear} connections carry patient data or log-ins in clear, ${covered} are protected; of ${unknown} it is not known. What no capture held is not counted.`,
    next: open.next,
    evidence: [open.evidence],
  });
}

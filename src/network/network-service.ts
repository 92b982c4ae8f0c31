/** Findings, machines and coverage of the network in the store: what was inspected, and how far it is protected. */

import { randomBytes } from 'node:crypto';
import {
  type Asset,
  type AssetId,
  allRecords,
  type Clock,
  type Coverage,
  coverageOf,
  type Finding,
  type FindingId,
  type FindingObservation,
  newId,
  openFindings,
  type Rfc3339,
  rfc3339,
  type Store,
} from '../core/index.ts';
import type { AssetDraft } from './network-asset-records.ts';
import { lastSeenMs, relaysOf, withRelays } from './network-relays.ts';
import type { PairSeen, PairState } from './network-report.ts';
import type { RouterVerdict } from './network-routers.ts';
import { safeMs } from './network-text.ts';
import { type RelayRecord, relayVerdicts } from './relay/index.ts';

const PAIRS_NAME = 'network.pairs';
const PAIRS_MAX = 20_000;
/** Machines that captures may add: a spoofed flood must not fill the list of assets. */
const ASSETS_MAX = 50_000;
const ASSETS_AT_ONCE_MAX = 5000;

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
  machines?: readonly AssetDraft[];
  routers?: readonly RouterVerdict[];
  exercise?: boolean;
}): Promise<readonly Finding[]> {
  const at = rfc3339(o.clock.now());
  return o.store.transaction(async (store) => {
    const relays = await relaysOf(store);
    const findings = await store.findings.observe(withRelays(o.observations, relays, o.pairs), at);
    await fixProtected(store, o.pairs, new Set(findings.map((finding) => finding.id)), at);
    await judgeRelays(store, o.pairs, at);
    await keepMachines(store, o.clock, o.machines ?? [], o.exercise === true);
    await keepRouters(store, o.routers ?? [], at);
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

/** Pairs of relays that were made for a finding: the captures say whether its clear text ended. */
async function judgeRelays(store: Store, pairs: ReadonlyMap<string, PairSeen>, at: Rfc3339): Promise<void> {
  const rows = (await store.records.list('network-relays', {}, { limit: 500 })).items;
  if (rows.length === 0) return;
  const relays = rows.map((row) => row.doc as RelayRecord);
  const lastClear = new Map<string, number>();
  for (const relay of relays) {
    const finding = await store.findings.get(relay.finding as FindingId);
    if (finding?.state === 'open') lastClear.set(relay.finding, lastSeenMs(finding.evidence));
  }
  for (const verdict of relayVerdicts(relays, pairs, (finding) => lastClear.get(finding) ?? null)) {
    const row = rows.find((one) => (one.doc as RelayRecord).finding === verdict.relay.finding);
    if (!row) continue;
    if (verdict.state === 'fixed')
      await store.findings.fix(
        verdict.relay.finding as FindingId,
        { what: verdict.why, seen: rfc3339(safeMs(verdict.atMs)) },
        at,
      );
    const doc = { ...(row.doc as RelayRecord), state: verdict.state, why: verdict.why, judged: at };
    await store.records.put('network-relays', [{ id: row.id, order: row.order, tag: row.tag, doc }]);
  }
}

/** What a person said of an asset stays; what captures know better is added. */
async function keepMachines(
  store: Store,
  clock: Clock,
  drafts: readonly AssetDraft[],
  exercise: boolean,
): Promise<void> {
  let room = ASSETS_MAX - (await store.assets.count({}));
  for (const draft of drafts.slice(0, ASSETS_AT_ONCE_MAX)) {
    const { firstMs, lastMs, ...machine } = draft;
    const first = rfc3339(Math.min(safeMs(firstMs), clock.now()));
    const last = rfc3339(Math.min(safeMs(lastMs), clock.now()));
    const known = await store.assets.byName(draft.name);
    if (known) {
      const merge = <T>(a: readonly T[], b: readonly T[], most: number): T[] =>
        [...new Set([...a, ...b])].slice(0, most);
      await store.assets.upsert({
        ...known,
        class: known.class === 'unknown' ? machine.class : known.class,
        addresses: merge(known.addresses, machine.addresses, 64),
        macs: merge(known.macs, machine.macs, 64),
        reasons: merge(machine.reasons, known.reasons, 16),
        seen_by: merge(known.seen_by, ['network'], 32),
        ...(known.os === undefined && machine.os !== undefined ? { os: machine.os } : {}),
        last_seen: last < known.last_seen ? known.last_seen : last,
      });
    } else if (room-- > 0) {
      const asset: Asset = {
        id: newId<AssetId>('asset', clock.now(), randomBytes(10)),
        ...machine,
        criticality: 'unknown',
        external: null,
        seen_by: ['network'],
        first_seen: first,
        last_seen: last,
        exercise,
      };
      await store.assets.upsert(asset);
    }
  }
}

/** What is kept of a router: the last verdict, and what a person said against it. */
export interface RouterDoc extends RouterVerdict {
  readonly seen: string;
  readonly override?: {
    readonly verdict: RouterVerdict['verdict'];
    readonly owner: string;
    readonly reason: string;
    readonly at: string;
  };
}

async function keepRouters(store: Store, routers: readonly RouterVerdict[], at: Rfc3339): Promise<void> {
  for (const router of routers) {
    const known = await store.records.get('network-routers', router.mac);
    const override = (known?.doc as RouterDoc | undefined)?.override;
    const doc: RouterDoc = { ...router, seen: at, ...(override === undefined ? {} : { override }) };
    await store.records.put('network-routers', [
      {
        id: router.mac,
        order: safeMs(router.lastMs),
        tag: override?.verdict ?? router.verdict,
        search: `${router.mac} ${router.vendor ?? ''} ${router.addresses.join(' ')}`,
        doc,
      },
    ]);
  }
}

/** Verdicts of people, by MAC. */
export async function routerOverrides(
  store: Store | null,
): Promise<Map<string, { verdict: RouterVerdict['verdict']; owner: string }>> {
  const known = new Map<string, { verdict: RouterVerdict['verdict']; owner: string }>();
  if (store === null) return known;
  const page = await store.records.list('network-routers', {}, { limit: 1000 });
  for (const row of page.items) {
    const { override } = row.doc as RouterDoc;
    if (override) known.set(row.id, { verdict: override.verdict, owner: override.owner });
  }
  return known;
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

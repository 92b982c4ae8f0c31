/** Inventories in, assets, software and findings in the store: one judgement an asset, and what is gone is fixed with its proof. */

import { createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import {
  type Asset,
  type AssetId,
  allRecords,
  type Clock,
  contentId,
  type Evidence,
  type Finding,
  newId,
  rfc3339,
  type SoftwareId,
  type Store,
} from '../core/index.ts';
import { createDeviceJudge, type DeviceJudge } from './devices/index.ts';
import type { HostFacts, Inventory, ListedProduct } from './inventories/index.ts';
import { joinFacts } from './inventories/index.ts';
import type { FeedSet } from './patching-advisory.ts';
import { createIdentityIndex, type Identity, type IdentityIndex, learn, mergeAsset } from './patching-assets.ts';
import { gone, JUDGED_KINDS, type Looked } from './patching-close.ts';
import { openLibrary } from './patching-library.ts';
import { joinObservations, livesOf } from './patching-life.ts';
import { createJudge, type HostResult, type Judge } from './patching-match.ts';
import type { SoftwareRecord } from './patching-package.ts';
import { type InventoryPart, joinParts, openParts, type WholeInventory } from './patching-parts.ts';
import { exposureOf, readAnswers, readPausesOf, readPolicy, writeAssetSummary } from './patching-records.ts';
import { observeStale } from './patching-stale.ts';
import { type AssetContext, DEFAULT_POLICY, type Policy } from './policy/index.ts';

export interface ImportResult {
  readonly assets: number;
  readonly created: number;
  readonly merged: readonly { readonly asset: string; readonly reason: string }[];
  readonly findings: number;
  readonly opened: number;
  readonly fixed: number;
  readonly judged: number;
  readonly unjudged: readonly { readonly host: string; readonly reason: string; readonly count: number }[];
  readonly faults: Readonly<Record<string, number>>;
}

export interface PatchingService {
  /** Takes an inventory in and judges its assets. `source` tells inventories of one sender from those of others. */
  take(inventory: Inventory, source: string): Promise<ImportResult>;
  /** Judges all assets anew: the feeds, the policy or a person's answer changed. */
  judgeAll(
    onProgress?: (done: number, all: number) => void,
  ): Promise<{ assets: number; opened: number; fixed: number }>;
  judgeOne(asset: AssetId): Promise<void>;
  /** After feeds or policy changed. */
  reload(): void;
}

interface Ready {
  readonly generation: number;
  readonly feeds: FeedSet;
  readonly madeMs: number;
  readonly judge: Judge;
  readonly devices: DeviceJudge;
  readonly policy: Policy;
  readonly hasEnds: boolean;
}

const HOUR_MS = 3_600_000;
/** Kinds whose clocks are those of their vulnerabilities. */
const PACKAGE_KINDS = new Set(['missing-update', 'no-update-yet', 'possible-match']);
const IDENTITIES = 'patching-identities';
const OBSERVE_AT_ONCE = 500;
const digest = (...parts: readonly string[]) => createHash('sha256').update(JSON.stringify(parts)).digest();

export function createPatchingService(o: {
  store: Store;
  clock: Clock;
  dataDir: string;
  exercise?: boolean;
}): PatchingService {
  const { store, clock } = o;
  const exercise = o.exercise === true;
  const parts = openParts(join(o.dataDir, 'patching', 'inventories'));
  const library = openLibrary(join(o.dataDir, 'patching', 'feeds'));
  let index: Promise<IdentityIndex> | null = null;
  let ready: Ready | null = null;
  // One change at a time: two inventories of one machine must meet.
  let line: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const done = line.then(work, work);
    line = done.catch(() => undefined);
    return done;
  };

  async function identities(): Promise<IdentityIndex> {
    index ??= (async () => {
      const made = createIdentityIndex();
      for await (const asset of allRecords((page) => store.assets.list({ exercise }, page)))
        made.put({ id: asset.id, name: asset.name, macs: asset.macs, known: [] });
      for await (const record of allRecords((page) => store.records.list(IDENTITIES, {}, page)))
        made.put(record.doc as Identity);
      return made;
    })();
    return index;
  }

  /** Feeds and policy as they are now. The feeds are read when they changed; deadlines count from this hour. */
  async function judgeNow(): Promise<Ready> {
    const generation = await library.generation();
    const now = clock.now();
    if (ready && ready.generation === generation && now - ready.madeMs < HOUR_MS) return ready;
    const known = ready && ready.generation === generation ? ready : null;
    const feeds = known?.feeds ?? (await library.load());
    const policy = (await readPolicy(store)) ?? DEFAULT_POLICY;
    ready = {
      generation,
      feeds,
      madeMs: now,
      judge: createJudge(feeds, now, policy, known?.judge.matcher),
      devices: createDeviceJudge(feeds.devices, now),
      policy,
      hasEnds: feeds.ends.length > 0,
    };
    await observeStale({ store, clock, library, exercise });
    return ready;
  }

  async function assetOf(
    source: string,
    name: string,
    facts: HostFacts,
    at: Asset['last_seen'],
  ): Promise<{ asset: Asset; created: boolean; reason: string | null }> {
    const known = await identities();
    const found = known.find(source, name, facts);
    const id = found?.identity.id ?? newId<AssetId>('asset', clock.now(), randomBytes(10));
    const base: Identity = found?.identity ?? { id, name: freeName(known, name, facts), macs: [], known: [] };
    const identity = learn(base, source, name, facts);
    known.put(identity);
    const before = found ? await store.assets.get(id) : null;
    const fresh = found !== null && !found.identity.known.some((one) => one.startsWith(`${source}\n`));
    const others = (before?.seen_by ?? []).filter((other) => other !== source).join(', ');
    const reason =
      fresh && found.reason !== null && others !== ''
        ? `${source} and ${others} name one asset: ${found.reason}`
        : null;
    const asset = mergeAsset(
      before,
      { id, name: identity.name, facts, source, at, exercise },
      reason === null ? [] : [reason],
    );
    await store.assets.upsert(asset);
    await store.records.put(IDENTITIES, [{ id, doc: identity }]);
    return { asset, created: found === null, reason };
  }

  async function takeHost(inventory: Inventory, source: string, name: string) {
    const facts = inventory.facts.get(name) ?? {};
    const atMs = Math.min(facts.seenMs ?? clock.now(), clock.now());
    const { asset, created, reason } = await assetOf(source, name, facts, rfc3339(atMs));
    const listed = inventory.hosts.get(name) ?? [];
    const before = inventory.partial.has(name)
      ? (await parts.all(asset.id)).find((part) => part.source === source)
      : undefined;
    const stale = before !== undefined && before.atMs > atMs;
    const part: InventoryPart = {
      source,
      format: inventory.format,
      atMs,
      facts: before ? joinFacts(facts, before.facts) : facts,
      software: before ? changed(before.software, listed, inventory.gone.get(name) ?? []) : listed,
      products: inventory.products.get(name) ?? before?.products ?? [],
    };
    if (!stale) await parts.put(asset.id, part);
    return { asset, created, reason };
  }

  async function judgeAsset(id: AssetId) {
    const asset = await store.assets.get(id);
    const all = asset ? await parts.all(id) : [];
    if (asset === null || all.length === 0) return null;
    const whole = joinParts(all);
    const { judge, devices, hasEnds, policy } = await judgeNow();
    const at = rfc3339(clock.now());
    await keepSoftware(asset, whole, at);
    const context: AssetContext = { criticality: asset.criticality, ...(await exposureOf(store, asset)) };
    const before = await openFindingsOf(asset);
    const lives = livesOf(before, await readPausesOf(store, before));
    const result = judge.host({
      name: asset.name,
      software: whole.software,
      facts: whole.facts,
      products: whole.products,
      context,
      life: (kind, key) => lives.of(kind, key),
    });
    const own = asset.seen_by.includes('check')
      ? result.findings.filter((one) => one.kind !== 'restart-needed')
      : result.findings;
    const answers = await readAnswers(store, asset.id);
    const others = [
      ...own.filter((one) => !PACKAGE_KINDS.has(one.kind)),
      ...devices.judge(asset, whole.facts, answers, policy),
    ];
    const observations = joinObservations([
      ...own.filter((one) => PACKAGE_KINDS.has(one.kind)),
      ...others.map((one) => lives.sinceFirstSeen(one, ready?.madeMs ?? clock.now())),
    ]);
    const seen: Finding[] = [];
    for (let i = 0; i < observations.length; i += OBSERVE_AT_ONCE)
      seen.push(
        ...(await store.findings.observe(
          observations
            .slice(i, i + OBSERVE_AT_ONCE)
            .map((one) => ({ ...one, asset: { id, name: asset.name }, exercise })),
          at,
          true,
        )),
      );
    const fixed = await closeGone(before, new Set(seen.map((one) => one.id)), {
      judgedKeys: result.judgedKeys,
      software: whole.software,
      hotfixes: whole.facts.hotfixes ?? [],
      source: all.toSorted((a, b) => b.atMs - a.atMs)[0]?.source ?? 'an inventory',
      seen: rfc3339(whole.newestMs),
      covers: (ecosystem) => judge.matcher.covers(ecosystem),
      hasEnds,
      hasDevices: devices.size > 0,
      reportsOldCode: whole.facts.oldCode !== undefined,
    });
    await keepSummary(asset, all, whole, result, at);
    const opened = seen.filter((one) => one.first_seen === at || (one.reopened > 0 && one.last_seen === at)).length;
    return { asset, result, findings: seen.length, opened, fixed };
  }

  /** What this service alone decides: the findings of one asset that are not fixed. */
  async function openFindingsOf(asset: Asset): Promise<Finding[]> {
    const kinds = new Set<string>([...JUDGED_KINDS, ...(asset.seen_by.includes('check') ? [] : ['restart-needed'])]);
    const open: Finding[] = [];
    for (const state of ['open', 'accepted'] as const)
      for await (const finding of allRecords((page) =>
        store.findings.list({ room: 'patching', asset: asset.id, state }, page),
      ))
        if (kinds.has(finding.kind) && finding.exercise === exercise) open.push(finding);
    return open;
  }

  async function closeGone(open: readonly Finding[], seen: ReadonlySet<string>, looked: Looked): Promise<number> {
    const proofs: ReadonlyMap<string, Evidence> = gone(open, seen, looked);
    const at = rfc3339(clock.now());
    for (const finding of open) {
      const proof = proofs.get(finding.id);
      if (proof) await store.findings.fix(finding.id, proof, at);
    }
    return proofs.size;
  }

  async function keepSummary(
    asset: Asset,
    all: readonly InventoryPart[],
    whole: WholeInventory,
    result: HostResult,
    at: Asset['last_seen'],
  ): Promise<void> {
    const { pair, vendor, model, version, department, release, kernel } = whole.facts;
    await writeAssetSummary(store, {
      asset: asset.id,
      name: asset.name,
      pair,
      vendor,
      model,
      version,
      department,
      release,
      kernel,
      newest_ms: whole.newestMs,
      processes_ms:
        all.filter((part) => part.facts.oldCode).reduce((at, part) => Math.max(at, part.atMs), 0) || undefined,
      judged_at: at,
      sources: all.map(({ source, format, atMs }) => ({ source, format, at: rfc3339(atMs) })),
      judged: result.judged,
      unjudged: result.unjudged,
      unknown: result.unknown,
      cleared: result.cleared,
      notes: whole.notes.slice(0, 20),
    });
  }

  async function keepSoftware(asset: Asset, whole: WholeInventory, at: Asset['last_seen']): Promise<void> {
    const first = new Map<string, string>();
    for await (const one of allRecords((page) => store.assets.software(asset.id, page)))
      first.set(one.id, one.first_seen);
    await store.assets.replaceSoftware(
      asset.id,
      whole.software.map((one) => {
        const id = contentId<SoftwareId>(
          'software',
          digest(asset.id, one.ecosystem, one.name, one.version, one.arch ?? ''),
        );
        return { ...one, id, asset: asset.id, first_seen: (first.get(id) ?? at) as typeof at, last_seen: at };
      }),
    );
  }

  return {
    take: (inventory, source) =>
      inTurn(async () => {
        const merged: { asset: string; reason: string }[] = [];
        const unjudged: { host: string; reason: string; count: number }[] = [];
        const total = { assets: 0, created: 0, findings: 0, opened: 0, fixed: 0, judged: 0 };
        for (const name of inventory.hosts.keys()) {
          const { asset, created, reason } = await takeHost(inventory, source, name);
          total.assets++;
          if (created) total.created++;
          if (reason !== null) merged.push({ asset: asset.name, reason });
          const judged = await judgeAsset(asset.id);
          if (judged === null) continue;
          total.findings += judged.findings;
          total.opened += judged.opened;
          total.fixed += judged.fixed;
          total.judged += judged.result.judged;
          for (const one of judged.result.unjudged) unjudged.push({ host: asset.name, ...one });
        }
        return { ...total, merged, unjudged, faults: Object.fromEntries(inventory.faults) };
      }),
    async judgeAll(onProgress) {
      ready = null;
      const ids = await parts.assets();
      const total = { assets: 0, opened: 0, fixed: 0 };
      // Each asset in its own turn: an inventory that is pushed meanwhile does not wait for all of them.
      for (const id of ids) {
        const judged = await inTurn(() => judgeAsset(id));
        if (judged) {
          total.assets++;
          total.opened += judged.opened;
          total.fixed += judged.fixed;
        }
        onProgress?.(total.assets, ids.length);
      }
      return total;
    },
    judgeOne: (asset) => inTurn(async () => void (await judgeAsset(asset))),
    reload: () => {
      ready = null;
    },
  };
}

/** A name that nobody has: hardware that took another machine's name is told apart by its serial number. */
function freeName(known: IdentityIndex, name: string, facts: HostFacts): string {
  if (!known.taken(name, null)) return name;
  const mark = facts.serial ?? facts.uuid ?? randomBytes(3).toString('hex');
  return `${name} (${mark})`.slice(0, 250);
}

/** A list after what came and what went. */
function changed(
  before: readonly SoftwareRecord[],
  added: readonly SoftwareRecord[],
  removed: readonly SoftwareRecord[],
): SoftwareRecord[] {
  const keyOf = (one: SoftwareRecord) => `${one.ecosystem}\n${one.name}\n${one.version}\n${one.arch ?? ''}`;
  const list = new Map(before.map((one) => [keyOf(one), one]));
  for (const one of removed) list.delete(keyOf(one));
  for (const one of added) list.set(keyOf(one), one);
  return [...list.values()];
}

export type { ListedProduct };

/** A first round of this machine: every room looks, the store keeps findings with their life, and nothing is changed. */

import { createHash, randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { openMachine } from './cli/machine.ts';
import {
  type AccountId,
  type Asset,
  type AssetId,
  type Clock,
  type Coverage,
  contentId,
  type Finding,
  newId,
  type Room,
  type RoundResult,
  rfc3339,
  type SoftwareId,
  type Store,
} from './core/index.ts';

export interface CheckResult {
  readonly asset: Asset;
  readonly findings: readonly Finding[];
  readonly fixed: readonly Finding[];
  readonly notSeen: readonly string[];
  readonly failed: readonly string[];
}

const ROUND_MS_MAX = 120_000;
const digest = (...parts: readonly string[]) => createHash('sha256').update(JSON.stringify(parts)).digest();

/** Runs the rounds of all rooms over this machine and records what they saw. One room's failure leaves the others. */
export async function checkThisMachine(o: {
  store: Store;
  rooms: readonly Room[];
  clock: Clock;
  signal: AbortSignal;
  onProgress: (sentence: string) => void;
}): Promise<CheckResult> {
  const { store, clock } = o;
  const name = hostname().slice(0, 200) || 'this-machine';
  const at = rfc3339(clock.now());
  const known = await store.assets.byName(name);
  const id = known?.id ?? newId<AssetId>('asset', clock.now(), randomBytes(10));
  const results: RoundResult[] = [];
  const failed: string[] = [];
  const machine = openMachine();
  for (const room of o.rooms) {
    if (!room.round) continue;
    try {
      const signal = AbortSignal.any([o.signal, AbortSignal.timeout(ROUND_MS_MAX)]);
      results.push(await room.round({ machine, clock, asset: { id, name }, signal, onProgress: o.onProgress }));
    } catch (error) {
      failed.push(`${room.name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  const asset = mergeAsset(known, id, name, results, at);
  await store.assets.upsert(asset);
  const software = results.flatMap((result) => result.software ?? []);
  if (software.length > 0) {
    await store.assets.replaceSoftware(
      id,
      software.map((item) => ({
        ...item,
        id: contentId<SoftwareId>('software', digest(id, item.ecosystem, item.name, item.version, item.arch ?? '')),
        asset: id,
        first_seen: at,
        last_seen: at,
      })),
    );
  }
  const accounts = results.flatMap((result) => result.accounts ?? []);
  await store.accounts.upsert(
    accounts.map((account) => ({
      ...account,
      id: contentId<AccountId>('account', digest(account.service, account.name)),
      first_seen: at,
      last_seen: at,
      exercise: false,
    })),
  );
  const findings: Finding[] = [];
  const fixed: Finding[] = [];
  for (const result of results) {
    const seen = await store.findings.observe(result.findings, at);
    findings.push(...seen);
    fixed.push(
      ...(await store.findings.fixMissing(
        { room: result.room, assetName: name, kinds: result.judgedKinds, seen: seen.map((finding) => finding.id) },
        { what: 'A complete round did not see it again', seen: at, command: 'asepsis check' },
        at,
      )),
    );
  }
  return { asset, findings, fixed, notSeen: results.flatMap((result) => result.notSeen), failed };
}

function mergeAsset(
  known: Asset | null,
  id: AssetId,
  name: string,
  results: readonly RoundResult[],
  at: Asset['last_seen'],
): Asset {
  const seen = Object.assign({}, ...results.map((result) => result.asset ?? {})) as Partial<Asset>;
  return {
    class: 'server',
    addresses: [],
    macs: [],
    criticality: 'unknown',
    external: null,
    first_seen: at,
    ...known,
    ...seen,
    id,
    name,
    reasons: seen.reasons ?? known?.reasons ?? [],
    seen_by: [...new Set([...(known?.seen_by ?? []), 'check'])],
    last_seen: at,
    exercise: false,
  };
}

/** Measures all rooms that can answer and keeps the day's value. */
export async function measureCoverage(store: Store, rooms: readonly Room[]): Promise<readonly Coverage[]> {
  const coverage: Coverage[] = [];
  for (const room of rooms) coverage.push(await room.coverage());
  await store.coverage.put(coverage);
  return coverage;
}

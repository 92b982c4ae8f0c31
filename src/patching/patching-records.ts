/** What the room keeps as documents: the policy, people's answers about devices, and what is known of an asset's exposure. */

import { type Asset, allRecords, type Store } from '../core/index.ts';
import { type AssetContext, type Policy, policyOf } from './policy/index.ts';

const POLICY = 'patching-policy';
const ANSWERS = 'patching-answers';
const SUMMARIES = 'patching-assets';

export async function readPolicy(store: Store): Promise<Policy | null> {
  const record = await store.records.get(POLICY, 'policy');
  return record === null ? null : policyOf(record.doc);
}

export async function writePolicy(store: Store, policy: Policy): Promise<void> {
  await store.records.put(POLICY, [{ id: 'policy', doc: policy }]);
}

/** What a person of biomedical engineering said of a device and an advisory; "unknown": asked, and nobody can tell yet. */
export interface DeviceAnswerRecord {
  readonly advisory: string;
  readonly answer: 'affected' | 'not affected' | 'unknown';
  readonly note: string;
  /** Who said it, and who wrote it down. */
  readonly said_by: string;
  readonly by: string;
  readonly at: string;
}

const answerId = (asset: string, advisory: string) => `${asset}/${advisory}`.slice(0, 250);

export async function writeAnswer(store: Store, asset: string, answer: DeviceAnswerRecord): Promise<void> {
  await store.records.put(ANSWERS, [{ id: answerId(asset, answer.advisory), tag: asset, doc: answer }]);
}

/** Until this version an answer was yes or no, by whoever wrote it down. */
const answerOf = ({ affected, ...one }: DeviceAnswerRecord & { affected?: boolean }): DeviceAnswerRecord =>
  affected === undefined ? one : { ...one, answer: affected ? 'affected' : 'not affected', said_by: one.by };

export async function readAnswers(store: Store, asset: string): Promise<ReadonlyMap<string, DeviceAnswerRecord>> {
  const found = new Map<string, DeviceAnswerRecord>();
  for await (const record of allRecords((page) => store.records.list(ANSWERS, { tag: asset }, page))) {
    const answer = answerOf(record.doc as DeviceAnswerRecord & { affected?: boolean });
    found.set(answer.advisory, answer);
  }
  return found;
}

const OUTSIDE_KINDS_PAGE = 50;

/** Whether the internet reaches it: what the perimeter's own scan and the network sensor saw comes before what a list says. */
export async function exposureOf(store: Store, asset: Asset): Promise<Pick<AssetContext, 'exposed' | 'exposedBy'>> {
  const seen = await store.findings.list(
    { room: 'perimeter', asset: asset.id, state: 'open' },
    { limit: OUTSIDE_KINDS_PAGE },
  );
  const outside = seen.items.find(
    (finding) => finding.exercise === asset.exercise && isOutside(finding.evidence[0]?.data),
  );
  if (outside) return { exposed: true, exposedBy: `perimeter: ${outside.title}`.slice(0, 200) };
  if (asset.external === null) return { exposed: null, exposedBy: null };
  const by = asset.seen_by.find((source) => source === 'perimeter' || source === 'network');
  return { exposed: asset.external, exposedBy: by ? `${by} saw it` : 'the asset register says so' };
}

/** Findings of a scan say where they looked from; the round on the machine itself, and a scan from inside, prove nothing. */
const isOutside = (data: Readonly<Record<string, unknown>> | undefined) =>
  data !== undefined && (data.vantage === 'outside' || data.from === 'outside');

/** What the room knows of an asset beside its record: who said it, when, and what could not be judged. */
export interface AssetSummary {
  readonly asset: string;
  readonly name: string;
  readonly pair?: string | undefined;
  readonly vendor?: string | undefined;
  readonly model?: string | undefined;
  readonly version?: string | undefined;
  readonly department?: string | undefined;
  readonly release?: string | undefined;
  readonly kernel?: string | undefined;
  readonly newest_ms: number;
  /** When an inventory last said which old code still runs; absent: none says it. */
  readonly processes_ms?: number | undefined;
  readonly judged_at: string;
  readonly sources: readonly { readonly source: string; readonly format: string; readonly at: string }[];
  readonly judged: number;
  readonly unjudged: readonly { readonly reason: string; readonly count: number }[];
  readonly unknown: number;
  readonly cleared: number;
  readonly notes: readonly string[];
}

export async function writeAssetSummary(store: Store, summary: AssetSummary): Promise<void> {
  await store.records.put(SUMMARIES, [
    { id: summary.asset, order: summary.newest_ms, search: summary.name, doc: summary },
  ]);
}

export async function readAssetSummaries(store: Store): Promise<Map<string, AssetSummary>> {
  const found = new Map<string, AssetSummary>();
  for await (const record of allRecords((page) => store.records.list(SUMMARIES, {}, page)))
    found.set(record.id, record.doc as AssetSummary);
  return found;
}

export async function readAssetSummary(store: Store, asset: string): Promise<AssetSummary | null> {
  return ((await store.records.get(SUMMARIES, asset))?.doc as AssetSummary | undefined) ?? null;
}

/** How many assets have an inventory here. */
export const countInventories = (store: Store): Promise<number> => store.records.count(SUMMARIES, {});

const PAUSES = 'patching-pauses';

/** A clock that stands still, with its reason; ended or not. */
export interface PauseRecord {
  readonly id: string;
  readonly finding: string;
  readonly from: string;
  readonly to: string | null;
  readonly reason: string;
  readonly by: string;
}

export async function writePause(store: Store, pause: PauseRecord): Promise<void> {
  await store.records.put(PAUSES, [{ id: pause.id, order: Date.parse(pause.from), tag: pause.finding, doc: pause }]);
}

/** The pauses of these findings; most assets have none, and are not asked about each finding. */
export async function readPausesOf(
  store: Store,
  findings: readonly { readonly id: string }[],
): Promise<Map<string, PauseRecord[]>> {
  const found = new Map<string, PauseRecord[]>();
  if (findings.length === 0 || (await store.records.count(PAUSES, {})) === 0) return found;
  for (const { id } of findings) {
    const pauses = await readPauses(store, id);
    if (pauses.length > 0) found.set(id, pauses);
  }
  return found;
}

/** Findings whose clocks stand still now. */
export async function pausedFindings(store: Store): Promise<string[]> {
  const found = new Set<string>();
  for await (const record of allRecords((page) => store.records.list(PAUSES, {}, page))) {
    const pause = record.doc as PauseRecord;
    if (pause.to === null) found.add(pause.finding);
  }
  return [...found];
}

export async function readPauses(store: Store, finding: string): Promise<PauseRecord[]> {
  const found: PauseRecord[] = [];
  for await (const record of allRecords((page) => store.records.list(PAUSES, { tag: finding }, page)))
    found.push(record.doc as PauseRecord);
  return found.sort((a, b) => (a.from < b.from ? -1 : 1));
}

const TRUSTED = 'patching.trusted-bundle-keys';

/** Public keys whose bundles are believed, as base64. */
export async function trustedKeys(store: Store): Promise<string[]> {
  return JSON.parse((await store.values.get(TRUSTED)) ?? '[]') as string[];
}

export async function trustKey(store: Store, key: string): Promise<void> {
  await store.values.set(TRUSTED, JSON.stringify([...new Set([...(await trustedKeys(store)), key])]));
}

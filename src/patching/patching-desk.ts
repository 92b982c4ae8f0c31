/** What the Patching page asks: actions, windows, plans with their proof, reach of a vulnerability, times. */

import { randomBytes } from 'node:crypto';
import {
  AsepsisError,
  type Asset,
  allRecords,
  type Clock,
  type Finding,
  type FindingId,
  found,
  rfc3339,
  type Store,
} from '../core/index.ts';
import { type AssetSummary, readAssetSummaries } from './patching-records.ts';
import type { BlackoutDoc, PlanView, TaskState, WindowDoc } from './patching-schema.ts';
import {
  type AnsiblePackage,
  actionsOf,
  type Blackout,
  type ExportedPlan,
  type MaintenanceWindow,
  type PatchAction,
  type PlanAsset,
  type PlanTask,
  proofOf,
  type Schedule,
  schedule,
  type TimedFinding,
  type Times,
  timesOf,
} from './plan/index.ts';

export const WINDOWS = 'patching-windows';
export const BLACKOUTS = 'patching-blackouts';
export const PAIRS = 'patching-pairs';
const PLANS = 'patching-plans';
const DAY_MS = 86_400_000;
/** Windows that repeat are looked at this far ahead. */
const AHEAD_DAYS = 120;
const REPEATS_MAX = 130;
const CACHE_MS = 10_000;
const FINDINGS_MAX = 200_000;

/** Assets that stand in for each other, as people named them. */
export interface PairDoc {
  readonly id: string;
  readonly name: string;
  readonly assets: readonly string[];
}

interface TaskStatus {
  readonly status: TaskState;
  readonly by: string;
  readonly at: string;
  readonly note: string;
}
export interface PlanDoc extends Schedule {
  readonly id: string;
  readonly name: string;
  readonly state: 'draft' | 'approved' | 'closed';
  readonly created: string;
  readonly by: string;
  readonly windows: readonly { readonly id: string; readonly name: string }[];
  readonly status: Readonly<Record<string, TaskStatus>>;
}

export interface PatchingDesk {
  actions(): Promise<readonly PatchAction[]>;
  times(): Promise<Times>;
  makePlan(o: { name: string; by: string; windows: readonly string[]; actions: readonly string[] }): Promise<PlanDoc>;
  plans(): Promise<PlanDoc[]>;
  plan(id: string): Promise<PlanDoc>;
  view(plan: PlanDoc): Promise<PlanView>;
  approve(id: string): Promise<PlanDoc>;
  setTask(id: string, task: string, change: { status: TaskState; note: string; by: string }): Promise<PlanDoc>;
  exported(id: string): Promise<{ plan: ExportedPlan; packages: AnsiblePackage[] }>;
  reach(name: string): Promise<{ name: string; open: Finding[]; fixed: number; assets: number }>;
  forget(): void;
}

export function createPatchingDesk({
  store,
  clock,
  exercise,
}: {
  store: Store;
  clock: Clock;
  exercise: boolean;
}): PatchingDesk {
  const cached = new Map<string, { atMs: number; value: Promise<unknown> }>();
  const once = <T>(key: string, work: () => Promise<T>): Promise<T> => {
    const known = cached.get(key);
    if (known && clock.now() - known.atMs < CACHE_MS) return known.value as Promise<T>;
    const value = work();
    cached.set(key, { atMs: clock.now(), value });
    value.catch(() => cached.delete(key));
    return value;
  };
  const assets = () =>
    once('assets', async () => {
      const all = new Map<string, Asset>();
      for await (const asset of allRecords((page) => store.assets.list({}, page))) all.set(asset.id, asset);
      return all;
    });
  const summaries = () => once('summaries', () => readAssetSummaries(store));
  const findings = (state: Finding['state']) =>
    once(state, async () => {
      const all: Finding[] = [];
      for await (const finding of allRecords((page) =>
        store.findings.list({ room: 'patching', state, exercise }, page),
      )) {
        if (all.length >= FINDINGS_MAX) break;
        all.push(finding);
      }
      return all;
    });
  const actions = () =>
    once('actions', async () => {
      const known = await assets();
      return actionsOf(await findings('open'), (finding) => known.get(finding.asset.id ?? '') ?? null, clock.now());
    });

  async function planAssets(): Promise<(name: string) => PlanAsset> {
    const all = await summaries();
    const byName = new Map([...(await assets()).values()].map((asset) => [asset.name, asset]));
    const pairs = new Map<string, string>();
    for (const pair of await readDocs<PairDoc>(store, PAIRS)) for (const name of pair.assets) pairs.set(name, pair.id);
    return (name) => planAsset(name, byName.get(name), all, pairs.get(name));
  }
  const readPlan = async (id: string) => {
    const record = found(await store.records.get(PLANS, id), 'plan');
    return { plan: record.doc as PlanDoc, version: record.version };
  };
  const change = async (id: string, work: (plan: PlanDoc) => PlanDoc): Promise<PlanDoc> => {
    const { plan, version } = await readPlan(id);
    const next = work(plan);
    if (
      !(await store.records.replace(
        PLANS,
        { id, order: Date.parse(plan.created), tag: next.state, doc: next },
        version,
      ))
    )
      throw new AsepsisError('CONFLICT', 'The plan was changed at the same time.');
    return next;
  };
  return {
    actions,
    forget: () => cached.clear(),
    times: () =>
      once('times', async () => {
        const known = await assets();
        const about = await summaries();
        const timed: TimedFinding[] = [];
        for (const state of ['open', 'fixed', 'accepted'] as const)
          for (const finding of await findings(state)) {
            const asset = known.get(finding.asset.id ?? '');
            const department = about.get(finding.asset.id ?? '')?.department ?? asset?.owner ?? null;
            timed.push({ finding, exposed: asset?.external ?? null, department });
          }
        return timesOf(timed, clock.now());
      }),
    async makePlan({ name, by, windows, actions: wanted }) {
      // A plan is made of what is open now, not of what a page showed before.
      cached.clear();
      const chosen = (await actions()).filter((action) => wanted.length === 0 || wanted.includes(action.id));
      const docs = await readDocs<WindowDoc>(store, WINDOWS);
      const usable = docs.filter((doc) => windows.length === 0 || windows.includes(doc.id));
      if (usable.length === 0) throw new AsepsisError('BAD_REQUEST', 'There is no maintenance window to plan into.');
      const now = clock.now();
      const expanded = usable.flatMap((doc) => repeated(doc, now)).map((one): MaintenanceWindow => one);
      const closedTimes = (await readDocs<BlackoutDoc>(store, BLACKOUTS)).flatMap((doc) =>
        repeated(doc, now),
      ) as Blackout[];
      const made = schedule(chosen, expanded, closedTimes, await planAssets(), now);
      const used = new Set(made.tasks.map((task) => task.window));
      const plan: PlanDoc = {
        id: `plan-${now.toString(36)}-${randomBytes(4).toString('hex')}`,
        name,
        state: 'draft',
        created: rfc3339(now),
        by,
        windows: expanded.filter((one) => used.has(one.id)).map(({ id, name: label }) => ({ id, name: label })),
        ...made,
        status: {},
      };
      await store.records.put(PLANS, [{ id: plan.id, order: now, tag: plan.state, doc: plan }]);
      return plan;
    },
    plans: () => readDocs<PlanDoc>(store, PLANS),
    plan: async (id) => (await readPlan(id)).plan,
    approve: (id) =>
      change(id, (plan) => {
        if (plan.state !== 'draft') throw new AsepsisError('CONFLICT', 'Only a draft can be approved.');
        return { ...plan, state: 'approved' };
      }),
    setTask: (id, task, { status, note, by }) =>
      change(id, (plan) => {
        found(plan.tasks.find((one) => one.id === task) ?? null, 'task');
        const entry: TaskStatus = { status, by, at: rfc3339(clock.now()), note };
        return { ...plan, status: { ...plan.status, [task]: entry } };
      }),
    async view(plan) {
      const all = await readAssetSummaries(store);
      const names = new Map(plan.windows.map((one) => [one.id, one.name]));
      const tasks = [];
      for (const task of plan.tasks) tasks.push(await taskView(store, plan, task, names, all));
      return {
        id: plan.id,
        name: plan.name,
        state: plan.state,
        created: plan.created,
        by: plan.by,
        tasks,
        unplaced: plan.unplaced.map((one) => ({ ...one, actions: [...one.actions] })),
        sentence: sentenceOf(tasks, plan.unplaced.length),
      };
    },
    async exported(id) {
      const { plan } = await readPlan(id);
      const status = new Map(Object.entries(plan.status).map(([task, one]) => [task, one.status as string]));
      return { plan: { ...plan, changed: plan.created, status }, packages: await packagesOf(store, plan.tasks) };
    },
    async reach(name) {
      const open: Finding[] = [];
      for (const state of ['open', 'accepted'] as const)
        for (const finding of await findings(state)) if (speaksOf(finding, name)) open.push(finding);
      const fixed = (await findings('fixed')).filter((finding) => speaksOf(finding, name)).length;
      return { name, open, fixed, assets: new Set(open.map((one) => one.asset.name)).size };
    },
  };
}

const speaksOf = (finding: Finding, name: string) =>
  finding.evidence.some(
    ({ data }) =>
      data?.vulnerability === name ||
      data?.advisory === name ||
      String(data?.vulnerabilities ?? '')
        .split(', ')
        .includes(name),
  ) || finding.key === name;

/** @param told the pair that people named; otherwise what the inventory says */
function planAsset(
  name: string,
  asset: Asset | undefined,
  all: ReadonlyMap<string, AssetSummary>,
  told: string | undefined,
): PlanAsset {
  const summary = asset ? all.get(asset.id) : undefined;
  return {
    id: asset?.id ?? null,
    name,
    department: summary?.department ?? asset?.owner ?? null,
    class: asset?.class ?? 'unknown',
    criticality: asset?.criticality ?? 'unknown',
    pair: told ?? summary?.pair ?? null,
  };
}

export async function readDocs<T>(store: Store, collection: string): Promise<T[]> {
  const all: T[] = [];
  for await (const record of allRecords((page) => store.records.list(collection, {}, page, true)))
    all.push(record.doc as T);
  return all;
}

/** The times of a window from now on, each with an id of its own. */
function repeated<T extends WindowDoc | BlackoutDoc>(doc: T, now: number): T[] {
  const [starts, ends] = [Date.parse(doc.starts), Date.parse(doc.ends)];
  if (doc.repeat_days === null) return [doc];
  const step = doc.repeat_days * DAY_MS;
  const times: T[] = [];
  const first = Math.max(0, Math.ceil((now - ends) / step));
  for (let i = first; i < first + REPEATS_MAX && starts + i * step < now + AHEAD_DAYS * DAY_MS; i++)
    times.push({
      ...doc,
      id: `${doc.id}~${i}`,
      name: `${doc.name} ${new Date(starts + i * step).toISOString().slice(0, 10)}`,
      starts: new Date(starts + i * step).toISOString(),
      ends: new Date(ends + i * step).toISOString(),
    });
  return times;
}

async function taskView(
  store: Store,
  plan: PlanDoc,
  task: PlanTask,
  names: ReadonlyMap<string, string>,
  all: ReadonlyMap<string, AssetSummary>,
): Promise<PlanView['tasks'][number]> {
  const own: Finding[] = [];
  for (const id of task.findings) {
    const finding = await store.findings.get(id as FindingId);
    if (finding) own.push(finding);
  }
  const assetId = task.asset.id as Asset['id'] | null;
  const others: Finding[] = [];
  if (assetId !== null) {
    others.push(
      ...(
        await store.findings.list(
          { room: 'patching', kind: 'restart-needed', asset: assetId, state: 'open' },
          { limit: 50 },
        )
      ).items,
    );
    others.push(...(await store.findings.list({ room: 'perimeter', asset: assetId }, { limit: 200 })).items);
  }
  const status = plan.status[task.id];
  const claimed = status?.status === 'done' ? Date.parse(status.at) : null;
  const proof = proofOf({
    claimedMs: claimed,
    findings: own,
    others: others.filter((one) => !task.findings.includes(one.id)),
    inventoryMs: assetId === null ? null : (all.get(assetId)?.newest_ms ?? null),
    processesMs: assetId === null ? null : (all.get(assetId)?.processes_ms ?? null),
  });
  const { lateDays, ...rest } = task;
  return {
    ...rest,
    asset: { ...task.asset },
    actions: task.actions.map((one) => ({ ...one })),
    findings: [...task.findings],
    window_name: names.get(task.window) ?? task.window,
    late_days: lateDays,
    status: status?.status ?? 'planned',
    status_by: status?.by ?? null,
    status_at: status?.at ?? null,
    note: status?.note ?? '',
    proof: { state: proof.state, signals: proof.signals.map((one) => ({ ...one })) },
  };
}

function sentenceOf(tasks: PlanView['tasks'], unplaced: number): string {
  const proven = tasks.filter((task) => task.proof.state === 'proven').length;
  const doubtful = tasks.filter((task) => task.proof.state === 'claimed, not proven').length;
  const late = tasks.filter((task) => task.late_days > 0).length;
  return [
    `${tasks.length} assets in this plan, ${proven} proven`,
    ...(doubtful > 0 ? [`${doubtful} claimed, not proven`] : []),
    ...(late > 0 ? [`${late} after their deadline`] : []),
    ...(unplaced > 0 ? [`${unplaced} without a window`] : []),
  ].join(', ');
}

/** The binary packages that are installed of each source package that a task upgrades. */
async function packagesOf(store: Store, tasks: readonly PlanTask[]): Promise<AnsiblePackage[]> {
  const all: AnsiblePackage[] = [];
  for (const task of tasks) {
    if (task.asset.id === null) continue;
    const targets = new Map<string, string | null>();
    for (const id of task.findings) {
      const finding = await store.findings.get(id as FindingId);
      if (finding?.kind !== 'missing-update') continue;
      const fixed = finding.evidence.map(({ data }) => data?.fixed).find((one) => typeof one === 'string');
      targets.set(finding.key.slice(finding.key.indexOf('/') + 1), typeof fixed === 'string' ? fixed : null);
    }
    for await (const one of allRecords((page) => store.assets.software(task.asset.id as Asset['id'], page))) {
      const source = one.source_name || one.name;
      const target = targets.get(source) ?? targets.get(one.name);
      if (target !== undefined && ['deb', 'rpm'].includes(one.ecosystem))
        all.push({ host: task.asset.name, ecosystem: one.ecosystem, name: one.name, version: target });
    }
  }
  return all;
}

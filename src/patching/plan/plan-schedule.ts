/**
 * Actions into maintenance windows: nothing in a clinical blackout, never both halves of a redundancy pair at one time, all
 * work of an asset together with one restart, the most urgent first. Pure: the same input gives the same plan.
 */

import type { PatchAction } from './plan-actions.ts';

export interface Scope {
  /** Empty lists: all. */
  readonly departments: readonly string[];
  readonly assets: readonly string[];
  readonly classes: readonly string[];
}
export interface MaintenanceWindow {
  readonly id: string;
  readonly name: string;
  readonly starts: string;
  readonly ends: string;
  readonly scope: Scope;
  /** How many assets are worked on at one time. */
  readonly parallel: number;
}
export interface Blackout {
  readonly id: string;
  readonly name: string;
  readonly starts: string;
  readonly ends: string;
  readonly scope: Scope;
}

export interface PlanAsset {
  readonly id: string | null;
  readonly name: string;
  readonly department: string | null;
  readonly class: string;
  readonly criticality: string;
  /** Assets with the same text stand in for each other. */
  readonly pair: string | null;
}

export interface PlanTask {
  readonly id: string;
  readonly asset: PlanAsset;
  readonly window: string;
  readonly starts: string;
  readonly ends: string;
  readonly reboot: boolean;
  readonly actions: readonly {
    readonly id: string;
    readonly title: string;
    readonly kind: string;
    readonly rollback: string;
  }[];
  readonly findings: readonly string[];
  readonly due: string | null;
  /** Days after the strictest deadline; 0 when in time. */
  readonly lateDays: number;
  readonly approval: string | null;
}
export interface Unplaced {
  readonly asset: string;
  readonly actions: readonly string[];
  readonly due: string | null;
  readonly reason: string;
}
export interface Schedule {
  readonly tasks: readonly PlanTask[];
  readonly unplaced: readonly Unplaced[];
}

const REBOOT_MINUTES = 10;
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface Work {
  readonly asset: PlanAsset;
  readonly actions: PatchAction[];
  risk: number;
}

interface Slot {
  readonly from: number;
  readonly to: number;
  readonly window: MaintenanceWindow;
  readonly asset: PlanAsset;
}

export function schedule(
  actions: readonly PatchAction[],
  windows: readonly MaintenanceWindow[],
  blackouts: readonly Blackout[],
  assetOf: (name: string) => PlanAsset,
  nowMs: number,
): Schedule {
  const ordered = windows
    .filter((window) => Date.parse(window.ends) > nowMs)
    .toSorted((a, b) => Date.parse(a.starts) - Date.parse(b.starts) || (a.id < b.id ? -1 : 1));
  const taken = new Map<string, Slot[]>(ordered.map((window) => [window.id, []]));
  const tasks: PlanTask[] = [];
  const unplaced: Unplaced[] = [];
  const works = [...workOf(actions, assetOf).values()].map((work) => ({
    ...work,
    due:
      ownParts(work)
        .map((part) => part.due)
        .filter((due) => due !== null)
        .sort()[0] ?? null,
  }));
  works.sort(
    (a, b) => (a.due ?? '9').localeCompare(b.due ?? '9') || b.risk - a.risk || (a.asset.name < b.asset.name ? -1 : 1),
  );
  for (const work of works) {
    const minutes = minutesOf(work);
    const placed = place(work.asset, minutes, ordered, blackouts, taken, nowMs);
    const titles = work.actions.map((action) => action.title);
    if ('reason' in placed)
      unplaced.push({ asset: work.asset.name, actions: titles, due: work.due, reason: placed.reason });
    else {
      taken.get(placed.window.id)?.push({ from: placed.from, to: placed.to, window: placed.window, asset: work.asset });
      tasks.push(taskOf(work, work.due, placed));
    }
  }
  tasks.sort((a, b) => a.starts.localeCompare(b.starts) || (a.asset.name < b.asset.name ? -1 : 1));
  return { tasks, unplaced };
}

function workOf(actions: readonly PatchAction[], assetOf: (name: string) => PlanAsset): Map<string, Work> {
  const works = new Map<string, Work>();
  for (const action of actions) {
    if (action.kind === 'ask') continue;
    for (const { name } of action.assets) {
      const work = works.get(name) ?? { asset: assetOf(name), actions: [], risk: 0 };
      works.set(name, work);
      work.actions.push(action);
      work.risk += action.risk / action.assets.length;
    }
  }
  return works;
}

/** Of each action what it is on this asset. */
const ownParts = (work: Work) =>
  work.actions.flatMap((action) => action.assets.filter((asset) => asset.name === work.asset.name));

/** Updates of one asset share their preparation; its restart is one for all. */
function minutesOf({ actions }: Work): number {
  const longest = Math.max(...actions.map((action) => action.minutes));
  const others = actions.reduce((sum, action) => sum + action.minutes, 0) - longest;
  return Math.ceil(longest + others / 3) + (actions.some((action) => action.reboot) ? REBOOT_MINUTES : 0);
}

type Placed = { readonly window: MaintenanceWindow; readonly from: number; readonly to: number };

function place(
  asset: PlanAsset,
  minutes: number,
  windows: readonly MaintenanceWindow[],
  blackouts: readonly Blackout[],
  taken: ReadonlyMap<string, readonly Slot[]>,
  nowMs: number,
): Placed | { readonly reason: string } {
  let reason = 'No maintenance window is for this asset';
  for (const window of windows) {
    if (!inScope(window.scope, asset)) continue;
    if (Date.parse(window.ends) - Date.parse(window.starts) < minutes * MINUTE_MS) {
      reason = `It needs ${minutes} minutes, and no window is that long`;
      continue;
    }
    const from = firstFree(asset, minutes, window, blackouts, taken, nowMs);
    if (typeof from === 'number') return { window, from, to: from + minutes * MINUTE_MS };
    reason = from;
  }
  return { reason };
}

/** The first time in the window that is free for the asset; a text says why there is none. */
function firstFree(
  asset: PlanAsset,
  minutes: number,
  window: MaintenanceWindow,
  blackouts: readonly Blackout[],
  taken: ReadonlyMap<string, readonly Slot[]>,
  nowMs: number,
): number | string {
  const slots = taken.get(window.id) ?? [];
  const partners = [...taken.values()]
    .flat()
    .filter((slot) => asset.pair !== null && slot.asset.pair === asset.pair && slot.asset.name !== asset.name);
  // A partner in this window, or in one at the same time, would leave nothing that stands in when work takes longer.
  const [opens, closes] = [Math.max(Date.parse(window.starts), nowMs), Date.parse(window.ends)];
  const atOneTime = (one: MaintenanceWindow) =>
    Date.parse(one.starts) < closes && Date.parse(one.ends) > Date.parse(window.starts);
  if (partners.some((slot) => atOneTime(slot.window)))
    return `Its other half (${partners[0]?.asset.name}) is worked on in ${window.name}; the pair needs two windows`;
  const closed = blackouts
    .filter((one) => inScope(one.scope, asset))
    .map((one) => ({ from: Date.parse(one.starts), to: Date.parse(one.ends), name: one.name }));
  const length = minutes * MINUTE_MS;
  const starts = [opens, ...slots.map((slot) => slot.to), ...closed.map((one) => one.to)]
    .filter((at) => at >= opens)
    .sort((a, b) => a - b);
  let why = `${window.name} is full`;
  for (const from of starts) {
    const to = from + length;
    if (to > closes) break;
    const hit = closed.find((one) => one.from < to && one.to > from);
    if (hit) {
      why = `${hit.name} covers ${window.name}`;
      continue;
    }
    if (slots.filter((slot) => slot.from < to && slot.to > from).length < window.parallel) return from;
  }
  return why;
}

function inScope({ departments, assets, classes }: Scope, asset: PlanAsset): boolean {
  const listed = (list: readonly string[], value: string | null) =>
    list.length === 0 || (value !== null && list.some((one) => one.toLowerCase() === value.toLowerCase()));
  return listed(departments, asset.department) && listed(assets, asset.name) && listed(classes, asset.class);
}

function taskOf(work: Work, due: string | null, { window, from, to }: Placed): PlanTask {
  const late = due === null ? 0 : Math.max(0, Math.ceil((to - Date.parse(due)) / DAY_MS));
  const clinical = work.asset.class === 'medical' || work.asset.criticality === 'life-sustaining';
  return {
    id: `${window.id}/${work.asset.name}`.slice(0, 250),
    asset: work.asset,
    window: window.id,
    starts: new Date(from).toISOString(),
    ends: new Date(to).toISOString(),
    reboot: work.actions.some((action) => action.reboot),
    actions: work.actions.map(({ id, title, kind, rollback }) => ({ id, title, kind, rollback })),
    findings: ownParts(work).flatMap((part) => part.findings),
    due,
    lateDays: late,
    approval: clinical ? 'Biomedical engineering and the ward agree before it starts' : null,
  };
}

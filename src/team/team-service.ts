/** Takes alerts into the store and groups them into incidents, in one transaction, so that a crash leaves no half of it. */

import {
  type Alert,
  AsepsisError,
  allRecords,
  type Clock,
  type Config,
  type Incident,
  type IncidentId,
  newId,
  rfc3339,
  type Store,
  type Verdict,
} from '../core/index.ts';
import { changed, type IncidentChange } from './team-change.ts';
import { keptApart, linkEntities, linked, newIncident, STRONG_WINDOW_MS, survivorOf, withAlert } from './team-group.ts';
import { type Merged, mergeInto, splitOff } from './team-merge.ts';
import { messagesFor } from './team-message.ts';

/** Alerts of one transaction: bounds how long the database is held. */
const PORTION = 100;

export interface Team {
  /** Stores what is new and groups it; answers only the new alerts. A replay has no second effect. */
  take(alerts: readonly Alert[]): Promise<readonly Alert[]>;
  /** Null when there is no such incident, `stale` when somebody was faster. */
  change(id: IncidentId, change: IncidentChange, by: { id: string; name: string }): Promise<Incident | null | 'stale'>;
  /**
   * Makes `other` part of `id`; the versions are those that the person saw.
   *
   * @throws CONFLICT when they cannot be one: the same, merged already, an exercise and none
   */
  merge(
    id: IncidentId,
    version: number,
    other: { readonly id: IncidentId; readonly version: number },
  ): Promise<Merged | null | 'stale'>;
  /** Undoes the merge that made `id` part of another one, whose version the person saw. */
  split(id: IncidentId, version: number): Promise<Merged | null | 'stale'>;
}

/** During an attack alerts join every second: only what a person did, or a merge, makes a version stale. */
const isStale = (incident: Incident, version: number): boolean =>
  version < incident.changed_version || version > incident.version;

async function mergeByHand(
  store: Store,
  clock: Clock,
  id: IncidentId,
  version: number,
  second: { readonly id: IncidentId; readonly version: number },
): Promise<Merged | null | 'stale'> {
  const into = await store.incidents.get(id);
  const other = await store.incidents.get(second.id);
  if (!into || !other) return null;
  if (into.id === other.id) throw new AsepsisError('CONFLICT', 'These are one incident already.');
  for (const one of [into, other]) refuseMerged(one);
  if (into.exercise !== other.exercise)
    throw new AsepsisError('CONFLICT', 'An exercise and a real incident stay apart.');
  if (isStale(into, version) || isStale(other, second.version)) return 'stale';
  return mergeInto(store, clock, { into, other }, { actor: null, reason: 'by hand' });
}

async function splitByHand(
  store: Store,
  clock: Clock,
  id: IncidentId,
  version: number,
): Promise<Merged | null | 'stale'> {
  const other = await store.incidents.get(id);
  if (!other) return null;
  if (other.merged_into === undefined) throw new AsepsisError('CONFLICT', 'This incident is part of no other.');
  const into = await store.incidents.get(other.merged_into);
  if (!into) return null;
  refuseMerged(into);
  if (isStale(into, version)) return 'stale';
  return splitOff(store, clock, { into, other });
}

function refuseMerged(incident: Incident): void {
  if (incident.merged_into === undefined) return;
  throw new AsepsisError('CONFLICT', `${incident.id} was merged into ${incident.merged_into}: that one counts now.`);
}

export function createTeam(o: {
  store: Store;
  clock: Clock;
  random: (n: number) => Uint8Array;
  notify: Config['notify'];
  onChange?: (incident: Incident) => void;
}): Team {
  // One after the other: two alerts of one attack must not open two incidents.
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const turn = last.then(work, work);
    last = turn.catch(() => {});
    return turn;
  };
  const told = (result: Merged | null | 'stale') => {
    if (result === null || result === 'stale') return result;
    o.onChange?.(result.into);
    o.onChange?.(result.other);
    return result;
  };
  return {
    take: (alerts) =>
      inTurn(async () => {
        const fresh: Alert[] = [];
        for (let from = 0; from < alerts.length; from += PORTION) {
          const touched = new Map<string, Incident>();
          const taken = await o.store.transaction((store) =>
            takePortion(o, store, alerts.slice(from, from + PORTION), touched),
          );
          fresh.push(...taken);
          for (const incident of touched.values()) o.onChange?.(incident);
        }
        return fresh;
      }),
    change: (id, change, by) =>
      inTurn(async () => {
        const result = await o.store.transaction(async (store) => {
          const incident = await store.incidents.get(id);
          if (!incident) return null;
          refuseMerged(incident);
          const next = changed(incident, change, by, rfc3339(o.clock.now()));
          if (next === 'stale' || !(await store.incidents.replace(next))) return 'stale' as const;
          if (change.close) await closeAlerts(store, id, change.close.verdict);
          return next;
        });
        if (result !== null && result !== 'stale') o.onChange?.(result);
        return result;
      }),
    merge: (id, version, other) =>
      inTurn(async () => told(await o.store.transaction((store) => mergeByHand(store, o.clock, id, version, other)))),
    split: (id, version) =>
      inTurn(async () => told(await o.store.transaction((store) => splitByHand(store, o.clock, id, version)))),
  };
}

async function takePortion(
  o: { clock: Clock; random: (n: number) => Uint8Array; notify: Config['notify'] },
  store: Store,
  alerts: readonly Alert[],
  touched: Map<string, Incident>,
): Promise<Alert[]> {
  const fresh = await store.alerts.add(alerts);
  const now = o.clock.now();
  const grouped: Alert[] = [];
  for (const alert of fresh) {
    const known = await findIncident(store, o.clock, alert, touched);
    const incident = known
      ? withAlert(known, alert)
      : newIncident(newId<IncidentId>('incident', now, o.random(10)), alert, rfc3339(now));
    if (known) await store.incidents.replace(incident);
    else await store.incidents.insert(incident);
    await store.alerts.update(alert.id, { incident: incident.id });
    if (!known || known.severity !== incident.severity)
      await store.outbox.put(messagesFor(incident, alert, o.notify, rfc3339(now)));
    touched.set(incident.id, incident);
    grouped.push({ ...alert, incident: incident.id });
  }
  return grouped;
}

/** The open incident that the alert belongs to; when it ties several together, they become one first. */
async function findIncident(
  store: Store,
  clock: Clock,
  alert: Alert,
  touched: Map<string, Incident>,
): Promise<Incident | null> {
  const since = rfc3339(Date.parse(alert.time) - STRONG_WINDOW_MS);
  const near = await store.incidents.openFor(linkEntities(alert), since, alert.exercise);
  const all = near.filter((incident) => linked(alert, incident));
  let into = survivorOf(all);
  if (into === null) return null;
  for (const other of all) {
    if (other.id === into.id || keptApart(into, other)) continue;
    const done: Merged = await mergeInto(
      store,
      clock,
      { into, other },
      { actor: 'system', reason: `alert ${alert.id} shares entities with both` },
    );
    touched.set(done.other.id, done.other);
    into = done.into;
  }
  return into;
}

async function closeAlerts(store: Store, incident: IncidentId, verdict: Verdict): Promise<void> {
  for await (const alert of allRecords((page) => store.alerts.list({ incident }, page)))
    if (alert.state !== 'closed') await store.alerts.update(alert.id, { state: 'closed', verdict });
}

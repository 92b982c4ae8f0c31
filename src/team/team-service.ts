/** Takes alerts into the store and groups them into incidents, in one transaction, so that a crash leaves no half of it. */

import {
  type Alert,
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
import {
  chooseIncident,
  newIncident,
  STRONG_WINDOW_MS,
  strongEntities,
  WEAK_WINDOW_MS,
  weakEntities,
  withAlert,
} from './team-group.ts';
import { messagesFor } from './team-message.ts';

/** Alerts of one transaction: bounds how long the database is held. */
const PORTION = 100;

export interface Team {
  /** Stores what is new and groups it; answers only the new alerts. A replay has no second effect. */
  take(alerts: readonly Alert[]): Promise<readonly Alert[]>;
  /** Null when there is no such incident, `stale` when somebody was faster. */
  change(id: IncidentId, change: IncidentChange, by: { id: string; name: string }): Promise<Incident | null | 'stale'>;
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
          const next = changed(incident, change, by, rfc3339(o.clock.now()));
          if (next === 'stale' || !(await store.incidents.replace(next))) return 'stale' as const;
          if (change.close) await closeAlerts(store, id, change.close.verdict);
          return next;
        });
        if (result !== null && result !== 'stale') o.onChange?.(result);
        return result;
      }),
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
    const known = await findIncident(store, alert);
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

async function findIncident(store: Store, alert: Alert): Promise<Incident | null> {
  const time = Date.parse(alert.time);
  const strong = strongEntities(alert.entities);
  if (strong.length > 0) {
    const found = chooseIncident(
      alert,
      await store.incidents.openFor(strong, rfc3339(time - STRONG_WINDOW_MS), alert.exercise),
    );
    if (found) return found;
  }
  const weak = weakEntities(alert);
  if (weak.length === 0) return null;
  return chooseIncident(alert, await store.incidents.openFor(weak, rfc3339(time - WEAK_WINDOW_MS), alert.exercise));
}

async function closeAlerts(store: Store, incident: IncidentId, verdict: Verdict): Promise<void> {
  for await (const alert of allRecords((page) => store.alerts.list({ incident }, page)))
    if (alert.state !== 'closed') await store.alerts.update(alert.id, { state: 'closed', verdict });
}

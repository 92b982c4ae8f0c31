/** Incidents that turn out to be one become one, and can be split again; each inside the transaction that it is given. */

import {
  type Alert,
  AsepsisError,
  allRecords,
  audited,
  type Clock,
  type Incident,
  type IncidentId,
  rfc3339,
  type Store,
} from '../core/index.ts';
import { absorbed, merged, regrouped } from './team-group.ts';

export interface Merged {
  readonly into: Incident;
  readonly other: Incident;
}

/** An alert goes back along the incidents that it was in; more merges than this are not undone. */
const STEPS_MAX = 64;

const alertsOf = async (store: Store, incident: IncidentId): Promise<Alert[]> => {
  const alerts: Alert[] = [];
  for await (const alert of allRecords((page) => store.alerts.list({ incident }, page))) alerts.push(alert);
  return alerts;
};

/** @throws CONFLICT when one of them was changed meanwhile; the transaction then leaves nothing of it */
export async function mergeInto(
  store: Store,
  clock: Clock,
  pair: Merged,
  why: { readonly actor: 'system' | null; readonly reason: string },
): Promise<Merged> {
  const at = rfc3339(clock.now());
  const into = merged(pair.into, pair.other, at);
  const other = absorbed(pair.other, pair.into, at);
  for (const alert of await alertsOf(store, other.id)) {
    const merged_from = [...(alert.merged_from ?? []), other.id].slice(-STEPS_MAX);
    await store.alerts.update(alert.id, { incident: into.id, merged_from });
  }
  if (!(await store.incidents.replace(into)) || !(await store.incidents.replace(other))) throw changedMeanwhile();
  if (why.actor !== null) {
    const detail = `into ${into.id}: ${why.reason}`;
    await audited({ store, clock }, null, { action: 'incident.merge', target: other.id, actor: why.actor, detail });
  }
  return { into, other };
}

/** Gives a merged incident its alerts back; both are open to people again and are not merged by themselves any more. */
export async function splitOff(store: Store, clock: Clock, pair: Merged): Promise<Merged> {
  const at = rfc3339(clock.now());
  const staying: Alert[] = [];
  const leaving: Alert[] = [];
  for (const alert of await alertsOf(store, pair.into.id)) {
    if (alert.merged_from?.at(-1) !== pair.other.id) staying.push(alert);
    else {
      await store.alerts.update(alert.id, { incident: pair.other.id, merged_from: alert.merged_from.slice(0, -1) });
      leaving.push(alert);
    }
  }
  const into = regrouped(pair.into, staying, pair.other.id, at);
  const other = regrouped(pair.other, leaving, pair.into.id, at);
  if (!(await store.incidents.replace(into)) || !(await store.incidents.replace(other))) throw changedMeanwhile();
  return { into, other };
}

const changedMeanwhile = () => new AsepsisError('CONFLICT', 'One of the incidents was changed by somebody else.');

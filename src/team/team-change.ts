/** What people do with an incident: pure decisions with an optimistic version. */

import type { Incident, PersonId, Rfc3339, Verdict } from '../core/index.ts';

export interface IncidentChange {
  readonly version: number;
  readonly assign?: 'me' | null;
  readonly acknowledge?: boolean;
  readonly comment?: string;
  readonly close?: { readonly reason: string; readonly verdict: Verdict };
  readonly reopen?: boolean;
}

const COMMENTS_MAX = 500;

/** The incident after the change; `stale` when the person saw an older one. */
export function changed(
  incident: Incident,
  change: IncidentChange,
  by: { id: string; name: string },
  at: Rfc3339,
): Incident | 'stale' {
  // During an attack alerts join every second: only what another person did makes a change stale.
  if (change.version < incident.changed_version || change.version > incident.version) return 'stale';
  const { assignee: _a, assignee_name: _n, closed_at: _c, close_reason: _r, verdict: _v, ...bare } = incident;
  const assigned =
    change.assign === 'me'
      ? { assignee: by.id as PersonId, assignee_name: by.name }
      : change.assign === null
        ? {}
        : keep(incident, 'assignee', 'assignee_name');
  // Whoever takes, comments or closes it has seen it.
  const touched = change.assign === 'me' || change.acknowledge || change.comment !== undefined || change.close;
  const closed = change.close
    ? { state: 'closed' as const, closed_at: at, close_reason: change.close.reason, verdict: change.close.verdict }
    : change.reopen
      ? { state: 'open' as const }
      : keep(incident, 'closed_at', 'close_reason', 'verdict');
  const comments =
    change.comment === undefined
      ? incident.comments
      : [...incident.comments, { by: by.name, at, text: change.comment }].slice(-COMMENTS_MAX);
  return {
    ...bare,
    ...assigned,
    ...closed,
    ...(incident.acknowledged_at === undefined && touched ? { acknowledged_at: at } : {}),
    comments,
    version: incident.version + 1,
    changed_version: incident.version + 1,
  };
}

function keep<K extends keyof Incident>(incident: Incident, ...names: K[]): Partial<Pick<Incident, K>> {
  return Object.fromEntries(
    names.filter((name) => incident[name] !== undefined).map((name) => [name, incident[name]]),
  ) as Partial<Pick<Incident, K>>;
}

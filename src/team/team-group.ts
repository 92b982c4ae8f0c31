/** Decides which incident an alert belongs to, and what the incident is with it: pure, over records. */

import {
  type Alert,
  type Entity,
  type Incident,
  type IncidentId,
  LIMITS,
  type Rfc3339,
  severityRank,
  TACTICS,
} from '../core/index.ts';

/** Alerts that share an attacker or an account belong together when not more than this lies between them. */
export const STRONG_WINDOW_MS = 2 * 3_600_000;
/** Alerts that share only a host: what happens on it minutes after something else did. */
export const WEAK_WINDOW_MS = 15 * 60_000;

/** Names that every attacker tries: sharing one says nothing about two attacks being the same. */
const GENERIC_ACCOUNTS = new Set([
  'root',
  'admin',
  'administrator',
  'administrators',
  'user',
  'test',
  'guest',
  'oracle',
  'postgres',
  'mysql',
  'ubuntu',
  'pi',
  'ftp',
  'www',
  'support',
  'system',
  '-',
  '',
]);

const keyOf = (entity: { type: string; value: string }) => `${entity.type}:${entity.value.toLowerCase()}`;

/** Entities that tie alerts together over hours. */
export function strongEntities(entities: readonly Entity[]): Entity[] {
  return entities.filter(
    (entity) =>
      (entity.type === 'address' && entity.role !== 'victim' && entity.role !== 'witness') ||
      (entity.type === 'account' && !GENERIC_ACCOUNTS.has(entity.value.toLowerCase())) ||
      entity.type === 'hash' ||
      entity.type === 'domain',
  );
}

/** `weak:` and `reached:` with the host: what `linked` compares. */
function hostTies(alert: Alert): string[] {
  const hosts = alert.entities.filter((entity) => entity.type === 'host' || entity.type === 'asset');
  const [host] = hosts;
  // A scan of many hosts must not pull in what else happens on each.
  if (host === undefined || hosts.length > 1) return [];
  const fromOutside = alert.entities.some((entity) => entity.type === 'address' && entity.role === 'attacker');
  if (!fromOutside) return [`weak:${keyOf(host)}`];
  // Strangers knock at every door all the time; one that got far has to do with what follows on the host.
  return severityRank(alert.rule.level) <= severityRank('high') ? [`reached:${keyOf(host)}`] : [];
}

/** Entities by which open incidents are looked up that may be linked to the alert. */
export function linkEntities(alert: Alert): Entity[] {
  const hosts =
    hostTies(alert).length === 0 ? [] : alert.entities.filter((e) => e.type === 'host' || e.type === 'asset');
  return [...strongEntities(alert.entities), ...hosts];
}

function near(alert: Alert, incident: Incident, windowMs: number): boolean {
  const time = Date.parse(alert.time);
  return Date.parse(incident.last_event) >= time - windowMs && Date.parse(incident.first_event) <= time + windowMs;
}

/**
 * Do alert and incident belong together? The relation is the same whichever of two alerts came first, so that the
 * order in which alerts arrive does not change what ends up together.
 */
export function linked(alert: Alert, incident: Incident): boolean {
  if (incident.exercise !== alert.exercise) return false;
  const strong = new Set(strongEntities(incident.entities).map(keyOf));
  if (strongEntities(alert.entities).some((entity) => strong.has(keyOf(entity))))
    if (near(alert, incident, STRONG_WINDOW_MS)) return true;
  if (!near(alert, incident, WEAK_WINDOW_MS)) return false;
  const ties = new Set(incident.ties ?? tiesOfBefore(incident));
  return hostTies(alert).some((tie) =>
    tie.startsWith('weak:')
      ? ties.has(tie) || ties.has(tie.replace('weak:', 'reached:'))
      : ties.has(tie.replace('reached:', 'weak:')),
  );
}

/** Incidents of earlier versions did not note them: any of their hosts counts. */
const tiesOfBefore = (incident: Incident): string[] =>
  incident.entities
    .filter((entity) => entity.type === 'host' || entity.type === 'asset')
    .map((entity) => `weak:${keyOf(entity)}`);

/** The incident that stays when several turn out to be one: the one people work on, else the oldest. */
export function survivorOf(incidents: readonly Incident[]): Incident | null {
  const weight = (incident: Incident) =>
    incident.assignee !== undefined ? 0 : incident.acknowledged_at !== undefined ? 1 : 2;
  const [first] = [...incidents].sort(
    (a, b) =>
      weight(a) - weight(b) || Date.parse(a.opened) - Date.parse(b.opened) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0),
  );
  return first ?? null;
}

/** A person has split them: what they share is known and did not make them one. */
export const keptApart = (a: Incident, b: Incident): boolean =>
  (a.apart?.includes(b.id) ?? false) || (b.apart?.includes(a.id) ?? false);

export function newIncident(id: IncidentId, alert: Alert, at: Rfc3339): Incident {
  return {
    id,
    title: alert.title,
    severity: alert.rule.level,
    state: 'open',
    opened: at,
    first_event: alert.time,
    last_event: alert.time,
    entities: boundedEntities(alert.entities),
    ties: hostTies(alert),
    tactics: tacticsOf(alert),
    alert_count: 1,
    event_count: alert.event_count,
    comments: [],
    exercise: alert.exercise,
    version: 1,
    changed_version: 1,
  };
}

/** The incident with one more alert. The title is that of the first alert of the highest severity. */
export function withAlert(incident: Incident, alert: Alert): Incident {
  const worse = severityRank(alert.rule.level) < severityRank(incident.severity);
  return {
    ...incident,
    title: worse ? alert.title : incident.title,
    severity: worse ? alert.rule.level : incident.severity,
    first_event: alert.time < incident.first_event ? alert.time : incident.first_event,
    last_event: alert.time > incident.last_event ? alert.time : incident.last_event,
    entities: boundedEntities([...incident.entities, ...alert.entities]),
    ties: boundedTies([...(incident.ties ?? tiesOfBefore(incident)), ...hostTies(alert)]),
    tactics: [...new Set([...incident.tactics, ...tacticsOf(alert)])].slice(0, 32),
    alert_count: incident.alert_count + 1,
    event_count: incident.event_count + alert.event_count,
    version: incident.version + 1,
  };
}

const TIES_MAX = 256;
const boundedTies = (ties: readonly string[]): string[] => [...new Set(ties)].slice(0, TIES_MAX);

/** One incident out of two: what `into` is with everything that `other` knows. People's words stay where they are. */
export function merged(into: Incident, other: Incident, at: Rfc3339): Incident {
  const worse = severityRank(other.severity) < severityRank(into.severity);
  const taken = [into.acknowledged_at, other.acknowledged_at].filter((time) => time !== undefined).sort()[0];
  const text = `${other.id} (“${other.title}”) turned out to be the same and was merged into this one.`;
  return {
    ...into,
    title: worse ? other.title : into.title,
    severity: worse ? other.severity : into.severity,
    opened: other.opened < into.opened ? other.opened : into.opened,
    first_event: other.first_event < into.first_event ? other.first_event : into.first_event,
    last_event: other.last_event > into.last_event ? other.last_event : into.last_event,
    ...(taken === undefined ? {} : { acknowledged_at: taken }),
    entities: boundedEntities([...into.entities, ...other.entities]),
    ties: boundedTies([...(into.ties ?? tiesOfBefore(into)), ...(other.ties ?? tiesOfBefore(other))]),
    tactics: [...new Set([...into.tactics, ...other.tactics])].slice(0, 32),
    alert_count: into.alert_count + other.alert_count,
    event_count: into.event_count + other.event_count,
    comments: withNote(into, at, text),
    version: into.version + 1,
    // Whoever was about to close it has not seen what came to it.
    changed_version: into.version + 1,
  };
}

/** The incident whose alerts are another's now. */
export function absorbed(other: Incident, into: Incident, at: Rfc3339): Incident {
  return {
    ...other,
    state: 'closed',
    closed_at: at,
    close_reason: `Merged into ${into.id}.`,
    merged_into: into.id,
    version: other.version + 1,
    changed_version: other.version + 1,
  };
}

/** What an incident is by its alerts alone, with what people did to it; `apart` from another from now on. */
export function regrouped(incident: Incident, alerts: readonly Alert[], apart: IncidentId, at: Rfc3339): Incident {
  const [first, ...rest] = [...alerts].sort(
    (a, b) => Date.parse(a.time) - Date.parse(b.time) || (a.id < b.id ? -1 : 1),
  );
  const bare =
    first === undefined
      ? { ...incident, alert_count: 0, event_count: 0 }
      : rest.reduce(withAlert, newIncident(incident.id, first, incident.opened));
  const { merged_into: _m, closed_at: _c, close_reason: _r, ...kept } = incident;
  const state = incident.merged_into === undefined ? keptState(incident) : { state: 'open' as const };
  const { title, severity, first_event, last_event, entities, ties, tactics, alert_count, event_count } = bare;
  return {
    ...kept,
    ...state,
    title,
    severity,
    first_event,
    last_event,
    entities,
    tactics,
    alert_count,
    event_count,
    ...(ties === undefined ? {} : { ties }),
    comments: withNote(incident, at, `Split from ${apart} again.`),
    apart: [...new Set([...(incident.apart ?? []), apart])].slice(-APART_MAX),
    version: incident.version + 1,
    changed_version: incident.version + 1,
  };
}

const APART_MAX = 64;
const COMMENTS_MAX = 500;

const withNote = (incident: Incident, at: Rfc3339, text: string): Incident['comments'] =>
  [...incident.comments, { by: 'Asepsis', at, text }].slice(-COMMENTS_MAX);

const keptState = ({ state, closed_at, close_reason }: Incident) => ({
  state,
  ...(closed_at === undefined ? {} : { closed_at }),
  ...(close_reason === undefined ? {} : { close_reason }),
});

/** No entity twice; when there are too many, attackers and accounts stay and witnesses go. */
function boundedEntities(entities: readonly Entity[]): Entity[] {
  const byKey = new Map<string, Entity>();
  const rank = (entity: Entity) => (entity.role === 'attacker' ? 0 : strongEntities([entity]).length > 0 ? 1 : 2);
  for (const entity of entities) {
    const before = byKey.get(keyOf(entity));
    // An attacker that is also seen as something else stays an attacker; what ties alerts together goes before what does not.
    if (!before || rank(entity) < rank(before)) byKey.set(keyOf(entity), entity);
  }
  const weight = (entity: Entity) =>
    entity.role === 'attacker'
      ? 0
      : entity.type === 'host' || entity.type === 'asset'
        ? 1
        : entity.role === 'victim'
          ? 2
          : 3;
  return [...byKey.values()].sort((a, b) => weight(a) - weight(b)).slice(0, LIMITS.entitiesMax);
}

function tacticsOf(alert: Alert): string[] {
  const names = alert.rule.tags.map((tag) =>
    tag
      .toLowerCase()
      .replace(/^attack\./, '')
      .replaceAll('_', '-'),
  );
  return [...new Set(names.filter((name) => TACTICS.some((tactic) => tactic === name)))];
}

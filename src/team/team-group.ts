/** Decides which incident an alert belongs to, and what the incident is with it: pure, over records. */

import {
  type Alert,
  type Entity,
  type Incident,
  type IncidentId,
  LIMITS,
  type Rfc3339,
  severityRank,
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

/** Entities that tie alerts together for minutes. A scan of many hosts must not pull in what else happens on each. */
export function weakEntities(alert: Alert): Entity[] {
  const hosts = alert.entities.filter((entity) => entity.type === 'host' || entity.type === 'asset');
  const fromOutside = alert.entities.some((entity) => entity.type === 'address' && entity.role === 'attacker');
  return hosts.length === 1 && !fromOutside ? hosts : [];
}

/** The candidate that shares most, and among equals the one that was active last. */
export function chooseIncident(alert: Alert, candidates: readonly Incident[]): Incident | null {
  const own = new Set(alert.entities.map(keyOf));
  let best: Incident | null = null;
  let bestShared = 0;
  for (const incident of candidates) {
    const shared = incident.entities.filter((entity) => own.has(keyOf(entity))).length;
    if (shared === 0) continue;
    if (shared > bestShared || (shared === bestShared && best !== null && incident.last_event > best.last_event)) {
      best = incident;
      bestShared = shared;
    }
  }
  return best;
}

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
    tactics: [...new Set([...incident.tactics, ...tacticsOf(alert)])].slice(0, 32),
    alert_count: incident.alert_count + 1,
    event_count: incident.event_count + alert.event_count,
    version: incident.version + 1,
  };
}

/** No entity twice; when there are too many, attackers and accounts stay and witnesses go. */
function boundedEntities(entities: readonly Entity[]): Entity[] {
  const byKey = new Map<string, Entity>();
  for (const entity of entities) {
    const before = byKey.get(keyOf(entity));
    // An attacker that is also seen as something else stays an attacker.
    if (!before || (before.role !== 'attacker' && entity.role === 'attacker')) byKey.set(keyOf(entity), entity);
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

/** ATT&CK tactics as Sigma tags write them. */
const TACTICS = new Set([
  'reconnaissance',
  'resource-development',
  'initial-access',
  'execution',
  'persistence',
  'privilege-escalation',
  'defense-evasion',
  'credential-access',
  'discovery',
  'lateral-movement',
  'collection',
  'command-and-control',
  'exfiltration',
  'impact',
]);

function tacticsOf(alert: Alert): string[] {
  const names = alert.rule.tags.map((tag) =>
    tag
      .toLowerCase()
      .replace(/^attack\./, '')
      .replaceAll('_', '-'),
  );
  return [...new Set(names.filter((name) => TACTICS.has(name)))];
}

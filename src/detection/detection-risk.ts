/**
 * Risk of entities: each alert adds points to the addresses, accounts and hosts it is about, and points decay by half in a
 * day. Many small signs from different rules on one entity become one alert. Order does not matter: the sum of points,
 * each aged from its own event time, is the same in any order.
 */

import { createHash } from 'node:crypto';
import { type Alert, type AlertId, contentId, type Entity, LIMITS, rfc3339, type Severity } from '../core/index.ts';
import type { Reader, Writer } from './detection-bytes.ts';
import { detached } from './detection-group.ts';

export interface RiskLimits {
  /** Points at which an entity is said to be at risk. */
  readonly threshold: number;
  readonly halfLifeMs: number;
}

const POINTS: Readonly<Record<Severity, number>> = { critical: 60, high: 30, medium: 10, low: 3, information: 0 };
/** The same rule on the same entity counts once in this time: a storm of one rule is one sign. */
const ONCE_MS = 3_600_000;
const ENTITIES_MAX = 100_000;
const RULES_MAX = 32;
/** Guessing and the success after it are one story that two rules tell; a third, of another kind, makes signs many. */
const RULES_MIN = 3;
export const RISK_RULE = 'entity-risk';

interface Scored {
  /** Points as of `ms`. */
  points: number;
  ms: number;
  /** Rule → last time it counted. */
  rules: Map<string, number>;
  saidMs: number;
}

export interface RiskView {
  readonly type: string;
  readonly value: string;
  readonly points: number;
  readonly rules: readonly string[];
  readonly exercise: boolean;
}

export interface Risk {
  /** Counts an alert; answers the alerts of entities that reached the threshold by it. */
  add(alert: Alert): readonly Alert[];
  /** The entities with most points at a time. */
  top(nowMs: number, most: number): RiskView[];
  readonly size: number;
  readonly evicted: number;
  write(writer: Writer): void;
  read(reader: Reader): void;
}

const pointsAt = (one: Scored, ms: number, halfLifeMs: number): number =>
  ms >= one.ms ? one.points * 2 ** ((one.ms - ms) / halfLifeMs) : one.points;

export function createRisk(o: RiskLimits): Risk {
  const entities = new Map<string, Scored>();
  let evicted = 0;

  const evict = (): void => {
    let victim = '';
    let least = Number.POSITIVE_INFINITY;
    let looked = 0;
    let nowMs = 0;
    for (const one of entities.values()) nowMs = Math.max(nowMs, one.ms);
    for (const [key, one] of entities) {
      const points = pointsAt(one, nowMs, o.halfLifeMs);
      if (points < least) {
        least = points;
        victim = key;
      }
      if (++looked >= 32) break;
    }
    entities.delete(victim);
    evicted++;
  };

  const count = (key: string, alert: Alert, ms: number): Scored | null => {
    const { id, level } = alert.rule;
    let one = entities.get(key);
    const counted = one?.rules.get(id);
    if (counted !== undefined && Math.abs(ms - counted) < ONCE_MS) return null;
    if (!one) {
      if (entities.size >= ENTITIES_MAX) evict();
      one = { points: 0, ms, rules: new Map(), saidMs: Number.NEGATIVE_INFINITY };
      entities.set(detached(key), one);
    }
    const latest = Math.max(ms, one.ms);
    one.points = pointsAt(one, latest, o.halfLifeMs) + POINTS[level] * 2 ** ((ms - latest) / o.halfLifeMs);
    one.ms = latest;
    if (one.rules.size >= RULES_MAX && counted === undefined) one.rules.delete(one.rules.keys().next().value as string);
    one.rules.set(id, Math.max(ms, counted ?? ms));
    return one;
  };

  return {
    add: (alert) => {
      if (POINTS[alert.rule.level] === 0 || alert.rule.id === RISK_RULE) return [];
      const ms = Date.parse(alert.time);
      const out: Alert[] = [];
      for (const entity of alert.entities) {
        if (entity.role === 'witness' || !['address', 'account', 'host'].includes(entity.type)) continue;
        const key = `${alert.exercise ? 'x' : 'r'}${entity.type}\0${entity.value.toLowerCase()}`;
        const one = count(key, alert, ms);
        if (!one || one.points < o.threshold || one.rules.size < RULES_MIN || one.ms < one.saidMs + o.halfLifeMs)
          continue;
        one.saidMs = one.ms;
        out.push(riskAlert(alert, entity, one, key));
      }
      return out;
    },
    top: (nowMs, most) =>
      [...entities]
        .map(([key, one]) => {
          const [type = '', value = ''] = key.slice(1).split('\0');
          const points = Math.round(pointsAt(one, nowMs, o.halfLifeMs) * 10) / 10;
          return { type, value, points, rules: [...one.rules.keys()], exercise: key.startsWith('x') };
        })
        .filter(({ points }) => points > 0)
        .sort((a, b) => b.points - a.points)
        .slice(0, most),
    get size() {
      return entities.size;
    },
    get evicted() {
      return evicted;
    },
    write: (writer) => {
      writer.number(entities.size);
      for (const [key, one] of entities) {
        writer.text(key);
        writer.float(one.points);
        writer.float(one.ms);
        writer.float(one.saidMs);
        writer.number(one.rules.size);
        for (const [rule, ms] of one.rules) {
          writer.text(rule);
          writer.float(ms);
        }
      }
    },
    read: (reader) => {
      for (let left = Math.min(ENTITIES_MAX, reader.number()); left > 0; left--) {
        const key = reader.text();
        const one: Scored = { points: reader.float(), ms: reader.float(), saidMs: reader.float(), rules: new Map() };
        for (let n = Math.min(RULES_MAX, reader.number()); n > 0; n--) one.rules.set(reader.text(), reader.float());
        entities.set(key, one);
      }
    },
  };
}

function riskAlert(alert: Alert, entity: Entity, one: Scored, key: string): Alert {
  const digest = createHash('sha256').update([RISK_RULE, key, one.ms].join('\0')).digest();
  const points = String(Math.round(one.points));
  return {
    ...alert,
    id: contentId<AlertId>('alert', digest),
    rule: {
      id: RISK_RULE,
      title: 'Many signs on one entity',
      level: 'high',
      tags: alert.rule.tags.filter((tag) => tag.startsWith('attack.')),
      description: 'Alerts of different rules add up on one address, account or host; their points halve in a day.',
      false_positives: ['A server that many rules watch and that was just changed'],
      response: 'Look at the alerts of this entity together: what is harmless alone can be one attack.',
    },
    title: `${entity.type} ${entity.value}: ${points} points of risk from ${one.rules.size} rules`.slice(
      0,
      LIMITS.nameCharsMax,
    ),
    time: rfc3339(one.ms),
    entities: [entity],
    event_count: 1,
    matched: [...one.rules.keys()].slice(0, 16).map((rule) => ({ field: 'rule', value: rule, words: [points] })),
  };
}

/** Turns indicators that are found in events into alerts: once an hour for each indicator and host, the rest counted. */

import { createHash } from 'node:crypto';
import {
  type Alert,
  type AlertId,
  contentId,
  type DecodedEvent,
  type Entity,
  eventId,
  LIMITS,
  rfc3339,
  type Severity,
} from '../../core/index.ts';
import type { Watcher } from '../detection-engine.ts';
import { createEntityList, entitiesOfEvent } from '../detection-entities.ts';
import { evaluatePlain } from '../detection-plain.ts';
import type { Expr } from '../detection-rule.ts';
import type { StoredIndicators } from './indicator-file.ts';
import type { IndicatorPattern } from './indicator-import.ts';
import { createFinder, type Found } from './indicator-match.ts';
import type { IndicatorHit } from './indicator-set.ts';
import { readStixPattern } from './indicator-stix.ts';

export const INDICATOR_RULE = 'indicator';
const HOUR_MS = 3_600_000;
const SAID_MAX = 100_000;
/** Patterns that are more than values are looked at one by one; beyond this they would cost more than the rules. */
export const PATTERNS_LOOKED_AT_MAX = 200;

export interface IndicatorCounts {
  readonly hits: number;
  readonly alerts: number;
  /** Patterns that are not looked at because there are too many. */
  readonly patternsLeftOut: number;
}

export interface IndicatorWatcher extends Watcher {
  counts(): IndicatorCounts;
}

function levelOf(confidence: number, event: DecodedEvent, asSource: boolean): Severity {
  const { outcome, action } = event.norm;
  // Somebody known knocked and was turned away: that is every day at every edge.
  const refused = /^(?:failure|denied|deny|block|blocked|drop|dropped|reject|rejected)$/i;
  if (asSource && (refused.test(outcome ?? '') || refused.test(action ?? ''))) return 'low';
  return confidence >= 75 ? 'high' : confidence >= 40 ? 'medium' : 'low';
}

const ENTITY: Readonly<Record<IndicatorHit['type'], Entity['type']>> = {
  address: 'address',
  cidr: 'address',
  domain: 'domain',
  url: 'domain',
  hash: 'hash',
  email: 'account',
};

interface Said {
  readonly name: string;
  readonly source: string;
  readonly confidence: number;
  readonly untilMs: number | null;
  readonly field: string;
  readonly word: string;
  readonly entity: { type: Entity['type']; value: string } | null;
}

export const isSourceField = (field: string): boolean => /^(?:src|source|client|remote)/i.test(field);

/** @param slotMs events of one such piece of time, indicator and host are one alert */
export function indicatorAlert(
  said: Said,
  event: DecodedEvent,
  o: { streamId: string; retrospective: boolean; slotMs: number },
): Alert {
  const subject = event.norm.host ?? event.norm.src_ip ?? event.source;
  const slot = Math.floor(event.timeMs / o.slotMs);
  const digest = createHash('sha256')
    .update([INDICATOR_RULE, said.name, subject, slot, event.exercise ? 'x' : ''].join('\0'))
    .digest();
  const entities = createEntityList();
  if (said.entity !== null) entities.add(said.entity.type, said.entity.value, 'attacker');
  for (const { type, value, role } of entitiesOfEvent(event)) {
    // The machine that talked to it, or holds it, is the one to look at.
    const other = said.entity !== null && type === said.entity.type && value === said.entity.value;
    const self = role === 'attacker' && !isSourceField(said.field);
    if (!other) entities.add(type, value, self ? 'victim' : (role ?? 'witness'));
  }
  const id = eventId(o.streamId, event.seq, event.index);
  return {
    id: contentId<AlertId>('alert', digest),
    rule: {
      id: INDICATOR_RULE,
      title: 'A known indicator of an attack',
      level: levelOf(said.confidence, event, isSourceField(said.field)),
      tags: [],
      description: 'A value from a list of indicators stands in an event.',
      false_positives: ['Lists age: an address that was evil last year may belong to somebody else today'],
      response: 'Look at what the host did around this time; block the address or name if the list is right.',
    },
    title:
      `${said.name} (from ${said.source}) in ${said.field}${event.norm.host === undefined ? '' : ` on ${event.norm.host}`}`.slice(
        0,
        LIMITS.nameCharsMax,
      ),
    time: rfc3339(event.timeMs),
    received: rfc3339(event.receivedMs),
    source: { id: event.source, name: (event.norm.host ?? event.format).slice(0, LIMITS.nameCharsMax) },
    entities: entities.list,
    events: [id],
    event_count: 1,
    matched: [
      {
        field: said.field.slice(0, LIMITS.nameCharsMax),
        value: said.word.slice(0, 240),
        words: [
          said.name.slice(0, 240),
          `from ${said.source}`,
          `confidence ${said.confidence}`,
          ...(said.untilMs === null ? [] : [`valid until ${rfc3339(said.untilMs)}`]),
        ],
        event: id,
      },
    ],
    state: 'new',
    retrospective: o.retrospective,
    exercise: event.exercise,
  };
}

export function saidOf(hit: IndicatorHit, { field, word }: Pick<Found, 'field' | 'word'>): Said {
  const value = hit.type === 'cidr' || hit.type === 'domain' || hit.type === 'url' ? word : hit.value;
  return {
    name: `${hit.type} ${hit.value}`,
    source: hit.source,
    confidence: hit.confidence,
    untilMs: hit.untilMs,
    field,
    word,
    entity: { type: ENTITY[hit.type], value: hit.type === 'url' ? (value.split('/')[0] as string) : value },
  };
}

export function saidOfPattern(one: IndicatorPattern): Said {
  return {
    name: one.name,
    source: one.source,
    confidence: one.confidence,
    untilMs: one.untilMs,
    field: 'pattern',
    word: one.pattern,
    entity: null,
  };
}

/** Patterns as expressions; no more than are looked at. */
export const readPatterns = (patterns: readonly IndicatorPattern[]): { one: IndicatorPattern; expr: Expr }[] =>
  patterns.slice(0, PATTERNS_LOOKED_AT_MAX).flatMap((one) => {
    const read = readStixPattern(one.pattern);
    return read.kind === 'expr' ? [{ one, expr: read.expr }] : [];
  });

export function createIndicatorWatcher(stored: StoredIndicators, streamId: string): IndicatorWatcher | null {
  const { set, patterns } = stored;
  if (set.size === 0 && patterns.length === 0) return null;
  const finder = createFinder(set);
  const exprs = readPatterns(patterns);
  const said = new Map<string, number>();
  let hits = 0;
  let alerts = 0;

  const say = (what: Said, event: DecodedEvent, out: Alert[]): void => {
    hits++;
    const key = `${event.exercise ? 'x' : ''}${what.name}\0${event.norm.host ?? event.norm.src_ip ?? event.source}`;
    const slot = Math.floor(event.timeMs / HOUR_MS);
    if (said.get(key) === slot) return;
    if (said.size >= SAID_MAX) said.delete(said.keys().next().value as string);
    said.delete(key);
    said.set(key, slot);
    alerts++;
    out.push(indicatorAlert(what, event, { streamId, retrospective: false, slotMs: HOUR_MS }));
  };

  return {
    look: (event) => {
      const found = finder.find(event);
      if (found.length === 0 && exprs.length === 0) return null;
      const out: Alert[] = [];
      for (const one of found) say(saidOf(set.at(one.index), one), event, out);
      for (const { one, expr } of exprs) {
        if (one.untilMs !== null && one.untilMs <= event.receivedMs) continue;
        if (evaluatePlain(expr, event, true)) say(saidOfPattern(one), event, out);
      }
      return out;
    },
    counts: () => ({ hits, alerts, patternsLeftOut: Math.max(0, patterns.length - PATTERNS_LOOKED_AT_MAX) }),
  };
}

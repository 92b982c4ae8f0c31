/** Makes the alert: a sentence that names attacker and victim, the entities, the evidence, and an id that a replay repeats. */

import { createHash } from 'node:crypto';
import {
  type Alert,
  type AlertId,
  contentId,
  type DecodedEvent,
  type EventId,
  eventId,
  LIMITS,
  rfc3339,
} from '../core/index.ts';
import type { Fired } from './detection-correlate.ts';
import { entitiesOfEvent, entitiesOfFired } from './detection-entities.ts';
import { explainMatch } from './detection-explain.ts';
import { fieldReader, toText } from './detection-fields.ts';
import type { DetectionRule, Rule } from './detection-rule.ts';
import { readsNormalisedFirst } from './detection-taxonomy.ts';

const DEFAULT_TITLE = '[ on {hosts}][ by {accounts}][ from {addresses}]';
/** A field's value inside a title, so that one long value does not push out the rest. */
const TITLE_VALUE_CHARS_MAX = 80;

const clip = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

/** One name itself, several as a number: "alice", "3 accounts". */
function several(names: readonly string[], plural: string): string {
  if (names.length === 0) return '';
  return names.length === 1 ? clip(names[0] as string, TITLE_VALUE_CHARS_MAX) : `${names.length} ${plural}`;
}

/**
 * Fills `{placeholders}`; a part in square brackets is left out when one of its placeholders is empty.
 *
 * @param value the text of a placeholder; empty when there is none
 */
export function fillTitle(template: string, value: (name: string) => string): string {
  const fill = (text: string, optional: boolean): string => {
    let missing = false;
    const out = text.replace(/\{([^{}]{1,64})\}/g, (_, name: string) => {
      const found = value(name);
      if (found === '') missing = true;
      return found === '' ? 'unknown' : found;
    });
    return optional && missing ? '' : out;
  };
  const text = template
    .split(/(\[[^[\]]*\])/)
    .map((part) => (part.startsWith('[') ? fill(part.slice(1, -1), true) : fill(part, false)));
  return clip(
    text
      .join('')
      .replace(/[\s\p{Cc}]+/gu, ' ')
      .trim(),
    LIMITS.nameCharsMax,
  );
}

function alertId(rule: Rule, parts: readonly string[]): AlertId {
  return contentId<AlertId>(
    'alert',
    createHash('sha256')
      .update([rule.id, ...parts].join('\0'))
      .digest(),
  );
}

function base(rule: Rule, event: DecodedEvent) {
  return {
    rule: {
      id: clip(rule.id, LIMITS.nameCharsMax),
      title: rule.title,
      level: rule.level,
      tags: [...rule.tags],
      ...(rule.description ? { description: rule.description } : {}),
      false_positives: [...rule.falsePositives],
      ...(rule.response ? { response: rule.response } : {}),
    },
    time: rfc3339(event.timeMs),
    received: rfc3339(event.receivedMs),
    source: { id: event.source, name: clip(event.norm.host ?? event.format, LIMITS.nameCharsMax) },
    state: 'new' as const,
    retrospective: false,
    exercise: event.exercise,
  };
}

const fieldOf = (event: DecodedEvent, name: string): string => {
  const text = toText(fieldReader(name, true)(event));
  return text === null ? '' : clip(typeof text === 'string' ? text : text.join(', '), TITLE_VALUE_CHARS_MAX);
};

/** The alert of one event that a rule matched. */
export function alertOfEvent(rule: DetectionRule, event: DecodedEvent, streamId: string): Alert {
  const id = eventId(streamId, event.seq, event.index);
  const { norm } = event;
  const title = fillTitle(rule.titleTemplate ?? `${rule.title}${DEFAULT_TITLE}`, (name) => {
    if (name === 'hosts') return clip(norm.host ?? '', TITLE_VALUE_CHARS_MAX);
    if (name === 'accounts') return clip(norm.user ?? '', TITLE_VALUE_CHARS_MAX);
    if (name === 'addresses') return norm.src_ip ?? '';
    return fieldOf(event, name);
  });
  return {
    ...base(rule, event),
    id: alertId(rule, [id]),
    title,
    entities: entitiesOfEvent(event),
    events: [id],
    event_count: 1,
    matched: explainMatch(rule.expr, event, readsNormalisedFirst(rule.logsource), id),
  };
}

/** "12", or "≈ 10,240 (standard error 2.2 %)" where it is an estimate. */
function numberWords(fired: Fired): string {
  const { number, errorPercent } = fired.reached;
  const plain = String(Math.round(number * 100) / 100);
  return errorPercent === 0 ? plain : `≈ ${plain} (standard error ${errorPercent} %)`;
}

/** The alert of a correlation; `last` is the event that completed its window, or one that stands for it. */
export function alertOfFired(fired: Fired, last: DecodedEvent, streamId: string): Alert {
  const { rule, reached } = fired;
  const events: EventId[] = reached.refs
    .slice(0, LIMITS.evidenceMax)
    .map((ref) => eventId(streamId, ref.seq, ref.index));
  const values: Readonly<Record<string, string>> = {
    count: String(fired.count),
    number: numberWords(fired),
    note: fired.note ?? '',
    accounts: several(fired.accounts, 'accounts'),
    hosts: several(fired.hosts, 'hosts'),
    addresses: several(fired.addresses, 'addresses'),
    ...Object.fromEntries(
      Object.entries(fired.group).map(([name, value]) => [name, clip(value, TITLE_VALUE_CHARS_MAX)]),
    ),
  };
  const tail = fired.note === null ? ': {count} events' : ': {note}';
  const template = rule.titleTemplate ?? `${rule.title}${DEFAULT_TITLE}${tail}`;
  const words = [
    `${numberWords(fired)} in ${Math.round(rule.timespanMs / 1000)} s`,
    ...(fired.note === null ? [] : [fired.note]),
  ];
  return {
    ...base(rule, last),
    // Group and event time: the same whatever else came in between.
    id: alertId(rule, [fired.key, String(fired.ms)]),
    title: fillTitle(template, (name) =>
      Object.hasOwn(values, name) ? (values[name] as string) : fieldOf(last, name),
    ),
    entities: entitiesOfFired(fired, last),
    events,
    event_count: fired.count,
    matched: [
      { field: rule.type, value: String(reached.number), words },
      ...Object.entries(fired.group).map(([field, value]) => ({
        field: clip(field, LIMITS.nameCharsMax),
        value: clip(value, 240),
        words: ['group-by'],
      })),
    ].slice(0, LIMITS.evidenceMax),
  };
}

/** Which group an event belongs to: the values of the group-by fields, made once an event for all correlations alike. */

import type { DecodedEvent } from '../core/index.ts';
import { fieldReader, type ReadField, toText } from './detection-fields.ts';
import type { CorrelationRule, Rule } from './detection-rule.ts';

/** The field that a name of the correlation means in one of its rules. */
export function aliased(rule: CorrelationRule, name: string, member: Rule): string {
  const alias = rule.aliases[name];
  return alias?.[member.name ?? ''] ?? alias?.[member.id] ?? name;
}

function scalarOf(event: DecodedEvent, read: ReadField): string | null {
  const text = toText(read(event));
  return typeof text === 'string' || text === null ? text : (text[0] ?? null);
}

/**
 * Makes group keys; correlations with the same group-by share one, because an event that many of them count is keyed
 * once. The key also tells exercises from the real thing.
 */
export interface KeyMaker {
  /** The group-by values joined with NUL, or null when the event lacks one: it belongs to no group. */
  readonly label: (event: DecodedEvent) => string | null;
  readonly key: (event: DecodedEvent) => string;
}

/** The values of fields joined with NUL; null when one is missing. */
export function joinedValues(event: DecodedEvent, readers: readonly ReadField[]): string | null {
  let out = '';
  for (let i = 0; i < readers.length; i++) {
    const value = scalarOf(event, readers[i] as ReadField);
    if (value === null || value === '' || value === '-') return null;
    out = i === 0 ? value : `${out}\0${value}`;
  }
  return out;
}

/** First letter of the keys of exercises; no value begins with it, as it is a control character. */
const EXERCISE = '\x01';
export const isExerciseKey = (key: string): boolean => key.startsWith(EXERCISE);

export function keyOf(label: string, exercise: boolean): string {
  const lower = label.toLowerCase();
  return exercise ? EXERCISE + lower : lower === label ? label : lower;
}

function createKeyMaker(readers: readonly ReadField[]): KeyMaker {
  let last: DecodedEvent | null = null;
  let label: string | null = null;
  let key = '';
  const look = (event: DecodedEvent): void => {
    if (event === last) return;
    last = event;
    label = joinedValues(event, readers);
    if (label !== null) key = keyOf(label, event.exercise);
  };
  return {
    label: (event) => {
      look(event);
      return label;
    },
    key: (event) => {
      look(event);
      return key;
    },
  };
}

export type KeyMakers = Map<string, KeyMaker>;

export function keyMakersOf(
  rule: CorrelationRule,
  members: readonly Rule[],
  normFirst: boolean,
  shared: KeyMakers,
): KeyMaker[] {
  return members.map((member) => {
    const names = rule.groupBy.map((name) => aliased(rule, name, member));
    const id = `${normFirst}\0${names.join('\0')}`;
    const known = shared.get(id) ?? createKeyMaker(names.map((name) => fieldReader(name, normFirst)));
    shared.set(id, known);
    return known;
  });
}

/** Reads what a value_… type counts, for both orders of names and each rule. */
export function valueReaders(rule: CorrelationRule, members: readonly Rule[]): ReadField[][][] {
  return [false, true].map((norm) =>
    members.map((member) => rule.fields.map((name) => fieldReader(aliased(rule, name, member), norm))),
  );
}

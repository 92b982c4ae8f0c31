/** Proposes filters from alerts that analysts found harmless: values that all of those share and no real one has. Pure. */

import type { Alert, DecodedEvent } from '../core/index.ts';
import { conditionHolds, type SuppressionCondition } from './detection-control.ts';
import { toText } from './detection-fields.ts';

export interface JudgedAlert {
  readonly alert: Alert;
  /** The event that the alert names first; null when it is no longer archived. */
  readonly event: DecodedEvent | null;
}

export interface Proposal {
  readonly conditions: readonly SuppressionCondition[];
  /** Alerts that it would have silenced. */
  readonly harmless: number;
  readonly real: number;
  readonly unjudged: number;
  readonly harmlessAll: number;
  readonly sentence: string;
}

const PROPOSALS_MAX = 5;
const VALUE_CHARS_MAX = 256;
/** Columns and fields that differ in every event or say nothing of who it was. */
const USELESS =
  /^(?:pid|bytes|class_uid|severity_id|src_port|message|raw|outcome|action|event_code|status|.*(?:time|guid|record|processid|threadid|logonid|sequence).*|_.*)$/i;

function valuesOf({ alert, event }: JudgedAlert): Map<string, Set<string>> {
  const out = new Map<string, Set<string>>();
  const add = (field: string, value: string) => {
    if (value === '' || value.length > VALUE_CHARS_MAX) return;
    const set = out.get(field) ?? new Set();
    set.add(value.toLowerCase());
    out.set(field, set);
  };
  for (const { type, value, role } of alert.entities)
    if (role !== 'witness' && (type === 'address' || type === 'account' || type === 'host'))
      add(`entity.${type}`, value);
  for (const [field, value] of [...Object.entries(event?.norm ?? {}), ...Object.entries(event?.fields ?? {})]) {
    if (USELESS.test(field)) continue;
    const text = toText(value);
    if (typeof text === 'string') add(field, text);
  }
  return out;
}

/** How many harmless alerts have each value. */
function commonValues(harmless: readonly JudgedAlert[]): { field: string; value: string; count: number }[] {
  const counts = new Map<string, { field: string; value: string; count: number }>();
  for (const one of harmless)
    for (const [field, values] of valuesOf(one))
      for (const value of values) {
        const key = `${field}\0${value}`;
        const known = counts.get(key) ?? { field, value, count: 0 };
        known.count++;
        counts.set(key, known);
      }
  return [...counts.values()].sort((a, b) => b.count - a.count);
}

/**
 * The conditions that silence most harmless alerts and no real one, narrow ones preferred: one value, or the most frequent
 * value together with a second.
 */
export function proposeFilters(judged: readonly JudgedAlert[]): Proposal[] {
  const by = (verdict: Alert['verdict'] | undefined) => judged.filter(({ alert }) => alert.verdict === verdict);
  const harmless = by('harmless');
  if (harmless.length === 0) return [];
  const covers = (conditions: readonly SuppressionCondition[], list: readonly JudgedAlert[]): number => {
    const tests = conditions.map(conditionHolds);
    return list.filter(({ alert, event }) => event !== null && tests.every((test) => test(alert, event))).length;
  };
  const single = commonValues(harmless)
    .slice(0, 40)
    .map(({ field, value }): SuppressionCondition => ({ field, op: 'equals', value }));
  const pairs = single.slice(0, 8).flatMap((a, i) =>
    single
      .slice(i + 1, 8)
      .filter((b) => b.field !== a.field)
      .map((b) => [a, b]),
  );
  const seen = new Set<string>();
  return [...pairs, ...single.map((one) => [one])]
    .map((conditions) => ({
      conditions,
      harmless: covers(conditions, harmless),
      real: covers(conditions, by('real')),
      unjudged: covers(conditions, by(undefined)),
    }))
    .filter(({ harmless: n, real }) => n > 0 && real === 0)
    .sort((a, b) => b.harmless - a.harmless || a.unjudged - b.unjudged || b.conditions.length - a.conditions.length)
    .filter(({ harmless: n, unjudged }) => {
      const key = `${n}:${unjudged}`;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    })
    .slice(0, PROPOSALS_MAX)
    .map((one) => ({
      ...one,
      harmlessAll: harmless.length,
      sentence: `${one.conditions.map(({ field, value }) => `${field} is "${value}"`).join(' and ')}: would have silenced ${one.harmless} of ${harmless.length} harmless alerts, none of the real ones and ${one.unjudged} that nobody judged.`,
    }));
}

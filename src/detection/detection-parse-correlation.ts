/** Reads the `correlation` part of a rule (Sigma correlation specification 2.1). */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import {
  type Bounds,
  CORRELATION_TYPES,
  type CorrelationRule,
  type CorrelationType,
  RuleFault,
} from './detection-rule.ts';
import { isMap, type Json } from './detection-selection.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 7 * 86_400_000,
  M: 30 * 86_400_000,
  y: 365 * 86_400_000,
};
const OPERATORS = ['gte', 'gt', 'lte', 'lt', 'eq', 'neq'] as const;

function names(value: Json | undefined, path: readonly string[], what: string): string[] {
  if (value === undefined || value === null) return [];
  const list: readonly Json[] = Array.isArray(value) ? value : [value as Json];
  if (list.length > 64) throw new RuleFault(`${what} has too many entries`, path);
  return list.map((item) => {
    if (typeof item !== 'string' || item === '') throw new RuleFault(`${what} must be names`, path);
    return item;
  });
}

function timespan(
  value: Json | undefined,
  path: readonly string[] = ['correlation', 'timespan'],
  leastMs = 1000,
): number {
  const found = /^(\d{1,6})([smhdwMy])$/.exec(typeof value === 'string' ? value : '');
  if (!found) throw new RuleFault(`"${path[1]}" must be a number with s, m, h, d, w, M or y`, path);
  const ms = Number(found[1]) * (UNIT_MS[found[2] as string] as number);
  if (ms < leastMs || ms > LIMIT.timespanMsMax) throw new RuleFault(`"${path[1]}" must be between 1s and 31d`, path);
  return ms;
}

function readBounds(condition: Json | undefined): { bounds: Bounds; fields: string[]; percentile: number } {
  const path = ['correlation', 'condition'];
  if (!isMap(condition)) throw new RuleFault('"condition" with a number is missing', path.slice(0, 1));
  const bounds: Record<string, number> = {};
  for (const op of OPERATORS) {
    const value = condition[op];
    if (value === undefined) continue;
    if (typeof value !== 'number' || !Number.isFinite(value))
      throw new RuleFault(`"${op}" needs a number`, [...path, op]);
    bounds[op] = value;
  }
  if (Object.keys(bounds).length === 0) throw new RuleFault('the condition compares with no number', path);
  const percentile = condition.percentile ?? 50;
  if (typeof percentile !== 'number' || !(percentile >= 0 && percentile <= 100)) {
    throw new RuleFault('"percentile" must be between 0 and 100', [...path, 'percentile']);
  }
  return { bounds, fields: names(condition.field, [...path, 'field'], '"field"'), percentile };
}

/** Bounds that more events can only make truer are judged as they come; others when the window is over. */
function checkBounds(type: CorrelationType, bounds: Bounds): void {
  const path = ['correlation', 'condition'];
  const counts = type === 'event_count' || type === 'value_count';
  if (!counts) return;
  for (const bound of Object.values(bounds)) if (bound < 0) throw new RuleFault('a count is never below 0', path);
  if ((bounds.gte ?? 1) < 1) throw new RuleFault('"gte" of a count must be at least 1', path);
  const most = Math.max(bounds.gte ?? 0, bounds.gt ?? 0, bounds.eq ?? 0);
  const limit = type === 'event_count' ? LIMIT.groupEntriesMax : LIMIT.distinctMax;
  if (most > limit) throw new RuleFault(`a count may be at most ${limit}`, path);
}

/** Our extension under `asepsis:`: `window: tumbling|session`, and `learn: 7d` for values that are new. */
function readOwn(own: Json | undefined, type: CorrelationType): Pick<CorrelationRule, 'window' | 'learnMs'> {
  if (!isMap(own)) return { window: 'sliding', learnMs: null };
  const { window = 'sliding', learn } = own;
  if (window !== 'sliding' && window !== 'tumbling' && window !== 'session')
    throw new RuleFault('"window" is sliding, tumbling or session', ['asepsis', 'window']);
  if (learn === undefined) return { window, learnMs: null };
  if (type !== 'value_count') throw new RuleFault('"learn" belongs to a value_count', ['asepsis', 'learn']);
  return { window, learnMs: learn === 0 ? 0 : timespan(learn, ['asepsis', 'learn'], 0) };
}

function readAliases(value: Json | undefined): CorrelationRule['aliases'] {
  const path = ['correlation', 'aliases'];
  if (value === undefined || value === null) return {};
  if (!isMap(value)) throw new RuleFault('"aliases" must be a map', path);
  const out: Record<string, Record<string, string>> = {};
  for (const [alias, map] of Object.entries(value)) {
    if (!isMap(map)) throw new RuleFault('an alias must be a map of rules to fields', [...path, alias]);
    const fields: Record<string, string> = {};
    for (const [rule, field] of Object.entries(map)) {
      if (typeof field !== 'string') throw new RuleFault('an alias must name a field', [...path, alias, rule]);
      fields[rule] = field;
    }
    out[alias] = fields;
  }
  return out;
}

type CorrelationPart = Pick<
  CorrelationRule,
  | 'type'
  | 'rules'
  | 'groupBy'
  | 'timespanMs'
  | 'fields'
  | 'percentile'
  | 'bounds'
  | 'aliases'
  | 'generate'
  | 'window'
  | 'learnMs'
>;

/** @throws RuleFault with the reason and the path of what is wrong */
export function readCorrelation(value: Json, own?: Json): CorrelationPart {
  if (!isMap(value)) throw new RuleFault('"correlation" must be a map', ['correlation']);
  const type = CORRELATION_TYPES.find((known) => known === value.type);
  if (!type)
    throw new RuleFault(`the correlation type "${JSON.stringify(value.type ?? null).slice(0, 32)}" is not known`, [
      'correlation',
    ]);
  const rules = names(value.rules, ['correlation', 'rules'], '"rules"');
  if (rules.length === 0) throw new RuleFault('"rules" is missing', ['correlation']);
  const temporal = type === 'temporal' || type === 'temporal_ordered';
  if (temporal && rules.length < 2)
    throw new RuleFault('a temporal correlation needs two rules', ['correlation', 'rules']);
  if (temporal && rules.length > 16) throw new RuleFault('at most 16 rules in one', ['correlation', 'rules']);
  const condition =
    temporal && value.condition === undefined
      ? { bounds: { gte: rules.length }, fields: [], percentile: 50 }
      : readBounds(value.condition);
  if (type.startsWith('value_') && condition.fields.length === 0) {
    throw new RuleFault('"field" is missing in the condition', ['correlation', 'condition']);
  }
  checkBounds(type, condition.bounds);
  return {
    type,
    rules,
    groupBy: names(value['group-by'], ['correlation', 'group-by'], '"group-by"'),
    timespanMs: timespan(value.timespan ?? value.timeframe),
    ...condition,
    aliases: readAliases(value.aliases),
    generate: value.generate === true,
    ...readOwn(own, type),
  };
}

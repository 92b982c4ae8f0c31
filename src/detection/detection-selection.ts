/** Turns the `detection` part of a rule into one expression: selections (maps, lists, keywords) and the condition. */

import type { LogSource } from '../core/index.ts';
import { parseCondition } from './detection-condition.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { type Placeholders, readField, type Scalar } from './detection-modifiers.ts';
import { all, any, type Expr, PlaceholderFault, RuleFault } from './detection-rule.ts';

export type Path = readonly (string | number)[];
export type Json = Scalar | readonly Json[] | { readonly [key: string]: Json };

export const isMap = (value: unknown): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isScalar = (value: Json): value is Scalar => value === null || typeof value !== 'object';

/** Gives a fault that knows no place the place where it happened. */
function at<T>(path: Path, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PlaceholderFault && error.path.length === 0)
      throw new PlaceholderFault(error.placeholders, path);
    if (error instanceof RuleFault && error.path.length === 0) throw new RuleFault(error.message, path);
    throw error;
  }
}

interface Budget {
  left: number;
}

function scalars(value: Json, path: Path, budget: Budget): { values: Scalar[]; isList: boolean } {
  const list: readonly Json[] = Array.isArray(value) ? value : [value as Json];
  const values: Scalar[] = [];
  for (const [i, item] of list.entries()) {
    if (!isScalar(item)) throw new RuleFault('a value must be text, a number, true, false or null', [...path, i]);
    values.push(item);
  }
  budget.left -= values.length;
  if (budget.left < 0) throw new RuleFault('the rule has too many values', path);
  return { values, isList: Array.isArray(value) };
}

interface Reading {
  readonly budget: Budget;
  readonly placeholders: Placeholders;
}

function selection(value: Json, path: Path, reading: Reading, depth: number): Expr {
  const { budget, placeholders } = reading;
  if (depth > LIMIT.ruleDepthMax) throw new RuleFault('lists and maps are nested too deeply', path);
  if (isMap(value)) {
    const of = Object.entries(value).map(([key, inner]) => {
      const here = [...path, key];
      const { values, isList } = scalars(inner, here, budget);
      return at(here, () => readField(key, values, isList, placeholders));
    });
    if (of.length === 0) throw new RuleFault('the selection is empty', path);
    return all(of);
  }
  if (Array.isArray(value)) {
    if (value.length === 0) throw new RuleFault('the selection is empty', path);
    return any((value as readonly Json[]).map((item, i) => selection(item, [...path, i], reading, depth + 1)));
  }
  if (value === null) throw new RuleFault('the selection is empty', path);
  budget.left--;
  return at(path, () => readField('', [value as Scalar], false, placeholders));
}

/**
 * @throws PlaceholderFault when nothing but values of placeholders is missing
 * @throws RuleFault with the reason and the path of what is wrong
 */
export function readDetection(detection: Json | undefined, path: Path, placeholders: Placeholders = {}): Expr {
  if (!isMap(detection)) throw new RuleFault('"detection" must be a map of selections and a condition', path);
  const reading = { budget: { left: LIMIT.ruleValuesMax }, placeholders };
  const selections = new Map<string, Expr>();
  const waits: PlaceholderFault[] = [];
  for (const [name, value] of Object.entries(detection)) {
    if (name === 'condition' || name === 'timeframe') continue;
    try {
      selections.set(name, selection(value, [...path, name], reading, 0));
    } catch (error) {
      // All placeholders of a rule are named together; whether the rest is right is found out as well.
      if (!(error instanceof PlaceholderFault)) throw error;
      waits.push(error);
      selections.set(name, { t: 'const', value: false });
    }
  }
  if (selections.size === 0) throw new RuleFault('there is no selection', path);
  const { condition } = detection;
  const texts = Array.isArray(condition) ? (condition as readonly Json[]) : [condition];
  const here = [...path, 'condition'];
  if (texts.length === 0 || texts.length > 32) throw new RuleFault('the condition is missing', here);
  const expr = any(
    texts.map((text) => {
      if (typeof text !== 'string')
        throw new RuleFault('the condition is missing', 'condition' in detection ? here : path);
      return at(here, () => parseCondition(text, selections));
    }),
  );
  if (waits.length > 0)
    throw new PlaceholderFault([...new Set(waits.flatMap(({ placeholders }) => placeholders))], waits[0]?.path);
  return expr;
}

export function readLogsource(value: Json | undefined, path: Path): LogSource {
  if (!isMap(value)) throw new RuleFault('"logsource" is missing', path);
  const out: { product?: string; category?: string; service?: string } = {};
  for (const key of ['product', 'category', 'service'] as const) {
    const word = value[key];
    if (word === undefined || word === null) continue;
    if (typeof word !== 'string' || word.length > 128) throw new RuleFault(`"${key}" must be a word`, [...path, key]);
    out[key] = word.toLowerCase();
  }
  if (Object.keys(out).length === 0) throw new RuleFault('"logsource" names no product, category or service', path);
  return out;
}

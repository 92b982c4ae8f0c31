/** Turns the `detection` part of a rule into one expression: selections (maps, lists, keywords) and the condition. */

import type { LogSource } from '../core/index.ts';
import { parseCondition } from './detection-condition.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { Placeholders } from './detection-modifiers.ts';
import { any, type Expr, PlaceholderFault, RuleFault } from './detection-rule.ts';
import {
  at,
  type DetectionTree,
  DROPPED,
  isMap,
  type Json,
  type Path,
  prune,
  readTree,
  type Tree,
  treeExpr,
} from './detection-tree.ts';

export { isMap, type Json, type Path } from './detection-tree.ts';

/** @throws RuleFault with the reason and the path of what is wrong */
export function readSelections(detection: Json | undefined, path: Path, logsource: LogSource): DetectionTree {
  if (!isMap(detection)) throw new RuleFault('"detection" must be a map of selections and a condition', path);
  const budget = { left: LIMIT.ruleValuesMax };
  const selections = new Map<string, Tree>();
  for (const [name, value] of Object.entries(detection)) {
    if (name === 'condition' || name === 'timeframe') continue;
    selections.set(name, readTree(value, [...path, name], budget));
  }
  if (selections.size === 0) throw new RuleFault('there is no selection', path);
  const { condition } = detection;
  const texts = Array.isArray(condition) ? (condition as readonly Json[]) : [condition];
  const here = [...path, 'condition'];
  if (texts.length === 0 || texts.length > 32) throw new RuleFault('the condition is missing', here);
  const conditions = texts.map((text) => {
    if (typeof text !== 'string')
      throw new RuleFault('the condition is missing', 'condition' in detection ? here : path);
    return text;
  });
  return { logsource, selections, conditions };
}

/**
 * @throws PlaceholderFault when nothing but values of placeholders is missing
 * @throws RuleFault with the reason and the path of what is wrong
 */
export function selectionsExpr(tree: DetectionTree, path: Path, placeholders: Placeholders = {}): Expr {
  const selections = new Map<string, Expr>();
  const waits: PlaceholderFault[] = [];
  for (const [name, selection] of tree.selections) {
    try {
      selections.set(name, treeExpr(selection, placeholders));
    } catch (error) {
      // All placeholders of a rule are named together; whether the rest is right is found out as well.
      if (!(error instanceof PlaceholderFault)) throw error;
      waits.push(error);
      selections.set(name, { t: 'const', value: false });
    }
  }
  const here = [...path, 'condition'];
  const expr = prune(any(tree.conditions.map((text) => at(here, () => parseCondition(text, selections)))));
  if (waits.length > 0)
    throw new PlaceholderFault([...new Set(waits.flatMap(({ placeholders: names }) => names))], waits[0]?.path);
  if (expr === DROPPED) throw new RuleFault('a processing pipeline leaves nothing of the rule', path);
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

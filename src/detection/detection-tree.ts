/** A rule's selections between YAML and expression: what processing pipelines look at and change. */

import type { LogSource } from '../core/index.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { type Placeholders, readField, type Scalar } from './detection-modifiers.ts';
import { all, any, type Expr, PlaceholderFault, RuleFault } from './detection-rule.ts';

export type Path = readonly (string | number)[];
export type Json = Scalar | readonly Json[] | { readonly [key: string]: Json };

export const isMap = (value: unknown): value is { readonly [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isScalar = (value: Json): value is Scalar => value === null || typeof value !== 'object';

/** One line of a selection: a field (empty for keywords), its modifiers and its values. */
export interface Item {
  readonly k: 'item';
  readonly field: string;
  readonly modifiers: readonly string[];
  readonly values: readonly Scalar[];
  readonly isList: boolean;
  readonly path: Path;
  /** Ids of the processing items that changed it. */
  readonly applied: readonly string[];
}
export type Tree = Item | { readonly k: 'and' | 'or'; readonly of: readonly Tree[] };

export interface DetectionTree {
  readonly logsource: LogSource;
  readonly selections: ReadonlyMap<string, Tree>;
  readonly conditions: readonly string[];
}

/** Stands where nothing is left of a selection: it is neither true nor false, and vanishes from its condition. */
export const DROPPED: Expr = { t: 'const', value: true };

/** Gives a fault that knows no place the place where it happened. */
export function at<T>(path: Path, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof PlaceholderFault && error.path.length === 0)
      throw new PlaceholderFault(error.placeholders, path);
    if (error instanceof RuleFault && error.path.length === 0) throw new RuleFault(error.message, path);
    throw error;
  }
}

export function itemOf(key: string, values: readonly Scalar[], isList: boolean, path: Path): Item {
  const [field = '', ...modifiers] = key.split('|');
  return { k: 'item', field: field.trim(), modifiers, values, isList, path, applied: [] };
}

function itemFrom(key: string, value: Json, path: Path, budget: { left: number }): Item {
  const list: readonly Json[] = Array.isArray(value) ? value : [value as Json];
  const values: Scalar[] = [];
  for (const [i, one] of list.entries()) {
    if (!isScalar(one)) throw new RuleFault('a value must be text, a number, true, false or null', [...path, i]);
    values.push(one);
  }
  budget.left -= values.length;
  if (budget.left < 0) throw new RuleFault('the rule has too many values', path);
  return itemOf(key, values, Array.isArray(value), path);
}

export function readTree(value: Json, path: Path, budget: { left: number }, depth = 0): Tree {
  if (depth > LIMIT.ruleDepthMax) throw new RuleFault('lists and maps are nested too deeply', path);
  if (isMap(value)) {
    const of = Object.entries(value).map(([key, inner]) => itemFrom(key, inner, [...path, key], budget));
    if (of.length === 0) throw new RuleFault('the selection is empty', path);
    return of.length === 1 ? (of[0] as Item) : { k: 'and', of };
  }
  if (Array.isArray(value)) {
    if (value.length === 0) throw new RuleFault('the selection is empty', path);
    return {
      k: 'or',
      of: (value as readonly Json[]).map((item, i) => readTree(item, [...path, i], budget, depth + 1)),
    };
  }
  if (value === null) throw new RuleFault('the selection is empty', path);
  return itemFrom('', value, path, budget);
}

/** @throws RuleFault, PlaceholderFault with the place of the item that is wrong */
export function treeExpr(tree: Tree, placeholders: Placeholders): Expr {
  if (tree.k === 'item') {
    const key = [tree.field, ...tree.modifiers].join('|');
    return at(tree.path, () => readField(key, tree.values, tree.isList, placeholders));
  }
  if (tree.of.length === 0) return DROPPED;
  const of = tree.of.map((part) => treeExpr(part, placeholders)).filter((part) => part !== DROPPED);
  if (of.length === 0) return DROPPED;
  return tree.k === 'and' ? all(of) : any(of);
}

/** Takes what was dropped out of a condition; DROPPED when nothing is left. */
export function prune(expr: Expr): Expr {
  if (expr.t === 'not') {
    const inner = prune(expr.of);
    return inner === DROPPED ? DROPPED : inner === expr.of ? expr : { t: 'not', of: inner };
  }
  if (expr.t !== 'and' && expr.t !== 'or') return expr;
  const of = expr.of.map(prune).filter((part) => part !== DROPPED);
  if (of.length === 0) return DROPPED;
  if (of.length === expr.of.length && of.every((part, i) => part === expr.of[i])) return expr;
  return expr.t === 'and' ? all(of) : any(of);
}

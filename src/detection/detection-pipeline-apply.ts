/** Runs processing pipelines over a rule's selections: the same steps in the same order as pySigma, on the same parts. */

import type { LogSource } from '../core/index.ts';
import type { Placeholders, Scalar } from './detection-modifiers.ts';
import { type Conditions, type Options, type Pipeline, type Step, textsOf, wordOf } from './detection-pipeline.ts';
import { createRegex } from './detection-regex.ts';
import { RuleFault } from './detection-rule.ts';
import { type DetectionTree, type Item, itemOf, type Json, type Tree } from './detection-tree.ts';
import { hasWildcard, parsePattern } from './detection-value.ts';

/** What conditions may ask of the rule as it was written. */
export interface RuleFacts {
  readonly tags: readonly string[];
  readonly attributes: Readonly<Record<string, Json>>;
}

interface Run {
  tree: DetectionTree;
  readonly facts: RuleFacts;
  readonly placeholders: Placeholders;
  readonly state: Map<string, string>;
  readonly applied: Set<string>;
  added: number;
}

const sameState = (run: Run, options: Options): boolean =>
  run.state.get(wordOf(options.key)) === (options.val === undefined ? undefined : wordOf(options.val));

function holds(conditions: Conditions, test: (type: string, options: Options) => boolean): boolean {
  if (conditions.list.length === 0) return true;
  const check = ({ type, options }: Conditions['list'][number]): boolean => test(type, options);
  const result = conditions.any ? conditions.list.some(check) : conditions.list.every(check);
  return result !== conditions.negated;
}

function items(tree: Tree): Item[] {
  return tree.k === 'item' ? [tree] : tree.of.flatMap(items);
}

function ruleHolds(run: Run, step: Step): boolean {
  const all = (): Item[] => [...run.tree.selections.values()].flatMap(items);
  return holds(step.onRule, (type, options) => {
    switch (type) {
      case 'logsource':
        return (['product', 'category', 'service'] as const).every(
          (part) => options[part] === undefined || wordOf(options[part]).toLowerCase() === run.tree.logsource[part],
        );
      case 'contains_field':
        return all().some(({ field }) => field === options.field);
      case 'contains_detection_item':
        return all().some(
          ({ field, values }) =>
            field === options.field && values.some((value) => String(value) === wordOf(options.value)),
        );
      case 'processing_item_applied':
        return run.applied.has(wordOf(options.processing_item_id));
      case 'processing_state':
        return sameState(run, options);
      case 'is_sigma_rule':
        return true;
      case 'tag':
        return run.facts.tags.includes(wordOf(options.tag));
      case 'rule_attribute':
        return attributeHolds(run.facts.attributes[wordOf(options.attribute)], options);
      default:
        return false;
    }
  });
}

function attributeHolds(value: Json | undefined, options: Options): boolean {
  if (value === undefined || value === null) return false;
  const wanted = options.value;
  const op = options.op ?? 'eq';
  if (op === 'in') return textsOf(wanted).includes(String(value as Scalar));
  if (op === 'not_in') return !textsOf(wanted).includes(String(value as Scalar));
  const texts = textsOf(value);
  if (op === 'eq') return texts.includes(String(wanted as Scalar));
  if (op === 'ne') return !texts.includes(String(wanted as Scalar));
  const a = Number(texts[0]);
  const b = Number(wanted);
  return op === 'gte' ? a >= b : op === 'gt' ? a > b : op === 'lte' ? a <= b : op === 'lt' && a < b;
}

/** Whether a text fits as the specification of the conditions says: from its beginning. */
const fits = (pattern: string, text: string): boolean => createRegex(`^(?:${pattern})`).test(text);

function itemHolds(run: Run, step: Step, item: Item): boolean {
  const each = (options: Options, test: (value: Scalar) => boolean): boolean =>
    options.cond === 'all' ? item.values.every(test) : item.values.some(test);
  const common = (type: string, options: Options): boolean =>
    type === 'processing_item_applied'
      ? item.applied.includes(wordOf(options.processing_item_id))
      : type === 'processing_state' && sameState(run, options);
  const onItem = holds(step.onItem, (type, options) => {
    switch (type) {
      case 'match_string':
        return (
          each(options, (value) => typeof value === 'string' && fits(wordOf(options.pattern), value)) !==
          (options.negate === true)
        );
      case 'match_value':
        return each(options, (value) => String(value) === wordOf(options.value));
      case 'is_null':
        return each(options, (value) => value === null);
      case 'contains_wildcard':
        return each(options, (value) => typeof value === 'string' && hasWildcard(parsePattern(value)));
      default:
        return common(type, options);
    }
  });
  if (!onItem) return false;
  return holds(step.onField, (type, options) => {
    if (type !== 'include_fields' && type !== 'exclude_fields') return common(type, options);
    const byPattern = options.mode === 're';
    const listed = textsOf(options.fields).some((field) =>
      byPattern ? fits(field, item.field) : field === item.field,
    );
    return listed === (type === 'include_fields');
  });
}

const withField = (item: Item, field: string): Item => ({ ...item, field });
const alternatives = (list: readonly Tree[]): Tree => (list.length === 1 ? (list[0] as Tree) : { k: 'or', of: list });

/**
 * The item under its new names; several names are alternatives. What asks that something is not there asks it of all
 * names: here, unlike in a query, one of the names is always missing.
 */
function renamed(item: Item, names: readonly string[]): Tree {
  const of = names.map((name) => withField(item, name));
  const absent = item.values.includes(null) || item.modifiers.includes('neq') || item.modifiers.includes('exists');
  if (!absent) return alternatives(of);
  const present = item.modifiers.includes('exists') && item.values.every((value) => String(value) === 'true');
  return present ? alternatives(of) : { k: 'and', of };
}

const mapText = (item: Item, change: (text: string) => string | readonly string[]): Item => ({
  ...item,
  values: item.values.flatMap((value): Scalar | readonly Scalar[] =>
    typeof value === 'string' ? change(value) : value,
  ),
});

const PLACEHOLDER = /%([^%\s]+)%/g;

function wanted(name: string, options: Options): boolean {
  const include = textsOf(options.include);
  const exclude = textsOf(options.exclude);
  return include.length > 0 ? include.includes(name) : !exclude.includes(name);
}

function fillPlaceholders(item: Item, run: Run, step: Step): Item {
  if (!item.modifiers.includes('expand')) return item;
  const wildcard = step.type === 'wildcard_placeholders';
  return mapText(item, (text) => {
    let texts = [text];
    for (const [marked, name] of text.matchAll(PLACEHOLDER)) {
      if (!wanted(name as string, step.options)) continue;
      const values = wildcard ? ['*'] : run.placeholders[name as string]?.map(String);
      if (values) texts = texts.flatMap((one) => values.map((value) => one.replaceAll(marked, () => value)));
    }
    return texts;
  });
}

/** `Hashes: SHA256=…` as a field for each kind of hash (pySigma's hashes_fields). */
function hashFields(item: Item, options: Options): Tree {
  const known = textsOf(options.valid_hash_algos).map((name) => name.toUpperCase());
  const prefix = typeof options.field_prefix === 'string' ? options.field_prefix : '';
  const lengths: Readonly<Record<number, string>> = { 32: 'MD5', 40: 'SHA1', 64: 'SHA256', 128: 'SHA512' };
  const parts = item.values.flatMap((value): Tree[] => {
    const found = /^\*?(?:([A-Za-z0-9]+)=)?([0-9A-Fa-f]{32,128})\*?$/.exec(String(value));
    const hash = found?.[2];
    const kind = (found?.[1] ?? lengths[hash?.length ?? 0])?.toUpperCase();
    if (!hash || !kind || (known.length > 0 && !known.includes(kind))) return [];
    const field = options.drop_algo_prefix === true ? prefix : `${prefix}${kind}`;
    return [{ ...item, field, modifiers: [], values: [hash], isList: false }];
  });
  return parts.length === 0 ? item : item.modifiers.includes('all') ? { k: 'and', of: parts } : alternatives(parts);
}

function converted(value: Scalar, type: Json | undefined): Scalar {
  if (type === 'num' || type === 'number') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof number === 'number' && Number.isFinite(number) ? number : value;
  }
  return value === null ? null : String(value);
}

function changeCase(text: string, method: Json | undefined): string {
  if (method === 'upper') return text.toUpperCase();
  if (method !== 'snake_case') return text.toLowerCase();
  return text.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase();
}

/** The item after one step; null when the step drops it. */
function changed(item: Item, step: Step, run: Run): Tree | null {
  const { options } = step;
  switch (step.type) {
    case 'field_name_mapping': {
      const names = textsOf((options.mapping as Options)[item.field]);
      return item.field === '' || names.length === 0 ? item : renamed(item, names);
    }
    case 'field_name_prefix_mapping': {
      const found = Object.entries(options.mapping as Options).find(([prefix]) => item.field.startsWith(prefix));
      if (!found || item.field === '') return item;
      return renamed(
        item,
        textsOf(found[1]).map((name) => name + item.field.slice(found[0].length)),
      );
    }
    case 'field_name_prefix':
      return item.field === '' ? item : withField(item, wordOf(options.prefix) + item.field);
    case 'field_name_suffix':
      return item.field === '' ? item : withField(item, item.field + wordOf(options.suffix));
    case 'drop_detection_item':
      return null;
    case 'replace_string': {
      const regex = new RegExp(wordOf(options.regex), 'g');
      // Python writes groups as \1, JavaScript as $1.
      const text = wordOf(options.replacement)
        .replaceAll('$', '$$$$')
        .replace(/\\(\d)/g, '$$$1');
      return mapText(item, (value) => value.replace(regex, text));
    }
    case 'map_string':
      return mapText(item, (value) => {
        const to = (options.mapping as Options)[value];
        return to === undefined ? value : textsOf(to);
      });
    case 'set_value':
      return { ...item, values: [(options.value ?? null) as Scalar], isList: false };
    case 'convert_type':
      return { ...item, values: item.values.map((value) => converted(value, options.target_type)) };
    case 'case':
      return mapText(item, (value) => changeCase(value, options.method));
    case 'value_placeholders':
    case 'wildcard_placeholders':
      return fillPlaceholders(item, run, step);
    case 'hashes_fields':
      return hashFields(item, options);
    case 'detection_item_failure':
      throw new RuleFault((wordOf(options.message) || 'a processing pipeline refuses it').slice(0, 200), item.path);
    default:
      return item;
  }
}

function walk(tree: Tree, step: Step, run: Run): Tree | null {
  if (tree.k !== 'item') {
    const of = tree.of.flatMap((part) => walk(part, step, run) ?? []);
    return of.length === 0 ? null : { k: tree.k, of };
  }
  if (!itemHolds(run, step, tree)) return tree;
  const out = changed(tree, step, run);
  if (out === tree || out === null) return out;
  run.applied.add(step.id);
  return marked(out, step.id);
}

const marked = (tree: Tree, id: string): Tree =>
  tree.k === 'item'
    ? { ...tree, applied: [...tree.applied, id] }
    : { k: tree.k, of: tree.of.map((part) => marked(part, id)) };

function addCondition(run: Run, { options }: Step): void {
  const fill = (value: Scalar): Scalar =>
    options.template === true && typeof value === 'string'
      ? value.replace(
          /\$\{?(category|product|service)\}?/g,
          (_, part: keyof LogSource) => run.tree.logsource[part] ?? '',
        )
      : value;
  const of = Object.entries(options.conditions as Options).map(([key, value]) => {
    const list = Array.isArray(value) ? (value as readonly Scalar[]) : [value as Scalar];
    return itemOf(key, list.map(fill), Array.isArray(value), ['detection']);
  });
  const name = typeof options.name === 'string' ? options.name : `_added_${run.added++}`;
  const selections = new Map(run.tree.selections);
  selections.set(name, { k: 'and', of });
  const not = options.negated === true ? 'not ' : '';
  run.tree = {
    ...run.tree,
    selections,
    conditions: run.tree.conditions.map((condition) => `${not}${name} and (${condition})`),
  };
}

function runStep(run: Run, step: Step): void {
  if (!ruleHolds(run, step)) return;
  const { options } = step;
  switch (step.type) {
    case 'add_condition':
      addCondition(run, step);
      break;
    case 'change_logsource': {
      const logsource: { product?: string; category?: string; service?: string } = {};
      for (const part of ['product', 'category', 'service'] as const)
        if (typeof options[part] === 'string') logsource[part] = options[part].toLowerCase();
      run.tree = { ...run.tree, logsource };
      break;
    }
    case 'set_state':
      run.state.set(wordOf(options.key), wordOf(options.val));
      break;
    case 'rule_failure':
      throw new RuleFault((wordOf(options.message) || 'a processing pipeline refuses it').slice(0, 200));
    default: {
      const selections = new Map<string, Tree>();
      for (const [name, tree] of run.tree.selections)
        selections.set(name, walk(tree, step, run) ?? { k: 'and', of: [] });
      run.tree = { ...run.tree, selections };
      return;
    }
  }
  run.applied.add(step.id);
}

/**
 * The selections after all pipelines, those of the lowest priority number first.
 *
 * @throws RuleFault when a pipeline refuses the rule
 */
export function applyPipelines(
  tree: DetectionTree,
  pipelines: readonly Pipeline[],
  facts: RuleFacts,
  placeholders: Placeholders,
): DetectionTree {
  const vars = Object.assign({}, ...pipelines.map((pipeline) => pipeline.vars)) as Placeholders;
  const run: Run = {
    tree,
    facts,
    placeholders: { ...vars, ...placeholders },
    state: new Map(),
    applied: new Set(),
    added: 0,
  };
  for (const { steps } of [...pipelines].sort((a, b) => a.priority - b.priority))
    for (const step of steps) runStep(run, step);
  return run.tree;
}

/**
 * Reads processing pipelines as pySigma writes them (YAML: `transformations` with conditions on rule, detection item and
 * field name). Every step is checked when it is read; what has no meaning without a query text is left out by name.
 */

import type { Scalar } from './detection-modifiers.ts';
import { parseRegex } from './detection-regex-parse.ts';
import { RuleFault } from './detection-rule.ts';
import { isMap, type Json } from './detection-tree.ts';

export type Options = { readonly [key: string]: Json };

/** A condition with its kind and options, and how several are joined. */
export interface Conditions {
  readonly list: readonly { readonly type: string; readonly options: Options }[];
  readonly any: boolean;
  readonly negated: boolean;
}

export interface Step {
  readonly id: string;
  readonly type: string;
  readonly options: Options;
  readonly onRule: Conditions;
  readonly onItem: Conditions;
  readonly onField: Conditions;
}

export interface Pipeline {
  readonly name: string;
  readonly priority: number;
  readonly steps: readonly Step[];
  readonly vars: Readonly<Record<string, readonly Scalar[]>>;
  /** Parts that only change the text of a query, and so do nothing here. */
  readonly ignored: readonly string[];
}

const STEPS: ReadonlySet<string> = new Set([
  'field_name_mapping',
  'field_name_prefix_mapping',
  'field_name_prefix',
  'field_name_suffix',
  'drop_detection_item',
  'add_condition',
  'change_logsource',
  'replace_string',
  'map_string',
  'set_value',
  'convert_type',
  'case',
  'set_state',
  'value_placeholders',
  'wildcard_placeholders',
  'hashes_fields',
  'rule_failure',
  'detection_item_failure',
  'nest',
]);
/** Known to pySigma, and without meaning for a rule that is matched instead of translated. */
const WITHOUT_MEANING: ReadonlySet<string> = new Set([
  'add_field',
  'remove_field',
  'set_field',
  'set_custom_attribute',
  'regex',
]);
const RULE_CONDITIONS: ReadonlySet<string> = new Set([
  'logsource',
  'contains_detection_item',
  'contains_field',
  'processing_item_applied',
  'processing_state',
  'is_sigma_rule',
  'is_sigma_correlation_rule',
  'rule_attribute',
  'tag',
]);
const ITEM_CONDITIONS: ReadonlySet<string> = new Set([
  'match_string',
  'match_value',
  'is_null',
  'contains_wildcard',
  'processing_item_applied',
  'processing_state',
]);
const FIELD_CONDITIONS: ReadonlySet<string> = new Set([
  'include_fields',
  'exclude_fields',
  'processing_item_applied',
  'processing_state',
]);

const STEPS_MAX = 2000;

const fail = (reason: string): never => {
  throw new RuleFault(reason);
};

function conditions(map: Options, prefix: string, known: ReadonlySet<string>, where: string): Conditions {
  const given = map[`${prefix}_conditions`] ?? [];
  const list = Array.isArray(given)
    ? (given as readonly Json[])
    : isMap(given)
      ? Object.values(given)
      : [given as Json];
  if (map[`${prefix}_cond_expression`] !== undefined || map[`${prefix}_cond_expr`] !== undefined)
    fail(`${where}: expressions over conditions are not supported`);
  return {
    list: list.map((one) => {
      if (!isMap(one) || typeof one.type !== 'string') return fail(`${where}: a condition needs a "type"`);
      if (!known.has(one.type)) return fail(`${where}: the condition "${one.type.slice(0, 64)}" is not known`);
      if (one.type === 'match_string') parseRegex(wordOf(one.pattern), { i: false, m: false, s: false });
      if (one.type.endsWith('_fields') && one.mode === 're')
        for (const field of textsOf(one.fields)) parseRegex(field, { i: false, m: false, s: false });
      return { type: one.type, options: one };
    }),
    any: map[`${prefix}_cond_op`] === 'or',
    negated: map[`${prefix}_cond_not`] === true,
  };
}

export function textsOf(value: Json | undefined): string[] {
  if (value === undefined || value === null) return [];
  const list: readonly Json[] = Array.isArray(value) ? value : [value as Json];
  return list.filter((one) => one !== null && typeof one !== 'object').map(String);
}

export const wordOf = (value: Json | undefined): string => textsOf(value)[0] ?? '';

function checkStep(type: string, options: Options, where: string): void {
  if (
    (type === 'field_name_mapping' || type === 'field_name_prefix_mapping' || type === 'map_string') &&
    !isMap(options.mapping)
  )
    fail(`${where}: "${type}" needs a "mapping"`);
  if (type === 'replace_string') {
    if (typeof options.regex !== 'string' || typeof options.replacement !== 'string')
      fail(`${where}: "replace_string" needs "regex" and "replacement"`);
    // Only what cannot run away is accepted; it is run by JavaScript then, which knows the groups.
    parseRegex(options.regex as string, { i: false, m: false, s: false });
  }
  if (type === 'add_condition' && !isMap(options.conditions)) fail(`${where}: "add_condition" needs "conditions"`);
  if (type === 'set_state' && typeof options.key !== 'string') fail(`${where}: "set_state" needs a "key"`);
}

function readStep(value: Json, n: number, ignored: string[]): Step | null {
  const where = `transformation ${n + 1}`;
  if (!isMap(value) || typeof value.type !== 'string') return fail(`${where} needs a "type"`);
  if (WITHOUT_MEANING.has(value.type)) {
    ignored.push(value.type);
    return null;
  }
  if (!STEPS.has(value.type)) return fail(`${where}: "${value.type.slice(0, 64)}" is not known`);
  checkStep(value.type, value, where);
  return {
    id: typeof value.id === 'string' ? value.id : `#${n}`,
    type: value.type,
    options: value,
    onRule: conditions(value, 'rule', RULE_CONDITIONS, where),
    onItem: conditions(value, 'detection_item', ITEM_CONDITIONS, where),
    onField: conditions(value, 'field_name', FIELD_CONDITIONS, where),
  };
}

/**
 * @param value the YAML document of a pipeline
 * @throws RuleFault with the reason
 */
export function readPipeline(value: Json, name: string): Pipeline {
  if (!isMap(value)) return fail('a pipeline must be a map');
  const given = value.transformations ?? [];
  if (!Array.isArray(given)) return fail('"transformations" must be a list');
  if (given.length > STEPS_MAX) return fail('there are too many transformations');
  const ignored = ['postprocessing', 'finalizers'].filter((part) => value[part] !== undefined);
  const steps: Step[] = [];
  (given as readonly Json[]).forEach((one, n) => {
    const inner = isMap(one) && one.type === 'nest' && Array.isArray(one.items) ? (one.items as readonly Json[]) : null;
    const outer = readStep(one, n, ignored);
    if (!outer) return;
    if (!inner) {
      steps.push(outer);
      return;
    }
    // A nest's conditions on the rule hold for all of its items.
    for (const item of inner) {
      const step = readStep(item, n, ignored);
      if (step) steps.push({ ...step, onRule: joined(outer.onRule, step.onRule) });
    }
  });
  const vars: Record<string, readonly Scalar[]> = {};
  if (isMap(value.vars)) for (const [key, one] of Object.entries(value.vars)) vars[key] = textsOf(one);
  return {
    name: typeof value.name === 'string' ? value.name : name,
    priority: typeof value.priority === 'number' ? value.priority : 0,
    steps,
    vars,
    ignored,
  };
}

function joined(a: Conditions, b: Conditions): Conditions {
  if (a.list.length === 0) return b;
  if (b.list.length === 0) return a;
  if (a.any || b.any || a.negated || b.negated) return fail('nested conditions may only be joined with "and"');
  return { list: [...a.list, ...b.list], any: false, negated: false };
}

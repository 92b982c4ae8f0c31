/** Loads rule folders: every `.yml` and `.yaml` in them, filters applied, references between rules checked. */

import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError } from '../core/index.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { parseRules } from './detection-parse.ts';
import { all, type DetectionRule, type FilterRule, type Refusal, type Rule } from './detection-rule.ts';

export interface LoadedRules {
  readonly rules: Rule[];
  readonly refused: Refusal[];
}

const isRuleFile = (name: string): boolean => /\.ya?ml$/.test(name) && !/\.test\.ya?ml$/.test(name);

/** Files under a folder in a stable order; a path to a file is that file. */
export async function ruleFiles(path: string, wanted: (name: string) => boolean = isRuleFile): Promise<string[]> {
  const found = await stat(path).catch(() => null);
  if (!found) throw new AsepsisError('INPUT_UNREADABLE', `There is no rule folder or file ${path}.`);
  if (found.isFile()) return [path];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && wanted(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
    .sort();
}

const fits = (filter: FilterRule, rule: DetectionRule): boolean => {
  const { product, category, service } = filter.logsource;
  const { logsource } = rule;
  const sameSource =
    (product === undefined || product === logsource.product) &&
    (category === undefined || category === logsource.category) &&
    (service === undefined || service === logsource.service);
  return sameSource && (filter.rules === null || filter.rules.some((name) => name === rule.id || name === rule.name));
};

/** A filter narrows its rules: their condition and its condition. */
function applyFilters(rules: readonly Rule[], filters: readonly FilterRule[]): Rule[] {
  if (filters.length === 0) return [...rules];
  return rules.map((rule) => {
    if (rule.kind !== 'detection') return rule;
    const chosen = filters.filter((filter) => fits(filter, rule));
    return chosen.length === 0 ? rule : { ...rule, expr: all([rule.expr, ...chosen.map((filter) => filter.expr)]) };
  });
}

/** Correlations whose rules are all there and that do not lead back to themselves; the others with the reason. */
function checkReferences(rules: readonly Rule[]): LoadedRules {
  const byName = new Map<string, Rule>();
  for (const rule of rules) {
    byName.set(rule.id, rule);
    if (rule.name !== null) byName.set(rule.name, rule);
  }
  const verdicts = new Map<Rule, string | null>();
  const judge = (rule: Rule, above: readonly Rule[]): string | null => {
    if (rule.kind === 'detection') return null;
    const known = verdicts.get(rule);
    if (known !== undefined) return known;
    if (above.includes(rule)) return 'the correlation leads back to itself';
    if (above.length >= LIMIT.chainDepthMax) return 'too many correlations build on each other';
    let verdict: string | null = null;
    for (const name of rule.rules) {
      const member = byName.get(name);
      verdict ??= member ? judge(member, [...above, rule]) : `the rule "${name.slice(0, 128)}" is not there`;
    }
    verdicts.set(rule, verdict);
    return verdict;
  };
  const kept: Rule[] = [];
  const refused: Refusal[] = [];
  for (const rule of rules) {
    const reason = judge(rule, []);
    if (reason === null) kept.push(rule);
    else refused.push({ file: rule.file, line: rule.line, column: 1, reason });
  }
  return { rules: kept, refused };
}

/** Keeps the first of rules with one id; the others are refused by name. */
function unique(rules: readonly Rule[]): LoadedRules {
  const seen = new Map<string, Rule>();
  const kept: Rule[] = [];
  const refused: Refusal[] = [];
  for (const rule of rules) {
    const names = [rule.id, ...(rule.name === null ? [] : [rule.name])];
    const earlier = names.map((name) => seen.get(name)).find((found) => found !== undefined);
    if (earlier || kept.length >= LIMIT.rulesMax) {
      const reason = earlier ? `the id is already used by ${earlier.file}` : `more than ${LIMIT.rulesMax} rules`;
      refused.push({ file: rule.file, line: rule.line, column: 1, reason });
      continue;
    }
    for (const name of names) seen.set(name, rule);
    kept.push(rule);
  }
  return { rules: kept, refused };
}

/** Puts what several files brought together: filters, names, references. */
export function assembleRules(rules: readonly Rule[], filters: readonly FilterRule[]): LoadedRules {
  const single = unique(rules);
  const checked = checkReferences(applyFilters(single.rules, filters));
  return { rules: checked.rules, refused: [...single.refused, ...checked.refused] };
}

/**
 * Loads every rule of the folders (or files). What is no rule is answered in `refused` and stops nothing.
 *
 * @throws AsepsisError INPUT_UNREADABLE when a folder is not there
 */
export async function loadRules(folders: readonly string[]): Promise<LoadedRules> {
  const rules: Rule[] = [];
  const filters: FilterRule[] = [];
  const refused: Refusal[] = [];
  const seen = new Set<string>();
  for (const folder of folders) {
    for (const file of await ruleFiles(folder)) {
      if (seen.has(file)) continue;
      seen.add(file);
      const content = await readFile(file, 'utf8').catch(() => null);
      if (content === null) {
        refused.push({ file, line: 1, column: 1, reason: 'the file cannot be read' });
        continue;
      }
      const parsed = parseRules(content, file);
      rules.push(...parsed.rules);
      filters.push(...parsed.filters);
      refused.push(...parsed.refused);
    }
  }
  const assembled = assembleRules(rules, filters);
  return { rules: assembled.rules, refused: [...refused, ...assembled.refused] };
}

/** Loads rule folders: every `.yml` and `.yaml` in them, filters applied, references between rules checked. */

import { readFileSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError } from '../core/index.ts';
import { cacheKey, readCache, writeCache } from './detection-cache.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { parseRules, type ReadOptions } from './detection-parse.ts';
import { all, type DetectionRule, type FilterRule, type Refusal, type Rule, type Waiting } from './detection-rule.ts';

export interface LoadedRules {
  readonly rules: Rule[];
  readonly refused: Refusal[];
  /** Well written rules that wait for values which only the site knows. */
  readonly waiting: Waiting[];
}

export interface LoadOptions extends ReadOptions {
  /** Folder in which what was read is kept for the next start. */
  readonly cacheDir?: string;
}

type Kept = Pick<LoadedRules, 'rules' | 'refused'>;

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
function checkReferences(rules: readonly Rule[]): Kept {
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
function unique(rules: readonly Rule[]): Kept {
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
export function assembleRules(rules: readonly Rule[], filters: readonly FilterRule[]): Kept {
  const single = unique(rules);
  const checked = checkReferences(applyFilters(single.rules, filters));
  return { rules: checked.rules, refused: [...single.refused, ...checked.refused] };
}

/** Every rule file once with its text, null when it cannot be read. */
async function textsOf(folders: readonly string[]): Promise<[file: string, content: string | null][]> {
  const files = new Set<string>();
  for (const folder of folders) for (const file of await ruleFiles(folder)) files.add(file);
  // One after the other and without waiting: thousands of small files take a third of the time.
  return [...files].map((file) => {
    try {
      return [file, readFileSync(file, 'utf8')];
    } catch {
      return [file, null];
    }
  });
}

/**
 * Loads every rule of the folders (or files). What is no rule is answered in `refused` and stops nothing.
 *
 * @throws AsepsisError INPUT_UNREADABLE when a folder is not there
 */
export async function loadRules(folders: readonly string[], options: LoadOptions = {}): Promise<LoadedRules> {
  const { cacheDir, ...reading } = options;
  const found = await textsOf(folders);
  const texts = found.filter((one): one is [string, string] => one[1] !== null);
  const unreadable = found.length - texts.length;
  const key = cacheDir === undefined || unreadable > 0 ? null : cacheKey(texts, reading);
  const kept = key === null ? null : readCache(cacheDir as string, key);
  if (kept) return kept;
  const rules: Rule[] = [];
  const filters: FilterRule[] = [];
  const refused: Refusal[] = [];
  const waiting: Waiting[] = [];
  for (const [file, content] of found) {
    if (content === null) {
      refused.push({ file, line: 1, column: 1, reason: 'the file cannot be read' });
      continue;
    }
    const parsed = parseRules(content, file, reading);
    rules.push(...parsed.rules);
    filters.push(...parsed.filters);
    refused.push(...parsed.refused);
    waiting.push(...parsed.waiting);
  }
  const assembled = assembleRules(rules, filters);
  const loaded = { rules: assembled.rules, refused: [...refused, ...assembled.refused], waiting };
  if (key !== null) writeCache(cacheDir as string, key, loaded);
  return loaded;
}

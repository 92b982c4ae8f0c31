/** What only the site knows about its rules: values of placeholders and processing pipelines, from YAML or JSON files. */

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument } from 'yaml';
import { AsepsisError } from '../core/index.ts';
import type { Placeholders, Scalar } from './detection-modifiers.ts';
import { type Pipeline, readPipeline } from './detection-pipeline.ts';
import { type Refusal, RuleFault } from './detection-rule.ts';
import type { Json } from './detection-tree.ts';

const SITE_FILE_BYTES_MAX = 4 * 1024 * 1024;

const isScalar = (value: unknown): value is Scalar =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

const fail = (path: string, reason: string): never => {
  throw new AsepsisError('RULE_INVALID', `${path}: ${reason}.`);
};

/** The one YAML document of a file. */
function readSiteFile(path: string): unknown {
  let text: string;
  try {
    if (statSync(path).size > SITE_FILE_BYTES_MAX) throw new Error('it is larger than 4 MiB');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`, { cause: error });
  }
  try {
    const document = parseDocument(text, { logLevel: 'silent' });
    const fault = document.errors[0];
    if (fault) return fail(path, fault.message.split('\n')[0] ?? 'it cannot be read');
    return document.toJS({ maxAliasCount: 0 }) as unknown;
  } catch (error) {
    if (error instanceof ReferenceError) return fail(path, 'YAML aliases are not accepted');
    if (error instanceof RangeError) return fail(path, 'it is nested too deeply');
    throw error;
  }
}

/**
 * `name: value` or `name: [values]`, names without percent signs.
 *
 * @throws AsepsisError INPUT_UNREADABLE when the file cannot be read, RULE_INVALID when it says something else
 */
export function readPlaceholders(path: string): Placeholders {
  const value = readSiteFile(path);
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) return fail(path, 'it must be a map of names and values');
  const out: Record<string, readonly Scalar[]> = {};
  for (const [name, given] of Object.entries(value)) {
    const list: unknown[] = Array.isArray(given) ? given : [given];
    if (!list.every(isScalar)) return fail(path, `the values of "${name.slice(0, 64)}" must be texts or numbers`);
    out[name.replace(/^%|%$/g, '')] = list.filter((one) => one !== null);
  }
  return out;
}

const SHIPPED = join(import.meta.dirname, 'pipelines');

/** Names of the pipelines that come along. */
export const shippedPipelines = (): string[] =>
  readdirSync(SHIPPED)
    .filter((name) => name.endsWith('.yml'))
    .map((name) => name.slice(0, -4))
    .sort();

/**
 * Pipelines by the name of one that comes along, or by file.
 *
 * @throws AsepsisError INPUT_UNREADABLE when a file cannot be read, RULE_INVALID when it is no pipeline
 */
export function readPipelines(names: readonly string[]): Pipeline[] {
  const shipped = new Set(shippedPipelines());
  return names.map((name) => {
    const path = shipped.has(name) ? join(SHIPPED, `${name}.yml`) : name;
    const value = readSiteFile(path);
    try {
      return readPipeline(value as Json, name);
    } catch (error) {
      if (error instanceof RuleFault) return fail(path, error.message);
      throw error;
    }
  });
}

/**
 * Both for a desk that must start whatever its files say: what cannot be used is refused by name, and the rules are loaded
 * without it.
 */
export function readSite(o: { placeholders: string | null; pipelines: readonly string[] }): {
  options: { placeholders?: Placeholders; pipelines?: Pipeline[] };
  refused: Refusal[];
} {
  const refused: Refusal[] = [];
  const attempt = <T>(file: string, work: () => T): T | null => {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof AsepsisError)) throw error;
      refused.push({ file, line: 1, column: 1, reason: error.message });
      return null;
    }
  };
  const { placeholders: path } = o;
  const placeholders = path === null ? null : attempt(path, () => readPlaceholders(path));
  const pipelines = o.pipelines.flatMap((name) => attempt(name, () => readPipelines([name])) ?? []);
  return {
    options: { ...(placeholders ? { placeholders } : {}), ...(pipelines.length > 0 ? { pipelines } : {}) },
    refused,
  };
}

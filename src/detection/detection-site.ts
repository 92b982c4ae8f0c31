/** What only the site knows about its rules: values of placeholders, from a YAML or JSON file. */

import { readFileSync, statSync } from 'node:fs';
import { parseDocument } from 'yaml';
import { AsepsisError } from '../core/index.ts';
import type { Placeholders, Scalar } from './detection-modifiers.ts';

const SITE_FILE_BYTES_MAX = 4 * 1024 * 1024;

const isScalar = (value: unknown): value is Scalar =>
  value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';

/**
 * `name: value` or `name: [values]`, names without percent signs.
 *
 * @throws AsepsisError INPUT_UNREADABLE when the file cannot be read, RULE_INVALID when it says something else
 */
export function readPlaceholders(path: string): Placeholders {
  let text: string;
  try {
    if (statSync(path).size > SITE_FILE_BYTES_MAX) throw new Error('it is larger than 4 MiB');
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path}: ${(error as Error).message}.`, { cause: error });
  }
  const fail = (reason: string): never => {
    throw new AsepsisError('RULE_INVALID', `${path}: ${reason}.`);
  };
  const document = parseDocument(text, { logLevel: 'silent' });
  const fault = document.errors[0];
  if (fault) return fail(fault.message.split('\n')[0] ?? 'it cannot be read');
  const value: unknown = document.toJS({ maxAliasCount: 0 });
  if (value === null) return {};
  if (typeof value !== 'object' || Array.isArray(value)) return fail('it must be a map of names and values');
  const out: Record<string, readonly Scalar[]> = {};
  for (const [name, given] of Object.entries(value)) {
    const list: unknown[] = Array.isArray(given) ? given : [given];
    if (!list.every(isScalar)) return fail(`the values of "${name.slice(0, 64)}" must be texts or numbers`);
    out[name.replace(/^%|%$/g, '')] = list.filter((one) => one !== null);
  }
  return out;
}

/** Reads the one YAML configuration file: defaults filled in, unknown keys refused with the nearest known one, faults by line. */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Value } from 'typebox/value';
import { isMap, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import { AsepsisError, type Config, ConfigSchema } from '../core/index.ts';

/** A configuration file is small; more is a mistake or an attack. */
const FILE_BYTES_MAX = 1024 * 1024;

type Schema = { type?: string; properties?: Record<string, Schema>; items?: Schema; anyOf?: Schema[] };

/** The configuration of an empty file. */
export function defaultConfig(): Config {
  return Value.Default(ConfigSchema, {}) as Config;
}

/**
 * Reads `path`, or `<dataDir>/asepsis.yaml` when none is named and that exists; otherwise the defaults.
 *
 * @throws CONFIG_UNREADABLE, or CONFIG_INVALID with file, line, column and the remedy
 */
export async function loadConfig(path: string | undefined, dataDir: string): Promise<Config> {
  const file = path ?? join(dataDir, 'asepsis.yaml');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    if (path === undefined && (error as NodeJS.ErrnoException).code === 'ENOENT') return defaultConfig();
    throw new AsepsisError('CONFIG_UNREADABLE', `${file}: ${(error as Error).message}.`);
  }
  return parseConfig(text, file);
}

/** The same for text that is already there; `file` is named in errors. */
export function parseConfig(text: string, file: string): Config {
  if (text.length > FILE_BYTES_MAX) throw new AsepsisError('CONFIG_INVALID', `${file} is larger than 1 MiB.`);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  const broken = document.errors[0];
  if (broken) throw new AsepsisError('CONFIG_INVALID', `${at(broken.pos[0])}: ${broken.message}.`);
  const plain: unknown = document.toJS({ maxAliasCount: 16 }) ?? {};
  refuseUnknown(document.contents, ConfigSchema as unknown as Schema, '', at);
  const filled = Value.Default(ConfigSchema, plain);
  for (const error of Value.Errors(ConfigSchema, filled)) {
    const keys = error.instancePath.split('/').slice(1);
    const node = document.getIn(keys, true) as ParsedNode | undefined;
    const place = node?.range ? at(node.range[0]) : file;
    throw new AsepsisError('CONFIG_INVALID', `${place}: ${keys.join('.') || 'the file'} ${error.message}.`);
  }
  return filled as Config;
}

function refuseUnknown(
  node: ParsedNode | null,
  schema: Schema | undefined,
  prefix: string,
  at: (offset: number) => string,
): void {
  if (!node || !schema) return;
  if (isMap(node) && schema.properties) {
    const known = Object.keys(schema.properties);
    for (const pair of node.items) {
      const key = String((pair.key as { value?: unknown }).value);
      if (!known.includes(key)) {
        const guess = nearest(key, known);
        const offset = (pair.key as ParsedNode).range?.[0] ?? 0;
        throw new AsepsisError(
          'CONFIG_INVALID',
          `${at(offset)}: "${prefix}${key}" is not a setting.${guess ? ` Did you mean "${prefix}${guess}"?` : ` Known here: ${known.join(', ')}.`}`,
        );
      }
      refuseUnknown(pair.value as ParsedNode | null, schema.properties[key], `${prefix}${key}.`, at);
    }
  } else if ('items' in node && schema.items) {
    for (const item of node.items) refuseUnknown(item as ParsedNode, schema.items, prefix, at);
  }
}

/** The known word with the fewest edits, if it is near enough to be what was meant. */
export function nearest(word: string, known: readonly string[]): string | null {
  let best: string | null = null;
  let bestEdits = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of known) {
    const edits = editDistance(word.slice(0, 64).toLowerCase(), candidate.toLowerCase());
    if (edits < bestEdits) {
      best = candidate;
      bestEdits = edits;
    }
  }
  return best;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] as number) + 1, (next[j - 1] as number) + 1));
    }
    row = next;
  }
  return row[b.length] as number;
}

/** Reads rule files: several YAML documents, each a rule, a correlation or a filter, or refused with line and column. */

import { createHash } from 'node:crypto';
import { type Document, isSeq, isMap as isYamlMap, LineCounter, type Node, parseAllDocuments } from 'yaml';
import { LIMITS, type Severity } from '../core/index.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import type { Scalar } from './detection-modifiers.ts';
import { readCorrelation } from './detection-parse-correlation.ts';
import type { Pipeline } from './detection-pipeline.ts';
import { applyPipelines } from './detection-pipeline-apply.ts';
import {
  type DetectionRule,
  type FilterRule,
  PlaceholderFault,
  type Refusal,
  type Rule,
  RuleFault,
  type Waiting,
} from './detection-rule.ts';
import { isMap, type Json, type Path, readLogsource, readSelections, selectionsExpr } from './detection-selection.ts';
import { readYaml } from './detection-yaml.ts';

export interface ParsedFile {
  readonly rules: readonly Rule[];
  readonly filters: readonly FilterRule[];
  readonly refused: readonly Refusal[];
  /** Rules that are well written and wait for values that only the site knows. */
  readonly waiting: readonly Waiting[];
}

/** What a site adds to the rules it loads. */
export interface ReadOptions {
  /** Values of placeholders: name without the percent signs → values. */
  readonly placeholders?: Readonly<Record<string, readonly Scalar[]>>;
  /** Processing pipelines that every rule goes through. */
  readonly pipelines?: readonly Pipeline[];
}

/** Log source and expression of a rule or filter, after the site's pipelines. */
function readBody(map: RuleMap, detection: Json, path: Path, options: ReadOptions) {
  const { placeholders = {}, pipelines = [] } = options;
  const written = readSelections(detection, path, readLogsource(map.logsource, ['logsource']));
  const facts = { tags: texts(map, 'tags', 128, 64), attributes: map };
  const tree = pipelines.length === 0 ? written : applyPipelines(written, pipelines, facts, placeholders);
  return { logsource: tree.logsource, expr: selectionsExpr(tree, path, placeholders) };
}

type RuleMap = { readonly [key: string]: Json };

const LEVELS: Readonly<Record<string, Severity>> = {
  informational: 'information',
  information: 'information',
  low: 'low',
  medium: 'medium',
  high: 'high',
  critical: 'critical',
};

const clip = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max - 1)}…` : text);

function text(map: RuleMap, key: string, max: number): string | null {
  const value = map[key];
  if (value === undefined || value === null) return null;
  if (typeof value === 'object') throw new RuleFault(`"${key}" must be text`, [key]);
  return clip(String(value).trim(), max);
}

function texts(map: RuleMap, key: string, max: number, items: number): string[] {
  const value = map[key];
  if (value === undefined || value === null) return [];
  const list: readonly Json[] = Array.isArray(value) ? value : [value as Json];
  return list
    .slice(0, items)
    .filter((item) => item !== null && typeof item !== 'object')
    .map((item) => clip(String(item), max));
}

/** What every kind of rule has; an `asepsis` block makes the name its id and may bring an answer and a sentence. */
function common(map: RuleMap, file: string, line: number): Omit<DetectionRule, 'kind' | 'logsource' | 'expr'> {
  const title = text(map, 'title', LIMITS.nameCharsMax);
  if (!title) throw new RuleFault('"title" is missing');
  const name = text(map, 'name', 128);
  const own = map.asepsis;
  if (own !== undefined && !isMap(own)) throw new RuleFault('"asepsis" must be a map', ['asepsis']);
  const level = text(map, 'level', 32)?.toLowerCase() ?? 'medium';
  if (!LEVELS[level]) throw new RuleFault(`the level "${clip(level, 32)}" is not known`, ['level']);
  const hash = createHash('sha256')
    .update(JSON.stringify([map.logsource, map.detection, map.correlation, map.filter]) ?? '')
    .digest('hex')
    .slice(0, 24);
  const given = text(map, 'id', 128);
  return {
    id: (own && name ? name : null) ?? given ?? name ?? `rule-${hash}`,
    name,
    title,
    level: LEVELS[level],
    tags: texts(map, 'tags', 128, 64),
    description: text(map, 'description', LIMITS.textCharsMax),
    falsePositives: texts(map, 'falsepositives', 1000, 16),
    response: own ? text(own, 'response', LIMITS.textCharsMax) : null,
    titleTemplate: own ? text(own, 'title', LIMITS.nameCharsMax) : null,
    file,
    line,
    hash,
  };
}

function readFilter(map: RuleMap, file: string, line: number, options: ReadOptions): FilterRule {
  const filter = map.filter;
  if (!isMap(filter)) throw new RuleFault('"filter" must be a map', ['filter']);
  const { rules, ...detection } = filter;
  const named = Array.isArray(rules)
    ? (rules as readonly Json[]).map((name) => (typeof name === 'string' ? name : ''))
    : rules === undefined
      ? []
      : [typeof rules === 'string' ? rules : ''];
  if (named.length === 0) throw new RuleFault('"rules" of the filter is missing', ['filter']);
  return {
    kind: 'filter',
    title: text(map, 'title', LIMITS.nameCharsMax) ?? 'filter',
    ...readBody(map, detection, ['filter'], options),
    rules: named.includes('any') ? null : named,
    file,
    line,
  };
}

function readDocument(value: Json, file: string, line: number, options: ReadOptions): Rule | FilterRule {
  if (!isMap(value)) throw new RuleFault('a rule must be a map');
  if (value.action !== undefined) throw new RuleFault('"action" (rule collections) is the old form', ['action']);
  if (value.filter !== undefined) return readFilter(value, file, line, options);
  const base = common(value, file, line);
  if (value.correlation !== undefined)
    return { ...base, kind: 'correlation', ...readCorrelation(value.correlation, value.asepsis) };
  if (value.detection === undefined) throw new RuleFault('"detection" is missing');
  return {
    ...base,
    kind: 'detection',
    ...readBody(value, value.detection, ['detection'], options),
  };
}

/** Character offset of the part of the document that a path names, or of the nearest one above it. */
function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents;
  let offset = (node as Node | null)?.range?.[0] ?? document.range[0];
  for (const step of path) {
    if (isYamlMap(node)) {
      const pair = node.items.find((item) => String((item.key as { value?: unknown })?.value) === String(step));
      if (!pair) break;
      offset = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      node = node.items[Number(step)];
      offset = (node as Node | undefined)?.range?.[0] ?? offset;
    } else break;
  }
  return offset;
}

/** Every document of a file without any fault; null when one has a fault, whose place the other way of reading knows. */
function parseFast(content: string, file: string, options: ReadOptions): ParsedFile | null {
  if (content.length > LIMIT.ruleFileBytesMax) return null;
  const documents = readYaml(content);
  if (!documents || documents.length > LIMIT.ruleDocumentsMax) return null;
  const rules: Rule[] = [];
  const filters: FilterRule[] = [];
  try {
    for (const { value, line } of documents) {
      if (value === null) continue;
      const read = readDocument(value, file, line, options);
      if (read.kind === 'filter') filters.push(read);
      else rules.push(read);
    }
  } catch (error) {
    if (error instanceof RuleFault || error instanceof RangeError) return null;
    throw error;
  }
  return { rules, filters, refused: [], waiting: [] };
}

/**
 * Reads one file. Nothing in it makes this throw: what is no rule is refused with its reason, the others are kept.
 *
 * @param content the file's text
 * @param file the name for messages
 */
export function parseRules(content: string, file: string, options: ReadOptions = {}): ParsedFile {
  return parseFast(content, file, options) ?? parseSlow(content, file, options);
}

function parseSlow(content: string, file: string, options: ReadOptions): ParsedFile {
  const rules: Rule[] = [];
  const filters: FilterRule[] = [];
  const refused: Refusal[] = [];
  const waiting: Waiting[] = [];
  const lines = new LineCounter();
  const placed = (offset: number, reason: string): Refusal => {
    const { line, col } = offset < 0 ? { line: 1, col: 1 } : lines.linePos(offset);
    return { file, line: Math.max(1, line), column: Math.max(1, col), reason };
  };
  const refuse = (offset: number, reason: string) => refused.push(placed(offset, reason));
  if (content.length > LIMIT.ruleFileBytesMax) {
    refuse(-1, `the file is larger than ${LIMIT.ruleFileBytesMax / 1024} KiB`);
    return { rules, filters, refused, waiting };
  }
  let documents: readonly Document.Parsed[] = [];
  try {
    const parsed = parseAllDocuments(content, { lineCounter: lines, prettyErrors: false, logLevel: 'silent' });
    documents = Array.isArray(parsed) ? (parsed as Document.Parsed[]) : [];
  } catch (error) {
    // The YAML library recurses: input nested too deeply ends its stack.
    refuse(-1, error instanceof RangeError ? 'the YAML is nested too deeply' : 'the YAML cannot be read');
  }
  for (const [i, document] of documents.entries()) {
    if (document.contents === null && document.errors.length === 0) continue;
    if (i >= LIMIT.ruleDocumentsMax) {
      refuse(document.range[0], `there are more than ${LIMIT.ruleDocumentsMax} documents`);
      break;
    }
    const broken = document.errors[0];
    if (broken) {
      refuse(broken.pos[0], `YAML: ${clip(broken.message.split('\n')[0] ?? '', 200)}`);
      continue;
    }
    try {
      const line = lines.linePos(offsetOf(document, [])).line;
      const read = readDocument(document.toJS({ maxAliasCount: 0 }) as Json, file, line, options);
      if (read.kind === 'filter') filters.push(read);
      else rules.push(read);
    } catch (error) {
      if (error instanceof PlaceholderFault)
        waiting.push({ ...placed(offsetOf(document, error.path), error.message), placeholders: error.placeholders });
      else if (error instanceof RuleFault) refuse(offsetOf(document, error.path), error.message);
      else if (error instanceof ReferenceError) refuse(offsetOf(document, []), 'YAML aliases are not accepted');
      else if (error instanceof RangeError) refuse(offsetOf(document, []), 'the rule is nested too deeply');
      else throw error;
    }
  }
  return { rules, filters, refused, waiting };
}

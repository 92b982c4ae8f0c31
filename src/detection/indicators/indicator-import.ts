/** Reads indicators from what people share: plain lists, CSV, STIX 2.1 bundles and MISP JSON. Bounded; what is none is named. */

import { AsepsisError, LIMITS } from '../../core/index.ts';
import { simpleValues } from './indicator-stix.ts';
import { type IndicatorValue, readIndicator } from './indicator-value.ts';

export interface IndicatorRecord extends IndicatorValue {
  readonly source: string;
  /** 0 to 100. */
  readonly confidence: number;
  /** Unix milliseconds; null: does not end. */
  readonly untilMs: number | null;
}

export interface IndicatorPattern {
  readonly pattern: string;
  readonly name: string;
  readonly source: string;
  readonly confidence: number;
  readonly untilMs: number | null;
}

export interface ImportResult {
  readonly records: readonly IndicatorRecord[];
  /** STIX patterns that are more than a list of values. */
  readonly patterns: readonly IndicatorPattern[];
  /** The first refused entries with their reason, and how many there were. */
  readonly refused: readonly { where: string; reason: string }[];
  readonly refusedCount: number;
}

export interface ImportOptions {
  /** Used where the file names no source, confidence or end. */
  readonly source: string;
  readonly confidence: number;
  readonly untilMs: number | null;
}

const FILE_CHARS_MAX = 256 * 1024 * 1024;
const RECORDS_MAX = 2_000_000;
const REFUSED_SHOWN = 50;
const PATTERNS_MAX = 10_000;

interface Collector {
  value(text: string, where: string, more?: Partial<ImportOptions>): void;
  pattern(one: IndicatorPattern): void;
  refuse(where: string, reason: string): void;
  result(): ImportResult;
}

function createCollector(o: ImportOptions): Collector {
  const records: IndicatorRecord[] = [];
  const patterns: IndicatorPattern[] = [];
  const refused: { where: string; reason: string }[] = [];
  let refusedCount = 0;
  const refuse = (where: string, reason: string) => {
    refusedCount++;
    if (refused.length < REFUSED_SHOWN) refused.push({ where, reason });
  };
  return {
    value: (text, where, more = {}) => {
      const found = readIndicator(text);
      if (found === null || records.length >= RECORDS_MAX) {
        refuse(
          where,
          found === null
            ? `"${text.slice(0, 80)}" is no address, name, URL, hash or e-mail address`
            : `more than ${RECORDS_MAX} indicators in one file`,
        );
        return;
      }
      records.push({
        ...found,
        source: (more.source ?? o.source).slice(0, LIMITS.nameCharsMax),
        confidence: more.confidence ?? o.confidence,
        untilMs: more.untilMs === undefined ? o.untilMs : more.untilMs,
      });
    },
    pattern: (one) => {
      if (patterns.length >= PATTERNS_MAX) refuse(one.name, `more than ${PATTERNS_MAX} patterns in one file`);
      else patterns.push(one);
    },
    refuse,
    result: () => ({ records, patterns, refused, refusedCount }),
  };
}

/** Reads a file of any of the four forms; the form is told from the content. */
export function importIndicators(content: string, o: ImportOptions): ImportResult {
  if (content.length > FILE_CHARS_MAX) throw new AsepsisError('INPUT_UNREADABLE', 'The list is larger than 256 MiB.');
  const collector = createCollector(o);
  const text = content.charCodeAt(0) === 0xfeff ? content.slice(1) : content;
  const first = text.slice(0, 1024).trimStart()[0];
  if (first === '{' || first === '[') readJson(text, collector, o);
  else readLines(text, collector, o);
  return collector.result();
}

function clampConfidence(value: unknown): number | undefined {
  const n = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof n === 'number' && n >= 0 && n <= 100 ? Math.round(n) : undefined;
}

function timeOf(value: unknown): number | undefined {
  const ms = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(ms) ? undefined : ms;
}

/** Splits one line of CSV (RFC 4180); separators are comma, semicolon or tab, whichever the first line has. */
function splitCsv(line: string, separator: string): string[] {
  const out: string[] = [];
  let cell = '';
  let quoted = false;
  for (let i = 0; i < line.length; i++) {
    const c = line[i] as string;
    if (quoted) {
      if (c !== '"') cell += c;
      else if (line[i + 1] === '"') {
        cell += '"';
        i++;
      } else quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === separator) {
      out.push(cell);
      cell = '';
    } else cell += c;
    if (out.length > 256) return out;
  }
  out.push(cell);
  return out;
}

const VALUE_COLUMNS = [
  'value',
  'indicator',
  'ioc',
  'ioc_value',
  'observable',
  'address',
  'ip',
  'dst_ip',
  'domain',
  'url',
  'hash',
  'sha256_hash',
  'sha256',
  'md5',
  'email',
  'host',
];
const CONFIDENCE_COLUMNS = ['confidence', 'confidence_level', 'score'];
const UNTIL_COLUMNS = ['valid_until', 'expires', 'expiry', 'expiration', 'until'];

interface CsvShape {
  readonly separator: string;
  readonly value: number;
  readonly confidence: number;
  readonly until: number;
  readonly source: number;
}

function csvShape(line: string): CsvShape | null {
  const separator = [',', ';', '\t'].find((one) => line.includes(one));
  if (separator === undefined) return null;
  const cells = splitCsv(line.replace(/^#\s*/, ''), separator).map((cell) => cell.trim().toLowerCase());
  const column = (names: readonly string[]) => cells.findIndex((cell) => names.includes(cell));
  const value = VALUE_COLUMNS.map((name) => cells.indexOf(name)).find((at) => at >= 0) ?? -1;
  return {
    separator,
    value,
    confidence: column(CONFIDENCE_COLUMNS),
    until: column(UNTIL_COLUMNS),
    source: column(['source', 'reporter', 'feed']),
  };
}

/** Plain lists: one value a line, `#` and `;` begin a comment, hosts files too. CSV: a header names the columns. */
function readLines(text: string, collector: Collector, o: ImportOptions): void {
  let shape: CsvShape | null = null;
  let number = 0;
  let begun = false;
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at) < 0 ? text.length : text.indexOf('\n', at);
    const line = text.slice(at, Math.min(end, at + 16_384)).trim();
    at = end + 1;
    number++;
    if (line === '') continue;
    if (!begun) {
      const found = csvShape(line);
      if (found !== null && found.value >= 0) {
        shape = found;
        begun = true;
        continue;
      }
      if (found !== null && !/^[#;]/.test(line)) shape = found;
    }
    if (/^[#;]|^\/\//.test(line)) continue;
    begun = true;
    const where = `line ${number}`;
    if (shape !== null) readRow(splitCsv(line, shape.separator), shape, where, collector, o);
    else {
      const words = line.replace(/\s+[#;].*$/, '').split(/\s+/);
      const hosts = words.length === 2 && /^(?:0\.0\.0\.0|127\.0\.0\.1|::1?)$/.test(words[0] as string);
      collector.value((hosts ? words[1] : words[0]) as string, where);
    }
  }
}

function readRow(
  cells: readonly string[],
  shape: CsvShape,
  where: string,
  collector: Collector,
  o: ImportOptions,
): void {
  const until = timeOf(cells[shape.until]);
  const confidence = clampConfidence(cells[shape.confidence]);
  const more = {
    ...(until === undefined ? {} : { untilMs: until }),
    ...(confidence === undefined ? {} : { confidence }),
    source: cells[shape.source]?.trim() || o.source,
  };
  // Without a header the first cell that is an indicator is the one that is meant.
  const value = shape.value >= 0 ? cells[shape.value] : cells.find((cell) => readIndicator(cell.trim()) !== null);
  if (value === undefined) collector.refuse(where, 'no cell of this row is an indicator');
  else collector.value(value.trim().replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1'), where, more);
}

type Json = Record<string, unknown>;
const isMap = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');

function readJson(text: string, collector: Collector, o: ImportOptions): void {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    throw new AsepsisError('INPUT_UNREADABLE', 'The list begins like JSON and is none.');
  }
  const list = Array.isArray(root) ? root : [root];
  for (const [i, item] of list.entries()) {
    if (typeof item === 'string') collector.value(item, `entry ${i + 1}`);
    else if (!isMap(item)) collector.refuse(`entry ${i + 1}`, 'not an object');
    else if (Array.isArray(item.objects)) for (const object of item.objects) readStix(object, collector, o);
    else if (textOf(item.type) === 'indicator' && 'pattern' in item) readStix(item, collector, o);
    else if (isMap(item.Event) || Array.isArray(item.Attribute) || isMap(item.response) || Array.isArray(item.response))
      readMisp(item, collector, o, 0);
    else {
      const value = VALUE_COLUMNS.map((name) => item[name]).find((found) => typeof found === 'string');
      if (typeof value === 'string') collector.value(value, `entry ${i + 1}`);
      else collector.refuse(`entry ${i + 1}`, 'neither STIX, MISP nor a value');
    }
  }
}

/** An indicator object of STIX 2.1 (section 4.7). Other objects are context and are passed over. */
function readStix(object: unknown, collector: Collector, o: ImportOptions): void {
  if (!isMap(object) || object.type !== 'indicator') return;
  const id = textOf(object.id).slice(0, 80);
  const kind = textOf(object.pattern_type) || 'stix';
  if (object.revoked === true || kind !== 'stix') {
    collector.refuse(id, object.revoked === true ? 'revoked' : `the pattern is written in ${kind.slice(0, 32)}`);
    return;
  }
  const until = timeOf(object.valid_until);
  const confidence = clampConfidence(object.confidence) ?? o.confidence;
  const untilMs = until === undefined ? o.untilMs : until;
  const pattern = textOf(object.pattern);
  const read = simpleValues(pattern);
  if (read.kind === 'fault') collector.refuse(id, read.reason);
  else if (read.kind === 'values') for (const value of read.values) collector.value(value, id, { confidence, untilMs });
  else
    collector.pattern({
      pattern,
      name: textOf(object.name).slice(0, LIMITS.nameCharsMax) || id,
      source: o.source,
      confidence,
      untilMs,
    });
}

const MISP_TYPES = new Set([
  'ip-src',
  'ip-dst',
  'ip-src|port',
  'ip-dst|port',
  'domain',
  'hostname',
  'hostname|port',
  'domain|ip',
  'url',
  'uri',
  'link',
  'md5',
  'sha1',
  'sha256',
  'sha512',
  'sha224',
  'sha384',
  'filename|md5',
  'filename|sha1',
  'filename|sha256',
  'filename|sha512',
  'email',
  'email-src',
  'email-dst',
  'email-reply-to',
]);

/** Attributes of a MISP event, also those inside its objects. Only those marked for detection (`to_ids`) are indicators. */
function readMisp(node: Json, collector: Collector, o: ImportOptions, depth: number): void {
  if (depth > 6) return;
  for (const key of ['response', 'Event', 'Object'] as const) {
    const inner = node[key];
    for (const one of Array.isArray(inner) ? inner : [inner]) if (isMap(one)) readMisp(one, collector, o, depth + 1);
  }
  if (!Array.isArray(node.Attribute)) return;
  for (const attribute of node.Attribute) {
    if (!isMap(attribute)) continue;
    const type = textOf(attribute.type);
    if (!MISP_TYPES.has(type) || attribute.deleted === true || attribute.to_ids === false) continue;
    const parts = textOf(attribute.value).split('|');
    const where = textOf(attribute.uuid).slice(0, 40) || type;
    const values = type.startsWith('filename|') ? parts.slice(1) : type.endsWith('|port') ? parts.slice(0, 1) : parts;
    for (const value of values) collector.value(value, where);
  }
}

/** What of a rule the archive can decide by itself: from columns' distinct values and from texts that the record must hold. */

import {
  type DecodedEvent,
  type EventRecord,
  NORMALISED_COLUMNS,
  type NormalisedColumn,
  type PartCondition,
  parseEventId,
} from '../core/index.ts';
import { evaluateTest } from './detection-plain.ts';
import type { Expr, Test } from './detection-rule.ts';
import { FIELD_ALIASES } from './detection-taxonomy.ts';

/** Shorter texts are in every record. */
const TEXT_CHARS_MIN = 3;
const VALUES_MAX = 2000;

const isColumn = (name: string): name is NormalisedColumn => Object.hasOwn(NORMALISED_COLUMNS, name);

/** The column from which a field of a rule may come, beside the record's own text. */
function columnOf(field: string): NormalisedColumn | null {
  if (isColumn(field)) return field;
  const alias = Object.hasOwn(FIELD_ALIASES, field) ? FIELD_ALIASES[field] : undefined;
  return alias?.column ?? null;
}

/** The columns that a rule's expression asks for. */
function columnsOf(expr: Expr): NormalisedColumn[] {
  const found = new Set<NormalisedColumn>();
  const visit = (part: Expr): void => {
    if (part.t === 'and' || part.t === 'or') part.of.forEach(visit);
    else if (part.t === 'test') {
      const column = columnOf(part.field);
      if (column !== null) found.add(column);
    }
  };
  visit(expr);
  return [...found];
}

/** The longest piece that stands in the record as it is: escapes and letters beyond ASCII may be written in many ways. */
function literalOf(test: Test): string | null {
  if (test.kind !== 'text') return null;
  let best = '';
  for (const piece of test.pattern) {
    if (typeof piece !== 'string') continue;
    for (const run of piece.split(/[^A-Za-z0-9 ._:@=-]+/)) if (run.length > best.length) best = run;
  }
  return best.length >= TEXT_CHARS_MIN ? best.toLowerCase() : null;
}

/**
 * A condition that every event fulfilling the expression fulfils too; null: nothing can be left out.
 *
 * @param distinct the different values of each column that `columnsOf` names in one part; null where there are too many
 */
function conditionOf(
  expr: Expr,
  distinct: ReadonlyMap<NormalisedColumn, readonly string[] | null>,
): PartCondition | null {
  switch (expr.t) {
    case 'and': {
      const of = expr.of.flatMap((part) => conditionOf(part, distinct) ?? []);
      return of.length === 0 ? null : of.length === 1 ? (of[0] as PartCondition) : { t: 'and', of };
    }
    case 'or': {
      const of: PartCondition[] = [];
      for (const part of expr.of) {
        const one = conditionOf(part, distinct);
        if (one === null) return null;
        of.push(one);
      }
      return { t: 'or', of };
    }
    case 'test':
      return testCondition(expr.field, expr.test, distinct);
    case 'const':
      return expr.value ? null : { t: 'or', of: [] };
    default:
      return null;
  }
}

function testCondition(
  field: string,
  test: Test,
  distinct: ReadonlyMap<NormalisedColumn, readonly string[] | null>,
): PartCondition | null {
  // What holds for a missing field holds for events that neither column nor text tells anything of.
  if (test.kind === 'null' || test.kind === 'fieldref' || (test.kind === 'exists' && !test.exists)) return null;
  const column = columnOf(field);
  const text = literalOf(test);
  if (column === null) return text === null ? null : { t: 'raw', texts: [text] };
  const values = distinct.get(column);
  if (values === undefined || values === null) return null;
  const matching = values.filter((value) => evaluateTest(test, value, () => null));
  if (matching.length > VALUES_MAX) return null;
  // A source may have a field of this name that the decoder did not take over: then the record itself holds the text.
  if (text === null) return null;
  return {
    t: 'or',
    of: [
      { t: 'column', column, values: matching },
      { t: 'raw', texts: [text] },
    ],
  };
}

/**
 * A condition that every event fulfilling one of the expressions fulfils too; null: nothing can be left out.
 *
 * @param distinctOf the different values of a column; null where there are too many
 */
export async function conditionOfAny(
  exprs: readonly Expr[],
  distinctOf: (column: NormalisedColumn) => Promise<readonly string[] | null>,
): Promise<PartCondition | null> {
  const distinct = new Map<NormalisedColumn, readonly string[] | null>();
  for (const column of new Set(exprs.flatMap(columnsOf))) distinct.set(column, await distinctOf(column));
  const of: PartCondition[] = [];
  for (const expr of exprs) {
    const condition = conditionOf(expr, distinct);
    if (condition === null) return null;
    of.push(condition);
  }
  return { t: 'or', of };
}

/** Whether no event can fulfil a condition: then the part is not opened at all. */
export function isNever(condition: PartCondition | null): boolean {
  if (condition === null) return false;
  switch (condition.t) {
    case 'and':
      return condition.of.some(isNever);
    case 'or':
      return condition.of.every(isNever);
    case 'column':
      return condition.values.length === 0;
    case 'contains':
      return condition.texts.length === 0;
    default:
      return false;
  }
}

/** An archived event as the pipeline had it. */
export function decodedOf(record: EventRecord): DecodedEvent {
  const place = parseEventId(record.id);
  return {
    seq: place?.seq ?? 0,
    index: place?.index ?? 0,
    timeMs: Date.parse(record.time),
    receivedMs: Date.parse(record.received),
    source: record.source,
    format: record.format,
    logsource: record.logsource as DecodedEvent['logsource'],
    norm: record.ocsf as DecodedEvent['norm'],
    fields: record.fields as DecodedEvent['fields'],
    raw: record.raw,
    marks: record.marks,
    exercise: record.exercise,
  };
}

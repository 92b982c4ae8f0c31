/** The plain meaning of an expression, evaluated without any index: what the fast matcher is compared with in tests. */

import type { DecodedEvent } from '../core/index.ts';
import { inCidr } from './detection-cidr.ts';
import { fieldReader, keywordText, type Text, toText } from './detection-fields.ts';
import type { Comparison, Expr, Test, TextMode, TimePart } from './detection-rule.ts';
import { globMatches, lowerPattern, type SigmaPattern } from './detection-value.ts';

export function compares(op: Comparison | 'eq', value: number, bound: number): boolean {
  switch (op) {
    case 'lt':
      return value < bound;
    case 'lte':
      return value <= bound;
    case 'gt':
      return value > bound;
    case 'gte':
      return value >= bound;
    case 'eq':
      return value === bound;
  }
}

/** A part of a time in UTC; null when the text is no time. Weeks are those of ISO 8601. */
export function timePart(text: string, part: TimePart): number | null {
  const ms = /^\d{9,16}$/.test(text) ? Number(text) * (text.length <= 11 ? 1000 : 1) : Date.parse(text);
  if (Number.isNaN(ms)) return null;
  const date = new Date(ms);
  if (Number.isNaN(date.getTime())) return null;
  switch (part) {
    case 'minute':
      return date.getUTCMinutes();
    case 'hour':
      return date.getUTCHours();
    case 'day':
      return date.getUTCDate();
    case 'month':
      return date.getUTCMonth() + 1;
    case 'year':
      return date.getUTCFullYear();
    case 'week': {
      const thursday = new Date(ms + (3 - ((date.getUTCDay() + 6) % 7)) * 86_400_000);
      const yearStart = Date.UTC(thursday.getUTCFullYear(), 0, 1);
      return 1 + Math.floor((thursday.getTime() - yearStart) / (7 * 86_400_000));
    }
  }
}

export function numberOf(text: string): number {
  return text.trim() === '' ? Number.NaN : Number(text);
}

function comparePattern(mode: TextMode, pattern: SigmaPattern, text: string): boolean {
  if (mode === 'glob') return globMatches(pattern, text);
  const literal = (pattern[0] as string | undefined) ?? '';
  if (mode === 'equals') return text === literal;
  if (mode === 'startswith') return text.startsWith(literal);
  return mode === 'endswith' ? text.endsWith(literal) : text.includes(literal);
}

function each(text: Text, holds: (value: string) => boolean): boolean {
  if (text === null) return false;
  return typeof text === 'string' ? holds(text) : text.some(holds);
}

export function evaluateTest(test: Test, text: Text, other: () => Text): boolean {
  switch (test.kind) {
    case 'text':
      return test.cased
        ? each(text, (value) => comparePattern(test.mode, test.pattern, value))
        : each(text, (value) => comparePattern(test.mode, lowerPattern(test.pattern), value.toLowerCase()));
    case 'regex':
      return each(text, test.regex.test);
    case 'cidr':
      return each(text, (value) => inCidr(value, test.cidr));
    case 'compare':
      return each(text, (value) => compares(test.op, numberOf(value), test.number));
    case 'time':
      return each(text, (value) => {
        const part = timePart(value, test.part);
        return part !== null && compares(test.op, part, test.number);
      });
    case 'exists':
      return (text !== null) === test.exists;
    case 'null':
      return text === null;
    case 'fieldref': {
      const fold = (value: string) => (test.cased ? value : value.toLowerCase());
      const right = other();
      return each(text, (a) => each(right, (b) => comparePattern(test.mode, b === '' ? [] : [fold(b)], fold(a))));
    }
  }
}

/** Whether the expression is true for the event. */
export function evaluatePlain(expr: Expr, event: DecodedEvent, normFirst: boolean): boolean {
  const read = (name: string): Text => (name === '' ? keywordText(event) : toText(fieldReader(name, normFirst)(event)));
  switch (expr.t) {
    case 'const':
      return expr.value;
    case 'not':
      return !evaluatePlain(expr.of, event, normFirst);
    case 'and':
      return expr.of.every((part) => evaluatePlain(part, event, normFirst));
    case 'or':
      return expr.of.some((part) => evaluatePlain(part, event, normFirst));
    case 'test':
      return evaluateTest(expr.test, read(expr.field), () =>
        read(expr.test.kind === 'fieldref' ? expr.test.other : expr.field),
      );
  }
}

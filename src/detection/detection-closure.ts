/** Turns an expression into a closure over the field cache: lower case is made once, cheap tests go first, lists are sets. */

import { inCidr } from './detection-cidr.ts';
import type { FieldCache, Text } from './detection-fields.ts';
import { BEGIN, END } from './detection-literal.ts';
import { rememberAnswer } from './detection-memo.ts';
import { compares, evaluateTest, numberOf, timePart } from './detection-plain.ts';
import type { Expr, Test } from './detection-rule.ts';
import { createAnyScan } from './detection-scan.ts';
import { globMatches, lowerPattern } from './detection-value.ts';

export type Holds = () => boolean;
type TextTest = Test & { kind: 'text' };

function over(read: (slot: number) => Text, slot: number, holds: (value: string) => boolean): Holds {
  return () => {
    const text = read(slot);
    if (typeof text === 'string') return holds(text);
    return text?.some(holds) ?? false;
  };
}

function textCheck(test: TextTest): (value: string) => boolean {
  const pattern = test.cased ? test.pattern : lowerPattern(test.pattern);
  if (test.mode === 'glob') return (value) => globMatches(pattern, value);
  const literal = (pattern[0] as string | undefined) ?? '';
  if (test.mode === 'equals') return (value) => value === literal;
  if (test.mode === 'startswith') return (value) => value.startsWith(literal);
  return test.mode === 'endswith' ? (value) => value.endsWith(literal) : (value) => value.includes(literal);
}

/** Lower comes first in a conjunction or disjunction. */
function effort(expr: Expr): number {
  switch (expr.t) {
    case 'const':
      return 0;
    case 'not':
      return effort(expr.of);
    case 'and':
    case 'or':
      return expr.of.reduce((sum, part) => sum + effort(part), 0);
    case 'test': {
      const base = expr.field === '' ? 40 : 0;
      const { test } = expr;
      if (test.kind === 'text')
        return base + { equals: 1, startswith: 2, endswith: 2, contains: 4, glob: 8 }[test.mode];
      return base + (test.kind === 'regex' ? 30 : 3);
    }
  }
}

export function compileExpr(expr: Expr, fields: FieldCache, normFirst: boolean): Holds {
  const compile = (part: Expr): Holds => compileExpr(part, fields, normFirst);
  switch (expr.t) {
    case 'const':
      return expr.value ? () => true : () => false;
    case 'not': {
      const inner = compile(expr.of);
      return () => !inner();
    }
    case 'and': {
      const parts = [...expr.of].sort((a, b) => effort(a) - effort(b)).map(compile);
      const [a, b] = parts as [Holds, Holds];
      if (parts.length === 2) return () => a() && b();
      return () => {
        for (let i = 0; i < parts.length; i++) if (!(parts[i] as Holds)()) return false;
        return true;
      };
    }
    case 'or':
      return compileOr(expr.of, fields, normFirst);
    case 'test':
      return compileTest(expr.field, expr.test, fields, normFirst);
  }
}

/** Lists from this length on remember their answers for values that repeat. */
const REMEMBERED_MIN = 4;
/** Lists from this length on are searched at once instead of text by text. */
const LIST_MIN = 12;

/** One search for a long list of texts. */
function listCheck(tests: readonly TextTest[]): (value: string) => boolean {
  let find: ((value: string) => boolean) | null = null;
  return (value) => {
    find ??= createAnyScan(tests.map(tiedText));
    return find(value);
  };
}

const NOT_ASCII = /[\u0080-\uffff]/;

/** The search ties texts to edges by two characters, and those beyond ASCII not at all. */
function isListable({ mode, pattern }: TextTest): boolean {
  const text = (pattern[0] as string | undefined) ?? '';
  return (
    mode !== 'glob' &&
    text !== '' &&
    !text.includes(BEGIN) &&
    !text.includes(END) &&
    (mode === 'contains' || !NOT_ASCII.test(text))
  );
}

function tiedText({ mode, pattern }: TextTest): string {
  const text = ((pattern[0] as string | undefined) ?? '').toLowerCase();
  if (mode === 'startswith') return BEGIN + text;
  return mode === 'endswith' ? text + END : text;
}

/** Tests of the same field and kind become one: a set for equality, one loop for the rest. */
function compileOr(of: readonly Expr[], fields: FieldCache, normFirst: boolean): Holds {
  const merged = new Map<string, { slot: number; cased: boolean; tests: TextTest[] }>();
  const parts: { effort: number; holds: Holds }[] = [];
  for (const part of of) {
    if (part.t !== 'test' || part.test.kind !== 'text') {
      parts.push({ effort: effort(part), holds: compileExpr(part, fields, normFirst) });
      continue;
    }
    const slot = fields.slot(part.field, normFirst);
    const key = `${slot}:${part.test.cased}:${part.test.mode === 'equals'}`;
    const group = merged.get(key) ?? { slot, cased: part.test.cased, tests: [] };
    group.tests.push(part.test);
    merged.set(key, group);
  }
  for (const { slot, cased, tests: all } of merged.values()) {
    const read = cased ? fields.text : fields.lower;
    const equal = all[0]?.mode === 'equals';
    const listable = cased || equal ? [] : all.filter(isListable);
    const listed = listable.length >= LIST_MIN;
    if (listed) parts.push({ effort: 12, holds: over(fields.text, slot, listCheck(listable)) });
    const tests = listed ? all.filter((one) => !isListable(one)) : all;
    if (tests.length === 0) continue;
    const checks = tests.map(textCheck);
    const words = new Set(
      tests.map((t) => ((cased ? t.pattern : lowerPattern(t.pattern))[0] as string | undefined) ?? ''),
    );
    const check = equal
      ? (value: string) => words.has(value)
      : (value: string) => {
          for (let i = 0; i < checks.length; i++) if ((checks[i] as (value: string) => boolean)(value)) return true;
          return false;
        };
    const answer = !equal && tests.length >= REMEMBERED_MIN ? rememberAnswer(check) : check;
    parts.push({ effort: equal ? 1 : tests.length * 3, holds: over(read, slot, answer) });
  }
  const list = parts.sort((a, b) => a.effort - b.effort).map((part) => part.holds);
  if (list.length === 1) return list[0] as Holds;
  return () => {
    for (let i = 0; i < list.length; i++) if ((list[i] as Holds)()) return true;
    return false;
  };
}

function compileTest(field: string, test: Test, fields: FieldCache, normFirst: boolean): Holds {
  const slot = fields.slot(field, normFirst);
  switch (test.kind) {
    case 'text':
      return over(test.cased ? fields.text : fields.lower, slot, textCheck(test));
    case 'regex':
      return over(fields.text, slot, rememberAnswer(test.regex.test));
    case 'cidr':
      return over(fields.text, slot, (value) => inCidr(value, test.cidr));
    case 'compare':
      return over(fields.text, slot, (value) => compares(test.op, numberOf(value), test.number));
    case 'time':
      return over(fields.text, slot, (value) => {
        const part = timePart(value, test.part);
        return part !== null && compares(test.op, part, test.number);
      });
    case 'exists':
      return () => (fields.text(slot) !== null) === test.exists;
    case 'null':
      return () => fields.text(slot) === null;
    case 'fieldref': {
      const other = fields.slot(test.other, normFirst);
      if (test.mode === 'equals' && !test.cased) {
        return () => {
          const a = fields.lower(slot);
          const b = fields.lower(other);
          if (typeof a === 'string' && typeof b === 'string') return a === b;
          return evaluateTest(test, a, () => b);
        };
      }
      return () => evaluateTest(test, fields.text(slot), () => fields.text(other));
    }
  }
}

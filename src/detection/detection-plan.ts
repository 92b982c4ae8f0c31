/**
 * A plan: the rules that events of one kind can match, what must be in such an event for each of them, and the scans that
 * look for it. What event id and channel decide is decided here, once; literals that bring candidates in vain are
 * replaced while events flow.
 */

import { compileExpr, type Holds } from './detection-closure.ts';
import type { FieldCache, Text } from './detection-fields.ts';
import { BEGIN, END, estimateLikelihood, type Literal, type Need, needOf } from './detection-literal.ts';
import { type Find, remember } from './detection-memo.ts';
import { evaluateTest } from './detection-plain.ts';
import { all, any, type Expr, not } from './detection-rule.ts';
import { createScan } from './detection-scan.ts';

/** A value that no rule compares with as a whole. */
export const OTHER = Symbol('other');
export type Settled = Text | typeof OTHER | undefined;

export interface PlanRule {
  /** Index of the rule in the matcher. */
  readonly rule: number;
  readonly expr: Expr;
  readonly normFirst: boolean;
}

export interface SlotScan {
  readonly slot: number;
  readonly texts: ReadonlyMap<string, readonly number[]>;
  /**
   * From a value as it was written to the places in the plan whose rules become candidates. Made when the first value
   * comes: most kinds of events lack half of the fields that rules ask for.
   */
  find: Find | null;
}

export interface Keywords {
  readonly texts: ReadonlyMap<string, readonly number[]>;
  /** Whether the searches of fields look for them too, so that no value is searched twice. */
  readonly merged: boolean;
  readonly find: Find;
  readonly memo: Find;
  readonly charsMin: number;
}

/** What is looked for in the value of an original field. */
export interface Way {
  /** Its slot has this name as the first one: the value is the slot's, whatever else the event has. */
  readonly first: SlotScan | null;
  /** Slots that have other names before this one. */
  readonly later: readonly SlotScan[];
}

export interface Plan {
  readonly rules: readonly PlanRule[];
  /** Made when a rule is a candidate for the first time. */
  readonly holds: (Holds | null)[];
  readonly always: readonly number[];
  readonly scans: readonly SlotScan[];
  /** The searches by the event's fields, its normalised columns, and those that have to be asked for. */
  readonly ways: ReadonlyMap<string, Way>;
  readonly columns: ReadonlyMap<string, readonly SlotScan[]>;
  readonly asked: readonly SlotScan[];
  /** For keywords: looks into every value of the event. */
  readonly keywords: Keywords | null;
  readonly stamp: Uint32Array;
  /** For learning: events seen, and how often each rule was a candidate in vain. */
  events: number;
  learnAt: number;
  readonly vain: Uint32Array;
  readonly literals: readonly (readonly Literal[] | null)[];
  readonly measured: Map<string, number>;
}

/** What plans share: slots, compiled expressions and needs, each made once. */
export interface PlanParts {
  readonly fields: FieldCache;
  readonly needs: WeakMap<Expr, { need: Need | null }>;
  readonly compiled: readonly [WeakMap<Expr, Holds>, WeakMap<Expr, Holds>];
}

export const createPlanParts = (fields: FieldCache): PlanParts => ({
  fields,
  needs: new WeakMap(),
  compiled: [new WeakMap(), new WeakMap()],
});

/** Events after which a plan first looks at which literals brought candidates in vain; then at each four times as many. */
const LEARN_FIRST = 64;
const LEARN_LAST = 1_000_000;
/** Candidates in vain an event that a plan accepts without choosing again. */
const VAIN_ACCEPTED = 0.25;

function foldTest(expr: Expr & { t: 'test' }, known: (field: string) => Settled): Expr {
  const { test } = expr;
  if (test.kind === 'fieldref') return expr;
  const text = known(expr.field);
  if (text === undefined) return expr;
  if (text !== OTHER) return { t: 'const', value: evaluateTest(test, text, () => null) };
  if (test.kind === 'text' && test.mode === 'equals') return { t: 'const', value: false };
  if (test.kind === 'null') return { t: 'const', value: false };
  return test.kind === 'exists' ? { t: 'const', value: test.exists } : expr;
}

/** Replaces tests whose answer is known for every event of a plan; what nothing changes in stays the same object. */
export function fold(expr: Expr, known: (field: string) => Settled): Expr {
  if (expr.t === 'test') return foldTest(expr, known);
  if (expr.t === 'not') {
    const inner = fold(expr.of, known);
    if (inner.t === 'const') return { t: 'const', value: !inner.value };
    return inner === expr.of ? expr : not(inner);
  }
  if (expr.t === 'const') return expr;
  const neutral = expr.t === 'and';
  const parts: Expr[] = [];
  let same = true;
  for (const part of expr.of) {
    const folded = fold(part, known);
    if (folded !== part) same = false;
    if (folded.t !== 'const') parts.push(folded);
    else if (folded.value !== neutral) return folded;
    else same = false;
  }
  if (same) return expr;
  if (parts.length === 0) return { t: 'const', value: neutral };
  return neutral ? all(parts) : any(parts);
}

function needFor(parts: PlanParts, expr: Expr): Need | null {
  const kept = parts.needs.get(expr);
  if (kept) return kept.need;
  const need = needOf(expr, estimateLikelihood);
  parts.needs.set(expr, { need });
  return need;
}

/** Literal texts of each slot with the places of the rules that need them; keywords stand under the slot -1. */
function tableOf(literals: Plan['literals'], rules: readonly PlanRule[], fields: FieldCache): Tables {
  const tables: Tables = new Map();
  literals.forEach((list, i) => {
    for (const { field, text } of list ?? []) {
      const slot = slotOf(field, rules[i] as PlanRule, fields);
      let texts = tables.get(slot);
      if (texts === undefined) {
        texts = new Map();
        tables.set(slot, texts);
      }
      const users = texts.get(text);
      if (!users) texts.set(text, [i]);
      else if (users.at(-1) !== i) users.push(i);
    }
  });
  return tables;
}

type Tables = Map<number, Map<string, number[]>>;
const KEYWORDS = -1;
const slotOf = (field: string, rule: PlanRule, fields: FieldCache): number =>
  field === '' ? KEYWORDS : fields.slot(field, rule.normFirst);

/** The search of one slot. Whole values alone are found faster than remembered. */
export function openScan(scan: SlotScan, plan: Plan): Find {
  const texts = plan.keywords?.merged ? mergedTexts(scan.texts, plan.keywords.texts) : scan.texts;
  const made = createScan(texts, plan.rules.length);
  let find: Find = made.find;
  for (const text of texts.keys()) {
    if (text.startsWith(BEGIN) && text.endsWith(END)) continue;
    find = remember(made.find);
    break;
  }
  scan.find = find;
  return find;
}

function mergedTexts(a: SlotScan['texts'], b: SlotScan['texts']): Map<string, readonly number[]> {
  const texts = new Map(a);
  for (const [text, users] of b) texts.set(text, [...(texts.get(text) ?? []), ...users]);
  return texts;
}

/** Larger sets of keywords are searched for apart: a copy in the search of each field would cost more than it saves. */
const MERGED_MAX = 64;

function keywordsOf(texts: ReadonlyMap<string, readonly number[]> | undefined, rules: number): Keywords | null {
  if (texts === undefined) return null;
  const { find, charsMin } = createScan(texts, rules);
  return { texts, merged: texts.size <= MERGED_MAX, find, memo: remember(find), charsMin };
}

/** Where the searches find their values. */
function waysOf(scans: readonly SlotScan[], fields: FieldCache): Pick<Plan, 'ways' | 'columns' | 'asked'> {
  const ways = new Map<string, { first: SlotScan | null; later: SlotScan[] }>();
  const columns = new Map<string, SlotScan[]>();
  const asked: SlotScan[] = [];
  for (const scan of scans) {
    const source = fields.source(scan.slot);
    if (source === null || source.time) {
      asked.push(scan);
      continue;
    }
    const { names, column, columnFirst } = source;
    for (const [rank, name] of names.entries()) {
      const way = ways.get(name) ?? { first: null, later: [] };
      if (rank === 0 && !columnFirst) way.first = scan;
      else way.later.push(scan);
      ways.set(name, way);
    }
    if (column !== null) columns.set(column, [...(columns.get(column) ?? []), scan]);
  }
  return { ways, columns, asked };
}

/** A plan around the literals that were chosen; `kept` are searches of an earlier one that are still right. */
function planOf(
  of: Pick<Plan, 'rules' | 'literals' | 'measured' | 'holds'>,
  parts: PlanParts,
  kept: ReadonlyMap<number, SlotScan>,
  keywords: Keywords | null | undefined,
): Plan {
  const tables = tableOf(of.literals, of.rules, parts.fields);
  const scans: SlotScan[] = [];
  for (const [slot, texts] of tables) if (slot !== KEYWORDS) scans.push(kept.get(slot) ?? { slot, texts, find: null });
  return {
    ...of,
    always: of.literals.flatMap((need, i) => (need === null ? [i] : [])),
    scans,
    ...waysOf(scans, parts.fields),
    keywords: keywords === undefined ? keywordsOf(tables.get(KEYWORDS), of.rules.length) : keywords,
    stamp: new Uint32Array(of.rules.length),
    events: 0,
    learnAt: LEARN_FIRST,
    vain: new Uint32Array(of.rules.length),
  };
}

const NO_SCANS: ReadonlyMap<number, SlotScan> = new Map();

export function buildPlan(rules: readonly PlanRule[], parts: PlanParts): Plan {
  const literals = rules.map(({ expr }) => needFor(parts, expr)?.literals ?? null);
  return planOf({ rules, literals, measured: new Map(), holds: rules.map(() => null) }, parts, NO_SCANS, undefined);
}

/** The compiled expression of a place in the plan. */
export function holdsAt(plan: Plan, at: number, { fields, compiled }: PlanParts): Holds {
  const made = plan.holds[at];
  if (made) return made;
  const { expr, normFirst } = plan.rules[at] as PlanRule;
  const cache = compiled[normFirst ? 1 : 0];
  const holds = cache.get(expr) ?? compileExpr(expr, fields, normFirst);
  cache.set(expr, holds);
  plan.holds[at] = holds;
  return holds;
}

const keyOf = ({ field, text }: Literal): string => `${field}\0${text}`;

/** Raises the measured frequency of literals that brought candidates in vain; answers which were raised. */
function measure(plan: Plan): Set<string> {
  const raised = new Set<string>();
  plan.literals.forEach((literals, i) => {
    const rate = (plan.vain[i] as number) / plan.events;
    if (!literals || rate < 0.002) return;
    for (const literal of literals) {
      const key = keyOf(literal);
      const shared = Math.max(rate / literals.length, estimateLikelihood(literal));
      if (shared <= (plan.measured.get(key) ?? 0)) continue;
      plan.measured.set(key, shared);
      raised.add(key);
    }
  });
  return raised;
}

/**
 * Makes literals that brought candidates in vain look as frequent as they are, so that others are chosen. Frequencies only
 * ever rise, so a choice stands as long as none of its own literals rose, and a search as long as no choice in it changed.
 */
export function learn(plan: Plan, parts: PlanParts): Plan {
  plan.learnAt = plan.learnAt >= LEARN_LAST ? Number.POSITIVE_INFINITY : plan.learnAt * 4;
  let sum = 0;
  for (const count of plan.vain) sum += count;
  if (sum / plan.events < VAIN_ACCEPTED) return plan;
  const raised = measure(plan);
  if (raised.size === 0) return plan;
  const likelihood = (literal: Literal): number => plan.measured.get(keyOf(literal)) ?? estimateLikelihood(literal);
  const changed = new Set<number>();
  const literals = plan.literals.map((chosen, i) => {
    if (!chosen?.some((literal) => raised.has(keyOf(literal)))) return chosen;
    const rule = plan.rules[i] as PlanRule;
    const better = needOf(rule.expr, likelihood)?.literals ?? null;
    for (const { field } of [...chosen, ...(better ?? [])]) changed.add(slotOf(field, rule, parts.fields));
    return better;
  });
  // Searches of fields look for keywords too: with other keywords all are made anew.
  const words = changed.has(KEYWORDS);
  const kept = words
    ? NO_SCANS
    : new Map(plan.scans.flatMap((scan) => (changed.has(scan.slot) ? [] : [[scan.slot, scan]])));
  const { rules, measured, holds } = plan;
  const next = planOf({ rules, literals, measured, holds }, parts, kept, words ? undefined : plan.keywords);
  next.events = plan.events;
  next.learnAt = plan.learnAt;
  return next;
}

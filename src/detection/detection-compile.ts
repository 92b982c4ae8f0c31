/**
 * Finds the rules that an event matches. Rules are chosen by log source, event id and channel into plans; inside a plan
 * an automaton for each field finds which rules have a necessary literal in the event, and only those are evaluated.
 * A hot path (bench/bench-detect.ts); `evaluatePlain` says what it must find, and a property test compares the two.
 */

import type { DecodedEvent } from '../core/index.ts';
import { type Automaton, createAutomaton } from './detection-automaton.ts';
import { compileExpr, type Holds } from './detection-closure.ts';
import { createFieldCache, type FieldCache, type Text } from './detection-fields.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { BEGIN, END, estimateLikelihood, type Literal, needOf } from './detection-literal.ts';
import { evaluateTest } from './detection-plain.ts';
import { all, any, type DetectionRule, type Expr, not } from './detection-rule.ts';
import {
  channelOf,
  eventIdOf,
  KNOWN_CHANNELS,
  KNOWN_EVENT_IDS,
  KNOWN_SERVICES,
  readsNormalisedFirst,
  sourceFacts,
  wants,
} from './detection-taxonomy.ts';

/** Finds candidates in one field: whole values by a map where all literals are whole, an automaton else. */
interface FieldScan {
  readonly slot: number;
  readonly whole: ReadonlyMap<string, readonly number[]> | null;
  readonly automaton: Automaton | null;
}

interface Plan {
  readonly rules: readonly number[];
  readonly holds: readonly Holds[];
  readonly always: readonly number[];
  readonly scans: readonly FieldScan[];
  readonly stamp: Uint32Array;
  /** For learning: events seen, and how often each rule was a candidate in vain. */
  events: number;
  readonly vain: Uint32Array;
  readonly literals: readonly (readonly Literal[] | null)[];
  readonly source: PlanSource;
}

interface PlanSource {
  readonly rules: readonly { rule: number; expr: Expr; normFirst: boolean }[];
  readonly measured: Map<string, number>;
}

export interface Matcher {
  /** Indexes of the rules that match; the array is used again with the next event. */
  match(event: DecodedEvent): readonly number[];
  readonly fields: FieldCache;
  /** Rules that failed while matching and are set aside. */
  readonly quarantined: ReadonlyMap<number, string>;
  readonly planCount: () => number;
}

/** Events after which a plan looks at which literals brought candidates in vain, and chooses again. */
const LEARN_AT: readonly number[] = [1000, 5000, 30_000];
/** Candidates in vain an event that a plan accepts without choosing again. */
const VAIN_ACCEPTED = 0.3;

/** Replaces tests whose answer is known for every event of a plan; `known` answers null for the others. */
function fold(expr: Expr, known: (field: string) => Text | undefined): Expr {
  switch (expr.t) {
    case 'test': {
      if (expr.test.kind === 'fieldref') return expr;
      const text = known(expr.field);
      return text === undefined ? expr : { t: 'const', value: evaluateTest(expr.test, text, () => null) };
    }
    case 'not': {
      const inner = fold(expr.of, known);
      return inner.t === 'const' ? { t: 'const', value: !inner.value } : not(inner);
    }
    case 'and': {
      const parts = expr.of.map((part) => fold(part, known)).filter((part) => part.t !== 'const' || !part.value);
      if (parts.length === 0) return { t: 'const', value: true };
      return parts.some((part) => part.t === 'const') ? { t: 'const', value: false } : all(parts);
    }
    case 'or': {
      const parts = expr.of.map((part) => fold(part, known)).filter((part) => part.t !== 'const' || part.value);
      if (parts.length === 0) return { t: 'const', value: false };
      return parts.some((part) => part.t === 'const') ? { t: 'const', value: true } : any(parts);
    }
    default:
      return expr;
  }
}

function buildScans(needs: readonly (readonly Literal[] | null)[], slots: readonly ((field: string) => number)[]) {
  const bySlot = new Map<number, Map<string, number[]>>();
  needs.forEach((literals, i) => {
    for (const literal of literals ?? []) {
      const slot = (slots[i] as (field: string) => number)(literal.field);
      const texts = bySlot.get(slot) ?? new Map<string, number[]>();
      const users = texts.get(literal.text) ?? [];
      if (users.at(-1) !== i) users.push(i);
      texts.set(literal.text, users);
      bySlot.set(slot, texts);
    }
  });
  return [...bySlot].map(([slot, texts]): FieldScan => {
    const list = [...texts.keys()];
    if (list.every((text) => text.startsWith(BEGIN) && text.endsWith(END))) {
      return { slot, whole: new Map([...texts].map(([text, users]) => [text.slice(1, -1), users])), automaton: null };
    }
    return { slot, whole: null, automaton: createAutomaton(list, [...texts.values()]) };
  });
}

function buildPlan(source: PlanSource, fields: FieldCache): Plan {
  const likelihood = (literal: Literal) =>
    source.measured.get(`${literal.field}\0${literal.text}`) ?? estimateLikelihood(literal);
  let states = 0;
  const literals = source.rules.map(({ expr }) => {
    const need = needOf(expr, likelihood);
    if (!need) return null;
    states += need.literals.reduce((sum, literal) => sum + literal.text.length, 0);
    return states > LIMIT.automatonStatesMax ? null : need.literals;
  });
  const slots = source.rules.map(
    ({ normFirst }) =>
      (field: string) =>
        fields.slot(field, normFirst),
  );
  return {
    rules: source.rules.map(({ rule }) => rule),
    holds: source.rules.map(({ expr, normFirst }) => compileExpr(expr, fields, normFirst)),
    always: literals.flatMap((need, i) => (need === null ? [i] : [])),
    scans: buildScans(literals, slots),
    stamp: new Uint32Array(source.rules.length),
    events: 0,
    vain: new Uint32Array(source.rules.length),
    literals,
    source,
  };
}

/** Makes literals that brought candidates in vain look as frequent as they are, so that others are chosen. */
function learn(plan: Plan, fields: FieldCache): Plan | null {
  let sum = 0;
  for (const count of plan.vain) sum += count;
  if (sum / plan.events < VAIN_ACCEPTED) return null;
  plan.literals.forEach((literals, i) => {
    const rate = (plan.vain[i] as number) / plan.events;
    if (!literals || rate < 0.002) return;
    for (const literal of literals) {
      const key = `${literal.field}\0${literal.text}`;
      const shared = Math.max(rate / literals.length, estimateLikelihood(literal));
      plan.source.measured.set(key, Math.max(plan.source.measured.get(key) ?? 0, shared));
    }
  });
  const better = buildPlan(plan.source, fields);
  better.events = plan.events;
  return better;
}

/** A step on the way from log source to plan. */
interface Branch {
  readonly next: Map<string | number, Branch>;
  plan: Plan | null;
}

const branch = (): Branch => ({ next: new Map(), plan: null });

function follow(from: Branch, key: string | number): Branch {
  const known = from.next.get(key);
  if (known) return known;
  const made = branch();
  from.next.set(key, made);
  return made;
}

/** Words that some rule compares with, so that plans stay few however many different values events bring. */
function vocabulary(rules: readonly DetectionRule[]): {
  sources: Set<string>;
  ids: Set<string>;
  channels: Set<string>;
} {
  const ids = new Set<string>(KNOWN_EVENT_IDS);
  const channels = new Set<string>(KNOWN_CHANNELS);
  const visit = (expr: Expr): void => {
    if (expr.t === 'and' || expr.t === 'or') for (const part of expr.of) visit(part);
    else if (expr.t === 'not') visit(expr.of);
    else if (expr.t === 'test' && expr.test.kind === 'text' && expr.test.mode === 'equals') {
      const text = ((expr.test.pattern[0] as string | undefined) ?? '').toLowerCase();
      if (expr.field === 'EventID') ids.add(text);
      if (expr.field === 'Channel') channels.add(text);
    }
  };
  const sources = new Set<string>(['windows', ...KNOWN_SERVICES]);
  for (const { logsource, expr } of rules) {
    for (const word of Object.values(logsource)) sources.add(word as string);
    visit(expr);
  }
  return { sources, ids, channels };
}

/** Compiles rules lazily: a plan is built when the first event of its kind comes. */
export function createMatcher(rules: readonly DetectionRule[]): Matcher {
  const fields = createFieldCache();
  const quarantined = new Map<number, string>();
  const known = vocabulary(rules);
  const found: number[] = [];
  const candidates: number[] = [];
  let root = branch();
  let plans = 0;
  let generation = 0;
  let plan: Plan;

  const makePlan = (event: DecodedEvent, eventId: string, channel: string): Plan => {
    const facts = sourceFacts(event.logsource, event.norm.class_uid ?? 0, channel, eventId);
    const chosen: PlanSource['rules'][number][] = [];
    const settled = (field: string): Text | undefined => {
      if (field === 'EventID') return eventId === '' ? undefined : eventId;
      return field === 'Channel' && channel !== '' ? channel : undefined;
    };
    rules.forEach((rule, i) => {
      if (!wants(rule.logsource, facts) || quarantined.has(i)) return;
      const expr = fold(rule.expr, settled);
      if (expr.t === 'const' && !expr.value) return;
      chosen.push({ rule: i, expr, normFirst: readsNormalisedFirst(rule.logsource) });
    });
    return buildPlan({ rules: chosen, measured: new Map() }, fields);
  };

  /** None and one that no rule knows are two things: a product may follow from the channel where none is named. */
  const word = (text: string | undefined): string => {
    if (text === undefined || text === '') return '';
    return known.sources.has(text.toLowerCase()) ? text : '?';
  };
  const branchFor = (event: DecodedEvent): Branch => {
    const { product, category, service } = event.logsource;
    const source = follow(follow(follow(root, word(product)), word(category)), word(service));
    const bare = follow(source, event.norm.class_uid ?? 0);
    const id = eventIdOf(event);
    const channel = channelOf(event);
    if (id === '' && channel === '') return bare;
    return follow(
      follow(bare, known.ids.has(id.toLowerCase()) ? id : ''),
      known.channels.has(channel.toLowerCase()) ? channel : '',
    );
  };

  const planFor = (event: DecodedEvent): Plan => {
    let place = branchFor(event);
    if (place.plan === null) {
      if (plans >= LIMIT.plansMax) {
        root = branch();
        plans = 0;
        place = branchFor(event);
      }
      const id = eventIdOf(event);
      const channel = channelOf(event);
      plans++;
      place.plan = makePlan(
        event,
        known.ids.has(id.toLowerCase()) ? id : '',
        known.channels.has(channel.toLowerCase()) ? channel : '',
      );
    } else if (LEARN_AT.includes(place.plan.events)) place.plan = learn(place.plan, fields) ?? place.plan;
    place.plan.events++;
    return place.plan;
  };

  const candidate = (i: number): void => {
    if (plan.stamp[i] === generation) return;
    plan.stamp[i] = generation;
    candidates.push(i);
  };

  const check = (i: number): boolean => {
    const rule = plan.rules[i] as number;
    if (quarantined.size > 0 && quarantined.has(rule)) return false;
    try {
      return (plan.holds[i] as Holds)();
    } catch (error) {
      quarantined.set(rule, error instanceof Error ? error.message : String(error));
      return false;
    }
  };

  const scan = (part: FieldScan, value: string): void => {
    part.automaton?.scan(value, candidate);
    const users = part.whole?.get(value);
    if (users) for (let i = 0; i < users.length; i++) candidate(users[i] as number);
  };

  return {
    fields,
    quarantined,
    planCount: () => plans,
    match: (event) => {
      found.length = 0;
      fields.begin(event);
      plan = planFor(event);
      generation = (generation + 1) >>> 0;
      candidates.length = 0;
      for (let s = 0; s < plan.scans.length; s++) {
        const part = plan.scans[s] as FieldScan;
        const value = fields.lower(part.slot);
        if (typeof value === 'string') scan(part, value);
        else if (value) for (const one of value) scan(part, one);
      }
      for (let i = 0; i < candidates.length; i++) {
        const at = candidates[i] as number;
        if (check(at)) found.push(plan.rules[at] as number);
        else plan.vain[at] = (plan.vain[at] as number) + 1;
      }
      for (let i = 0; i < plan.always.length; i++) {
        const at = plan.always[i] as number;
        if (check(at)) found.push(plan.rules[at] as number);
      }
      return found;
    },
  };
}

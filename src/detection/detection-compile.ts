/**
 * Finds the rules that an event matches. Rules are chosen by log source, event id and channel into plans; inside a plan
 * one scan a field finds which rules have a necessary literal in the event, and only those are evaluated.
 * A hot path (bench/bench-detect.ts); `evaluatePlain` says what it must find, and a property test compares the two.
 */

import type { DecodedEvent, FieldValue, LogSource } from '../core/index.ts';
import { createFieldCache, type FieldCache, isOneText, type Text } from './detection-fields.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import {
  buildPlan,
  createPlanParts,
  fold,
  holdsAt,
  type Keywords,
  learn,
  OTHER,
  openScan,
  type Plan,
  type PlanRule,
  type Settled,
  type SlotScan,
} from './detection-plan.ts';
import type { DetectionRule, Expr } from './detection-rule.ts';
import {
  channelOf,
  eventIdOf,
  KNOWN_CHANNELS,
  KNOWN_EVENT_IDS,
  KNOWN_SERVICES,
  readsNormalisedFirst,
  type SourceFacts,
  sourceFacts,
  wants,
} from './detection-taxonomy.ts';

export interface Matcher {
  /** Indexes of the rules that match; the array is used again with the next event. */
  match(event: DecodedEvent): readonly number[];
  readonly fields: FieldCache;
  /** Rules that failed while matching and are set aside. */
  readonly quarantined: ReadonlyMap<number, string>;
  readonly planCount: () => number;
}

/** Where a plan stands, so that a better one can take its place. */
interface Place {
  plan: Plan;
}

type ById = Map<FieldValue | undefined, Map<FieldValue | undefined, Place>>;

/** Values from this length on are looked up in the memo before they are searched for keywords. */
const MEMO_CHARS_MIN = 128;
/** Numbers with at most this many digits cannot hold keywords that are longer. */
const NUMBER_CHARS_MIN = 5;
const NUMBER_MIN = 10 ** NUMBER_CHARS_MIN;

/** Ways to a plan that are remembered by the values as events bring them; all are forgotten when there are more. */
const WAYS_MAX = 8192;

/** Texts one of which the event id has to be for the expression to be true; null where it may be any. */
function idsIn(expr: Expr): ReadonlySet<string> | null {
  if (expr.t === 'test') {
    const { test } = expr;
    if (expr.field !== 'EventID' || test.kind !== 'text' || test.mode !== 'equals') return null;
    return new Set([((test.pattern[0] as string | undefined) ?? '').toLowerCase()]);
  }
  if (expr.t !== 'and' && expr.t !== 'or') return null;
  const ids = new Set<string>();
  for (const part of expr.of) {
    const some = idsIn(part);
    if (expr.t === 'and' && some !== null) return some;
    if (expr.t === 'or' && some === null) return null;
    for (const id of some ?? []) ids.add(id);
  }
  return expr.t === 'or' ? ids : null;
}

interface Vocabulary {
  readonly ids: ReadonlySet<string>;
  readonly channels: ReadonlySet<string>;
  readonly sources: ReadonlySet<string>;
  /** Of each rule: the event ids without which it cannot match, and whether event id or channel settle anything in it. */
  readonly idsOf: readonly (ReadonlySet<string> | null)[];
  readonly settles: readonly boolean[];
}

/** Words that some rule compares with, so that plans stay few however many different values events bring. */
function vocabulary(rules: readonly DetectionRule[]): Vocabulary {
  const ids = new Set<string>(KNOWN_EVENT_IDS);
  const channels = new Set<string>(KNOWN_CHANNELS);
  const visit = (expr: Expr): boolean => {
    if (expr.t === 'and' || expr.t === 'or') return expr.of.reduce((found, part) => visit(part) || found, false);
    if (expr.t === 'not') return visit(expr.of);
    if (expr.t === 'const') return true;
    if (expr.test.kind === 'text' && expr.test.mode === 'equals') {
      const text = ((expr.test.pattern[0] as string | undefined) ?? '').toLowerCase();
      if (expr.field === 'EventID') ids.add(text);
      if (expr.field === 'Channel') channels.add(text);
    }
    return expr.field === 'EventID' || expr.field === 'Channel';
  };
  const sources = new Set<string>(['windows', ...KNOWN_SERVICES]);
  const settles = rules.map(({ logsource, expr }) => {
    for (const word of Object.values(logsource)) sources.add(word as string);
    return visit(expr);
  });
  return { ids, channels, sources, settles, idsOf: rules.map(({ expr }) => idsIn(expr)) };
}

/** Answers which rules want events of a kind: asked once for each log source that rules name, not for each rule. */
function createChooser(rules: readonly DetectionRule[]): (facts: SourceFacts) => readonly number[] {
  const groups = new Map<string, { source: LogSource; members: number[] }>();
  rules.forEach(({ logsource }, i) => {
    const key = [logsource.product, logsource.category, logsource.service].join('\0');
    const group = groups.get(key);
    if (group) group.members.push(i);
    else groups.set(key, { source: logsource, members: [i] });
  });
  const list = [...groups.values()];
  return (facts) =>
    list
      .filter(({ source }) => wants(source, facts))
      .flatMap(({ members }) => members)
      .sort((a, b) => a - b);
}

/** A copy that stands alone: a text cut out of a block of records would keep the whole block in memory. */
const alone = <T>(value: T): T | string => (typeof value === 'string' ? ` ${value}`.slice(1) : value);

/** Finds or makes the plan of an event. Plans are built when the first event of their kind comes. */
function createPlans(rules: readonly DetectionRule[], fields: FieldCache, quarantined: ReadonlyMap<number, string>) {
  const known = vocabulary(rules);
  const parts = createPlanParts(fields);
  const choose = createChooser(rules);
  const places = new Map<string, Place>();
  const ways = new Map<LogSource, Map<number | undefined, ById>>();
  let wayCount = 0;

  /** None and one that no rule knows are two things: a product may follow from the channel where none is named. */
  const word = (text: string | undefined): string =>
    text === undefined || text === '' ? '' : known.sources.has(text.toLowerCase()) ? text.toLowerCase() : '?';

  const build = (event: DecodedEvent): Place => {
    const id = eventIdOf(event);
    const channel = channelOf(event);
    const knownId = known.ids.has(id);
    // Other texts may still equal a known one in another case, so nothing is settled about them.
    const isNumber = /^\d+$/.test(id);
    const knownChannel = known.channels.has(channel.toLowerCase());
    const facts = sourceFacts(event.logsource, event.norm.class_uid ?? 0, channel, id);
    const { product, category, service } = event.logsource;
    const key = [
      word(product),
      word(category),
      word(service),
      event.norm.class_uid ?? 0,
      id === '' ? '' : knownId ? id : isNumber ? '?' : '~',
      channel === '' ? '' : knownChannel ? channel : '?',
      facts.categories.join(),
    ].join('\0');
    const made = places.get(key);
    if (made) return made;
    if (places.size >= LIMIT.plansMax) places.clear();
    const settled = (field: string): Settled => {
      if (field === 'EventID' && id !== '') return knownId ? id : isNumber ? OTHER : undefined;
      return field === 'Channel' && channel !== '' ? (knownChannel ? channel : OTHER) : undefined;
    };
    const chosen: PlanRule[] = [];
    for (const i of choose(facts)) {
      const rule = rules[i] as DetectionRule;
      const ids = known.idsOf[i] ?? null;
      // An event id that the rule does not name, without a look at the rest of it.
      if (quarantined.has(i) || (ids !== null && id !== '' && (knownId ? !ids.has(id.toLowerCase()) : isNumber)))
        continue;
      const expr = known.settles[i] ? fold(rule.expr, settled) : rule.expr;
      if (expr.t === 'const' && !expr.value) continue;
      chosen.push({ rule: i, expr, normFirst: readsNormalisedFirst(rule.logsource) });
    }
    const place = { plan: buildPlan(chosen, parts) };
    places.set(key, place);
    return place;
  };

  /** The event id as the ways know it: what `eventIdOf` would answer; undefined when that has to be looked up. */
  const plainId = ({ fields: original, norm }: DecodedEvent): string | number | null | undefined => {
    const id = original.EventID;
    if (typeof id === 'string' || typeof id === 'number') return id;
    if (id !== undefined || original['event.code'] !== undefined || original['winlog.event_id'] !== undefined)
      return undefined;
    return norm.event_code ?? null;
  };

  const placeOf = (event: DecodedEvent): Place => {
    const { norm, logsource } = event;
    const id = plainId(event);
    const channel = event.fields.Channel;
    if (id === undefined || typeof channel === 'object') return build(event);
    const place = ways.get(logsource)?.get(norm.class_uid)?.get(id)?.get(channel);
    if (place) return place;
    const built = build(event);
    if (++wayCount > WAYS_MAX) {
      wayCount = 0;
      ways.clear();
    }
    const byClass = ways.get(logsource) ?? new Map<number | undefined, ById>();
    const ids: ById = byClass.get(norm.class_uid) ?? new Map();
    const channels = ids.get(id) ?? new Map<FieldValue | undefined, Place>();
    ways.set(logsource, byClass);
    byClass.set(norm.class_uid, ids);
    ids.set(alone(id), channels);
    channels.set(alone(channel), built);
    return built;
  };

  return {
    parts,
    count: () => places.size,
    planFor: (event: DecodedEvent): Plan => {
      const place = placeOf(event);
      if (place.plan.events++ >= place.plan.learnAt) place.plan = learn(place.plan, parts);
      return place.plan;
    },
  };
}

export function createMatcher(rules: readonly DetectionRule[]): Matcher {
  const fields = createFieldCache();
  const quarantined = new Map<number, string>();
  const plans = createPlans(rules, fields, quarantined);
  const { parts } = plans;
  const found: number[] = [];
  const candidates: number[] = [];
  const waiting: (readonly SlotScan[])[] = [];
  let generation = 0;
  let plan: Plan;

  const take = (list: readonly number[]): void => {
    for (let i = 0; i < list.length; i++) {
      const at = list[i] as number;
      if (plan.stamp[at] === generation) continue;
      plan.stamp[at] = generation;
      candidates.push(at);
    }
  };

  const check = (at: number): boolean => {
    const { rule } = plan.rules[at] as PlanRule;
    if (quarantined.size > 0 && quarantined.has(rule)) return false;
    try {
      return (plan.holds[at] ?? holdsAt(plan, at, parts))();
    } catch (error) {
      quarantined.set(rule, error instanceof Error ? error.message : String(error));
      return false;
    }
  };

  const scanValue = (value: FieldValue | undefined, words: Keywords): void => {
    if (typeof value === 'string') {
      if (value.length < words.charsMin) return;
      const list = value.length < MEMO_CHARS_MIN ? words.find(value) : words.memo(value);
      if (list.length > 0) take(list);
    } else if (typeof value === 'number') {
      if (words.charsMin <= NUMBER_CHARS_MIN || !Number.isSafeInteger(value) || value >= NUMBER_MIN || value < 0)
        scanValue(String(value), words);
    } else if (typeof value === 'boolean') scanValue(String(value), words);
    else if (value) for (const one of value) if (one !== null) scanValue(one, words);
  };

  const search = (scan: SlotScan, value: Text): void => {
    if (value === null) return;
    const find = scan.find ?? openScan(scan, plan);
    if (typeof value === 'string') {
      const list = find(value);
      if (list.length > 0) take(list);
    } else for (const one of value) take(find(one));
  };

  const searchUnread = (scans: readonly SlotScan[]): void => {
    for (let i = 0; i < scans.length; i++) {
      const scan = scans[i] as SlotScan;
      if (!fields.has(scan.slot)) search(scan, fields.text(scan.slot));
    }
  };

  /** Goes once through what the event has: asking it for all that rules could want costs more. */
  const searchEvent = ({ fields: original, norm, raw }: DecodedEvent): void => {
    const { ways, columns, keywords } = plan;
    const oneText = keywords !== null && isOneText(raw);
    const words = oneText ? null : keywords;
    const merged = words?.merged ?? false;
    waiting.length = 0;
    for (const name in original) {
      const value = original[name] as FieldValue;
      if (value === null) continue;
      const way = ways.get(name);
      if (way === undefined) {
        if (words !== null) scanValue(value, words);
        continue;
      }
      if (way.first !== null) search(way.first, fields.put(way.first.slot, value));
      if (words !== null && !(merged && way.first !== null)) scanValue(value, words);
      if (way.later.length > 0) waiting.push(way.later);
    }
    for (let i = 0; i < waiting.length; i++) searchUnread(waiting[i] as readonly SlotScan[]);
    if (columns.size > 0) {
      for (const name in norm) {
        const scans = columns.get(name);
        if (scans !== undefined) searchUnread(scans);
      }
    }
    searchUnread(plan.asked);
    if (oneText) scanValue(raw, keywords);
    else if (words !== null) scanValue(norm.message, words);
  };

  return {
    fields,
    quarantined,
    planCount: plans.count,
    match: (event) => {
      found.length = 0;
      fields.begin(event);
      plan = plans.planFor(event);
      if (plan.rules.length === 0) return found;
      generation = (generation + 1) >>> 0;
      candidates.length = 0;
      if (plan.scans.length > 0 || plan.keywords !== null) searchEvent(event);
      for (let i = 0; i < candidates.length; i++) {
        const at = candidates[i] as number;
        if (check(at)) found.push((plan.rules[at] as PlanRule).rule);
        else plan.vain[at] = (plan.vain[at] as number) + 1;
      }
      for (let i = 0; i < plan.always.length; i++) {
        const at = plan.always[i] as number;
        if (check(at)) found.push((plan.rules[at] as PlanRule).rule);
      }
      // In the order of the rules, whatever was looked for first.
      return found.length > 1 ? found.sort((a, b) => a - b) : found;
    },
  };
}

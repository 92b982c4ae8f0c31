/**
 * What rules need and what comes in: log sources and fields of each rule, rules that can never fire with the events that
 * were seen, fields that no rule reads, and techniques of MITRE ATT&CK as a layer for the Navigator.
 */

import type { DecodedEvent, LogSource } from '../core/index.ts';
import { fieldNames } from './detection-fields.ts';
import type { Expr, Rule } from './detection-rule.ts';
import { channelOf, eventIdOf, readsNormalisedFirst, sourceFacts, wants } from './detection-taxonomy.ts';

/** Kinds of events and fields remembered while looking through evidence. */
const KINDS_MAX = 4096;
const FIELDS_MAX = 50_000;

export interface RuleNeed {
  readonly id: string;
  readonly title: string;
  readonly file: string;
  readonly logsource: LogSource;
  readonly fields: readonly string[];
  readonly tags: readonly string[];
}

function fieldsOf(expr: Expr, into: Set<string>): void {
  if (expr.t === 'and' || expr.t === 'or') for (const part of expr.of) fieldsOf(part, into);
  else if (expr.t === 'not') fieldsOf(expr.of, into);
  else if (expr.t === 'test') {
    if (expr.field !== '') into.add(expr.field);
    if (expr.test.kind === 'fieldref') into.add(expr.test.other);
  }
}

export function needsOf(rules: readonly Rule[]): RuleNeed[] {
  return rules.flatMap((rule) => {
    if (rule.kind !== 'detection') return [];
    const fields = new Set<string>();
    fieldsOf(rule.expr, fields);
    const { id, title, file, logsource, tags } = rule;
    return [{ id, title, file, logsource, fields: [...fields].sort(), tags }];
  });
}

/** What kinds of events came, each with the fields that had a value. */
export interface Seen {
  take(event: DecodedEvent): void;
  readonly events: number;
  readonly kinds: readonly SeenKind[];
  /** Whether there was more than is remembered. */
  readonly full: boolean;
}

interface SeenKind {
  readonly facts: ReturnType<typeof sourceFacts>;
  readonly format: string;
  readonly fields: Set<string>;
  events: number;
}

export function createSeen(): Seen {
  const kinds = new Map<string, SeenKind>();
  let events = 0;
  let fieldCount = 0;
  let full = false;
  const put = (kind: SeenKind, name: string): void => {
    if (kind.fields.has(name)) return;
    if (fieldCount >= FIELDS_MAX) full = true;
    else {
      kind.fields.add(name);
      fieldCount++;
    }
  };
  return {
    get events() {
      return events;
    },
    get kinds() {
      return [...kinds.values()];
    },
    get full() {
      return full;
    },
    take: (event) => {
      events++;
      const { logsource, norm } = event;
      const facts = sourceFacts(logsource, norm.class_uid ?? 0, channelOf(event), eventIdOf(event));
      const key = [event.format, facts.product, facts.categories.join(), facts.services.join()].join('\0');
      let kind = kinds.get(key);
      if (!kind) {
        if (kinds.size >= KINDS_MAX) {
          full = true;
          return;
        }
        kind = { facts, format: event.format, fields: new Set(), events: 0 };
        kinds.set(key, kind);
      }
      kind.events++;
      for (const name in event.fields) if (event.fields[name] !== null) put(kind, name);
      for (const name in norm) put(kind, name);
    },
  };
}

/** Whether an expression can be true for events that have these fields only. */
function possible(expr: Expr, has: (field: string) => boolean): { mayHold: boolean; mayFail: boolean } {
  switch (expr.t) {
    case 'const':
      return { mayHold: expr.value, mayFail: !expr.value };
    case 'not': {
      const inner = possible(expr.of, has);
      return { mayHold: inner.mayFail, mayFail: inner.mayHold };
    }
    case 'and': {
      const parts = expr.of.map((part) => possible(part, has));
      return { mayHold: parts.every(({ mayHold }) => mayHold), mayFail: parts.some(({ mayFail }) => mayFail) };
    }
    case 'or': {
      const parts = expr.of.map((part) => possible(part, has));
      return { mayHold: parts.some(({ mayHold }) => mayHold), mayFail: parts.every(({ mayFail }) => mayFail) };
    }
    case 'test': {
      if (expr.field === '' || has(expr.field)) return { mayHold: true, mayFail: true };
      const { test } = expr;
      const holds = test.kind === 'null' || (test.kind === 'exists' && !test.exists);
      return { mayHold: holds, mayFail: !holds };
    }
  }
}

export interface CoverageReport {
  readonly events: number;
  readonly sources: readonly { format: string; events: number; rules: number }[];
  /** Rules for whose log source nothing came. */
  readonly without_source: readonly string[];
  /** Rules whose log source came, but not the fields that they cannot do without. */
  readonly without_fields: readonly { id: string; title: string; missing: readonly string[] }[];
  readonly can_fire: number;
  /** Fields that came and that no rule reads, the most frequent kinds of events first. */
  readonly unread_fields: readonly string[];
  readonly full: boolean;
}

const UNREAD_SHOWN = 500;

export function coverageOf(rules: readonly Rule[], seen: Seen): CoverageReport {
  const needs = new Map(needsOf(rules).map((need) => [need.id, need]));
  const withoutSource: string[] = [];
  const withoutFields: { id: string; title: string; missing: string[] }[] = [];
  const read = new Set<string>();
  const perKind = new Map<SeenKind, number>();
  let canFire = 0;
  for (const rule of rules) {
    if (rule.kind === 'correlation')
      for (const field of [...rule.groupBy, ...rule.fields]) for (const name of fieldNames(field, true)) read.add(name);
    if (rule.kind !== 'detection') continue;
    const normFirst = readsNormalisedFirst(rule.logsource);
    const need = needs.get(rule.id);
    const names = new Map((need?.fields ?? []).map((field) => [field, fieldNames(field, normFirst)]));
    const kinds = seen.kinds.filter(({ facts }) => wants(rule.logsource, facts));
    for (const kind of kinds) perKind.set(kind, (perKind.get(kind) ?? 0) + 1);
    for (const list of names.values()) for (const name of list) read.add(name);
    if (kinds.length === 0) {
      withoutSource.push(rule.id);
      continue;
    }
    const hasIn = (kind: SeenKind) => (field: string) =>
      (names.get(field) ?? [field]).some((name) => kind.fields.has(name));
    if (kinds.some((kind) => possible(rule.expr, hasIn(kind)).mayHold)) canFire++;
    else {
      const missing = [...names.keys()].filter((field) => !kinds.some((kind) => hasIn(kind)(field)));
      withoutFields.push({ id: rule.id, title: rule.title, missing });
    }
  }
  const kinds = [...seen.kinds].sort((a, b) => b.events - a.events);
  const unread = new Set(kinds.flatMap((kind) => [...kind.fields].filter((field) => !read.has(field))));
  return {
    events: seen.events,
    sources: kinds.map((kind) => ({ format: kind.format, events: kind.events, rules: perKind.get(kind) ?? 0 })),
    without_source: withoutSource,
    without_fields: withoutFields,
    can_fire: canFire,
    unread_fields: [...unread].slice(0, UNREAD_SHOWN),
    full: seen.full,
  };
}

/** A layer for the ATT&CK Navigator (layer format 4.5): rules counted for each technique. */
export function navigatorLayer(rules: readonly Rule[]) {
  const techniques = new Map<string, { score: number; titles: string[] }>();
  for (const { tags, title } of rules) {
    const lower = tags.map((tag) => tag.toLowerCase());
    for (const tag of lower) {
      if (!/^attack\.t\d{4}(?:\.\d{3})?$/.test(tag)) continue;
      const id = tag.slice(7).toUpperCase();
      const one = techniques.get(id) ?? { score: 0, titles: [] };
      one.score++;
      if (one.titles.length < 20) one.titles.push(title);
      techniques.set(id, one);
    }
  }
  const most = Math.max(1, ...[...techniques.values()].map(({ score }) => score));
  return {
    name: 'Asepsis rules',
    versions: { attack: '17', navigator: '5.1.0', layer: '4.5' },
    domain: 'enterprise-attack',
    description: `${rules.length} rules, ${techniques.size} techniques`,
    gradient: { colors: ['#dbe9f6', '#08519c'], minValue: 0, maxValue: most },
    techniques: [...techniques]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([techniqueID, { score, titles }]) => ({
        techniqueID,
        score,
        comment: titles.join('\n'),
        enabled: true,
        showSubtechniques: techniqueID.includes('.'),
      })),
  };
}

/** Why a rule fired on an event or did not: every predicate with its verdict, the value it saw and the bytes that fulfilled it. */

import { type DecodedEvent, LIMITS } from '../core/index.ts';
import { inCidr } from './detection-cidr.ts';
import { wordsOf } from './detection-explain.ts';
import { fieldReader, keywordText, type Text, toText } from './detection-fields.ts';
import { evaluatePlain } from './detection-plain.ts';
import type { DetectionRule, Expr, Rule, Test } from './detection-rule.ts';
import { channelOf, eventIdOf, readsNormalisedFirst, sourceFacts, wants } from './detection-taxonomy.ts';

export interface Why {
  readonly what: 'all of' | 'one of' | 'not' | 'always' | 'never' | 'test';
  readonly holds: boolean;
  readonly field: string | null;
  /** The predicate in words: "contains -enc". */
  readonly asked: string | null;
  /** What the event has there; null when the field is missing. */
  readonly value: string | null;
  /** Bytes of the value (UTF-8, from, to) that fulfilled it; null when it has no place. */
  readonly bytes: readonly [number, number] | null;
  readonly of: readonly Why[];
}

export interface RuleWhy {
  readonly rule: string;
  readonly title: string;
  readonly fires: boolean;
  /** The answer in one sentence. */
  readonly sentence: string;
  readonly logsource: { readonly holds: boolean; readonly asked: string; readonly has: string } | null;
  readonly why: Why | null;
  /** For a correlation: its rules, and the group that the event belongs to. */
  readonly members: readonly RuleWhy[];
  readonly group: Readonly<Record<string, string | null>> | null;
}

const NODES_MAX = 2000;
const clip = (text: string): string => (text.length > 480 ? `${text.slice(0, 479)}…` : text);

/** Where the literal of a text test stands in a value. */
function placeOf(test: Test, value: string): [number, number] | null {
  if (test.kind === 'cidr') return inCidr(value, test.cidr) ? [0, Buffer.byteLength(value)] : null;
  if (test.kind !== 'text') return null;
  const literal = test.pattern.filter((piece) => typeof piece === 'string').sort((a, b) => b.length - a.length)[0];
  if (literal === undefined) return null;
  const [text, word] = test.cased ? [value, literal] : [value.toLowerCase(), literal.toLowerCase()];
  const at = test.mode === 'endswith' ? text.lastIndexOf(word) : text.indexOf(word);
  if (at < 0) return null;
  const from = Buffer.byteLength(value.slice(0, at));
  return [from, from + Buffer.byteLength(value.slice(at, at + word.length))];
}

function whyOf(expr: Expr, event: DecodedEvent, normFirst: boolean, budget: { left: number }): Why {
  budget.left--;
  const empty = { field: null, asked: null, value: null, bytes: null, of: [] };
  if (budget.left < 0)
    return { what: 'always', holds: evaluatePlain(expr, event, normFirst), ...empty, asked: 'too long to show' };
  switch (expr.t) {
    case 'const':
      return { what: expr.value ? 'always' : 'never', holds: expr.value, ...empty };
    case 'not': {
      const inner = whyOf(expr.of, event, normFirst, budget);
      return { what: 'not', holds: !inner.holds, ...empty, of: [inner] };
    }
    case 'and':
    case 'or': {
      const of = expr.of.map((part) => whyOf(part, event, normFirst, budget));
      const holds = expr.t === 'and' ? of.every((one) => one.holds) : of.some((one) => one.holds);
      return { what: expr.t === 'and' ? 'all of' : 'one of', holds, ...empty, of };
    }
    case 'test': {
      const { field, test } = expr;
      const text: Text = field === '' ? keywordText(event) : toText(fieldReader(field, normFirst)(event));
      const holds = evaluatePlain(expr, event, normFirst);
      const value = text === null ? null : typeof text === 'string' ? text : text.join(', ');
      return {
        what: 'test',
        holds,
        field: field === '' ? 'any text' : field,
        asked: `${test.kind === 'text' ? test.mode : test.kind} ${wordsOf(test)}`.slice(0, LIMITS.nameCharsMax),
        value: value === null ? null : clip(value),
        bytes: holds && value !== null ? placeOf(test, value) : null,
        of: [],
      };
    }
  }
}

const sourceText = (source: { product?: string; category?: string; service?: string }): string =>
  [source.product, source.category, source.service].filter((word) => word !== undefined).join('/') || 'any';

/** The first predicates that would have to hold. */
function missing(why: Why, out: string[]): void {
  if (why.holds || out.length >= 3) return;
  if (why.what === 'test')
    out.push(
      why.value === null
        ? `the event has no ${why.field}`
        : `${why.field} is "${why.value.slice(0, 80)}", not ${why.asked}`,
    );
  else if (why.what === 'not') out.push('what it leaves out is there');
  else if (why.what === 'all of') for (const one of why.of) missing(one, out);
  else if (why.of[0]) missing(why.of[0], out);
}

function whyDetection(rule: DetectionRule, event: DecodedEvent): RuleWhy {
  const facts = sourceFacts(event.logsource, event.norm.class_uid ?? 0, channelOf(event), eventIdOf(event));
  const fits = wants(rule.logsource, facts);
  const why = whyOf(rule.expr, event, readsNormalisedFirst(rule.logsource), { left: NODES_MAX });
  const fires = fits && why.holds;
  const reasons: string[] = [];
  missing(why, reasons);
  const sentence = fires
    ? 'It fires: every part of its condition holds.'
    : !fits
      ? `It does not look at this event: it is for ${sourceText(rule.logsource)}, the event is ${sourceText(event.logsource)} (${event.format}).`
      : `It does not fire: ${reasons.join('; ')}.`;
  return {
    rule: rule.id,
    title: rule.title,
    fires,
    sentence,
    logsource: { holds: fits, asked: sourceText(rule.logsource), has: sourceText(event.logsource) },
    why,
    members: [],
    group: null,
  };
}

/**
 * Why a rule fires on an event or not. A correlation is explained by its rules: whether one of them counts the event, and in
 * which group.
 *
 * @param all the rules among which a correlation finds its own
 */
export function whyRule(rule: Rule, event: DecodedEvent, all: readonly Rule[], depth = 0): RuleWhy {
  if (rule.kind === 'detection') return whyDetection(rule, event);
  const members = rule.rules.flatMap((name) => {
    const member = all.find((one) => one.id === name || one.name === name);
    return member && depth < 8 ? [whyRule(member, event, all, depth + 1)] : [];
  });
  const group = Object.fromEntries(
    rule.groupBy.map((name) => {
      const text = toText(fieldReader(name, true)(event));
      return [name, text === null ? null : typeof text === 'string' ? text : (text[0] ?? null)];
    }),
  );
  const counted = members.filter((member) => member.fires);
  const lacking = Object.entries(group).filter(([, value]) => value === null || value === '' || value === '-');
  const counts = counted.length > 0 && lacking.length === 0;
  return {
    rule: rule.id,
    title: rule.title,
    fires: counts,
    sentence: counts
      ? `It counts this event (${counted.map(({ rule: id }) => id).join(', ')}); whether it fires depends on the others of ${Object.values(group).join(', ') || 'all events'} in ${rule.timespanMs / 1000} s.`
      : counted.length > 0
        ? `It cannot count this event: it has no ${lacking.map(([name]) => name).join(' and no ')}.`
        : 'None of its rules fires on this event, so it does not count it.',
    logsource: null,
    why: null,
    members,
    group,
  };
}

/** What a Sigma rule is once read: a log source and an expression over fields, or a correlation over other rules. */

import type { LogSource, Severity } from '../core/index.ts';
import type { Cidr } from './detection-cidr.ts';
import type { Regex } from './detection-regex.ts';
import type { SigmaPattern } from './detection-value.ts';

/** How a field's text is compared; `glob` is a pattern with wildcards inside. */
export type TextMode = 'equals' | 'startswith' | 'endswith' | 'contains' | 'glob';
export type TimePart = 'minute' | 'hour' | 'day' | 'week' | 'month' | 'year';
export type Comparison = 'lt' | 'lte' | 'gt' | 'gte';

export type Test =
  | { readonly kind: 'text'; readonly mode: TextMode; readonly pattern: SigmaPattern; readonly cased: boolean }
  | { readonly kind: 'regex'; readonly regex: Regex }
  | { readonly kind: 'cidr'; readonly cidr: Cidr }
  | { readonly kind: 'compare'; readonly op: Comparison; readonly number: number }
  | { readonly kind: 'time'; readonly part: TimePart; readonly op: Comparison | 'eq'; readonly number: number }
  | { readonly kind: 'exists'; readonly exists: boolean }
  | { readonly kind: 'null' }
  | {
      readonly kind: 'fieldref';
      readonly other: string;
      readonly mode: Exclude<TextMode, 'glob'>;
      readonly cased: boolean;
    };

/** `field` is empty for keywords: text anywhere in the event. */
export type Expr =
  | { readonly t: 'and'; readonly of: readonly Expr[] }
  | { readonly t: 'or'; readonly of: readonly Expr[] }
  | { readonly t: 'not'; readonly of: Expr }
  | { readonly t: 'test'; readonly field: string; readonly test: Test }
  | { readonly t: 'const'; readonly value: boolean };

interface RuleBase {
  readonly id: string;
  readonly name: string | null;
  readonly title: string;
  readonly level: Severity;
  readonly tags: readonly string[];
  readonly description: string | null;
  readonly falsePositives: readonly string[];
  readonly response: string | null;
  /** The alert's sentence with `{placeholders}`; null: made from the rule's title. */
  readonly titleTemplate: string | null;
  readonly file: string;
  readonly line: number;
  /** Digest over what decides its behaviour; state of a rule is kept as long as this stays the same. */
  readonly hash: string;
}

export interface DetectionRule extends RuleBase {
  readonly kind: 'detection';
  readonly logsource: LogSource;
  readonly expr: Expr;
}

export const CORRELATION_TYPES = [
  'event_count',
  'value_count',
  'value_sum',
  'value_avg',
  'value_percentile',
  'value_median',
  'temporal',
  'temporal_ordered',
] as const;
export type CorrelationType = (typeof CORRELATION_TYPES)[number];

export interface CorrelationRule extends RuleBase {
  readonly kind: 'correlation';
  readonly type: CorrelationType;
  /** Names or ids of the rules it looks at, in order. */
  readonly rules: readonly string[];
  readonly groupBy: readonly string[];
  readonly timespanMs: number;
  /** Fields of a value_… type; several are counted as combinations. */
  readonly fields: readonly string[];
  readonly percentile: number;
  readonly bounds: Bounds;
  /** Alias → rule name or id → that rule's field. */
  readonly aliases: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** Whether the rules it looks at also alert by themselves. */
  readonly generate: boolean;
  /** Our extension: which events belong to one window. */
  readonly window: 'sliding' | 'tumbling' | 'session';
  /** Our extension: alert on values that are new, after learning for so long; null: an ordinary correlation. */
  readonly learnMs: number | null;
}

/** The number that a correlation must reach: all given ones hold. */
export interface Bounds {
  readonly gte?: number;
  readonly gt?: number;
  readonly lte?: number;
  readonly lt?: number;
  readonly eq?: number;
  readonly neq?: number;
}

export type Rule = DetectionRule | CorrelationRule;

export interface FilterRule {
  readonly kind: 'filter';
  readonly title: string;
  readonly logsource: LogSource;
  /** Names or ids of the rules it narrows; null: any rule of its log source. */
  readonly rules: readonly string[] | null;
  readonly expr: Expr;
  readonly file: string;
  readonly line: number;
}

/** Why a document is no rule; `line` and `column` from 1. */
export interface Refusal {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly reason: string;
}

/** A good rule that waits for values of placeholders. */
export interface Waiting extends Refusal {
  readonly placeholders: readonly string[];
}

/** Raised and caught inside the parser: a reason, and the path in the document to which it belongs. */
export class RuleFault extends Error {
  readonly path: readonly (string | number)[];
  constructor(reason: string, path: readonly (string | number)[] = []) {
    super(reason);
    this.path = path;
  }
}

/** Values for these placeholders are not given. */
export class PlaceholderFault extends RuleFault {
  readonly placeholders: readonly string[];
  constructor(placeholders: readonly string[], path: readonly (string | number)[] = []) {
    const list = placeholders.map((name) => `%${name.slice(0, 64)}%`).join(', ');
    super(`waits for values of ${placeholders.length === 1 ? 'the placeholder' : 'the placeholders'} ${list}`, path);
    this.placeholders = placeholders;
  }
}

export const all = (of: readonly Expr[]): Expr => (of.length === 1 ? (of[0] as Expr) : { t: 'and', of });
export const any = (of: readonly Expr[]): Expr => (of.length === 1 ? (of[0] as Expr) : { t: 'or', of });
export const not = (of: Expr): Expr => (of.t === 'not' ? of.of : { t: 'not', of });

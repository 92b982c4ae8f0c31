/** Which literals an event must hold for a rule to have a chance: the cheapest necessary set of each expression. */

import type { Expr, Test } from './detection-rule.ts';

/** Stand before and behind every scanned value, so that equals, startswith and endswith are literals like any other. */
export const BEGIN = '\x02';
export const END = '\x03';

export interface Literal {
  readonly field: string;
  /** In lower case, with BEGIN and END where the literal is tied to an edge. */
  readonly text: string;
}

/** How often a literal is expected in an event: measured where it was, estimated else. */
export type Likelihood = (literal: Literal) => number;

/** One of the literals stands in every event for which the expression is true. */
export interface Need {
  readonly literals: readonly Literal[];
  readonly cost: number;
}

/** Fields with few different values: equality with one of them says little. */
const FEW_VALUES = new Set([
  'EventType',
  'Signed',
  'SignatureStatus',
  'IntegrityLevel',
  'Initiated',
  'LogonType',
  'Status',
  'Protocol',
  'action',
  'outcome',
  'status',
  'sc-status',
  'cs-method',
  'method',
  'protocol',
  'service',
  'class_uid',
  'type',
  'Provider_Name',
  'Channel',
  'Level',
  'TerminalSessionId',
  'CurrentDirectory',
]);
const COMMON =
  /^(?:\\?(?:powershell|pwsh|cmd|rundll32|svchost|explorer|wscript|cscript|mshta|regsvr32|reg|net|net1|sc|schtasks)(?:\.exe)?|http|https|\.exe|\.dll|c:\\|windows|system32|\\windows\\|microsoft|software|hklm|hkcu|program files|users|\\users\\|appdata|system|true|false|get|post)/;

/** Characters beyond ASCII are rare in what machines write. */
const FOREIGN = 0.0005;
const RARITY = Array.from({ length: 64 }, (_, chars) => Math.exp(-0.8 * chars));

/** An estimate before anything was measured. */
export function estimateLikelihood(literal: Literal): number {
  const { text } = literal;
  const edges = (text.startsWith(BEGIN) ? 1 : 0) + (text.endsWith(END) ? 1 : 0);
  const length = text.length - edges;
  if (edges === 2 && FEW_VALUES.has(literal.field)) return 0.2;
  if (NOT_ASCII.test(text)) return FOREIGN;
  const rare = RARITY[Math.min(length + edges, RARITY.length - 1)] as number;
  if (rare >= 0.05) return rare;
  return COMMON.test(text.startsWith(BEGIN) ? text.slice(1) : text) ? Math.max(rare, 0.05) : rare;
}

const NOT_ASCII = /[\u0080-\uffff]+/;
/** In lower case these depend on what stands beside them, or become two characters. */
const UNSTEADY = /[\u0130\u03a3\u03c2\u03c3]/;

/**
 * A literal piece in lower case, tied to edges where it stands at them. Beyond ASCII, case is compared by pieces, so where
 * that may differ from the whole value's the longest run of ASCII stands for it.
 */
function literalOf(piece: string, atStart: boolean, atEnd: boolean, steady: boolean): string | null {
  const lower = piece.toLowerCase();
  if (lower.includes(BEGIN) || lower.includes(END)) return null;
  const whole = lower !== '' && (!NOT_ASCII.test(lower) || (steady && !UNSTEADY.test(piece)));
  if (whole) return (atStart ? BEGIN : '') + lower + (atEnd ? END : '');
  const runs = lower.split(NOT_ASCII);
  const longest = runs.reduce((best, run) => (run.length > best.length ? run : best), '');
  const first = atStart && runs[0] === longest;
  const last = atEnd && runs.at(-1) === longest;
  if (longest === '' && !(runs.length === 1 && first && last)) return null;
  return (first ? BEGIN : '') + longest + (last ? END : '');
}

function patternLiterals({ mode, pattern, cased }: Test & { kind: 'text' }): string[] {
  if (mode !== 'glob') {
    const begin = mode === 'equals' || mode === 'startswith';
    const end = mode === 'equals' || mode === 'endswith';
    const run = literalOf((pattern[0] as string | undefined) ?? '', begin, end, !cased);
    return run === null ? [] : [run];
  }
  return pattern.flatMap((piece, i) => {
    const run = typeof piece === 'string' ? literalOf(piece, i === 0, i === pattern.length - 1, !cased) : null;
    return run === null ? [] : [run];
  });
}

/** Keywords are looked for in each value by itself: what spans two lines may span two values, and edges are others. */
function keywordLiteral(text: string): string | null {
  const bare = text.slice(text.startsWith(BEGIN) ? 1 : 0, text.endsWith(END) ? -1 : undefined);
  return bare === '' || bare.includes('\n') ? null : bare;
}

function needOfTest(field: string, test: Test, likelihood: Likelihood): Need | null {
  if (test.kind === 'text') {
    let best: Need | null = null;
    for (const tied of patternLiterals(test)) {
      const text = field === '' ? keywordLiteral(tied) : tied;
      if (text === null) continue;
      const literal = { field, text };
      const cost = likelihood(literal);
      if (!best || cost < best.cost) best = { literals: [literal], cost };
    }
    return best;
  }
  if (test.kind !== 'regex' || !test.regex.required) return null;
  const literals: Literal[] = [];
  for (const word of test.regex.required) {
    const run = literalOf(word, false, false, false);
    const text = run !== null && field === '' ? keywordLiteral(run) : run;
    if (text === null) return null;
    literals.push({ field, text });
  }
  return { literals, cost: literals.reduce((sum, literal) => sum + likelihood(literal), 0) };
}

/** The cheapest necessary set of an expression; null when it can be true without any literal. */
export function needOf(expr: Expr, likelihood: Likelihood): Need | null {
  if (expr.t === 'test') return needOfTest(expr.field, expr.test, likelihood);
  if (expr.t === 'and') {
    let best: Need | null = null;
    for (const part of expr.of) {
      const need = needOf(part, likelihood);
      if (need && (!best || need.cost < best.cost)) best = need;
    }
    return best;
  }
  if (expr.t === 'or') {
    const literals: Literal[] = [];
    let cost = 0;
    for (const part of expr.of) {
      const need = needOf(part, likelihood);
      if (!need) return null;
      for (const literal of need.literals) literals.push(literal);
      cost += need.cost;
    }
    return { literals, cost };
  }
  if (expr.t === 'const' && !expr.value) return { literals: [], cost: 0 };
  return null;
}

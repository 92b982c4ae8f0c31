/**
 * Regular expressions in time linear in the text: a Thompson automaton made deterministic while it runs (Cox, "Regular
 * Expression Matching Can Be Simple And Fast"). Rules come from strangers and texts from attackers, so nothing backtracks.
 */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import {
  type Assertion,
  type Node,
  parseRegex,
  type Ranges,
  type RegexFlags,
  requiredLiterals,
} from './detection-regex-parse.ts';
import { RuleFault } from './detection-rule.ts';

export interface Regex {
  readonly source: string;
  readonly flags: RegexFlags;
  /** Lower-case literals of which a matching text holds at least one; null when that cannot be said. */
  readonly required: readonly string[] | null;
  /** Whether the expression matches anywhere in the text. */
  readonly test: (text: string) => boolean;
}

type Step =
  | { op: 'set'; ranges: Ranges; classes: Uint8Array }
  | { op: 'split'; a: number; b: number }
  | { op: 'assert'; a: Assertion }
  | { op: 'match' };

/** What stands before or after a position. */
const EDGE = 0;
const WORD = 1;
const NEWLINE = 2;
const OTHER = 3;
const FINAL_NEWLINE = 4;
/** Times the remembered states of one text may overflow before they are no longer remembered for it. */
const RESTARTS_MAX = 2;

function assemble(tree: Node): Step[] {
  const steps: Step[] = [];
  const add = (step: Step): number => {
    if (steps.length >= LIMIT.regexStatesMax) throw new RuleFault('the regular expression grows too large');
    return steps.push(step) - 1;
  };
  // Counted on its own: repeated empty groups would turn for ever without adding a step.
  let visits = 0;
  const emit = (node: Node): void => {
    if (++visits > 8 * LIMIT.regexStatesMax) throw new RuleFault('the regular expression grows too large');
    if (node.k === 'set') add({ op: 'set', ranges: node.ranges, classes: new Uint8Array(0) });
    else if (node.k === 'assert') add({ op: 'assert', a: node.a });
    else if (node.k === 'cat') for (const part of node.of) emit(part);
    else if (node.k === 'alt') alternatives(node.of);
    else repeat(node);
  };
  const alternatives = (branches: readonly Node[]): void => {
    const ends: number[] = [];
    for (const branch of branches.slice(0, -1)) {
      const split = add({ op: 'split', a: steps.length + 1, b: 0 });
      emit(branch);
      ends.push(add({ op: 'split', a: 0, b: 0 }));
      (steps[split] as { b: number }).b = steps.length;
    }
    emit(branches.at(-1) as Node);
    for (const end of ends) Object.assign(steps[end] as object, { a: steps.length, b: steps.length });
  };
  const repeat = (node: Node & { k: 'rep' }): void => {
    for (let i = 0; i < node.min; i++) emit(node.of);
    if (node.max === Number.POSITIVE_INFINITY) {
      const split = add({ op: 'split', a: steps.length + 1, b: 0 });
      emit(node.of);
      add({ op: 'split', a: split, b: split });
      (steps[split] as { b: number }).b = steps.length;
      return;
    }
    const splits: number[] = [];
    for (let i = node.min; i < node.max; i++) {
      splits.push(add({ op: 'split', a: steps.length + 1, b: 0 }));
      emit(node.of);
    }
    for (const split of splits) (steps[split] as { b: number }).b = steps.length;
  };
  emit(tree);
  add({ op: 'match' });
  return steps;
}

/** Splits all characters into classes that no set of the expression tells apart. */
function alphabetOf(steps: readonly Step[]): { starts: number[]; kinds: number[]; ascii: Uint8Array } {
  const cuts = new Set([0, 10, 11, 48, 58, 65, 91, 95, 96, 97, 123]);
  for (const step of steps) {
    if (step.op !== 'set') continue;
    step.ranges.forEach((at, i) => {
      cuts.add(i % 2 === 0 ? at : at + 1);
    });
  }
  const starts = [...cuts].filter((cut) => cut <= 0xffff).sort((a, b) => a - b);
  if (starts.length > 250) throw new RuleFault('the regular expression uses too many character classes');
  const kinds = starts.map((c) => (c === 10 ? NEWLINE : /\w/.test(String.fromCharCode(c)) ? WORD : OTHER));
  const ascii = new Uint8Array(128);
  for (let c = 0, cls = 0; c < 128; c++) {
    while (cls + 1 < starts.length && (starts[cls + 1] as number) <= c) cls++;
    ascii[c] = cls;
  }
  return { starts, kinds, ascii };
}

function holds(a: Assertion, before: number, after: number): boolean {
  switch (a) {
    case 'start':
    case 'bol':
      return before === EDGE;
    case 'mbol':
      return before === EDGE || before === NEWLINE;
    case 'end':
      return after === EDGE;
    case 'eol':
      return after === EDGE || after === FINAL_NEWLINE;
    case 'meol':
      return after === EDGE || after === NEWLINE || after === FINAL_NEWLINE;
    case 'word':
      return (before === WORD) !== (after === WORD);
    case 'nword':
      return (before === WORD) === (after === WORD);
  }
}

interface State {
  readonly core: readonly number[];
  readonly before: number;
  /** Next state by symbol; `UNKNOWN` until it was worked out. */
  readonly next: State[];
}

const UNKNOWN: State = { core: [], before: -1, next: [] };
const MATCHED: State = { core: [], before: -2, next: [] };

function createMatcher(steps: readonly Step[]): (text: string) => boolean {
  const { starts, kinds, ascii } = alphabetOf(steps);
  const classes = starts.length;
  const END = classes;
  const FINAL = classes + 1;
  const newlineClass = ascii[10] as number;
  for (const step of steps) {
    if (step.op !== 'set') continue;
    step.classes = new Uint8Array(classes);
    for (let c = 0; c < classes; c++) {
      const first = starts[c] as number;
      for (let i = 0; i < step.ranges.length; i += 2) {
        if (first >= (step.ranges[i] as number) && first <= (step.ranges[i + 1] as number)) step.classes[c] = 1;
      }
    }
  }
  const asserts = steps.some((step) => step.op === 'assert');
  const stamp = new Uint32Array(steps.length);
  let generation = 0;
  const states = new Map<string, State>();
  let initial: State | null = null;
  let restarts = 0;

  const intern = (core: readonly number[], before: number): State => {
    const key = `${before}:${core.join()}`;
    const known = states.get(key);
    if (known !== undefined) return known;
    const state: State = { core, before, next: Array.from({ length: classes + 2 }, () => UNKNOWN) };
    states.set(key, state);
    return state;
  };

  /** Follows every path from the state's places; the places behind `symbol`, or null when the end was reached. */
  const advance = (state: Pick<State, 'core' | 'before'>, symbol: number): number[] | null => {
    const after = symbol === END ? EDGE : symbol === FINAL ? FINAL_NEWLINE : (kinds[symbol] as number);
    const cls = symbol === FINAL ? newlineClass : symbol;
    generation++;
    const stack = [...state.core];
    const out: number[] = [];
    while (stack.length > 0) {
      const pc = stack.pop() as number;
      if (stamp[pc] === generation) continue;
      stamp[pc] = generation;
      const step = steps[pc] as Step;
      if (step.op === 'match') return null;
      if (step.op === 'split') stack.push(step.b, step.a);
      else if (step.op === 'assert') {
        if (holds(step.a, state.before, after)) stack.push(pc + 1);
      } else if (symbol !== END && step.classes[cls] === 1) out.push(pc + 1);
    }
    // Each place is left once a character, so none is entered twice, and none of them is the first.
    out.push(0);
    return out.sort((a, b) => a - b);
  };

  const beforeOf = (symbol: number): number =>
    !asserts ? OTHER : symbol === FINAL ? NEWLINE : (kinds[symbol] ?? OTHER);

  const follow = (state: State, symbol: number): State => {
    const core = advance(state, symbol);
    if (!core) {
      state.next[symbol] = MATCHED;
      return MATCHED;
    }
    const before = beforeOf(symbol);
    // Starting again from empty keeps memory bounded; the work for a character stays bounded by the steps.
    if (states.size >= LIMIT.regexDfaStatesMax) {
      restarts++;
      states.clear();
      initial = null;
      return intern(core, before);
    }
    const target = intern(core, before);
    state.next[symbol] = target;
    return target;
  };

  const classOf = (c: number): number => {
    let low = 0;
    let high = classes - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] as number) <= c) low = middle;
      else high = middle - 1;
    }
    return low;
  };

  const symbolAt = (text: string, i: number): number => {
    const c = text.charCodeAt(i);
    return c === 10 && i === text.length - 1 ? FINAL : c < 128 ? (ascii[c] as number) : classOf(c);
  };

  /** The rest of a text whose states hardly ever repeat: remembering them costs more than it saves. */
  const simulate = (text: string, from: number, state: State): boolean => {
    let now: { core: readonly number[]; before: number } = state;
    for (let i = from; i <= text.length; i++) {
      const symbol = i === text.length ? END : symbolAt(text, i);
      const core = advance(now, symbol);
      if (!core) return true;
      now = { core, before: beforeOf(symbol) };
    }
    return false;
  };

  return (text) => {
    initial ??= intern([0], asserts ? EDGE : OTHER);
    let state: State = initial;
    restarts = 0;
    const last = text.length - 1;
    for (let i = 0; i <= last; i++) {
      const c = text.charCodeAt(i);
      const symbol = c === 10 && i === last ? FINAL : c < 128 ? (ascii[c] as number) : classOf(c);
      let to = state.next[symbol] as State;
      if (to === UNKNOWN) to = follow(state, symbol);
      if (to === MATCHED) return true;
      state = to;
      if (restarts > RESTARTS_MAX) return simulate(text, i + 1, state);
    }
    const end = state.next[END] as State;
    return (end === UNKNOWN ? follow(state, END) : end) === MATCHED;
  };
}

/**
 * One set repeated at least so often and nothing else: a run of characters that is counted, where the automaton would
 * carry one place for each character of the run.
 */
function runMatcher(tree: Node): ((text: string) => boolean) | null {
  if (tree.k !== 'rep' || tree.of.k !== 'set' || tree.min < 2) return null;
  const { ranges } = tree.of;
  const fits = new Uint8Array(0x10000);
  for (let i = 0; i < ranges.length; i += 2) fits.fill(1, ranges[i] as number, (ranges[i + 1] as number) + 1);
  const { min } = tree;
  return (text) => {
    if (text.length < min) return false;
    let run = 0;
    for (let i = 0; i < text.length; i++) {
      run = fits[text.charCodeAt(i)] === 1 ? run + 1 : 0;
      if (run >= min) return true;
    }
    return false;
  };
}

function matcherOf(source: string, flags: RegexFlags): (text: string) => boolean {
  const tree = parseRegex(source, flags);
  return runMatcher(tree) ?? createMatcher(assemble(tree));
}

/** An expression that was read before: nothing is done until the first text comes. */
export function regexOf({ source, flags, required }: Pick<Regex, 'source' | 'flags' | 'required'>): Regex {
  let matcher: ((text: string) => boolean) | null = null;
  return {
    source,
    flags,
    required,
    test: (text) => {
      matcher ??= matcherOf(source, flags);
      return matcher(text);
    },
  };
}

/** @throws RuleFault when the expression is wrong, not regular or too large */
export function createRegex(source: string, flags: RegexFlags = { i: false, m: false, s: false }): Regex {
  const tree = parseRegex(source, flags);
  alphabetOf(assemble(tree));
  return regexOf({ source, flags, required: requiredLiterals(tree) });
}

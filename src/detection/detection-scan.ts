/**
 * Finds the literals of one field. Whole values, beginnings and ends are looked up by a hash that grows with the text;
 * everything else is searched with windows that skip what cannot fit. A hot path (bench/bench-detect.ts): against a
 * transition table it is built in a thousandth of the time and stays in the processor's first cache. What it reports is
 * confirmed exactly, except that texts beyond ASCII are not tied to edges.
 */

import { edgeFinder, type Finder, foreignFinder, NOT_ASCII, type Report } from './detection-finder.ts';
import { BEGIN, END } from './detection-literal.ts';
import { rememberAnswer } from './detection-memo.ts';
import { asBytes, type WindowFinder, windowFinder } from './detection-skip.ts';

export interface FieldScan {
  /**
   * Payloads of all literals that stand in the value once it is in lower case, each once; the array is used again by the
   * next call. The value comes as it was written: a lower-case copy is made only when something may fit.
   */
  find: (value: string) => readonly number[];
  /** Shortest text that can hold any of the literals. */
  readonly charsMin: number;
}

/** Literals with the payloads of each; keys are in lower case with the edge symbols of detection-literal. */
export type LiteralTable = ReadonlyMap<string, readonly number[]>;

interface Kinds {
  readonly whole: Map<string, readonly number[]>;
  readonly begins: [string[], (readonly number[])[]];
  readonly ends: [string[], (readonly number[])[]];
  /** Long and short texts apart, so that a few short ones do not make the windows of all small. */
  readonly long: [string[], (readonly number[])[]];
  readonly short: [string[], (readonly number[])[]];
  readonly single: [string[], (readonly number[])[]];
  /** Texts with characters beyond ASCII: only values that have such characters are searched for them. */
  readonly foreign: [string[], (readonly number[])[]];
}

/** Texts from this length on are searched with windows of their own when shorter ones are there too. */
const LONG_CHARS = 8;

function sortOut(literals: LiteralTable): Kinds {
  const kinds: Kinds = {
    whole: new Map(),
    begins: [[], []],
    ends: [[], []],
    long: [[], []],
    short: [[], []],
    single: [[], []],
    foreign: [[], []],
  };
  for (const [text, payloads] of literals) {
    const begin = text.startsWith(BEGIN);
    const end = text.endsWith(END);
    const bare = text.slice(begin ? 1 : 0, end ? -1 : undefined);
    if (NOT_ASCII.test(bare)) {
      kinds.foreign[0].push(bare);
      kinds.foreign[1].push(payloads);
    } else if (begin && end) kinds.whole.set(bare, payloads);
    else {
      const part = begin
        ? kinds.begins
        : end
          ? kinds.ends
          : bare.length < 2
            ? kinds.single
            : kinds[bare.length >= LONG_CHARS ? 'long' : 'short'];
      part[0].push(bare);
      part[1].push(payloads);
    }
  }
  return kinds;
}

export function createScan(literals: LiteralTable, payloadCount: number, compact = false): FieldScan {
  const kinds = sortOut(literals);
  const found: number[] = [];
  /** Whether a payload is in `found`. */
  const taken = new Uint8Array(payloadCount);
  const report: Report = (payloads) => {
    for (let i = 0; i < payloads.length; i++) {
      const payload = payloads[i] as number;
      if (taken[payload] === 1) continue;
      taken[payload] = 1;
      found.push(payload);
    }
  };
  const edges: Finder[] = [];
  const windows: WindowFinder[] = [];
  if (kinds.begins[0].length > 0) edges.push(edgeFinder(...kinds.begins, false));
  if (kinds.ends[0].length > 0) edges.push(edgeFinder(...kinds.ends, true));
  const few =
    kinds.long[0].length === 0 || kinds.short[0].length === 0 || kinds.short[0].length + kinds.long[0].length < 16;
  if (few) {
    kinds.long[0].push(...kinds.short[0]);
    kinds.long[1].push(...kinds.short[1]);
  } else windows.push(windowFinder(...kinds.short, compact));
  if (kinds.long[0].length > 0) windows.push(windowFinder(...kinds.long, compact));
  const foreign = kinds.foreign[0].length > 0 ? foreignFinder(...kinds.foreign) : null;
  const anywhere = windows.length > 0 || foreign !== null;
  const [singles, singlePayloads] = kinds.single;
  const lengths = new Uint8Array(256);
  for (const text of kinds.whole.keys()) lengths[Math.min(text.length, 255)] = 1;
  const anyWhole = kinds.whole.size > 0;
  let charsMin = Number.POSITIVE_INFINITY;
  for (const text of literals.keys()) {
    charsMin = Math.min(charsMin, text.length - (text.startsWith(BEGIN) ? 1 : 0) - (text.endsWith(END) ? 1 : 0));
  }
  const search = (value: string): boolean => {
    if (anyWhole && lengths[value.length < 255 ? value.length : 255] === 1) {
      const payloads = kinds.whole.get(value.toLowerCase());
      if (payloads) report(payloads);
    }
    for (let i = 0; i < edges.length; i++) if (!(edges[i] as Finder)(value, report)) return false;
    if (anywhere && asBytes(value)) {
      for (let i = 0; i < windows.length; i++) (windows[i] as WindowFinder).bytes(value, report);
    } else {
      for (let i = 0; i < windows.length; i++) if (!(windows[i] as WindowFinder).text(value, report)) return false;
      if (foreign !== null && !foreign(value, report)) return false;
    }
    if (singles.length === 0) return true;
    const lower = value.toLowerCase();
    for (let i = 0; i < singles.length; i++) {
      if (lower.includes(singles[i] as string)) report(singlePayloads[i] as readonly number[]);
    }
    return true;
  };

  return {
    charsMin,
    find: (value) => {
      if (found.length > 0) {
        for (let i = 0; i < found.length; i++) taken[found[i] as number] = 0;
        found.length = 0;
      }
      if (!search(value)) search(value.toLowerCase());
      return found;
    },
  };
}

/** Whether any of the literals stands in a value; images and command lines repeat, so answers are remembered. */
export function createAnyScan(literals: readonly string[]): (value: string) => boolean {
  const scan = createScan(new Map(literals.map((text) => [text, [0]])), 1, true);
  return rememberAnswer((value) => scan.find(value).length > 0);
}

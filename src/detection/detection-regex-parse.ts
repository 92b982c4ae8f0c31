/** Reads a regular expression (the regular part of PCRE) into a tree; what cannot run in linear time is refused by name. */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { RuleFault } from './detection-rule.ts';

/** Sorted pairs of first and last UTF-16 code unit. */
export type Ranges = readonly number[];
export type Assertion = 'bol' | 'mbol' | 'eol' | 'meol' | 'word' | 'nword' | 'start' | 'end';
export type Node =
  | { readonly k: 'set'; readonly ranges: Ranges }
  | { readonly k: 'cat'; readonly of: readonly Node[] }
  | { readonly k: 'alt'; readonly of: readonly Node[] }
  | { readonly k: 'rep'; readonly of: Node; readonly min: number; readonly max: number }
  | { readonly k: 'assert'; readonly a: Assertion };

export interface RegexFlags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
}

const DIGIT: Ranges = [48, 57];
const WORD: Ranges = [48, 57, 65, 90, 95, 95, 97, 122];
const SPACE: Ranges = [9, 13, 32, 32, 160, 160, 0x1680, 0x1680, 0x2000, 0x200a, 0x2028, 0x2029, 0x3000, 0x3000];
const CONTROL: Readonly<Record<string, number>> = { t: 9, n: 10, r: 13, f: 12, v: 11, a: 7, e: 27, '0': 0 };
const POSIX: Readonly<Record<string, Ranges>> = {
  alpha: [65, 90, 97, 122],
  digit: DIGIT,
  alnum: [48, 57, 65, 90, 97, 122],
  space: SPACE,
  upper: [65, 90],
  lower: [97, 122],
  xdigit: [48, 57, 65, 70, 97, 102],
  punct: [33, 47, 58, 64, 91, 96, 123, 126],
};

export function normalise(pairs: readonly number[]): Ranges {
  const list: [number, number][] = [];
  for (let i = 0; i < pairs.length; i += 2) list.push([pairs[i] as number, pairs[i + 1] as number]);
  list.sort((a, b) => a[0] - b[0]);
  const out: number[] = [];
  for (const [from, to] of list) {
    const last = out.length - 1;
    if (last > 0 && from <= (out[last] as number) + 1) out[last] = Math.max(out[last] as number, to);
    else out.push(from, to);
  }
  return out;
}

function invert(ranges: Ranges): Ranges {
  const out: number[] = [];
  let from = 0;
  for (let i = 0; i < ranges.length; i += 2) {
    if ((ranges[i] as number) > from) out.push(from, (ranges[i] as number) - 1);
    from = (ranges[i + 1] as number) + 1;
  }
  if (from <= 0xffff) out.push(from, 0xffff);
  return out;
}

/** Adds the other case of every letter; long ranges beyond ASCII stay as they are. */
function foldCase(ranges: Ranges): Ranges {
  const out = [...ranges];
  for (let i = 0; i < ranges.length; i += 2) {
    const from = ranges[i] as number;
    const to = ranges[i + 1] as number;
    for (let c = from; c <= to && c - from < 1024; c++) {
      const text = String.fromCharCode(c);
      for (const other of [text.toLowerCase(), text.toUpperCase()]) {
        // Never across the edge of ASCII (ECMA-262, Canonicalize): the Kelvin sign is no k, the long s no s.
        const same = other.length === 1 && other.charCodeAt(0) < 128 === c < 128;
        if (same) out.push(other.charCodeAt(0), other.charCodeAt(0));
      }
    }
  }
  return normalise(out);
}

/** @throws RuleFault with the reason when the expression is wrong or not regular */
export function parseRegex(source: string, given: RegexFlags): Node {
  if (source.length > LIMIT.regexCharsMax) throw new RuleFault('the regular expression is too long');
  let at = 0;
  let depth = 0;
  let flags = given;
  const fail = (why: string): never => {
    throw new RuleFault(`regular expression: ${why} at character ${at + 1}`);
  };
  const eat = (text: string): boolean => {
    if (!source.startsWith(text, at)) return false;
    at += text.length;
    return true;
  };
  const set = (ranges: Ranges): Node => ({ k: 'set', ranges: flags.i ? foldCase(ranges) : ranges });

  function alternatives(): Node {
    if (++depth > LIMIT.conditionDepthMax) fail('brackets are nested too deeply');
    const outer = flags;
    const branches: Node[] = [sequence()];
    while (eat('|')) branches.push(sequence());
    flags = outer;
    depth--;
    return branches.length === 1 ? (branches[0] as Node) : { k: 'alt', of: branches };
  }

  function sequence(): Node {
    const of: Node[] = [];
    while (at < source.length && source[at] !== '|' && source[at] !== ')') {
      const atom = one();
      if (atom) of.push(repeated(atom));
    }
    return of.length === 1 ? (of[0] as Node) : { k: 'cat', of };
  }

  function repeated(atom: Node): Node {
    let node = atom;
    for (let times = 0; times < 4; times++) {
      const bounds = quantifier();
      if (!bounds) break;
      if (source[at] === '+') fail('possessive repetition is not regular');
      eat('?');
      node = { k: 'rep', of: node, min: bounds[0], max: bounds[1] };
    }
    return node;
  }

  function quantifier(): [number, number] | null {
    if (eat('*')) return [0, Number.POSITIVE_INFINITY];
    if (eat('+')) return [1, Number.POSITIVE_INFINITY];
    if (eat('?')) return [0, 1];
    if (source[at] !== '{') return null;
    const found = /^\{(\d{0,4})(,?)(\d{0,4})\}/.exec(source.slice(at, at + 12));
    if (!found || (found[1] === '' && found[3] === '')) return null;
    at += found[0].length;
    const min = Number(found[1] || 0);
    const max = found[2] === '' ? min : found[3] === '' ? Number.POSITIVE_INFINITY : Number(found[3]);
    if (max < min) fail('a repetition ends before it begins');
    return [min, max];
  }

  function one(): Node | null {
    const c = source.charAt(at);
    if (c === '(') return group();
    if (c === '[') return set(characterClass());
    if (c === '*' || c === '+' || c === '?') fail('nothing to repeat');
    at++;
    if (c === '.') return { k: 'set', ranges: flags.s ? [0, 0xffff] : [0, 9, 11, 0xffff] };
    if (c === '^') return { k: 'assert', a: flags.m ? 'mbol' : 'bol' };
    if (c === '$') return { k: 'assert', a: flags.m ? 'meol' : 'eol' };
    if (c === '\\') return escapeOutside();
    return set([c.charCodeAt(0), c.charCodeAt(0)]);
  }

  function group(): Node | null {
    at++;
    if (eat('?')) {
      if (/^(<?[=!])/.test(source.slice(at, at + 2))) fail('look-around is not regular');
      if (source[at] === '>') fail('an atomic group is not regular');
      if (source[at] === '#') {
        while (at < source.length && source[at] !== ')') at++;
        if (!eat(')')) fail('a comment does not end');
        return null;
      }
      const named = /^(?:P?<[A-Za-z_]\w{0,31}>|'[A-Za-z_]\w{0,31}')/.exec(source.slice(at, at + 40));
      if (named) at += named[0].length;
      else if (!eat(':')) {
        const inline = /^([imsux]*)(?:-([imsux]+))?([:)])/.exec(source.slice(at, at + 16));
        if (!inline) return fail('this kind of group is not known');
        if (/x/.test(inline[1] as string)) fail('the x flag is not supported');
        at += inline[0].length;
        const changed = { ...flags };
        for (const f of inline[1] as string) if (f !== 'u') changed[f as 'i'] = true;
        for (const f of inline[2] ?? '') if (f !== 'u') changed[f as 'i'] = false;
        if (inline[3] === ')') {
          flags = changed;
          return null;
        }
        const outer = flags;
        flags = changed;
        const inner = alternatives();
        flags = outer;
        if (!eat(')')) fail('a bracket does not end');
        return inner;
      }
    }
    const inner = alternatives();
    if (!eat(')')) fail('a bracket does not end');
    return inner;
  }

  /** The class behind `\d` and its like, or a single character; the backslash is read already. */
  function escapeCommon(): Ranges {
    const c = source.charAt(at++);
    if (c === '') return fail('it ends in a backslash');
    if (c === 'd' || c === 'D') return c === 'd' ? DIGIT : invert(DIGIT);
    if (c === 'w' || c === 'W') return c === 'w' ? WORD : invert(WORD);
    if (c === 's' || c === 'S') return c === 's' ? SPACE : invert(normalise(SPACE));
    if (c === 'x' || c === 'u') {
      const hex = /^(?:\{([0-9a-fA-F]{1,4})\}|([0-9a-fA-F]{4})|([0-9a-fA-F]{2}))/.exec(
        source.slice(at, at + (c === 'x' && source[at] !== '{' ? 2 : 6)),
      );
      if (!hex) return fail('a character number is not readable');
      at += hex[0].length;
      const code = Number.parseInt(hex[1] ?? hex[2] ?? (hex[3] as string), 16);
      return [code, code];
    }
    const code = CONTROL[c] ?? c.charCodeAt(0);
    return [code, code];
  }

  function escapeOutside(): Node {
    const c = source.charAt(at);
    if (/[1-9]/.test(c) || c === 'k' || c === 'g') fail('a back-reference is not regular');
    if (c === 'p' || c === 'P') fail('Unicode properties are not supported');
    const assertion = ({ b: 'word', B: 'nword', A: 'start', Z: 'eol', z: 'end' } as const)[c];
    if (assertion) {
      at++;
      return { k: 'assert', a: assertion };
    }
    return set(escapeCommon());
  }

  function characterClass(): Ranges {
    at++;
    const inverted = eat('^');
    const pairs: number[] = [];
    let first = true;
    for (;;) {
      if (at >= source.length) fail('a character class does not end');
      if (source[at] === ']' && !first) break;
      first = false;
      const posix = /^\[:(\w{1,10}):\]/.exec(source.slice(at, at + 16));
      const named = posix && POSIX[posix[1] as string];
      if (posix && named) {
        at += posix[0].length;
        pairs.push(...named);
        continue;
      }
      const from = classItem();
      const range = from.length === 2 && from[0] === from[1] && source[at] === '-' && (source[at + 1] ?? ']') !== ']';
      if (!range) {
        pairs.push(...from);
        continue;
      }
      at++;
      const to = classItem();
      if (to.length !== 2 || to[0] !== to[1]) pairs.push(...from, 45, 45, ...to);
      else if ((to[0] as number) < (from[0] as number)) fail('a range is backwards');
      else pairs.push(from[0] as number, to[0] as number);
    }
    at++;
    const ranges = normalise(pairs);
    return inverted ? invert(flags.i ? foldCase(ranges) : ranges) : ranges;
  }

  function classItem(): Ranges {
    const c = source.charAt(at++);
    if (c !== '\\') return [c.charCodeAt(0), c.charCodeAt(0)];
    if (source[at] === 'b') {
      at++;
      return [8, 8];
    }
    if (source[at] === 'p' || source[at] === 'P') fail('Unicode properties are not supported');
    return escapeCommon();
  }

  const tree = alternatives();
  if (at < source.length) fail('a bracket ends that did not begin');
  return tree;
}

const LETTER_CASES = (ranges: Ranges): string | null => {
  if (ranges.length === 2 && ranges[0] === ranges[1]) return String.fromCharCode(ranges[0] as number).toLowerCase();
  if (ranges.length !== 4 || ranges[0] !== ranges[1] || ranges[2] !== ranges[3]) return null;
  const a = String.fromCharCode(ranges[0] as number).toLowerCase();
  return a === String.fromCharCode(ranges[2] as number).toLowerCase() ? a : null;
};

const shortest = (words: readonly string[]): number => Math.min(...words.map((word) => word.length));

/** Lower-case literals of which at least one stands in every text that matches; null when there are none. */
export function requiredLiterals(node: Node): readonly string[] | null {
  if (node.k === 'set') {
    const letter = LETTER_CASES(node.ranges);
    return letter === null || letter.length !== 1 ? null : [letter];
  }
  if (node.k === 'assert') return null;
  if (node.k === 'rep') return node.min > 0 ? requiredLiterals(node.of) : null;
  if (node.k === 'alt') {
    const out: string[] = [];
    for (const branch of node.of) {
      const words = requiredLiterals(branch);
      if (!words || out.length > 64) return null;
      out.push(...words);
    }
    return out;
  }
  let best: readonly string[] | null = null;
  let run = '';
  const offer = (words: readonly string[] | null) => {
    if (words && words.length > 0 && (!best || shortest(words) > shortest(best))) best = words;
  };
  const flat = node.of.flatMap((part) => (part.k === 'cat' ? part.of : [part]));
  for (const part of flat) {
    const letter = part.k === 'set' ? LETTER_CASES(part.ranges) : null;
    if (letter !== null && letter.length === 1) {
      run += letter;
      continue;
    }
    if (run !== '') offer([run]);
    run = '';
    offer(requiredLiterals(part));
  }
  if (run !== '') offer([run]);
  return best;
}

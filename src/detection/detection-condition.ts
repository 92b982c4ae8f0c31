/** Reads a Sigma condition: and / or / not, brackets, `1 of` / `all of` with names, patterns and `them`; bounded. */

import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { all, any, type Expr, not, RuleFault } from './detection-rule.ts';

interface Token {
  readonly text: string;
  readonly at: number;
}

function tokens(text: string): Token[] {
  if (text.length > LIMIT.conditionCharsMax) throw new RuleFault('the condition is too long');
  const out: Token[] = [];
  const pattern = /\s+|([()|])|([^\s()|]+)/y;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const found = pattern.exec(text);
    if (!found) throw new RuleFault(`the condition cannot be read at character ${at + 1}`);
    const word = found[1] ?? found[2];
    if (word !== undefined) out.push({ text: word, at });
  }
  return out;
}

/** Names that a pattern of `x of` means; `them` and patterns skip names that begin with an underscore. */
function namesFor(pattern: string, names: readonly string[]): string[] {
  const lower = pattern.toLowerCase();
  if (lower === 'them') return names.filter((name) => !name.startsWith('_'));
  if (!pattern.includes('*')) return names.filter((name) => name === pattern);
  const pieces = pattern.split('*');
  return names.filter((name) => {
    if (name.startsWith('_') && !pattern.startsWith('_')) return false;
    let at = 0;
    for (const [i, piece] of pieces.entries()) {
      if (i === 0 && !name.startsWith(piece)) return false;
      if (i === pieces.length - 1) return piece === '' || (name.length - piece.length >= at && name.endsWith(piece));
      const found = name.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return true;
  });
}

/**
 * The expression of a condition over named selections. Precedence: or, and, not, `x of`, from loosest to tightest.
 *
 * @throws RuleFault with the reason and the place in the text
 */
export function parseCondition(text: string, selections: ReadonlyMap<string, Expr>): Expr {
  const list = tokens(text);
  const names = [...selections.keys()];
  let next = 0;
  let depth = 0;
  const peek = () => list[next]?.text.toLowerCase();
  const fail = (why: string): never => {
    const token = list[next];
    throw new RuleFault(token ? `${why} at character ${token.at + 1} of the condition` : `${why} at the end`);
  };

  function alternatives(): Expr {
    if (++depth > LIMIT.conditionDepthMax) fail('brackets are nested too deeply');
    const of = [conjunction()];
    while (peek() === 'or') {
      next++;
      of.push(conjunction());
    }
    depth--;
    return any(of);
  }

  function conjunction(): Expr {
    const of = [negation()];
    while (peek() === 'and') {
      next++;
      of.push(negation());
    }
    return all(of);
  }

  function negation(): Expr {
    let inverted = false;
    while (peek() === 'not') {
      next++;
      inverted = !inverted;
    }
    const inner = primary();
    return inverted ? not(inner) : inner;
  }

  function primary(): Expr {
    const token = list[next];
    if (!token) return fail('something is missing');
    const word = token.text.toLowerCase();
    if (word === '(') {
      next++;
      const inner = alternatives();
      if (peek() !== ')') fail('a closing bracket is missing');
      next++;
      return inner;
    }
    if (word === '|') return fail('counting inside a condition is the old form: write a correlation');
    if (word === ')') return fail('a bracket closes that was not opened');
    if ((/^\d+$/.test(word) || word === 'all' || word === 'any') && list[next + 1]?.text.toLowerCase() === 'of') {
      return quantified(word);
    }
    const selection = selections.get(token.text);
    if (!selection) return fail(`there is no selection "${token.text.slice(0, 64)}"`);
    next++;
    return selection;
  }

  function quantified(count: string): Expr {
    next += 2;
    const pattern = list[next]?.text;
    if (pattern === undefined) return fail('a name is missing');
    const chosen = namesFor(pattern, names);
    if (chosen.length === 0) return fail(`no selection fits "${pattern.slice(0, 64)}"`);
    next++;
    const of = chosen.map((name) => selections.get(name) as Expr);
    if (count === 'all') return all(of);
    const least = count === 'any' ? 1 : Number(count);
    if (least === 1) return any(of);
    if (least === 0) return not(any(of));
    return atLeast(of, least);
  }

  const expr = alternatives();
  if (peek() === '|') fail('counting inside a condition is the old form: write a correlation');
  if (next < list.length) fail('"and" or "or" is missing');
  return expr;
}

/** `n of`: written out as alternatives, refused where that grows too large. */
function atLeast(of: readonly Expr[], least: number): Expr {
  if (least > of.length) return { t: 'const', value: false };
  const out: Expr[] = [];
  const choose = (from: number, chosen: readonly Expr[]): void => {
    if (chosen.length === least) {
      out.push(all(chosen));
      if (out.length > 512) throw new RuleFault(`"${least} of" has too many combinations`);
      return;
    }
    for (let i = from; i <= of.length - (least - chosen.length); i++) choose(i + 1, [...chosen, of[i] as Expr]);
  };
  choose(0, []);
  return any(out);
}

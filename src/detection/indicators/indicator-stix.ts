/**
 * STIX 2.1 patterns (OASIS STIX 2.1, section 9) of single observations: read into the same expressions that rules are made
 * of. What needs several observations in time (FOLLOWEDBY, WITHIN, REPEATS, AND between them) is refused by name.
 */

import { parseCidr } from '../detection-cidr.ts';
import { createRegex } from '../detection-regex.ts';
import { all, any, type Comparison, type Expr, not, type Test } from '../detection-rule.ts';
import { literalPattern, ONE, type SigmaPattern, STAR } from '../detection-value.ts';

export const STIX_LIMITS = { charsMax: 16_384, depthMax: 16, testsMax: 512, setMax: 1024 } as const;

export type StixResult =
  | { readonly kind: 'expr'; readonly expr: Expr }
  | { readonly kind: 'fault'; readonly reason: string };

class StixFault extends Error {}
const fail = (reason: string): never => {
  throw new StixFault(reason);
};

interface Token {
  readonly kind: 'text' | 'number' | 'word' | 'sign' | 'end';
  readonly value: string;
  readonly at: number;
}

const SPACE = /\s/;
const WORD = /[A-Za-z0-9_.:*-]/;

function tokenise(text: string): Token[] {
  if (text.length > STIX_LIMITS.charsMax) fail(`the pattern is longer than ${STIX_LIMITS.charsMax} characters`);
  const out: Token[] = [];
  let at = 0;
  const quoted = (from: number): [string, number] => {
    let value = '';
    for (let i = from + 1; i < text.length; i++) {
      if (text[i] === '\\' && i + 1 < text.length) value += text[++i];
      else if (text[i] === "'") return [value, i + 1];
      else value += text[i];
    }
    return fail('a quote is not closed');
  };
  while (at < text.length) {
    const c = text[at] as string;
    if (SPACE.test(c)) at++;
    else if (c === "'") {
      const [value, next] = quoted(at);
      out.push({ kind: 'text', value, at });
      at = next;
    } else if ('<>!='.includes(c)) {
      const two = text.slice(at, at + 2);
      const value = ['<=', '>=', '!=', '<>', '=='].includes(two) ? two : c;
      out.push({ kind: 'sign', value, at });
      at += value.length;
    } else if ('[](),'.includes(c)) {
      out.push({ kind: 'sign', value: c, at });
      at++;
    } else if (WORD.test(c)) {
      let end = at;
      let value = '';
      // A path may hold quoted steps (`file:hashes.'SHA-256'`) and indexes.
      while (end < text.length) {
        const here = text[end] as string;
        if (WORD.test(here)) value += text[end++];
        else if (here === "'" && text[end - 1] === '.') {
          const [step, next] = quoted(end);
          value += step;
          end = next;
        } else if (here === '[' && value.includes(':') && /^\[(?:\d{1,4}|\*)\]/.test(text.slice(end, end + 6))) {
          end = text.indexOf(']', end) + 1;
        } else break;
      }
      out.push({ kind: /^-?\d+(?:\.\d+)?$/.test(value) ? 'number' : 'word', value, at });
      at = end;
    } else fail(`"${c}" is not expected at character ${at + 1}`);
  }
  out.push({ kind: 'end', value: '', at });
  return out;
}

/** Where the properties of STIX objects stand in an event: normalised columns first, then the names sources use. */
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  'ipv4-addr:value': ['src_ip', 'dst_ip'],
  'ipv6-addr:value': ['src_ip', 'dst_ip'],
  'network-traffic:src_ref.value': ['src_ip'],
  'network-traffic:dst_ref.value': ['dst_ip', 'domain'],
  'network-traffic:src_port': ['src_port'],
  'network-traffic:dst_port': ['dst_port'],
  'network-traffic:protocols': ['protocol', 'service'],
  'network-traffic:extensions.http-request-ext.request_value': ['url'],
  'network-traffic:extensions.http-request-ext.request_method': ['method'],
  'network-traffic:extensions.http-request-ext.request_header.User-Agent': ['user_agent'],
  'domain-name:value': ['domain', 'dst_host', 'QueryName'],
  'url:value': ['url', 'Url', 'TargetUrl'],
  'file:name': ['file', 'process', 'TargetFilename', 'Image'],
  'file:hashes.MD5': ['hash', 'Hashes'],
  'file:hashes.SHA-1': ['hash', 'Hashes'],
  'file:hashes.SHA-256': ['hash', 'Hashes'],
  'file:hashes.SHA-512': ['hash', 'Hashes'],
  'file:parent_directory_ref.path': ['file', 'TargetFilename'],
  'directory:path': ['file', 'TargetFilename'],
  'process:name': ['process'],
  'process:command_line': ['command_line'],
  'process:pid': ['pid'],
  'process:image_ref.name': ['process'],
  'process:parent_ref.name': ['parent_process'],
  'user-account:user_id': ['user'],
  'user-account:account_login': ['user'],
  'email-addr:value': ['user', 'from', 'to', 'sender', 'recipient'],
  'email-message:from_ref.value': ['from', 'sender'],
  'email-message:to_refs.value': ['to', 'recipient'],
  'email-message:subject': ['subject', 'Subject'],
  'windows-registry-key:key': ['TargetObject'],
  'windows-registry-key:values.data': ['Details'],
  'software:name': ['product', 'Product'],
  'mutex:name': ['mutex'],
};

/** The six properties whose values are indicators of their own. */
const VALUE_PATHS = new Set([
  'ipv4-addr:value',
  'ipv6-addr:value',
  'domain-name:value',
  'url:value',
  'email-addr:value',
  'file:hashes.MD5',
  'file:hashes.SHA-1',
  'file:hashes.SHA-256',
  'file:hashes.SHA-512',
  'network-traffic:dst_ref.value',
  'network-traffic:src_ref.value',
]);

interface Comparing {
  readonly path: string;
  readonly op: string;
  readonly negated: boolean;
  readonly values: readonly (string | number)[];
}

/** LIKE of SQL: `%` any text, `_` one character. */
function likePattern(value: string): SigmaPattern {
  const out: (string | typeof STAR | typeof ONE)[] = [];
  let text = '';
  for (const c of value) {
    if (c !== '%' && c !== '_') {
      text += c;
      continue;
    }
    if (text !== '') out.push(text);
    text = '';
    out.push(c === '%' ? STAR : ONE);
  }
  if (text !== '') out.push(text);
  return out;
}

const ORDER: Readonly<Record<string, Comparison>> = { '<': 'lt', '<=': 'lte', '>': 'gt', '>=': 'gte' };

function testOf(op: string, value: string | number, path: string): Test {
  const text = String(value);
  switch (op) {
    case '=':
    case '==':
    case 'IN':
    case '!=':
    case '<>': {
      // Sources write all digests of a file into one field ("SHA256=…,MD5=…"), and only the last part of a path is a name.
      const mode = path.startsWith('file:hashes') ? 'contains' : path === 'file:name' ? 'endswith' : 'equals';
      return { kind: 'text', mode, pattern: literalPattern(text), cased: false };
    }
    case 'LIKE':
      return { kind: 'text', mode: 'glob', pattern: likePattern(text), cased: false };
    case 'MATCHES':
      return { kind: 'regex', regex: createRegex(text) };
    case 'ISSUBSET': {
      const cidr = parseCidr(text);
      return cidr === null ? fail(`"${text.slice(0, 64)}" is no network`) : { kind: 'cidr', cidr };
    }
    default: {
      const order = ORDER[op];
      if (order === undefined || !Number.isFinite(Number(value))) return fail(`${op} needs a number`);
      return { kind: 'compare', op: order, number: Number(value) };
    }
  }
}

function exprOf({ path, op, negated, values }: Comparing): Expr {
  const fields = Object.hasOwn(FIELDS, path) ? FIELDS[path] : undefined;
  if (fields === undefined) return fail(`events have no ${path.slice(0, 80)}`);
  if (op === 'EXISTS') {
    const exists = any(fields.map((field): Expr => ({ t: 'test', field, test: { kind: 'exists', exists: true } })));
    return negated ? not(exists) : exists;
  }
  const tests = values.flatMap((value) => {
    const test = testOf(op, value, path);
    return fields.map((field): Expr => ({ t: 'test', field, test }));
  });
  const expr = any(tests);
  return negated !== (op === '!=' || op === '<>') ? not(expr) : expr;
}

/** One set of comparisons in brackets, as a tree. */
type Tree =
  | { readonly t: 'and' | 'or'; readonly of: readonly Tree[] }
  | { readonly t: 'compare'; readonly compare: Comparing };

function createParser(tokens: readonly Token[]) {
  let at = 0;
  let tests = 0;
  const peek = (): Token => tokens[at] as Token;
  const isWord = (word: string): boolean => peek().kind === 'word' && peek().value.toUpperCase() === word;
  const isSign = (sign: string): boolean => peek().kind === 'sign' && peek().value === sign;
  const eat = (sign: string): void => {
    if (!isSign(sign)) fail(`"${sign}" is expected at character ${peek().at + 1}`);
    at++;
  };
  const literal = (): string | number => {
    const token = tokens[at++] as Token;
    if (token.kind === 'text') return token.value;
    if (token.kind === 'number') return Number(token.value);
    if (token.kind === 'word' && /^(?:true|false)$/i.test(token.value)) return token.value.toLowerCase();
    // Timestamps and bytes are written t'…', h'…': the word is followed by the text.
    if (token.kind === 'word' && /^[thb]$/.test(token.value) && peek().kind === 'text')
      return (tokens[at++] as Token).value;
    return fail(`a value is expected at character ${token.at + 1}`);
  };
  const comparison = (): Tree => {
    if (++tests > STIX_LIMITS.testsMax) fail(`more than ${STIX_LIMITS.testsMax} comparisons`);
    if (isWord('EXISTS')) {
      at++;
      const path = (tokens[at++] as Token).value;
      return { t: 'compare', compare: { path, op: 'EXISTS', negated: false, values: [] } };
    }
    const token = tokens[at++] as Token;
    if (token.kind !== 'word' || !token.value.includes(':'))
      fail(`an object path is expected at character ${token.at + 1}`);
    let negated = false;
    if (isWord('NOT')) {
      negated = true;
      at++;
    }
    const op = (tokens[at++] as Token).value.toUpperCase();
    const known = ['=', '==', '!=', '<>', '<', '<=', '>', '>=', 'IN', 'LIKE', 'MATCHES', 'ISSUBSET'];
    if (!known.includes(op)) fail(`the operator "${op.slice(0, 20)}" is not known`);
    const values: (string | number)[] = [];
    if (op === 'IN') {
      eat('(');
      do {
        if (values.length >= STIX_LIMITS.setMax) fail(`more than ${STIX_LIMITS.setMax} values in one set`);
        if (values.length > 0) eat(',');
        values.push(literal());
      } while (isSign(','));
      eat(')');
    } else values.push(literal());
    return { t: 'compare', compare: { path: token.value, op, negated, values } };
  };
  const group = (depth: number): Tree => {
    if (depth > STIX_LIMITS.depthMax) fail('brackets are nested too deeply');
    if (!isSign('(')) return comparison();
    eat('(');
    const inner = alternatives(depth + 1);
    eat(')');
    return inner;
  };
  const joined = (word: 'AND' | 'OR', part: () => Tree): Tree => {
    const of = [part()];
    while (isWord(word)) {
      at++;
      of.push(part());
    }
    return of.length === 1 ? (of[0] as Tree) : { t: word === 'AND' ? 'and' : 'or', of };
  };
  const alternatives = (depth: number): Tree => joined('OR', () => joined('AND', () => group(depth)));
  const observation = (depth: number): Tree => {
    if (depth > STIX_LIMITS.depthMax) fail('brackets are nested too deeply');
    if (isSign('(')) {
      eat('(');
      const inner = observations(depth + 1);
      eat(')');
      return inner;
    }
    eat('[');
    const inner = alternatives(0);
    eat(']');
    return inner;
  };
  const observations = (depth: number): Tree => {
    const of = [observation(depth)];
    for (;;) {
      if (isWord('OR')) {
        at++;
        of.push(observation(depth));
      } else if (peek().kind === 'word') {
        return fail(`${peek().value.slice(0, 20)} needs several observations, which single events do not give`);
      } else break;
    }
    return of.length === 1 ? (of[0] as Tree) : { t: 'or', of };
  };
  return () => {
    const tree = observations(0);
    if (peek().kind !== 'end') fail(`the pattern goes on at character ${peek().at + 1}`);
    return tree;
  };
}

function expression(tree: Tree): Expr {
  if (tree.t === 'compare') return exprOf(tree.compare);
  const of = tree.of.map(expression);
  return tree.t === 'and' ? all(of) : any(of);
}

function parse(pattern: string): Tree {
  return createParser(tokenise(pattern))();
}

function guarded<T>(work: () => T): T | { kind: 'fault'; reason: string } {
  try {
    return work();
  } catch (error) {
    // The expression parser of rules has faults of its own (regular expressions); both are what the pattern says.
    return { kind: 'fault', reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The pattern as an expression over events, or why it is none. */
export function readStixPattern(pattern: string): StixResult {
  return guarded(() => ({ kind: 'expr' as const, expr: expression(parse(pattern)) }));
}

/** The values of a pattern that only lists values; a pattern that says more is `pattern`. */
export function simpleValues(
  pattern: string,
): { kind: 'values'; values: string[] } | { kind: 'pattern' } | { kind: 'fault'; reason: string } {
  return guarded(() => {
    const tree = parse(pattern);
    const values: string[] = [];
    const collect = (node: Tree): boolean => {
      if (node.t !== 'compare') return node.t === 'or' && node.of.every(collect);
      const { path, op, negated, values: some } = node.compare;
      if (negated || !VALUE_PATHS.has(path)) return false;
      const subset = op === 'ISSUBSET' && path.startsWith('ipv');
      if (op !== '=' && op !== '==' && op !== 'IN' && !subset) return false;
      values.push(...some.map(String));
      return true;
    };
    if (collect(tree)) return { kind: 'values' as const, values };
    expression(tree);
    return { kind: 'pattern' as const };
  });
}

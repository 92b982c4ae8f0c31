/**
 * Reads the YAML of rule files fast: the core schema of YAML 1.2 without anchors. What it cannot read, or should refuse, is
 * answered with null and read again by the parser that knows line and column.
 */

import { FAILSAFE_SCHEMA, load, type State, Type } from 'js-yaml';
import type { Json } from './detection-tree.ts';

export interface YamlDocument {
  readonly value: Json;
  /** Line of its first content, from 1. */
  readonly line: number;
}

const scalar = (tag: string, pattern: RegExp, construct: (text: string) => unknown): Type =>
  new Type(`tag:yaml.org,2002:${tag}`, {
    kind: 'scalar',
    resolve: (text: string | null) => text !== null && pattern.test(text),
    construct,
  });

const FLOAT =
  /^(?:[-+]?(?:\.\d+|\d+\.\d*|(?:\.\d+|\d+(?:\.\d*)?)[eE][-+]?\d+)|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/;

/** YAML 1.2.2, section 10.3.2. */
const CORE = FAILSAFE_SCHEMA.extend({
  implicit: [
    new Type('tag:yaml.org,2002:null', {
      kind: 'scalar',
      resolve: (text: string | null) => text === null || /^(?:~|[Nn]ull|NULL)?$/.test(text),
      construct: () => null,
    }),
    scalar('bool', /^(?:[Tt]rue|TRUE|[Ff]alse|FALSE)$/, (text) => text.startsWith('t') || text.startsWith('T')),
    scalar('int', /^(?:[-+]?\d+|0o[0-7]+|0x[0-9a-fA-F]+)$/, Number),
    scalar('float', FLOAT, (text) => {
      if (/nan$/i.test(text)) return Number.NaN;
      if (!/inf$/i.test(text)) return Number(text);
      return text.startsWith('-') ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    }),
  ],
});

/** Tags, and keys that are no plain text (`? x`, `~: x`, `: x`): the two parsers take them differently. */
const ODD = /(?:^|[ \t[{,])(?:!|\?(?=[ \t,\]}\r]|$)|(?:~|[Nn]ull|NULL|):(?=[ \t\r]|$))/m;
const DOCUMENT = /^---[ \t]*(?:#.*)?$/;

/** The documents of a file; null when it has to be read the slow way. */
export function readYaml(content: string): YamlDocument[] | null {
  // Directives, ends of documents and content behind `---` are rare enough for the other parser.
  if (/^(?:%|\.\.\.|--- *[^\s#])/m.test(content) || ODD.test(content)) return null;
  const out: YamlDocument[] = [];
  const lines = content.split(/\r?\n/);
  let from = 0;
  try {
    for (let i = 0; i <= lines.length; i++) {
      if (i < lines.length && !DOCUMENT.test(lines[i] as string)) continue;
      const part = lines.slice(from, i);
      const first = part.findIndex((line) => /^\s*[^\s#]/.test(line));
      if (first >= 0) {
        let anchors = false;
        const value = load(part.join('\n'), {
          schema: CORE,
          listener: (_, state: State & { anchor?: unknown }) => {
            if (state.anchor !== null && state.anchor !== undefined) anchors = true;
          },
        }) as Json;
        if (anchors) return null;
        out.push({ value, line: from + first + 1 });
      }
      from = i + 1;
    }
  } catch {
    return null;
  }
  return out;
}

/** Which parts of a rule an event fulfilled, on which values: the first answer to "why did this fire?". */

import { type Alert, type DecodedEvent, type EventId, LIMITS } from '../core/index.ts';
import { fieldReader, keywordText, type Text, toText } from './detection-fields.ts';
import { evaluatePlain } from './detection-plain.ts';
import { type Expr, RuleFault, type Test } from './detection-rule.ts';

type Matched = Alert['matched'][number];

export function wordsOf(test: Test): string {
  switch (test.kind) {
    case 'text':
      return test.pattern.map((piece) => (typeof piece === 'string' ? piece : piece === 1 ? '*' : '?')).join('');
    case 'regex':
      return `/${test.regex.source}/`;
    case 'cidr':
      return `in ${test.cidr.text}`;
    case 'compare':
      return `${test.op} ${test.number}`;
    case 'time':
      return `${test.part} ${test.op} ${test.number}`;
    case 'exists':
      return test.exists ? 'exists' : 'does not exist';
    case 'null':
      return 'is missing';
    case 'fieldref':
      return `${test.mode} ${test.other}`;
  }
}

/** The part of a long text around the word that was found. */
function clipAround(text: string, word: string): string {
  const most = 240;
  if (text.length <= most) return text;
  const at = Math.max(0, text.toLowerCase().indexOf(word.toLowerCase()) - 80);
  return (at > 0 ? '…' : '') + text.slice(at, at + most) + (at + most < text.length ? '…' : '');
}

const shown = (text: Text): string => (text === null ? '' : typeof text === 'string' ? text : text.join(', '));

/** At most 16 fields, each with the words that were found in it. */
export function explainMatch(expr: Expr, event: DecodedEvent, normFirst: boolean, id?: EventId): Matched[] {
  const found = new Map<string, { value: string; words: string[] }>();
  const visit = (part: Expr): void => {
    if (found.size >= 16) return;
    if (part.t === 'and' || part.t === 'or') for (const inner of part.of) visit(inner);
    if (part.t !== 'test' || !evaluatePlain(part, event, normFirst)) return;
    const word = wordsOf(part.test).slice(0, LIMITS.nameCharsMax);
    const text = part.field === '' ? keywordText(event) : shown(toText(fieldReader(part.field, normFirst)(event)));
    const name = part.field === '' ? 'text' : part.field;
    const known = found.get(name) ?? { value: clipAround(text, word), words: [] };
    if (known.words.length < 16) known.words.push(word);
    found.set(name, known);
  };
  try {
    visit(expr);
  } catch (error) {
    if (!(error instanceof RuleFault)) throw error;
  }
  return [...found].map(([field, { value, words }]) => ({
    field: field.slice(0, LIMITS.nameCharsMax),
    value,
    words,
    ...(id === undefined ? {} : { event: id }),
  }));
}

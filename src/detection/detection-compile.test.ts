/** The fast matcher finds exactly what the plain meaning of the rules finds. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DecodedEvent } from '../core/index.ts';
import { createMatcher } from './detection-compile.ts';
import { evaluatePlain } from './detection-plain.ts';
import { createRegex } from './detection-regex.ts';
import { type DetectionRule, type Expr, not, type Test } from './detection-rule.ts';
import { channelOf, eventIdOf, readsNormalisedFirst, sourceFacts, wants } from './detection-taxonomy.ts';
import { modeOf, parsePattern } from './detection-value.ts';
import { sampleEvent } from './testing/detection-samples.ts';

const FIELDS = ['a', 'b', 'CommandLine', 'user', 'EventID', 'Channel', ''];
const WORDS = ['', 'x', 'Σ', 'AΣ', '😀', 'ab', 'aba', 'AB', '4625', '1', 'security', 'sysmon', 'é', 'aé', 'bab', 'a b'];
const word = fc.constantFrom(...WORDS);
const pattern = fc
  .array(fc.oneof(word, fc.constantFrom('*', '?')), { minLength: 1, maxLength: 4 })
  .map((parts) => modeOf(parsePattern(parts.join(''))));
const leafTest: fc.Arbitrary<Test> = fc.oneof(
  { weight: 8, arbitrary: fc.tuple(pattern, fc.boolean()).map(([p, cased]): Test => ({ kind: 'text', ...p, cased })) },
  fc
    .constantFrom('a.*b', '^ab', 'x|y', '(?i)A{2}', 'b$', '\\d+')
    .map((source): Test => ({ kind: 'regex', regex: createRegex(source) })),
  fc.boolean().map((exists): Test => ({ kind: 'exists', exists })),
  fc.constant<Test>({ kind: 'null' }),
  fc.constant<Test>({ kind: 'fieldref', other: 'b', mode: 'equals', cased: false }),
  fc.nat(5000).map((number): Test => ({ kind: 'compare', op: 'gte', number })),
);
const { expr } = fc.letrec<{ expr: Expr }>((tie) => ({
  expr: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.tuple(fc.constantFrom(...FIELDS), leafTest).map(([field, leaf]): Expr => ({ t: 'test', field, test: leaf })),
    fc.array(tie('expr'), { minLength: 1, maxLength: 3 }).map((of): Expr => ({ t: 'and', of })),
    fc.array(tie('expr'), { minLength: 1, maxLength: 3 }).map((of): Expr => ({ t: 'or', of })),
    fc.tuple(fc.constantFrom(...FIELDS), fc.array(pattern, { minLength: 12, maxLength: 20 })).map(
      ([field, list]): Expr => ({
        t: 'or',
        of: list.map((p): Expr => ({ t: 'test', field, test: { kind: 'text', ...p, cased: false } })),
      }),
    ),
    tie('expr').map((of): Expr => not(of)),
  ),
}));
const logsource = fc.constantFrom(
  { product: 'test' },
  { product: 'windows' },
  { category: 'authentication' },
  { product: 'windows', service: 'security' },
  { category: 'process_creation', product: 'windows' },
);
const value = fc.oneof(
  word,
  fc.array(word, { minLength: 1, maxLength: 3 }).map((w) => w.join('')),
  fc.nat(5000),
  fc.constant(null),
  fc.array(word, { maxLength: 2 }),
);
const event: fc.Arbitrary<DecodedEvent> = fc
  .record({
    fields: fc.dictionary(fc.constantFrom('a', 'b', 'CommandLine', 'user', 'EventID', 'Channel'), value, {
      noNullPrototype: true,
    }),
    logsource: fc.constantFrom<DecodedEvent['logsource']>(
      { product: 'test' },
      { product: 'windows', service: 'security' },
      { product: 'WINDOWS' },
      {},
    ),
    user: fc.option(word, { nil: undefined }),
    raw: fc.constantFrom('', 'ab x', '<34>ab 4625 bab', '{"a":1}'),
    class_uid: fc.constantFrom(0, 3002),
  })
  .map((r) =>
    sampleEvent(r.fields, {
      logsource: r.logsource,
      raw: r.raw,
      norm: { class_uid: r.class_uid, ...(r.user === undefined ? {} : { user: r.user }) },
    }),
  );

function plainly(rules: readonly DetectionRule[], one: DecodedEvent): number[] {
  const facts = sourceFacts(one.logsource, one.norm.class_uid ?? 0, channelOf(one), eventIdOf(one));
  return rules.flatMap((rule, i) =>
    wants(rule.logsource, facts) && evaluatePlain(rule.expr, one, readsNormalisedFirst(rule.logsource)) ? [i] : [],
  );
}

test('random rules over random events: prefiltered and plain agree', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(logsource, expr), { minLength: 1, maxLength: 8 }),
      fc.array(event, { minLength: 1, maxLength: 12 }),
      (list, events) => {
        const rules = list.map(
          ([source, e], i) =>
            ({ kind: 'detection', id: `r${i}`, logsource: source, expr: e }) as unknown as DetectionRule,
        );
        const matcher = createMatcher(rules);
        for (const one of events) expect([...matcher.match(one)].sort((a, b) => a - b)).toEqual(plainly(rules, one));
        expect(matcher.quarantined.size).toBe(0);
      },
    ),
    { numRuns: 1500 },
  );
});

test('plans that learned from candidates in vain find the same', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(logsource, expr), { minLength: 2, maxLength: 8 }),
      fc.array(event, { minLength: 2, maxLength: 6 }),
      (list, events) => {
        const rules = list.map(
          ([source, e], i) =>
            ({ kind: 'detection', id: `r${i}`, logsource: source, expr: e }) as unknown as DetectionRule,
        );
        const matcher = createMatcher(rules);
        const wanted = events.map((one) => plainly(rules, one));
        // Plans learn after 64, 256 and 1,024 events of their kind.
        for (let i = 0; i < 1100 * events.length; i++) {
          const at = i % events.length;
          const found = matcher.match(events[at] as DecodedEvent);
          if (found.join() !== wanted[at]?.join()) expect([...found]).toEqual(wanted[at]);
        }
      },
    ),
    { numRuns: 60 },
  );
});

test('a literal that brings candidates in vain gives way, and what it found is still found', () => {
  const text = (field: string, word: string): Expr => ({
    t: 'test',
    field,
    test: { kind: 'text', ...modeOf(parsePattern(`*${word}*`)), cased: false },
  });
  const rule = (...of: Expr[]) =>
    ({
      kind: 'detection',
      id: 'r',
      logsource: { product: 'test' },
      expr: { t: 'and', of },
    }) as unknown as DetectionRule;
  const rules = [
    rule(text('CommandLine', 'quitelongandcommon'), text('Image', 'seldom')),
    rule(text('', 'alsolongandcommon'), text('Image', 'rare')),
    rule(text('CommandLine', 'quitelong')),
  ];
  const matcher = createMatcher(rules);
  const common = sampleEvent({ CommandLine: 'x quitelongandcommon', Image: 'a', other: 'alsolongandcommon', n: 1 });
  const hit = sampleEvent({ CommandLine: 'x quitelongandcommon', Image: 'SELDOM rare', other: 'alsolongandcommon' });
  for (let i = 0; i < 5000; i++) {
    expect([...matcher.match(common)]).toEqual([2]);
    if (i % 100 === 0) expect([...matcher.match(hit)]).toEqual([0, 1, 2]);
  }
});

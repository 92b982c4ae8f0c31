/** Rule files: what is read, what is refused and where, and that no text makes the parser throw. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { assembleRules } from './detection-load.ts';
import { parseRules } from './detection-parse.ts';
import { evaluatePlain } from './detection-plain.ts';
import type { DetectionRule } from './detection-rule.ts';
import { ruleText, sampleEvent, sampleRules } from './testing/detection-samples.ts';

const refusal = (text: string) => parseRules(text, 'x.yml').refused[0];
const HEAD = 'title: T\nlogsource: { product: test }\n';

describe('refused, with line and column', () => {
  const cases: [string, string, number, number, RegExp][] = [
    ['no map', '- 1', 1, 1, /must be a map/],
    ['no title', 'logsource: { product: x }\ndetection: { s: { a: 1 }, condition: s }', 1, 1, /"title" is missing/],
    ['broken YAML', 'title: T\n  bad: [', 1, 8, /YAML/],
    ['no detection', HEAD, 1, 1, /"detection" is missing/],
    ['no log source', 'title: T\ndetection: { s: { a: 1 }, condition: s }', 1, 1, /"logsource" is missing/],
    ['unknown modifier', `${HEAD}detection:\n  s:\n    a|sounds: x\n  condition: s`, 5, 5, /"sounds" is not known/],
    ['bad regular expression', `${HEAD}detection:\n  s:\n    a|re: '(x'\n  condition: s`, 5, 5, /bracket/],
    [
      'unknown selection',
      `${HEAD}detection:\n  s: { a: 1 }\n  condition: s and t`,
      5,
      3,
      /no selection "t" at character 7/,
    ],
    ['old aggregation', `${HEAD}detection:\n  s: { a: 1 }\n  condition: s | count() > 5`, 5, 3, /correlation/],
    ['no condition', `${HEAD}detection:\n  s: { a: 1 }`, 3, 1, /condition is missing/],
    ['map as a value', `${HEAD}detection:\n  s:\n    a: [{ b: 1 }]\n  condition: s`, 5, 9, /a value must be text/],
    ['bad network', `${HEAD}detection:\n  s:\n    a|cidr: 10.0.0.0/40\n  condition: s`, 5, 5, /cidr/],
    ['unknown level', `${HEAD}level: gigantic\ndetection: { s: { a: 1 }, condition: s }`, 3, 1, /level/],
    ['alias', `${HEAD}detection:\n  s: &x { a: 1 }\n  t: *x\n  condition: s`, 1, 1, /aliases/],
    [
      'correlation without time',
      'title: C\ncorrelation:\n  type: event_count\n  rules: [a]\n  condition: { gte: 2 }',
      2,
      1,
      /timespan/,
    ],
    ['correlation of a strange type', 'title: C\ncorrelation: { type: feeling, rules: [a] }', 2, 1, /feeling/],
    [
      'count below one',
      'title: C\ncorrelation: { type: event_count, rules: [a], timespan: 5m, condition: { gte: 0 } }',
      2,
      61,
      /at least 1/,
    ],
  ];
  for (const [name, text, line, column, reason] of cases) {
    test(name, () => {
      const found = refusal(text);
      expect(found?.reason).toMatch(reason);
      expect([found?.line, found?.column]).toEqual([line, column]);
    });
  }
});

test('several documents: the good ones are kept, each refusal has its own line', () => {
  const text = `${ruleText('  s: { a: 1 }\n  condition: s', 'one')}---\ntitle: Bad\n---\n${ruleText('  s: { a: 2 }\n  condition: s', 'two')}`;
  const { rules, refused } = parseRules(text, 'x.yml');
  expect(rules.map((rule) => rule.id)).toEqual(['one', 'two']);
  expect(refused).toEqual([{ file: 'x.yml', line: 10, column: 1, reason: '"detection" is missing' }]);
});

test('references and ids: missing, circular and doubled ones are refused by name', () => {
  const correlation = (id: string, rules: string) =>
    `title: ${id}\nid: ${id}\ncorrelation: { type: event_count, rules: [${rules}], timespan: 1m, condition: { gte: 2 } }\n`;
  const parsed = parseRules(
    [
      ruleText('  s: { a: 1 }\n  condition: s', 'base'),
      correlation('good', 'base'),
      correlation('lost', 'nothing'),
      correlation('a', 'b'),
      correlation('b', 'a'),
      correlation('good', 'base'),
    ].join('---\n'),
    'x.yml',
  );
  const { rules, refused } = assembleRules(parsed.rules, parsed.filters);
  expect(rules.map((rule) => rule.id)).toEqual(['base', 'good']);
  expect(refused.map(({ reason }) => reason).sort()).toEqual([
    'the correlation leads back to itself',
    'the correlation leads back to itself',
    'the id is already used by x.yml',
    'the rule "nothing" is not there',
  ]);
});

test('a filter narrows the rules that it names', () => {
  const [rule] = sampleRules(
    `${ruleText('  s: { a: x }\n  condition: s', 'base')}---\ntitle: F\nlogsource: { product: test }\nfilter:\n  rules: [base]\n  ours: { user: backup }\n  condition: not ours\n`,
  ) as [DetectionRule];
  expect(evaluatePlain(rule.expr, sampleEvent({ a: 'x', user: 'eve' }), false)).toBe(true);
  expect(evaluatePlain(rule.expr, sampleEvent({ a: 'x', user: 'Backup' }), false)).toBe(false);
});

describe('bombs end in a refusal', () => {
  const bombs: [string, string][] = [
    ['a large file', `title: ${'x'.repeat(600_000)}`],
    ['deep YAML', `a: ${'['.repeat(20_000)}`],
    ['a billion laughs', `a: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\ntitle: T\ndetection: { s: *c, condition: s }`],
    ['a deep condition', `${HEAD}detection: { s: { a: 1 }, condition: "${'('.repeat(500)}s${')'.repeat(500)}" }`],
    ['a long condition', `${HEAD}detection: { s: { a: 1 }, condition: "${'s and '.repeat(2000)}s" }`],
    ['too many values', `${HEAD}detection: { s: { a: [${'x,'.repeat(30_000)}x] }, condition: s }`],
    [
      'too many combinations',
      `${HEAD}detection: { ${Array.from({ length: 30 }, (_, i) => `s${i}: { a: ${i} }`).join(', ')}, condition: 15 of s* }`,
    ],
  ];
  for (const [name, text] of bombs) test(name, () => expect(refusal(text)).toBeDefined());
});

test('no text makes the parser throw', () => {
  const pieces = [
    'title: T\n',
    'detection:\n',
    '  s:\n',
    '    a|re: "("\n',
    '  condition: s\n',
    '---\n',
    '- ',
    '{',
    '}',
    '[',
    '&a',
    '*a',
    '!!binary x',
    '|',
    '\t',
    ': ',
    'correlation:\n',
    '  type: temporal\n',
    '"',
    "'",
    '__proto__: 1\n',
    'constructor: { a: 1 }\n',
    'logsource: { product: x }\n',
    '\u0000',
    '%YAML 9.9\n',
    '? x\n',
    '<<: *a\n',
    'filter: { rules: any }\n',
  ];
  fc.assert(
    fc.property(
      fc.array(fc.oneof(fc.constantFrom(...pieces), fc.string({ maxLength: 12 })), { maxLength: 30 }),
      (parts) => {
        const parsed = parseRules(parts.join(''), 'x.yml');
        assembleRules(parsed.rules, parsed.filters);
        for (const { line, column } of parsed.refused) expect(line > 0 && column > 0).toBe(true);
      },
    ),
    { numRuns: 800 },
  );
});

test('no value of a valid shape makes the parser throw', () => {
  const scalar = fc.oneof(fc.string({ maxLength: 8 }), fc.double(), fc.boolean(), fc.constant(null));
  const { value } = fc.letrec((tie) => ({
    value: fc.oneof(
      { maxDepth: 4 },
      scalar,
      fc.array(tie('value'), { maxLength: 3 }),
      fc.dictionary(
        fc.oneof(
          fc.constantFrom(
            'a|re',
            'b|all',
            '|contains',
            'x|cidr',
            'y|lt',
            'z|windash|contains',
            'condition',
            'type',
            'rules',
            'timespan',
            'group-by',
            'aliases',
          ),
          fc.string({ maxLength: 6 }),
        ),
        tie('value'),
        { maxKeys: 4 },
      ),
    ),
  }));
  fc.assert(
    fc.property(value, value, value, fc.constantFrom('detection', 'correlation', 'filter'), (a, b, c, part) => {
      const text = JSON.stringify({
        title: 'T',
        logsource: c,
        [part]: { s: a, ...(typeof b === 'object' && !Array.isArray(b) ? b : {}), condition: b },
      });
      const parsed = parseRules(text, 'x.yml');
      expect(parsed.rules.length + parsed.filters.length + parsed.refused.length).toBe(1);
    }),
    { numRuns: 400 },
  );
});

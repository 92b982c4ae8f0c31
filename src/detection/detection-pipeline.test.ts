/** Processing pipelines: each kind of step and condition on a rule that then meets events, and those that come along. */

import { expect, test } from 'vitest';
import { parse } from 'yaml';
import type { DecodedEvent, FieldValue } from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import { parseRules } from './detection-parse.ts';
import { readPipeline } from './detection-pipeline.ts';
import { readPipelines, shippedPipelines } from './detection-site.ts';
import type { Json } from './detection-tree.ts';
import { sampleEvent } from './testing/detection-samples.ts';

const HEAD = 'title: T\nid: t\nlevel: high\ntags: [attack.t1059]\nlogsource: { product: test }\n';
const pipeline = (...yaml: string[]) => yaml.map((text, i) => readPipeline(parse(text) as Json, `p${i}`));
const read = (detection: string, pipelines: ReturnType<typeof pipeline>, head = HEAD) =>
  parseRules(`${head}detection:\n${detection}`, 't.yml', { pipelines });
function fires(
  detection: string,
  pipelines: ReturnType<typeof pipeline>,
  fields: Record<string, FieldValue>,
  rest: Partial<DecodedEvent> = {},
): boolean {
  const { rules, refused } = read(detection, pipelines);
  expect(refused).toEqual([]);
  return createEngine(rules, { streamId: 'aaaaaaaa' }).feed(sampleEvent(fields, rest)).length > 0;
}
const ONE = '  s: { a: x }\n  condition: s\n';

test('names: one, several as alternatives, prefixes and suffixes; keywords stay', () => {
  const mapping = pipeline('transformations:\n  - { type: field_name_mapping, mapping: { a: [b, c] } }');
  expect(['b', 'c', 'a'].map((name) => fires(ONE, mapping, { [name]: 'X' }))).toEqual([true, true, false]);
  const both = pipeline(
    'priority: 2\ntransformations:\n  - { type: field_name_suffix, suffix: .z }',
    'priority: 1\ntransformations:\n  - { type: field_name_prefix, prefix: w. }',
  );
  expect(fires('  s: { a|endswith: x }\n  condition: s\n', both, { 'w.a.z': '1x' })).toBe(true);
  const prefix = pipeline('transformations:\n  - { type: field_name_prefix_mapping, mapping: { win.: [win., w.] } }');
  expect(fires('  s: { win.a: x }\n  condition: s\n', prefix, { 'w.a': 'x' })).toBe(true);
  expect(fires('  s: [x]\n  condition: s\n', both, {}, { raw: 'a x b' })).toBe(true);
});

test('what asks that something is missing asks it of all names', () => {
  const mapping = pipeline('transformations:\n  - { type: field_name_mapping, mapping: { a: [a, b] } }');
  const rule = '  s: { c: 1 }\n  f: { a: null }\n  condition: s and not f\n';
  expect(fires(rule, mapping, { c: 1, a: 'there' })).toBe(true);
  expect(fires(rule, mapping, { c: 1, b: 'there' })).toBe(true);
  expect(fires(rule, mapping, { c: 1 })).toBe(false);
});

test('values: replaced, mapped, set, converted, in another case', () => {
  const replace = pipeline(
    "transformations:\n  - { type: replace_string, regex: '^old-(.*)$', replacement: 'new$\\1' }",
  );
  expect(fires('  s: { a: old-x }\n  condition: s\n', replace, { a: 'new$x' })).toBe(true);
  const map = pipeline('transformations:\n  - { type: map_string, mapping: { x: [y, z] } }');
  expect(fires(ONE, map, { a: 'z' })).toBe(true);
  const set = pipeline(
    'transformations:\n  - { type: set_value, value: 7, field_name_conditions: [{ type: include_fields, fields: [a] }] }',
  );
  expect(fires(ONE, set, { a: 7 })).toBe(true);
  const upper = pipeline('transformations:\n  - { type: case, method: upper }');
  expect(fires('  s: { a|cased: x }\n  condition: s\n', upper, { a: 'X' })).toBe(true);
});

test('conditions are added, also negated and from the log source; the log source is changed', () => {
  const add = pipeline(
    'transformations:\n  - { type: add_condition, conditions: { b: ["1", "2"], src: "$product" }, template: true }\n  - { type: add_condition, conditions: { c: no }, negated: true }\n',
  );
  const event = { a: 'x', b: '2', src: 'test' };
  expect(fires(ONE, add, event)).toBe(true);
  expect(fires(ONE, add, { ...event, b: '3' })).toBe(false);
  expect(fires(ONE, add, { ...event, c: 'no' })).toBe(false);
  const moved = pipeline('transformations:\n  - { type: change_logsource, product: other, service: s }');
  expect(fires(ONE, moved, { a: 'x' })).toBe(false);
  expect(fires(ONE, moved, { a: 'x' }, { logsource: { product: 'other', service: 's' } })).toBe(true);
});

test('a dropped item vanishes from its condition, and a rule of which nothing is left is refused', () => {
  const drop = pipeline(
    'transformations:\n  - { type: drop_detection_item, field_name_conditions: [{ type: include_fields, fields: [gone] }] }',
  );
  expect(fires('  s: { a: x, gone: y }\n  condition: s\n', drop, { a: 'x' })).toBe(true);
  expect(fires('  s: { a: x }\n  t: { gone: y }\n  condition: s and not t\n', drop, { a: 'x' })).toBe(true);
  expect(fires('  s: { a: x }\n  t: { gone: y }\n  condition: s or t\n', drop, { a: 'z' })).toBe(false);
  expect(read('  t: { gone: y }\n  condition: t\n', drop).refused[0]?.reason).toMatch(/nothing of the rule/);
});

test.each([
  ['logsource', '{ type: logsource, product: test }', true],
  ['logsource', '{ type: logsource, product: test, category: c }', false],
  ['contains_field', '{ type: contains_field, field: a }', true],
  ['contains_detection_item', '{ type: contains_detection_item, field: a, value: y }', false],
  ['tag', '{ type: tag, tag: attack.t1059 }', true],
  ['rule_attribute', '{ type: rule_attribute, attribute: level, value: high }', true],
  ['rule_attribute', '{ type: rule_attribute, attribute: level, op: in, value: [low] }', false],
  ['is_sigma_correlation_rule', '{ type: is_sigma_correlation_rule }', false],
  ['state', '{ type: processing_state, key: k, val: v }', true],
  ['applied', '{ type: processing_item_applied, processing_item_id: first }', true],
])('rule condition %s: %s', (_, condition, holds) => {
  const steps = pipeline(
    `transformations:\n  - { id: first, type: set_state, key: k, val: v }\n  - { type: field_name_mapping, mapping: { a: b }, rule_conditions: [${condition}] }`,
  );
  expect(fires(ONE, steps, { b: 'x' })).toBe(holds);
  const negated = pipeline(
    `transformations:\n  - { id: first, type: set_state, key: k, val: v }\n  - { type: field_name_mapping, mapping: { a: b }, rule_cond_not: true, rule_conditions: [${condition}] }`,
  );
  expect(fires(ONE, negated, { b: 'x' })).toBe(!holds);
});

test.each([
  ["{ type: match_string, pattern: 'x.*', cond: any }", true],
  ["{ type: match_string, pattern: 'y', cond: any }", false],
  ['{ type: is_null, cond: any }', false],
  ['{ type: contains_wildcard, cond: any }', false],
])('item condition %s', (condition, holds) => {
  const steps = pipeline(
    `transformations:\n  - { type: field_name_mapping, mapping: { a: b }, detection_item_conditions: [${condition}] }`,
  );
  expect(fires(ONE, steps, { b: 'x' })).toBe(holds);
});

test('placeholders from the pipeline, as values or as wildcards; hashes as fields of their own', () => {
  const rule = "  s: { a|expand: '%who%' }\n  condition: s\n";
  const values = pipeline('vars: { who: [x, y] }\ntransformations:\n  - { type: value_placeholders }');
  expect(fires(rule, values, { a: 'y' })).toBe(true);
  const wild = pipeline('transformations:\n  - { type: wildcard_placeholders, include: [who] }');
  expect(fires(rule, wild, { a: 'anything' })).toBe(true);
  const hashes = pipeline(
    'transformations:\n  - { type: hashes_fields, valid_hash_algos: [MD5], field_prefix: File, field_name_conditions: [{ type: include_fields, fields: [Hashes] }] }',
  );
  const md5 = 'd41d8cd98f00b204e9800998ecf8427e';
  expect(fires(`  s: { Hashes|contains: 'MD5=${md5}' }\n  condition: s\n`, hashes, { FileMD5: md5 })).toBe(true);
});

test('a pipeline may refuse a rule, and a pipeline that says nonsense is refused itself', () => {
  const failing = pipeline('transformations:\n  - { type: rule_failure, message: not here }');
  expect(read(ONE, failing).refused).toMatchObject([{ reason: 'not here' }]);
  const item = pipeline(
    'transformations:\n  - { type: detection_item_failure, message: no a, field_name_conditions: [{ type: include_fields, fields: [a] }] }',
  );
  expect(read(ONE, item).refused).toMatchObject([{ reason: 'no a', line: 7 }]);
  for (const wrong of [
    'transformations: 7',
    'transformations: [{ type: explode }]',
    'transformations: [{ type: field_name_mapping }]',
    "transformations: [{ type: replace_string, regex: '(?=a)', replacement: b }]",
    'transformations: [{ type: case, rule_conditions: [{ type: weather }] }]',
    "transformations: [{ type: case, rule_cond_expression: 'a and b' }]",
  ])
    expect(() => pipeline(wrong), wrong).toThrow();
});

const PROCESS = `title: P
id: p
logsource: { product: windows, category: process_creation }
detection:
  s: { Image|endswith: '\\evil.exe', CommandLine|contains: ' -x ' }
  condition: s
`;
const MATCHING: Readonly<Record<string, [Record<string, FieldValue>, DecodedEvent['logsource']]>> = {
  asepsis: [
    { process: 'c:\\evil.exe', command_line: 'evil -x 1' },
    { product: 'windows', category: 'process_creation' },
  ],
  ecs: [
    { 'process.executable': 'c:\\evil.exe', 'process.command_line': 'evil -x 1' },
    { product: 'windows', category: 'process_creation' },
  ],
  winlogbeat: [
    { 'winlog.event_data.Image': 'c:\\evil.exe', 'winlog.event_data.CommandLine': 'evil -x 1' },
    { product: 'windows', category: 'process_creation' },
  ],
  sysmon: [
    { EventID: 1, Image: 'c:\\evil.exe', CommandLine: 'evil -x 1' },
    { product: 'windows', service: 'sysmon' },
  ],
  ocsf: [
    { 'process.file.path': 'c:\\evil.exe', 'process.cmd_line': 'evil -x 1' },
    { product: 'windows', category: 'process_creation' },
  ],
};

test('the pipelines that come along make a process rule fit their source', () => {
  for (const [name, [fields, logsource]] of Object.entries(MATCHING)) {
    const run = (pipelines: string[]) =>
      createEngine(parseRules(PROCESS, 'p.yml', { pipelines: readPipelines(pipelines) }).rules, {
        streamId: 'aaaaaaaa',
      }).feed(sampleEvent(fields, { logsource })).length;
    expect(run([name]), name).toBe(1);
    expect(shippedPipelines()).toContain(name);
  }
  const linux = PROCESS.replace('windows', 'linux').replace('\\evil.exe', '/evil');
  const { rules } = parseRules(linux, 'p.yml', { pipelines: readPipelines(['auditd']) });
  const event = sampleEvent(
    { type: 'SYSCALL', exe: '/tmp/evil', proctitle: 'evil -x 1' },
    { logsource: { product: 'linux', service: 'auditd' } },
  );
  expect(createEngine(rules, { streamId: 'aaaaaaaa' }).feed(event)).toHaveLength(1);
});

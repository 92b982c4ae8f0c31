/** What rules need, what can never fire with what came, what nobody reads, and the layer of techniques. */

import { expect, test } from 'vitest';
import { coverageOf, createSeen, navigatorLayer, needsOf } from './detection-inventory.ts';
import { sampleEvent, sampleRules } from './testing/detection-samples.ts';

const rule = (id: string, logsource: string, detection: string, tags = '[attack.t1059.001, attack.execution]') =>
  `title: ${id}\nid: ${id}\ntags: ${tags}\nlogsource: ${logsource}\ndetection:\n${detection}`;
const RULES = sampleRules(
  [
    rule('fires', '{ product: test }', '  s: { a: 1, b|fieldref: c }\n  condition: s\n'),
    rule('lacks', '{ product: test }', '  s: { a: 1, never: 2 }\n  condition: s\n'),
    rule('either', '{ product: test }', '  s: { never: 2 }\n  t: { a: 2 }\n  condition: s or t\n'),
    rule('absent', '{ product: test }', '  s: { a: 1 }\n  f: { never: x }\n  condition: s and not f\n'),
    rule('missing', '{ product: test }', '  s: { never: null, a: 1 }\n  condition: s\n'),
    rule('filtered', '{ product: test }', '  s: { a: 1 }\n  f: { never: null }\n  condition: s and not f\n'),
    rule('keyword', '{ product: test }', '  s: [x]\n  condition: s\n'),
    rule('elsewhere', '{ product: other }', '  s: { a: 1 }\n  condition: s\n', '[attack.T1059.001]'),
    rule('aliased', '{ product: test }', '  s: { Image: x }\n  condition: s\n', '[attack.t1110]'),
  ].join('---\n'),
);

test('needs name every field once, also those that are compared with', () => {
  const needs = new Map(needsOf(RULES).map(({ id, fields }) => [id, fields]));
  expect(needs.get('fires')).toEqual(['a', 'b', 'c']);
  expect(needs.get('keyword')).toEqual([]);
});

test('coverage: what can never fire, and why', () => {
  const seen = createSeen();
  seen.take(sampleEvent({ a: 1, b: 2, c: 3, unread: 4, empty: null }, { norm: { process: '/bin/x' } }));
  const report = coverageOf(RULES, seen);
  expect(report.without_source).toEqual(['elsewhere']);
  expect(report.without_fields).toEqual([
    { id: 'lacks', title: 'lacks', missing: ['never'] },
    { id: 'filtered', title: 'filtered', missing: ['never'] },
  ]);
  expect(report.can_fire).toBe(6);
  expect(report.unread_fields).toEqual(['unread']);
  expect(report.sources).toEqual([{ format: 'test', events: 1, rules: 8 }]);
});

test('the Navigator layer counts rules for each technique, whatever case the tag has', () => {
  const layer = navigatorLayer(RULES);
  expect(layer.techniques.map(({ techniqueID, score }) => [techniqueID, score])).toEqual([
    ['T1059.001', 8],
    ['T1110', 1],
  ]);
  expect(layer).toMatchObject({ domain: 'enterprise-attack', versions: { layer: '4.5' }, gradient: { maxValue: 8 } });
});

/** Explanations say what the engine does, with the bytes; filters are proposed from what was judged harmless. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Alert } from '../core/index.ts';
import { attackMatrix, countVerdict, mergeTimeline, precisionOf } from './detection-desk.ts';
import { createEngine } from './detection-engine.ts';
import type { Rule } from './detection-rule.ts';
import { type JudgedAlert, proposeFilters } from './detection-tune.ts';
import { type Why, whyRule } from './detection-why.ts';
import { logIn, ruleText, sampleEvent, sampleRules } from './testing/detection-samples.ts';

const RULE = ruleText(
  "  sel:\n    CommandLine|contains: ['-ENC ', 'iex']\n    User|startswith: adm\n  filter:\n    Image|endswith: '\\\\backup.exe'\n  condition: sel and not filter",
);
const rules = sampleRules(RULE);
const rule = rules[0] as Rule;
const flat = (why: Why): Why[] => [why, ...why.of.flatMap(flat)];

test('what fulfilled a predicate is named with its bytes, in UTF-8', () => {
  const event = sampleEvent({ CommandLine: 'é powershell -enc AAAA', User: 'Admin', Image: 'x.exe' });
  const answer = whyRule(rule, event, rules);
  expect([answer.fires, answer.sentence]).toEqual([true, 'It fires: every part of its condition holds.']);
  const hit = flat(answer.why as Why).find(
    ({ what, holds, field }) => what === 'test' && holds && field === 'CommandLine',
  );
  const [from, to] = hit?.bytes ?? [0, 0];
  expect(Buffer.from('é powershell -enc AAAA').subarray(from, to).toString()).toBe('-enc ');
});

test.each([
  [{ CommandLine: '-enc x' }, 'the event has no User'],
  [{ CommandLine: '-enc x', User: 'bob' }, 'User is "bob", not startswith adm'],
  [{ CommandLine: '-enc x', User: 'adm', Image: 'C:\\backup.exe' }, 'what it leaves out is there'],
])('why it does not fire on %o', (fields, reason) => {
  expect(whyRule(rule, sampleEvent(fields), rules).sentence).toContain(reason);
});

test('a rule for another source says so', () => {
  const other = sampleEvent({ CommandLine: '-enc x', User: 'adm' }, { logsource: { product: 'linux' } });
  expect(whyRule(rule, other, rules).sentence).toContain('it is for test, the event is linux');
});

test('an explanation agrees with the engine', () => {
  const value = fc.constantFrom('-enc x', 'iex', 'adm', 'C:\\backup.exe', 'bob', '');
  fc.assert(
    fc.property(fc.record({ CommandLine: value, User: value, Image: value }, { requiredKeys: [] }), (fields) => {
      const event = sampleEvent(fields as Record<string, string>);
      const fires = createEngine(rules, { streamId: 'aaaaaaaa' }).feed(event).length > 0;
      expect(whyRule(rule, event, rules).fires).toBe(fires);
    }),
  );
});

test('a correlation says whether it counts the event, and in which group', () => {
  const text = `title: F\nname: f\nlogsource: { category: authentication }\ndetection: { s: { outcome: failure }, condition: s }\n---\ntitle: Many\nid: many\ncorrelation: { type: event_count, rules: [f], group-by: [src_ip], timespan: 60s, condition: { gte: 5 } }\n`;
  const all = sampleRules(text);
  const many = all.find(({ id }) => id === 'many') as Rule;
  const counted = whyRule(many, logIn('failure', 'root', '198.51.100.1', 0), all);
  expect([counted.fires, counted.group]).toEqual([true, { src_ip: '198.51.100.1' }]);
  expect(whyRule(many, logIn('success', 'root', '198.51.100.1', 0), all).sentence).toContain('None of its rules');
  const nowhere = logIn('failure', 'root', '', 0);
  expect(whyRule(many, nowhere, all).sentence).toContain('it has no src_ip');
});

function judged(verdict: Alert['verdict'] | undefined, host: string, user: string): JudgedAlert {
  const event = sampleEvent({ CommandLine: '-enc x', User: user }, { norm: { host, user } });
  const [alert] = createEngine(sampleRules(ruleText('  s: { CommandLine|contains: enc }\n  condition: s')), {
    streamId: 'aaaaaaaa',
  }).feed(event);
  return { alert: { ...(alert as Alert), ...(verdict === undefined ? {} : { verdict }) }, event };
}

test('a proposed filter silences harmless alerts and no real one', () => {
  const list = [
    ...['a', 'b', 'c'].map((user) => judged('harmless', 'build-1', user)),
    judged('real', 'ws-7', 'a'),
    judged(undefined, 'build-1', 'd'),
  ];
  const [best] = proposeFilters(list);
  expect(best).toMatchObject({ harmless: 3, real: 0, unjudged: 1, harmlessAll: 3 });
  expect(best?.conditions.every(({ value }) => value !== 'a')).toBe(true);
  expect(best?.sentence).toContain('build-1');
  expect(proposeFilters([judged('real', 'ws-7', 'a')])).toEqual([]);
  expect(proposeFilters([judged('harmless', 'ws-7', 'a'), judged('real', 'ws-7', 'a')])).toEqual([]);
});

test('verdicts, the matrix and the timeline', () => {
  const counts = new Map();
  for (const one of [
    judged('real', 'h', 'u'),
    judged('harmless', 'h', 'u'),
    judged('real', 'h', 'u'),
    judged(undefined, 'h', 'u'),
  ])
    countVerdict(counts, one.alert);
  expect(precisionOf(counts.get('sample'))).toBe(0.667);
  expect(precisionOf({ alerts: 3, real: 0, harmless: 0, unjudged: 3 })).toBeNull();
  const cells = attackMatrix(
    [{ id: 'r', tags: ['attack.credential_access', 'attack.t1110.001', 'attack.nonsense'] }],
    new Map([['r', 4]]),
  );
  expect(cells).toEqual([{ technique: 'T1110.001', tactics: ['credential-access'], rules: ['r'], alerts: 4 }]);
  const item = (kind: 'alert' | 'event' | 'file', id: string, time: string) => ({
    kind,
    id,
    time,
    title: id,
    level: null,
  });
  const merged = mergeTimeline(
    [item('event', 'b', '2'), item('file', 'b', '2'), item('alert', 'a', '3'), item('event', 'c', '1')],
    10,
  );
  expect(merged.map(({ id }) => id)).toEqual(['c', 'b', 'a']);
});

/** The engine: correlations in event time, chains, replay, restart, bounds, quarantine. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Alert, DecodedEvent } from '../core/index.ts';
import { createEngine, type Engine } from './detection-engine.ts';
import { logIn, ruleText, sampleEvent, sampleRules } from './testing/detection-samples.ts';

const BASE = `
title: Failure
name: failure
logsource: { category: authentication }
detection:
  selection: { outcome: failure }
  condition: selection
---
title: Success
name: success
logsource: { category: authentication }
detection:
  selection: { outcome: success }
  condition: selection
`;
const COUNT = `${BASE}---
title: Guessing
id: guessing
level: high
correlation:
  type: event_count
  rules: [failure]
  group-by: [src_ip]
  timespan: 60s
  condition: { gte: 5 }
`;
const feedAll = (engine: Engine, events: readonly DecodedEvent[]): Alert[] =>
  events.flatMap((event) => engine.feed(event));
const failures = (n: number, from = 0, step = 1, address = '45.9.1.2') =>
  Array.from({ length: n }, (_, i) => logIn('failure', 'root', address, from + i * step));

test('a count is reached once a group and window, and again when it goes on', () => {
  const engine = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
  expect(feedAll(engine, failures(4))).toEqual([]);
  const [first] = feedAll(engine, failures(1, 4));
  expect(first?.rule.id).toBe('guessing');
  expect(first?.event_count).toBe(5);
  expect(first?.events).toHaveLength(5);
  expect(first?.entities).toContainEqual({ type: 'address', value: '45.9.1.2', role: 'attacker' });
  expect(first?.entities).toContainEqual({ type: 'account', value: 'root', role: 'victim' });
  expect(feedAll(engine, failures(55, 5))).toEqual([]);
  const later = feedAll(engine, failures(20, 60));
  expect(later).toHaveLength(1);
  expect(later[0]?.event_count).toBeGreaterThan(50);
  expect(later[0]?.id).not.toBe(first?.id);
});

test('groups are counted apart, and exercises apart from the real thing', () => {
  const engine = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
  const mixed = [0, 1, 2, 3, 4, 5, 6, 7].map((i) => logIn('failure', 'root', `10.0.0.${i % 2}`, i));
  expect(feedAll(engine, mixed)).toEqual([]);
  const half = failures(4, 20, 1, '10.0.0.9').map((event, i) => ({ ...event, exercise: i % 2 === 0 }));
  expect(feedAll(engine, half)).toEqual([]);
});

test('events outside the timespan do not count', () => {
  const engine = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
  expect(feedAll(engine, failures(50, 0, 16))).toEqual([]);
  expect(feedAll(engine, failures(50, 10_000, 14))).not.toEqual([]);
});

test('whatever the order of arrival within the lateness, a window that is reached alerts once', () => {
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 3, 7, 11, 20, 31, 44], { minLength: 7 }), (order) => {
      const engine = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
      const last = Math.max(...order);
      const events = order.map((at) => ({
        ...logIn('failure', 'root', '45.9.1.2', at),
        receivedMs: 1_700_000_000_000 + last * 1000,
      }));
      expect(feedAll(engine, events)).toHaveLength(1);
    }),
    { numRuns: 200 },
  );
});

test('distinct values are counted in the window, whatever their case', () => {
  const rules = sampleRules(`${BASE}---
title: Spraying
id: spraying
correlation: { type: value_count, rules: [failure], group-by: [src_ip], timespan: 60s, condition: { field: user, gte: 3 } }
`);
  const engine = createEngine(rules, { streamId: 'aaaaaaaa' });
  const tries = (names: string[], step: number) =>
    feedAll(
      engine,
      names.map((name, i) => logIn('failure', name, '45.9.1.2', i * step)),
    );
  expect(tries(['a', 'A', 'b', 'B', 'a'], 1)).toEqual([]);
  expect(feedAll(engine, [logIn('failure', 'c', '45.9.1.2', 200)])).toEqual([]);
  expect(
    feedAll(engine, [logIn('failure', 'd', '45.9.1.2', 210), logIn('failure', 'e', '45.9.1.2', 220)]),
  ).toHaveLength(1);
});

test('an ordered chain over a correlation needs its order', () => {
  const text = (order: string) => `${COUNT}---
title: In
id: in
level: critical
correlation: { type: temporal_ordered, rules: [${order}], group-by: [src_ip], timespan: 300s, generate: true }
`;
  const run = (order: string) => {
    const engine = createEngine(sampleRules(text(order)), { streamId: 'aaaaaaaa' });
    const events = [...failures(6), logIn('success', 'root', '45.9.1.2', 30), logIn('success', 'root', '45.9.1.2', 31)];
    return feedAll(engine, events).map((alert) => alert.rule.id);
  };
  expect(run('guessing, success').filter((id) => id === 'in')).toHaveLength(1);
  expect(run('success, guessing').filter((id) => id === 'in')).toEqual([]);
});

test('unordered rules, aliases and numbers', () => {
  const rules = sampleRules(`
title: A
name: a
logsource: { product: test }
detection: { s: { kind: a }, condition: s }
---
title: B
name: b
logsource: { product: test }
detection: { s: { kind: b }, condition: s }
---
title: Both
id: both
correlation:
  type: temporal
  rules: [a, b]
  group-by: [who]
  timespan: 10s
  aliases: { who: { a: from, b: to } }
---
title: Sum
id: sum
correlation: { type: value_sum, rules: [a], group-by: [from], timespan: 10s, condition: { field: size, gt: 100 } }
`);
  const engine = createEngine(rules, { streamId: 'aaaaaaaa' });
  const at = (sec: number, fields: Record<string, string | number>) =>
    sampleEvent(fields, { timeMs: 1_700_000_000_000 + sec * 1000, receivedMs: 1_700_000_000_000 + sec * 1000 });
  const ids = feedAll(engine, [
    at(0, { kind: 'b', to: 'x', size: 1 }),
    at(1, { kind: 'a', from: 'y', size: 60 }),
    at(2, { kind: 'a', from: 'x', size: 60 }),
    at(3, { kind: 'a', from: 'x', size: 60 }),
    at(20, { kind: 'a', from: 'y', size: 60 }),
  ]).map((alert) => alert.rule.id);
  expect(ids).toEqual(['both', 'sum']);
});

test('a replay from a snapshot gives the same alerts with the same ids', () => {
  const rules = sampleRules(COUNT);
  const events = failures(8);
  const whole = createEngine(rules, { streamId: 'aaaaaaaa' });
  const before = createEngine(rules, { streamId: 'aaaaaaaa' });
  expect(feedAll(before, events.slice(0, 3))).toEqual([]);
  const after = createEngine(rules, { streamId: 'aaaaaaaa' });
  after.restore(before.snapshot());
  expect(after.stats().restoreFault).toBeNull();
  expect(feedAll(after, events.slice(3))).toEqual(feedAll(whole, events));
});

test('state of a rule that counts something else is passed over, damaged state is said and survived', () => {
  const before = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
  feedAll(before, failures(4));
  const state = before.snapshot();
  const changed = createEngine(sampleRules(COUNT.replace('group-by: [src_ip]', 'group-by: [user]')), {
    streamId: 'aaaaaaaa',
  });
  changed.restore(state);
  expect(changed.stats().groups).toBe(0);
  fc.assert(
    fc.property(fc.nat(state.length - 1), fc.uint8Array({ maxLength: 40 }), (cut, noise) => {
      const engine = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
      engine.restore(new Uint8Array([...state.subarray(0, cut), ...noise]));
      expect(feedAll(engine, failures(12, 100)).length).toBeGreaterThan(0);
    }),
    { numRuns: 50 },
  );
});

test('idle groups are forgotten with time, forged future times keep nobody quiet', () => {
  const engine = createEngine(sampleRules(COUNT), { streamId: 'aaaaaaaa' });
  feedAll(engine, failures(2));
  expect(engine.stats().groups).toBe(1);
  engine.tick(1_700_000_000_000 + 3_600_000);
  expect(engine.stats().groups).toBe(0);
  const ahead = failures(5).map((event) => ({ ...event, timeMs: event.timeMs + 20 * 3_600_000 }));
  expect(feedAll(engine, ahead)).toHaveLength(1);
  expect(feedAll(engine, failures(5, 1000))).toHaveLength(1);
});

test('a rule that throws while matching is set aside by name and the others go on', () => {
  const rules = sampleRules(
    `${ruleText('  s: { a: x }\n  condition: s', 'good')}---\n${ruleText('  s:\n    a|re: x\n  condition: s', 'bad')}`,
  );
  const broken = rules.map((rule) => {
    if (rule.id !== 'bad' || rule.kind !== 'detection' || rule.expr.t !== 'test' || rule.expr.test.kind !== 'regex')
      return rule;
    const regex = {
      ...rule.expr.test.regex,
      test: () => {
        throw new Error('no');
      },
    };
    return { ...rule, expr: { ...rule.expr, test: { ...rule.expr.test, regex } } };
  });
  const engine = createEngine(broken, { streamId: 'aaaaaaaa' });
  const fired = feedAll(engine, [sampleEvent({ a: 'x' }), sampleEvent({ a: 'x' })]);
  expect(fired.map((alert) => alert.rule.id)).toEqual(['good', 'good']);
  expect(engine.stats().quarantined).toEqual([{ rule: 'bad', reason: 'no' }]);
});

test('an alert of one event has its sentence, its words and a stable id', () => {
  const rules = sampleRules(
    `${ruleText('  s:\n    CommandLine|contains: evil\n  condition: s')}asepsis: { title: "Evil[ on {host}][ at {nothing}] by {user}" }\n`,
  );
  const engine = createEngine(rules, { streamId: 'aaaaaaaa' });
  const event = sampleEvent({ CommandLine: 'run EVIL.exe\u0007' }, { norm: { host: 'ws-1' } });
  const [alert] = engine.feed(event);
  expect(alert?.title).toBe('Evil on ws-1 by unknown');
  expect(alert?.matched).toEqual([
    { field: 'CommandLine', value: 'run EVIL.exe\u0007', words: ['evil'], event: alert?.events[0] },
  ]);
  expect(createEngine(rules, { streamId: 'aaaaaaaa' }).feed(event)[0]?.id).toBe(alert?.id);
  expect(engine.feed(sampleEvent({ CommandLine: 'calc' }))).toBe(engine.feed(sampleEvent({})));
});

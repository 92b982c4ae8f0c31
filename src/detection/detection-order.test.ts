/** Event time, not arrival time: any order within the lateness gives the same alerts; windows, silences, new values, bounds. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Alert, DecodedEvent } from '../core/index.ts';
import { createEngine, type Engine, type EngineOptions } from './detection-engine.ts';
import { sampleEvent, sampleRules } from './testing/detection-samples.ts';

const T0 = 1_700_000_000_000;
const LATENESS_MS = 100_000;
const O: EngineOptions = { streamId: 'aaaaaaaa', latenessMs: LATENESS_MS };
const BASE = `
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
title: Test
id: rule
`;
const correlation = (text: string, own = '') =>
  `${BASE}correlation: { group-by: [who], ${text} }\n${own === '' ? '' : `asepsis: { ${own} }\n`}`;

let seq = 0;
function at(sec: number, fields: Record<string, string | number> = {}, source = '0'): DecodedEvent {
  const timeMs = T0 + sec * 1000;
  const event = sampleEvent(
    { kind: 'a', who: 'x', ...fields },
    { timeMs, receivedMs: timeMs, source: `src_${source.padStart(26, '0')}` as DecodedEvent['source'] },
  );
  return { ...event, seq: ++seq };
}
const feed = (engine: Engine, events: readonly DecodedEvent[]): Alert[] =>
  events.flatMap((event) => [...engine.feed(event)]);

/** An order of arrival in which nothing is later than the lateness: sorted by time plus a delay below it. */
const arrivals = (events: readonly DecodedEvent[], delays: readonly number[]): DecodedEvent[] => {
  const order = events
    .map((event, i) => ({ event, due: event.timeMs + (delays[i % delays.length] as number) }))
    .sort((a, b) => a.due - b.due);
  return order.map(({ event, due }) => ({ ...event, receivedMs: due }));
};

/** Which of the alerts in order of time each alert is: the one whose timespan holds it. */
const slots = (alerts: readonly Alert[], sorted: readonly Alert[], timespanMs: number) =>
  alerts
    .map((alert) => {
      const group = alert.matched.find(({ words }) => words[0] === 'group-by')?.value;
      const ms = Date.parse(alert.time);
      const home = sorted.findIndex((one) => {
        const start = Date.parse(one.time);
        return one.matched.some(({ value }) => value === group) && start <= ms && ms < start + timespanMs;
      });
      return home;
    })
    .sort((a, b) => a - b);

const KINDS: readonly [name: string, rule: string, own: string][] = [
  ['event_count', 'type: event_count, rules: [a], timespan: 30s, condition: { gte: 3 }', ''],
  ['value_count', 'type: value_count, rules: [a], timespan: 30s, condition: { field: v, gte: 3 }', ''],
  ['several fields', 'type: value_count, rules: [a], timespan: 30s, condition: { field: [v, n], gte: 4 }', ''],
  ['temporal', 'type: temporal, rules: [a, b], timespan: 30s', ''],
  ['temporal_ordered', 'type: temporal_ordered, rules: [a, b], timespan: 30s', ''],
  ['temporal_ordered, mostly what follows', 'type: temporal_ordered, rules: [b, a], timespan: 30s', ''],
  ['temporal_ordered, three', 'type: temporal_ordered, rules: [a, b, a], timespan: 30s', ''],
  ['value_sum', 'type: value_sum, rules: [a], timespan: 30s, condition: { field: n, gte: 12 }', ''],
];
const EXACT: readonly [name: string, rule: string, own: string][] = [
  ['value_avg', 'type: value_avg, rules: [a], timespan: 30s, condition: { field: n, gt: 4 }', ''],
  ['value_median', 'type: value_median, rules: [a], timespan: 30s, condition: { field: n, gte: 4 }', ''],
  [
    'value_percentile',
    'type: value_percentile, rules: [a], timespan: 30s, condition: { field: n, gte: 6, percentile: 90 }',
    '',
  ],
  ['range', 'type: event_count, rules: [a], timespan: 30s, condition: { gte: 2, lte: 3 }', ''],
  ['tumbling', 'type: event_count, rules: [a], timespan: 30s, condition: { gte: 3 }', 'window: tumbling'],
  ['session', 'type: event_count, rules: [a], timespan: 30s, condition: { gte: 4 }', 'window: session'],
  ['new value', 'type: value_count, rules: [a], timespan: 90s, condition: { field: v, gte: 1 }', 'learn: 60s'],
  ['silence', 'type: event_count, rules: [a], timespan: 60s, condition: { lt: 1 }', ''],
];

const EVENTS = fc
  .array(
    fc.record({
      sec: fc.nat(400),
      who: fc.constantFrom('x', 'y'),
      kind: fc.constantFrom('a', 'a', 'b'),
      v: fc.constantFrom('p', 'q', 'r', 's'),
      n: fc.nat(8),
    }),
    { minLength: 1, maxLength: 60 },
  )
  .map((list) =>
    list.sort((a, b) => a.sec - b.sec).map(({ sec, ...rest }, i) => at(sec + i / 100, rest, String(i % 3))),
  );
const DELAYS = fc.array(fc.nat(LATENESS_MS - 1), { minLength: 1, maxLength: 60 });

test.each(KINDS)('%s: any order within the lateness gives the same alerts', (_, rule, own) => {
  const rules = sampleRules(correlation(rule, own));
  fc.assert(
    fc.property(EVENTS, DELAYS, (events, delays) => {
      const run = (list: readonly DecodedEvent[]) => {
        const engine = createEngine(rules, O);
        return [...feed(engine, list), ...engine.finish()].filter((alert) => alert.rule.id === 'rule');
      };
      const sorted = run(events);
      const mixed = run(arrivals(events, delays));
      expect(slots(mixed, sorted, 30_000)).toEqual(slots(sorted, sorted, 30_000));
    }),
    { numRuns: 150 },
  );
});

test.each(EXACT)('%s: any order within the lateness gives the very same alerts', (_, rule, own) => {
  const rules = sampleRules(correlation(rule, own));
  fc.assert(
    fc.property(EVENTS, DELAYS, (events, delays) => {
      const run = (list: readonly DecodedEvent[]) => {
        const engine = createEngine(rules, O);
        return [...feed(engine, list), ...engine.finish()]
          .filter((alert) => alert.rule.id === 'rule')
          .map(({ id, time, title, events: refs, matched }) => ({ id, time, title, refs, matched }))
          .sort((a, b) => (a.id < b.id ? -1 : 1));
      };
      expect(run(arrivals(events, delays))).toEqual(run(events));
    }),
    { numRuns: 120 },
  );
});

test('a restart in the middle changes nothing', () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...KINDS, ...EXACT),
      EVENTS,
      DELAYS,
      fc.nat(60),
      ([, rule, own], events, delays, cut) => {
        const rules = sampleRules(correlation(rule, own));
        const list = arrivals(events, delays);
        const whole = createEngine(rules, O);
        const first = createEngine(rules, O);
        const start = feed(first, list.slice(0, cut));
        const second = createEngine(rules, O);
        second.restore(first.snapshot());
        const ids = (alerts: readonly Alert[]) => alerts.map(({ id }) => id).sort();
        expect(ids([...start, ...feed(second, list.slice(cut)), ...second.finish()])).toEqual(
          ids([...feed(whole, list), ...whole.finish()]),
        );
      },
    ),
    { numRuns: 200 },
  );
});

test('events later than the lateness are counted as late, not as something else', () => {
  const engine = createEngine(sampleRules(correlation(KINDS[0]?.[1] ?? '')), O);
  feed(engine, [at(0), at(500), at(1), at(2)]);
  expect(engine.stats().late).toBe(2);
});

test('a silence is said without any event, again each timespan, and ends when something comes', () => {
  const rules = sampleRules(
    `${BASE}correlation: { type: event_count, rules: [a], group-by: [who], timespan: 26h, condition: { lt: 1 } }\n`,
  );
  const engine = createEngine(rules, O);
  const hour = 3600;
  expect(feed(engine, [at(0, { who: 'db-1' }), at(10, { who: 'db-2' })])).toEqual([]);
  expect(engine.tick(T0 + 25 * hour * 1000)).toEqual([]);
  feed(engine, [at(25.5 * hour, { who: 'db-2' })]);
  const [alert, ...more] = engine.tick(T0 + 26.5 * hour * 1000);
  expect(more).toEqual([]);
  expect(alert?.title).toContain('the last came at 2023-11-14T22:13:20Z');
  expect(alert?.matched).toContainEqual({ field: 'who', value: 'db-1', words: ['group-by'] });
  expect(engine.tick(T0 + 27 * hour * 1000)).toEqual([]);
  expect(engine.tick(T0 + 52.6 * hour * 1000)).toHaveLength(2);
});

test('at the end of the evidence, a silence is judged as far as any event went', () => {
  const rules = sampleRules(
    `${BASE}correlation: { type: event_count, rules: [a], group-by: [who], timespan: 60s, condition: { lt: 1 } }\n`,
  );
  const until = (sec: number) => {
    const engine = createEngine(rules, O);
    feed(engine, [at(0)]);
    return engine.finish(T0 + sec * 1000).length;
  };
  expect([until(59), until(60), until(130)]).toEqual([0, 1, 2]);
});

test('a silence of everything counts from the first moment', () => {
  const rules = sampleRules(
    `${BASE}correlation: { type: event_count, rules: [a], timespan: 1h, condition: { lte: 0 } }\n`,
  );
  const engine = createEngine(rules, O);
  expect(engine.tick(T0)).toEqual([]);
  expect(engine.tick(T0 + 59 * 60_000)).toEqual([]);
  expect(engine.tick(T0 + 61 * 60_000)).toHaveLength(1);
});

test('a source that is behind holds back what is judged at the end, one that is silent does not', () => {
  const rules = sampleRules(correlation('type: event_count, rules: [a], timespan: 30s, condition: { eq: 2 }'));
  const engine = createEngine(rules, O);
  feed(engine, [at(0, {}, '1'), at(1, { kind: 'other' }, '2')]);
  // The first source is far ahead; the second still sends events of the first window.
  const behind = at(5, {}, '2');
  const alerts = feed(engine, [
    { ...at(1000, { kind: 'other' }, '1'), receivedMs: T0 + 50_000 },
    { ...behind, receivedMs: T0 + 55_000 },
  ]);
  expect(alerts).toEqual([]);
  expect(engine.tick(T0 + 3_600_000)).toHaveLength(1);
});

test('high thresholds are counted by a sample, and the alert says its error', () => {
  const rules = sampleRules(
    correlation('type: value_count, rules: [a], timespan: 1d, condition: { field: v, gte: 20000 }'),
  );
  const engine = createEngine(rules, O);
  let reached = 0;
  for (let i = 0; i < 24_000 && reached === 0; i++) {
    const [alert] = engine.feed(at(i / 10, { v: `value-${i}` }));
    if (!alert) continue;
    reached = i;
    expect(alert.matched[0]?.words[0]).toMatch(/≈ \d+ \(standard error 2\.\d %\)/);
  }
  // Five standard errors.
  expect(Math.abs(reached - 20_000)).toBeLessThan(20_000 * 5 * 0.025);
  expect(engine.stats().bytes).toBeLessThan(2_000_000);
});

test('exact up to the limit: the threshold’s own value fires, one less does not', () => {
  const engine = createEngine(
    sampleRules(correlation('type: value_count, rules: [a], timespan: 1d, condition: { field: v, gte: 2000 }')),
    O,
  );
  const alerts = feed(
    engine,
    Array.from({ length: 3999 }, (_, i) => at(i, { v: `v${i % 1999}` })),
  );
  expect(alerts).toEqual([]);
  expect(feed(engine, [at(4000, { v: 'one more' })])).toHaveLength(1);
});

test('state is bounded in bytes, and what had to leave is counted', () => {
  const rules = sampleRules(correlation(KINDS[0]?.[1] ?? ''));
  const engine = createEngine(rules, { ...O, stateBytesMax: 500_000 });
  feed(
    engine,
    Array.from({ length: 20_000 }, (_, i) => at(i / 1000, { who: `host-${i}` })),
  );
  engine.tick(T0 + 20_000);
  const { bytes, evicted, groups } = engine.stats();
  expect(bytes).toBeLessThanOrEqual(500_000);
  expect(evicted + groups).toBe(20_000);
});

test('a flood in one group keeps its memory and its count', () => {
  const rules = sampleRules(correlation('type: event_count, rules: [a], timespan: 7d, condition: { gte: 10 }'));
  const engine = createEngine(rules, O);
  const alerts = feed(
    engine,
    Array.from({ length: 50_000 }, (_, i) => at(i)),
  );
  expect(alerts).toHaveLength(1);
  expect(engine.stats().bytes).toBeLessThan(400_000);
});

test('a rule with another threshold goes on from what it knew; one that counts something else begins anew', () => {
  const text = correlation('type: event_count, rules: [a], timespan: 30s, condition: { gte: 5 }');
  const before = createEngine(sampleRules(text), O);
  feed(before, [at(0), at(1), at(2)]);
  const restored = (changed: string) => {
    const engine = createEngine(sampleRules(changed), O);
    engine.restore(before.snapshot());
    return engine;
  };
  const lower = restored(text.replace('gte: 5', 'gte: 4'));
  expect(feed(lower, [at(3)])).toHaveLength(1);
  expect(restored(text.replace('group-by: [who]', 'group-by: [host]')).stats().groups).toBe(0);
  expect(restored(text.replace('kind: a', 'kind: c')).stats().groups).toBe(0);
});

test('points of different rules add up on an entity, halve in a day, and speak once', () => {
  const rules = sampleRules(
    ['one', 'two', 'three', 'four', 'five']
      .map(
        (id) =>
          `title: ${id}\nid: ${id}\nlevel: high\nlogsource: { product: test }\ndetection: { s: { k: ${id} }, condition: s }\n`,
      )
      .join('---\n'),
  );
  const engine = createEngine(rules, { ...O, risk: { threshold: 100, halfLifeMs: 86_400_000 } });
  const hit = (k: string, hours: number) =>
    engine.feed({ ...at(hours * 3600, { k }), norm: { host: 'ws-7' } }).filter(({ rule }) => rule.id === 'entity-risk');
  expect(['one', 'one', 'one', 'two', 'three'].flatMap((k, i) => hit(k, i / 10))).toEqual([]);
  // Three rules gave 90 points; two days later a quarter is left.
  expect(hit('four', 48)).toEqual([]);
  expect(hit('one', 48.1)).toEqual([]);
  const [risk] = [...hit('two', 48.2), ...hit('three', 48.3)];
  expect(risk?.title).toContain('host ws-7');
  expect(engine.stats().risk[0]?.value).toBe('ws-7');
  const again = createEngine(rules, { ...O, risk: { threshold: 100, halfLifeMs: 86_400_000 } });
  again.restore(engine.snapshot());
  expect(again.stats().restoreFault).toBeNull();
});

test('what is switched off or suppressed is silent, counted, and comes back when it ends', () => {
  const engine = createEngine(sampleRules(correlation(KINDS[0]?.[1] ?? '')), O);
  const until = new Date(T0 + 1_000_000).toISOString() as Alert['time'];
  const suppression = {
    id: 's1',
    rule: 'rule',
    conditions: [{ field: 'who', op: 'equals' as const, value: 'X' }],
    until,
    owner: 'kim',
    reason: 'test',
  };
  engine.control({ disabled: [], suppressions: [suppression] });
  expect(feed(engine, [at(0), at(1), at(2)])).toEqual([]);
  expect(
    feed(
      engine,
      [0, 1, 2].map((i) => at(i, { who: 'y' })),
    ),
  ).toHaveLength(1);
  expect(engine.stats().suppressed).toEqual([{ id: 's1', count: 1, lastMs: T0 + 2000 }]);
  expect(
    feed(
      engine,
      [2000, 2001, 2002].map((i) => at(i)),
    ),
  ).toHaveLength(1);
  engine.control({ disabled: ['rule'], suppressions: [] });
  expect(
    feed(
      engine,
      [3000, 3001, 3002].map((i) => at(i)),
    ),
  ).toEqual([]);
});

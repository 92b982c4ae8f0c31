/** A snapshot that is written while events go on holds what was there when it was begun, and nothing else. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Alert, DecodedEvent } from '../core/index.ts';
import { createEngine, type Engine, type EngineOptions } from './detection-engine.ts';
import { sampleEvent, sampleRules } from './testing/detection-samples.ts';

const T0 = 1_700_000_000_000;
const O: EngineOptions = { streamId: 'aaaaaaaa', latenessMs: 20_000 };
const RULES = sampleRules(`
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
title: Count
id: count
correlation: { type: event_count, rules: [a], group-by: [who], timespan: 60s, condition: { gte: 3 } }
---
title: Values
id: values
correlation: { type: value_count, rules: [a, b], group-by: [who], timespan: 60s, condition: { field: v, gte: 3 } }
---
title: Chain
id: chain
correlation: { type: temporal_ordered, rules: [a, b], group-by: [who], timespan: 60s }
---
title: Few
id: few
correlation: { type: event_count, rules: [b], group-by: [who], timespan: 30s, condition: { lt: 2 } }
---
title: New
id: new
correlation: { type: value_count, rules: [a], group-by: [who], timespan: 60s, condition: { field: v, gte: 1 } }
asepsis: { learn: 10s }
`);

const many = (least: number, most: number) =>
  fc.array(fc.record({ who: fc.nat(260), kind: fc.constantFrom('a', 'a', 'b'), v: fc.nat(4), gap: fc.nat(400) }), {
    minLength: least,
    maxLength: most,
  });

let seq = 0;
function eventsOf(
  list: readonly { who: number; kind: string; v: number; gap: number }[],
  fromMs: number,
): DecodedEvent[] {
  let ms = fromMs;
  return list.map(({ who, kind, v, gap }) => {
    ms += gap;
    return { ...sampleEvent({ kind, who: `w${who}`, v }, { timeMs: ms, receivedMs: ms }), seq: ++seq };
  });
}
const feed = (engine: Engine, events: readonly DecodedEvent[]): Alert[] =>
  events.flatMap((event) => [...engine.feed(event)]);
const told = (alerts: readonly Alert[]) =>
  alerts.map(({ id, title, events, event_count }) => [id, title, event_count, ...events].join(' ')).sort();

test('events between the portions change nothing in it', () => {
  fc.assert(
    fc.property(many(150, 500), many(50, 300), fc.nat(5), (first, second, every) => {
      const before = eventsOf(first, T0);
      const after = eventsOf(second, before.at(-1)?.timeMs ?? T0);
      const engine = createEngine(RULES, O);
      feed(engine, before);
      const whole = engine.snapshot();
      const snapshot = engine.beginSnapshot();
      let complete = false;
      for (const [i, event] of after.entries()) {
        engine.feed(event);
        // A portion is as small as it can be.
        if (i % (every + 1) === 0) complete = snapshot.step(0);
      }
      engine.tick((after.at(-1)?.timeMs ?? T0) + 3_600_000);
      while (!complete) complete = snapshot.step(0);
      const portions = Buffer.concat(snapshot.pieces());
      expect(portions.length).toBe(whole.length);
      const [a, b] = [whole, portions].map((bytes) => {
        const restored = createEngine(RULES, O);
        restored.restore(bytes);
        const { groups, bytes: memory, restoreFault } = restored.stats();
        expect(restoreFault).toBeNull();
        return { groups, memory, alerts: told([...feed(restored, after), ...restored.finish()]) };
      });
      expect(b).toEqual(a);
    }),
    { numRuns: 60 },
  );
});

test('groups that are forgotten meanwhile are in it, new ones are not', () => {
  const small = { ...O, stateBytesMax: 60_000 };
  const engine = createEngine(RULES, small);
  const at = (i: number, ms: number): DecodedEvent => ({
    ...sampleEvent({ kind: 'a', who: `w${i}`, v: i }, { timeMs: T0 + ms, receivedMs: T0 + ms }),
    seq: ++seq,
  });
  for (let i = 0; i < 150; i++) engine.feed(at(i, i));
  const { groups } = engine.stats();
  const snapshot = engine.beginSnapshot();
  snapshot.step(0);
  for (let i = 1000; i < 4000; i++) engine.feed(at(i, i));
  expect(engine.stats().evicted).toBeGreaterThan(0);
  while (!snapshot.step(0));
  const restored = createEngine(RULES, O);
  restored.restore(Buffer.concat(snapshot.pieces()));
  expect(restored.stats().restoreFault).toBeNull();
  expect(restored.stats().groups).toBe(groups);
  // A second one starts from what is there then.
  const next = engine.beginSnapshot();
  while (!next.step(0));
  const later = createEngine(RULES, O);
  later.restore(Buffer.concat(next.pieces()));
  expect(later.stats().groups).toBe(engine.stats().groups);
});

/** Late events: what is taken for unimportant really changes no window, and a machine that is kept goes on as a fresh one would. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { insertEvent, lengthOf, moreOf, newGroup, placeOf } from './detection-group.ts';
import { addEvent, hotTimes, lateMayMatter, newestIsHot, type WindowRule } from './detection-window.ts';

const ruleOf = (type: WindowRule['type'], need: number): WindowRule => ({
  type,
  timespanMs: 40,
  bounds: { gte: need },
  percentile: 50,
  members: 3,
  need,
  rate: 1,
});
const events = fc.array(fc.record({ gap: fc.integer({ min: 0, max: 6 }), value: fc.nat(4), member: fc.nat(2) }), {
  minLength: 20,
  maxLength: 120,
});
const TYPES = ['event_count', 'value_count', 'temporal', 'temporal_ordered'] as const;

test('a late event that cannot matter completes no window', () => {
  let skipped = 0;
  fc.assert(
    fc.property(
      events,
      fc.constantFrom(...TYPES),
      fc.integer({ min: 2, max: 9 }),
      fc.nat(200),
      fc.nat(4),
      (list, type, need, back, value) => {
        const rule = ruleOf(type, need);
        const group = newGroup('g', 0);
        let ms = 1000;
        for (const [seq, one] of list.entries()) {
          ms += one.gap;
          insertEvent(group, ms, one.value, seq, placeOf(0, one.member));
        }
        const late = ms - back;
        const before = hotTimes(group, rule, 0, ms + 1);
        // As the correlator has it: where a window was reached, an alert stands.
        moreOf(group).alerts = before.filter(
          (at, i) => i === 0 || at >= (before[i - 1] ?? 0) + rule.timespanMs || i % 7 === 0,
        );
        newestIsHot(group, rule);
        const entry = { ms: late, value, seq: 1000, place: placeOf(0, back % 3) };
        const inOrder = insertEvent(group, entry.ms, entry.value, entry.seq, entry.place);
        if (inOrder || lateMayMatter(group, rule, entry)) return;
        skipped++;
        const fresh = hotTimes(group, rule, 0, ms + 1).filter((at) => !before.includes(at));
        expect(fresh).toEqual([]);
      },
    ),
    { numRuns: 3000 },
  );
  expect(skipped).toBeGreaterThan(100);
});

test('a machine that is kept over late events decides as one that is fed everything in order', () => {
  let kept = 0;
  fc.assert(
    fc.property(
      events,
      fc.constantFrom(...TYPES),
      fc.integer({ min: 2, max: 5 }),
      fc.array(fc.nat(30), { minLength: 3, maxLength: 10 }),
      (list, type, need, backs) => {
        const rule = ruleOf(type, need);
        const group = newGroup('g', 0);
        moreOf(group);
        let ms = 1000;
        for (const [seq, one] of list.entries()) {
          ms += one.gap;
          const back = seq % 5 === 4 ? (backs[seq % backs.length] ?? 0) : 0;
          const inOrder = addEvent(
            group,
            rule,
            { ms: ms - back, value: one.value, seq, place: placeOf(0, one.member) },
            100,
          );
          if (group.more?.state !== null && !inOrder) kept++;
          if (!inOrder) continue;
          const hot = newestIsHot(group, rule);
          const fresh = newGroup('g', 0);
          fresh.log = [...group.log];
          expect(hot, `${lengthOf(group)} events`).toBe(newestIsHot(fresh, rule));
        }
      },
    ),
    { numRuns: 500 },
  );
  expect(kept).toBeGreaterThan(100);
});

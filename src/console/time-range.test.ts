/** Time ranges: what the address says, and slices without gaps. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fillSlices, timeRange } from './time-range.ts';

const NOW = Date.parse('2026-03-04T10:20:30.456Z');

test('reads names, fixed ends, and falls back to a day', () => {
  expect(timeRange({ range: '1h' }, NOW)).toMatchObject({ fromMs: NOW - 3_600_000, toMs: NOW, name: '1h' });
  const fixed = timeRange({ from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z' }, NOW);
  expect(fixed).toMatchObject({ name: null, toMs: Date.parse('2026-03-02T00:00:00Z') });
  expect(timeRange({ range: 'constructor' }, NOW).name).toBe('24h');
  expect(timeRange({ from: '2026-03-02T00:00:00Z', to: '2026-03-01T00:00:00Z' }, NOW).name).toBe('24h');
});

test('slices cover the range, each once, and keep every count', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 40 * 86_400_000 }),
      fc.array(fc.tuple(fc.double({ min: 0, max: 0.999, noNaN: true }), fc.nat(1000)), { maxLength: 50 }),
      (length, counts) => {
        const range = timeRange({ from: new Date(NOW - length).toISOString(), to: new Date(NOW).toISOString() }, NOW);
        const items = counts.map(([at, count]) => ({
          start: new Date(range.fromMs + at * length).toISOString(),
          count,
        }));
        const { times, values } = fillSlices(items, range);
        expect(times.length).toBeLessThanOrEqual(122);
        expect(new Set(times).size).toBe(times.length);
        expect(values.reduce((sum, value) => sum + value, 0)).toBe(items.reduce((sum, item) => sum + item.count, 0));
      },
    ),
  );
});

/** Times: the stated rules for missing years and zones, and what cannot be true. */

import { describe, expect, test } from 'vitest';
import { createDecoder } from './decode-block.ts';
import { blockOf, decodeOne, RECEIVED_MS } from './decode-testing.ts';

const line = (stamp: string): string => `${stamp} h sshd[1]: Invalid user x from 1.2.3.4 port 5`;
const at = (stamp: string, zone = 'UTC', receivedMs = RECEIVED_MS): string =>
  new Date(decodeOne(line(stamp), zone, { receivedMs }).timeMs).toISOString();

describe('a year that is not written is the latest that is not more than a day after the receipt', () => {
  test('yesterday and last December', () => {
    expect(at('May 19 10:00:00')).toBe('2026-05-19T10:00:00.000Z');
    expect(at('Dec 31 23:59:59')).toBe('2025-12-31T23:59:59.000Z');
  });
  test('a clock that is some hours ahead stays in this year, also over New Year', () => {
    expect(at('May 21 11:59:00')).toBe('2026-05-21T11:59:00.000Z');
    expect(at('May 21 12:01:00')).toBe('2025-05-21T12:01:00.000Z');
    expect(at('Jan  1 00:00:05', 'UTC', Date.UTC(2025, 11, 31, 23, 59))).toBe('2026-01-01T00:00:05.000Z');
  });
  test('29 February looks back to a leap year', () => {
    expect(at('Feb 29 10:00:00')).toBe('2024-02-29T10:00:00.000Z');
  });
  test('it is marked', () => {
    expect(decodeOne(line('May 19 10:00:00')).marks).toEqual(['year-inferred']);
    expect(decodeOne(line('May 19 2026 10:00:00')).marks).toEqual([]);
  });
});

describe('a zone that is not written is the source’s', () => {
  test('summer and winter', () => {
    expect(at('May 19 10:00:00', 'Europe/Berlin')).toBe('2026-05-19T08:00:00.000Z');
    expect(at('Jan 19 10:00:00', 'Europe/Berlin')).toBe('2026-01-19T09:00:00.000Z');
    expect(at('Jan 19 10:00:00', 'America/St_Johns')).toBe('2026-01-19T13:30:00.000Z');
  });
  test('the hours around a change of the clock', () => {
    expect(at('Mar 29 01:59:59', 'Europe/Berlin')).toBe('2026-03-29T00:59:59.000Z');
    expect(at('Mar 29 03:00:00', 'Europe/Berlin')).toBe('2026-03-29T01:00:00.000Z');
  });
  test('without one this machine’s is assumed, and the event says so', () => {
    const [event] = createDecoder({}).decode(blockOf([line('May 19 10:00:00')]));
    expect(event?.marks).toEqual(['year-inferred', 'zone-assumed']);
  });
  test('a name that is no zone counts as none', () => {
    expect(decodeOne(line('May 19 10:00:00'), 'Mars/Olympus').marks).toContain('zone-assumed');
  });
  test('two sources with the same stamp in two zones', () => {
    const decoder = createDecoder({ zoneOf: (source) => (source === 'src_a' ? 'Asia/Tokyo' : 'UTC') });
    const [first] = decoder.decode(blockOf([line('May 19 10:00:00')], { source: 'src_a' }));
    const [second] = decoder.decode(blockOf([line('May 19 10:00:00')], { source: 'src_b' }));
    expect((second?.timeMs ?? 0) - (first?.timeMs ?? 0)).toBe(9 * 3600 * 1000);
  });
});

test.each([
  ['2026-05-19T10:00:00Z', '2026-05-19T10:00:00.000Z'],
  ['2026-05-19T10:00:00.123456789+02:00', '2026-05-19T08:00:00.123Z'],
  ['2026-05-19T10:00:00,5-0530', '2026-05-19T15:30:00.500Z'],
  ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
])('ISO %s', (stamp, expected) => {
  expect(at(stamp)).toBe(expected);
  expect(decodeOne(line(stamp)).marks).toEqual([]);
});

test.each([
  '2026-13-01T00:00:00Z',
  '2026-02-30T00:00:00Z',
  '1985-01-01T00:00:00Z',
  '2026-05-22T00:00:00Z',
  'Feb 31 10:00:00',
])('%s cannot be true: the receipt counts', (stamp) => {
  expect(decodeOne(line(stamp))).toMatchObject({ timeMs: RECEIVED_MS, marks: ['time-from-receipt'] });
});

test('the same second twice in a block, in records that are not ASCII too', () => {
  const decoder = createDecoder({ zoneOf: () => 'UTC' });
  const events = decoder.decode(
    blockOf([line('May 19 10:00:00'), line('May 19 10:00:00').replace('x', 'é'), line('May 19 10:00:01')]),
  );
  expect(events.map((event) => event.timeMs - (events[0]?.timeMs ?? 0))).toEqual([0, 0, 1000]);
});

/** What may follow in a chain: the ring finds what a plain list finds, grows, forgets the oldest, and survives a restart. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { DecodedEvent } from '../core/index.ts';
import { createReader, createWriter } from './detection-bytes.ts';
import { createFollowLog, createFollowLogs, type FollowLog } from './detection-follow.ts';
import { hashKey } from './detection-hash.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';
import { sampleEvent, sampleRules } from './testing/detection-samples.ts';

const T0 = 1_700_000_000_000;
const LATENESS_MS = 300_000;
const KEY = hashKey('test');

interface Seen {
  readonly ms: number;
  readonly seq: number;
  readonly user: string | undefined;
}

function ring(): { log: FollowLog; byUser: number; byAddress: number } {
  const log = createFollowLog(KEY, LATENESS_MS);
  const maker = (field: 'user' | 'src_ip') => ({
    label: (event: DecodedEvent) => event.norm[field] ?? null,
    key: (event: DecodedEvent) => (event.norm[field] ?? '').toLowerCase(),
  });
  return { log, byUser: log.column('user', maker('user')), byAddress: log.column('src_ip', maker('src_ip')) };
}

function login(seq: number, sec: number, user: string, src_ip?: string): DecodedEvent {
  const ms = T0 + sec * 1000;
  const norm = src_ip === undefined ? { user } : { user, src_ip };
  return { ...sampleEvent({}, { timeMs: ms, receivedMs: ms, norm }), seq };
}

function found(log: FollowLog, column: number, key: string): Seen[] {
  const out: Seen[] = [];
  log.of(column, key, ({ ms, seq, names }) => out.push({ ms, seq, user: names.u }));
  return out;
}

test('finds for each group what a plain list finds, the newest first, before and after a restart', () => {
  const event = fc.record({ user: fc.constantFrom('kim', 'Kim', 'lee', 'ola'), address: fc.option(fc.nat(5)) });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 3000 }), (list) => {
      const { log, byUser, byAddress } = ring();
      const plain = list.map(({ user, address }, i) =>
        login(i, i / 50, user, address === null ? undefined : `192.0.2.${address}`),
      );
      for (const one of plain) log.add(one, one.timeMs);
      const again = ring().log;
      const writer = createWriter();
      log.write(writer);
      again.read(createReader(writer.bytes()));
      for (const each of [log, again]) {
        for (const [column, field, key] of [
          [byUser, 'user', 'kim'],
          [byAddress, 'src_ip', '192.0.2.3'],
          [byAddress, 'src_ip', '192.0.2.99'],
        ] as const) {
          const expected = plain.filter(({ norm }) => norm[field]?.toLowerCase() === key).reverse();
          expect(found(each, column, key)).toEqual(
            expected.map(({ timeMs, seq, norm }) => ({ ms: timeMs, seq, user: norm.user })),
          );
        }
      }
    }),
    { numRuns: 30 },
  );
});

test('an event that several chains hand in is kept once', () => {
  const { log, byUser } = ring();
  const one = login(1, 0, 'kim');
  log.add(one, one.timeMs);
  log.add(one, one.timeMs);
  expect(found(log, byUser, 'kim')).toHaveLength(1);
});

test('keeps what still counts up to its limit; what leaves too early is counted, what is too old is not', () => {
  const { log, byUser } = ring();
  const flood = LIMIT.followEventsMax + 10;
  for (let i = 0; i < flood; i++) {
    const one = login(i, 0, i === 0 ? 'first' : `user-${i % 7}`);
    log.add(one, one.timeMs);
  }
  expect(log.evicted).toBe(10);
  expect(found(log, byUser, 'first')).toEqual([]);
  expect(found(log, byUser, 'user-3').length).toBeGreaterThan(100);
  // An hour later nothing of the flood counts any more.
  for (let i = 0; i < 100; i++) {
    const one = login(flood + i, 3600, 'late');
    log.add(one, one.timeMs);
  }
  expect(log.evicted).toBe(10);
  expect(found(log, byUser, 'late')).toHaveLength(100);
});

test('rules that are gone or changed leave nothing behind, and what was not remembered is not invented', () => {
  const [a, b] = sampleRules(
    ['a', 'b']
      .map(
        (id) => `title: ${id}\nid: ${id}\nlogsource: { product: test }\ndetection: { s: { k: ${id} }, condition: s }\n`,
      )
      .join('---\n'),
  );
  const before = createFollowLogs(KEY, LATENESS_MS);
  const maker = { label: () => 'x', key: () => 'x' };
  for (const rule of [a, b]) {
    const log = before.logOf(rule as NonNullable<typeof rule>, true);
    log.column('who', maker);
    log.add(login(1, 0, 'kim'), T0);
  }
  const writer = createWriter();
  before.write(writer);
  const after = createFollowLogs(KEY, LATENESS_MS);
  const kept = after.logOf(a as NonNullable<typeof a>, true);
  const other = kept.column('other', maker);
  const who = kept.column('who', maker);
  after.read(createReader(writer.bytes()));
  expect(found(kept, who, 'x')).toEqual([{ ms: T0, seq: 1, user: 'kim' }]);
  expect(found(kept, other, 'x')).toEqual([]);
  expect(() => after.read(createReader(writer.bytes().subarray(0, 20)))).toThrow(RangeError);
});

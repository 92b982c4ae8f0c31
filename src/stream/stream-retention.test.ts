/** Retention: age and size wait for the slowest consumer, a log full of what it still needs takes no more, the newest segment stays. */

import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planRetention } from './stream-retention.ts';
import { blockOf, freshFolder, openTestStream, textOf } from './testing/stream-fixture.ts';

const segment = (n: number) => ({ firstSeq: n * 10 + 1, lastSeq: n * 10 + 10, bytes: 100, sealedMs: n * 1000 });
const sealed = [0, 1, 2, 3].map(segment);
const base = { sealed, openBytes: 50, ackedSeq: 40, nowMs: 10_000, retentionMs: 100_000, retentionBytes: 10_000 };

test('nothing goes before its time, and by age only what everybody has acknowledged', () => {
  expect(planRetention(base).remove).toEqual([]);
  expect(planRetention({ ...base, retentionMs: 8500 }).remove).toEqual([sealed[0], sealed[1]]);
  expect(planRetention({ ...base, retentionMs: 1, ackedSeq: 25 })).toEqual({
    remove: sealed.slice(0, 2),
    full: false,
  });
});

test('the size bound removes what is acknowledged; with the rest the log is full', () => {
  expect(planRetention({ ...base, retentionBytes: 250 })).toEqual({ remove: sealed.slice(0, 2), full: false });
  expect(planRetention({ ...base, retentionBytes: 250, ackedSeq: 15 })).toEqual({
    remove: sealed.slice(0, 1),
    full: true,
  });
  expect(planRetention({ ...base, retentionBytes: 10, ackedSeq: 40 }).full, 'only the open one is left').toBe(false);
});

test('the newest segment always stays, and what goes is always the oldest part', () => {
  fc.assert(
    fc.property(
      fc.nat(500),
      fc.nat(50),
      fc.nat(20_000),
      fc.option(fc.constant(50)),
      (retentionBytes, ackedSeq, nowMs, openBytes) => {
        const { remove } = planRetention({ sealed, openBytes, ackedSeq, nowMs, retentionMs: 0, retentionBytes });
        expect(remove).toEqual(sealed.slice(0, remove.length));
        expect(remove.length).toBeLessThanOrEqual(openBytes === null ? 3 : 4);
      },
    ),
  );
});

test('a consumer that is too slow makes senders wait, loses nothing, and lets them go on when it catches up', async () => {
  const alarms: (string | null)[] = [];
  const stream = await openTestStream(await freshFolder(), {
    segmentBytes: 10_000,
    retentionBytes: 25_000,
    onAlarm: (sentence) => alarms.push(sentence),
  });
  const consumer = await stream.consumer('slow');
  let taken = 0;
  const fill = async () => {
    for (let i = 0; i < 100; i++) {
      await stream.append(blockOf(`block ${taken + 1}`, { bytes: 3000 }));
      taken++;
    }
  };
  await expect(fill()).rejects.toMatchObject({ code: 'BUSY', retryAfterSec: 5 });
  expect(taken).toBeGreaterThan(5);
  expect(taken).toBeLessThan(30);
  await expect.poll(() => alarms.at(-1)).toContain('told to wait');
  const seen: string[] = [];
  while (seen.length < taken) {
    const blocks = await consumer.next(4, AbortSignal.timeout(5000));
    seen.push(...blocks.map((block) => textOf(block)));
    await consumer.ack((blocks.at(-1) as (typeof blocks)[number]).seq);
  }
  expect(seen).toEqual(Array.from({ length: taken }, (_, i) => `block ${i + 1}`));
  await expect.poll(() => alarms.at(-1), { timeout: 5000 }).toBeNull();
  await stream.append(blockOf('after', { bytes: 3000 }));
  expect((await stream.stats()).firstSeq).toBeGreaterThan(1);
});

test('age removes a segment only after the consumer acknowledged it', async () => {
  let nowMs = 1_000_000;
  const stream = await openTestStream(await freshFolder(), {
    segmentBytes: 10_000,
    retentionMs: 1000,
    clock: { now: () => nowMs },
  });
  const consumer = await stream.consumer('slow');
  for (let i = 1; i <= 6; i++) await stream.append(blockOf(`block ${i}`, { bytes: 3000 }));
  nowMs += 5000;
  for (let i = 7; i <= 10; i++) await stream.append(blockOf(`block ${i}`, { bytes: 3000 }));
  await sleep(50);
  expect((await stream.stats()).firstSeq).toBe(1);
  for (let seen = 0; seen < 6; ) seen += (await consumer.next(6 - seen, AbortSignal.timeout(5000))).length;
  await consumer.ack(6);
  nowMs += 5000;
  for (let i = 11; i <= 14; i++) await stream.append(blockOf(`block ${i}`, { bytes: 3000 }));
  await expect.poll(async () => (await stream.stats()).firstSeq).toBe(7);
});

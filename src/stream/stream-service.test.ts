/** The log as its users see it: append, deliver, acknowledge, read one, restart. */

import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { expect, test } from 'vitest';
import { LIMITS } from '../core/index.ts';
import { blockOf, freshFolder, openTestStream, readAll, textOf } from './testing/stream-fixture.ts';

const never = new AbortController().signal;
const numbers = (count: number, from = 1): number[] => Array.from({ length: count }, (_, i) => from + i);

test('blocks are numbered from one without gaps, across segments and restarts', async () => {
  const dir = await freshFolder();
  const options = { segmentBytes: 40_000 };
  const first = await openTestStream(dir, options);
  const results = await Promise.all(numbers(50).map((i) => first.append(blockOf(`block ${i}`, { bytes: 5000 }))));
  expect(results.map(({ seq }) => seq)).toEqual(numbers(50));
  const { streamId } = first;
  expect(streamId).toMatch(/^[0-9a-z]{8}$/);
  await first.close();

  const second = await openTestStream(dir, options);
  expect(second.streamId).toBe(streamId);
  expect((await second.append(blockOf('block 51'))).seq).toBe(51);
  const all = await readAll(second);
  expect(all.map(({ seq }) => seq)).toEqual(numbers(51));
  expect(all.map(textOf)).toEqual(numbers(51).map((i) => `block ${i}`));
  expect(await second.stats()).toMatchObject({ firstSeq: 1, lastSeq: 51, stopped: null });
});

test('any block can be read by its number, in sealed and open segments', async () => {
  const stream = await openTestStream(await freshFolder(), { segmentBytes: 3_000_000 });
  await Promise.all(
    numbers(60).map((i) => stream.append(blockOf(`block ${i}`, { bytes: i % 7 === 0 ? 900_000 : 100 }))),
  );
  for (const seq of [60, 1, 7, 8, 33, 59, 42, 41]) {
    const block = await stream.read(seq);
    expect(block?.seq).toBe(seq);
    expect(textOf(block!)).toBe(`block ${seq}`);
    expect(block?.ends).toEqual(Uint32Array.of(block!.data.length >> 1, block!.data.length));
  }
  expect(await stream.read(61)).toBeNull();
  expect(await stream.read(0)).toBeNull();
  expect(await Promise.all(numbers(60).map(async (seq) => (await stream.read(seq))?.seq))).toEqual(numbers(60));
});

test('a consumer gets again what it did not acknowledge, and nothing that it did', async () => {
  const dir = await freshFolder();
  const first = await openTestStream(dir);
  await Promise.all(numbers(10).map((i) => first.append(blockOf(`block ${i}`))));
  const one = await first.consumer('detect');
  expect((await one.next(6, never)).map(({ seq }) => seq)).toEqual(numbers(6));
  await one.ack(4);
  expect(one.ackedSeq).toBe(4);
  expect((await one.next(100, never)).map(({ seq }) => seq)).toEqual(numbers(4, 7));
  await expect(first.consumer('detect')).rejects.toMatchObject({ code: 'CONFLICT' });
  await expect(first.consumer('../detect')).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  await one.close();
  const again = await first.consumer('detect');
  expect((await again.next(1, never)).map(({ seq }) => seq)).toEqual([5]);
  await Promise.all([again.ack(5), again.ack(3)]);
  await first.close();

  const second = await openTestStream(dir);
  const later = await second.consumer('detect');
  expect(later.ackedSeq).toBe(5);
  expect((await later.next(100, never)).map(({ seq }) => seq)).toEqual(numbers(5, 6));
  expect((await second.stats()).consumers).toEqual({ detect: 5 });
  expect((await (await second.consumer('nine', { from: 9 })).next(1, never))[0]?.seq).toBe(9);
});

test('waiting ends with the next block, with an abort and with closing', async () => {
  const stream = await openTestStream(await freshFolder());
  await stream.append(blockOf('before'));
  const consumer = await stream.consumer('tail', { from: 'end' });
  const waiting = consumer.next(10, never);
  await stream.append(blockOf('after'));
  expect((await waiting).map(textOf)).toEqual(['after']);
  expect(await consumer.next(10, AbortSignal.timeout(20))).toEqual([]);
  expect(await consumer.next(10, AbortSignal.abort())).toEqual([]);
  const last = consumer.next(10, never);
  await stream.close();
  expect(await last).toEqual([]);
  await expect(stream.append(blockOf('late'))).rejects.toMatchObject({ code: 'BUSY' });
});

test('a dedupe key is written once: while on its way, afterwards and after a restart', async () => {
  const dir = await freshFolder();
  const options = { segmentBytes: 2000 };
  const first = await openTestStream(dir, options);
  const long = 'k'.repeat(5000);
  const results = await Promise.all(
    ['a', 'b', 'a', long, long].map((dedupe) => first.append(blockOf('once', { dedupe, bytes: 300 }))),
  );
  expect(results).toEqual([
    { seq: 1, duplicate: false },
    { seq: 2, duplicate: false },
    { seq: 1, duplicate: true },
    { seq: 3, duplicate: false },
    { seq: 3, duplicate: true },
  ]);
  for (let i = 0; i < 20; i++) await first.append(blockOf('other', { bytes: 300, dedupe: `c${i}` }));
  expect(await first.append(blockOf('once', { dedupe: 'b' }))).toEqual({ seq: 2, duplicate: true });
  await first.close();

  const second = await openTestStream(dir, options);
  expect(await second.append(blockOf('once', { dedupe: 'a' }))).toEqual({ seq: 1, duplicate: true });
  expect(await second.append(blockOf('once', { dedupe: long }))).toEqual({ seq: 3, duplicate: true });
  expect(await second.append(blockOf('once', { dedupe: 'c19' }))).toEqual({ seq: 23, duplicate: true });
  expect((await second.stats()).lastSeq).toBe(23);
});

test('what waits for the disk is bounded; beyond it senders are told to wait', async () => {
  let release = (): void => {};
  const held = new Promise<void>((resolve) => {
    release = resolve;
  });
  const stream = await openTestStream(await freshFolder(), { sync: () => held });
  const data = new Uint8Array(LIMITS.blockBytesMax);
  const block = { ...blockOf('x'), data, ends: Uint32Array.of(data.length) };
  const fits = Math.floor(LIMITS.inFlightBytesMax / (data.length + 1024));
  const taken = numbers(fits).map(() => stream.append(block));
  await expect(stream.append(block)).rejects.toMatchObject({ code: 'BUSY', retryAfterSec: 1 });
  release();
  expect((await Promise.all(taken)).map(({ seq }) => seq)).toEqual(numbers(fits));
  expect((await stream.append(block)).duplicate).toBe(false);
});

test('a failed fsync is a lost write: nothing of it is acknowledged or delivered, numbering goes on behind it', async () => {
  const dir = await freshFolder();
  const alarms: (string | null)[] = [];
  let broken: Promise<void> | null = null;
  let fail = (): void => {};
  const options = {
    probeMs: 20,
    onAlarm: (sentence: string | null) => alarms.push(sentence),
    sync: async () => {
      if (broken === null) return;
      await broken;
      throw Object.assign(new Error('EIO: i/o error'), { code: 'EIO' });
    },
  };
  const stream = await openTestStream(dir, options);
  const consumer = await stream.consumer('slow');
  for (let i = 1; i <= 5; i++) await stream.append(blockOf(`kept ${i}`));
  broken = new Promise((resolve) => {
    fail = resolve;
  });
  const path = join(dir, '000000000001.seg');
  const { size } = await stat(path);
  const sent = Promise.allSettled(numbers(3).map((i) => stream.append(blockOf(`lost ${i}`, { dedupe: `k${i}` }))));
  await expect.poll(async () => (await stat(path)).size).toBeGreaterThan(size);
  // The reader's window now holds what is written but will never be durable.
  expect((await consumer.next(2, never)).length).toBe(2);
  fail();
  const lost = await sent;
  expect(lost.map((one) => one.status === 'rejected' && one.reason.code)).toEqual(Array(3).fill('DATA_READ_ONLY'));
  broken = null;
  await expect.poll(async () => (await stream.stats()).stopped).toBeNull();
  expect(alarms[0]).toContain('Intake is stopped');
  expect(alarms.at(-1)).toBeNull();
  expect(await stream.append(blockOf('new 6', { dedupe: 'k1' }))).toEqual({ seq: 6, duplicate: false });
  const rest = [...(await consumer.next(100, never)), ...(await consumer.next(100, never))];
  expect(rest.map(textOf)).toEqual(['kept 3', 'kept 4', 'kept 5', 'new 6']);
  await stream.close();
  const again = await openTestStream(dir);
  expect((await readAll(again)).map(textOf)).toEqual([...numbers(5).map((i) => `kept ${i}`), 'new 6']);
});

test('a reader in another thread sees what is appended, and its acknowledgements count here', async () => {
  const dir = await freshFolder();
  const stream = await openTestStream(dir, { segmentBytes: 20_000 });
  const code = `
    import { parentPort, workerData } from 'node:worker_threads';
    const { openSegmentReader } = await import(workerData.door);
    const reader = await openSegmentReader(workerData);
    const consumer = await reader.consumer('archive');
    let seen = 0;
    while (seen < workerData.count) {
      const blocks = await consumer.next(9, AbortSignal.timeout(20000));
      seen += blocks.length;
      await consumer.ack(blocks.at(-1).seq);
      parentPort.postMessage(blocks.map((block) => [block.seq, Buffer.from(block.data).toString()]));
    }
    const one = await reader.read(3);
    parentPort.postMessage([[one.seq, reader.streamId]]);
    await reader.close();
  `;
  const door = new URL('./index.ts', import.meta.url).href;
  const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(code)}`), {
    workerData: { door, dir, signal: stream.signal, count: 100 },
  });
  const got: [number, string][] = [];
  worker.on('message', (blocks: [number, string][]) => got.push(...blocks));
  const ended = new Promise((resolve, reject) => worker.once('exit', resolve).once('error', reject));
  for (let i = 1; i <= 100; i += 4) {
    await Promise.all(numbers(4, i).map((n) => stream.append(blockOf(`block ${n}`, { bytes: n === 50 ? 50_000 : 0 }))));
  }
  await ended;
  expect(got.slice(0, 100).map(([seq]) => seq)).toEqual(numbers(100));
  expect(got[98]).toEqual([99, 'block 99']);
  expect(got[100]).toEqual([3, stream.streamId]);
  expect((await stream.stats()).consumers).toEqual({ archive: 100 });
});

test('a folder that lost its identity is not written under a new one', async () => {
  const dir = await freshFolder();
  const stream = await openTestStream(dir);
  await stream.append(blockOf('x'));
  await stream.close();
  await writeFile(join(dir, 'stream.json'), '{}');
  await expect(openTestStream(dir)).rejects.toMatchObject({ code: 'STREAM_CORRUPT' });
});

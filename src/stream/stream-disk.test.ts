/** A real small disk that runs full or turns read-only: intake stops with an alarm, keeps its word, resumes by itself. */

import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { AppendResult } from '../core/index.ts';
import { blockOf, mount, openTestStream, readAll, smallDisk, textOf } from './testing/stream-fixture.ts';

const NO_DISK = 'mounting a small file system needs root';

test('a full disk: everything acknowledged stays, intake stops and comes back', async (context) => {
  const disk = await smallDisk('12m');
  if (disk === null) return context.skip(NO_DISK);
  const dir = join(disk, 'stream');
  const alarms: (string | null)[] = [];
  const options = { probeMs: 25, segmentBytes: 3_000_000, onAlarm: (sentence: string | null) => alarms.push(sentence) };
  const stream = await openTestStream(dir, options);
  const consumer = await stream.consumer('reader');
  await writeFile(join(disk, 'ballast'), Buffer.alloc(4_000_000));
  const kept = new Map<number, string>();
  let refused = '';
  for (let i = 0; refused === '' && i < 1000; i++) {
    const sent = await Promise.allSettled([0, 1, 2].map((n) => stream.append(blockOf(`${i}.${n}`, { bytes: 60_000 }))));
    for (const [n, one] of sent.entries()) {
      if (one.status === 'fulfilled') kept.set(one.value.seq, `${i}.${n}`);
      else refused = one.reason.code;
    }
  }
  expect(refused).toBe('DISK_FULL');
  expect(alarms.at(-1)).toContain('Intake is stopped. The disk is full');
  expect((await stream.stats()).stopped).toContain('The disk is full');
  await expect(stream.append(blockOf('no'))).rejects.toMatchObject({ code: 'DISK_FULL' });
  // Consumers go on: positions are overwritten in place and need no space.
  const [first] = await consumer.next(1, AbortSignal.timeout(5000));
  await consumer.ack(first!.seq);

  await unlink(join(disk, 'ballast'));
  await expect.poll(async () => (await stream.stats()).stopped).toBeNull();
  expect(alarms.at(-1)).toBeNull();
  const after: AppendResult = await stream.append(blockOf('after'));
  kept.set(after.seq, 'after');
  await stream.close();

  const again = await openTestStream(dir, options);
  expect(new Map((await readAll(again)).map((block) => [block.seq, textOf(block)]))).toEqual(kept);
});

test('less free than the reserve: intake stops before anything fails', async (context) => {
  const disk = await smallDisk('12m');
  if (disk === null) return context.skip(NO_DISK);
  const stream = await openTestStream(join(disk, 'stream'), { probeMs: 25, reserveBytes: 6_000_000 });
  await stream.append(blockOf('first'));
  await writeFile(join(disk, 'ballast'), Buffer.alloc(8_000_000));
  await expect.poll(async () => (await stream.stats()).stopped).toContain('kept in reserve');
  await expect(stream.append(blockOf('no'))).rejects.toMatchObject({ code: 'DISK_FULL' });
  await unlink(join(disk, 'ballast'));
  await expect.poll(async () => (await stream.stats()).stopped).toBeNull();
  expect((await stream.append(blockOf('second'))).seq).toBe(2);
});

test('a read-only disk: refused at the start and while running, resumes when it can be written', async (context) => {
  const disk = await smallDisk('12m');
  if (disk === null) return context.skip(NO_DISK);
  const remount = (how: string): void => mount('-o', `remount,${how}`, disk);
  const dir = join(disk, 'stream');
  const first = await openTestStream(dir);
  await first.append(blockOf('kept'));
  await first.close();

  remount('ro');
  await expect(openTestStream(dir)).rejects.toMatchObject({ code: 'DATA_READ_ONLY' });
  remount('rw');
  const alarms: (string | null)[] = [];
  const stream = await openTestStream(dir, { probeMs: 25, onAlarm: (sentence) => alarms.push(sentence) });
  remount('ro');
  await expect(stream.append(blockOf('no'))).rejects.toMatchObject({ code: 'DATA_READ_ONLY' });
  expect(alarms.at(-1)).toContain('Intake is stopped. The data folder cannot be written');
  expect(textOf((await stream.read(1))!)).toBe('kept');
  remount('rw');
  await expect.poll(async () => (await stream.stats()).stopped).toBeNull();
  expect((await stream.append(blockOf('again'))).seq).toBe(2);
});

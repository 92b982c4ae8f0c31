/** What is left after a crash or a damaged disk: exactly the whole records, and a report where one was lost. */

import { copyFile, mkdir, open, readFile, stat, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readIdentity } from './stream-identity.ts';
import { createWindow } from './stream-scan.ts';
import { listSegments, SEGMENT_HEADER_BYTES, segmentName } from './stream-segment.ts';
import { blockOf, freshFolder, openTestStream, readAll, textOf } from './testing/stream-fixture.ts';

const texts = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `block ${from + i}`);

/** A log as a crash leaves it (no footer), made of groups of the given sizes; where each record ends in the file. */
async function crashedLog(groups: readonly number[]): Promise<{ dir: string; file: Buffer; ends: number[] }> {
  const dir = await freshFolder();
  const stream = await openTestStream(dir);
  let next = 1;
  for (const size of groups) {
    const group = Array.from({ length: size }, () => {
      const n = next++;
      return stream.append(blockOf(`block ${n}`, { bytes: 100 + ((n * 7919) % 6000), dedupe: `key ${n}` }));
    });
    await Promise.all(group);
  }
  const { key } = (await readIdentity(dir))!;
  const path = join(dir, segmentName(1));
  const handle = await open(path, 'r');
  const window = createWindow(handle, key, false);
  const ends: number[] = [];
  let offset = SEGMENT_HEADER_BYTES;
  for (let found = await window.recordAt(offset); found !== null; found = await window.recordAt(offset)) {
    offset += found.head.bytes;
    ends.push(offset);
  }
  await handle.close();
  const file = await readFile(path);
  await stream.close();
  expect(ends.length).toBe(next - 1);
  expect(file.length).toBe(ends.at(-1));
  return { dir, file, ends };
}

/** The same stream with this segment, in a folder of its own. */
async function withSegment(from: string, to: string, file: Uint8Array, firstSeq = 1): Promise<string> {
  await mkdir(to, { recursive: true });
  await copyFile(join(from, 'stream.json'), join(to, 'stream.json'));
  await writeFile(join(to, segmentName(firstSeq)), file);
  return to;
}

test('cut anywhere: exactly the whole records before the cut, then the numbering goes on', async () => {
  const { dir, file, ends } = await crashedLog([3, 1, 4, 1, 5]);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: SEGMENT_HEADER_BYTES, max: file.length }), async (length) => {
      const here = await withSegment(dir, join(dir, `cut-${run++}`), file.subarray(0, length));
      const whole = ends.filter((end) => end <= length).length;
      const alarms: (string | null)[] = [];
      const stream = await openTestStream(here, { onAlarm: (sentence) => alarms.push(sentence) });
      expect((await readAll(stream)).map(textOf)).toEqual(texts(1, whole));
      const next = await stream.append(blockOf('next', { dedupe: `key ${whole + 1}` }));
      expect(next).toEqual({ seq: whole + 1, duplicate: false });
      if (whole > 0) {
        const known = await stream.append(blockOf('known', { dedupe: `key ${whole}` }));
        expect(known).toEqual({ seq: whole, duplicate: true });
      }
      expect(textOf((await stream.read(whole + 1))!)).toBe('next');
      expect(alarms).toEqual([]);
      await stream.close();
    }),
    { numRuns: 25 },
  );
});

test('any byte of the last group changed: exactly the whole records before it', async () => {
  const { dir, file, ends } = await crashedLog([4, 2, 6]);
  const start = ends[5]!;
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: start, max: file.length - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (place, change) => {
        const bytes = Buffer.from(file);
        bytes[place]! ^= change;
        const here = await withSegment(dir, join(dir, `flip-${run++}`), bytes);
        const whole = ends.filter((end) => end <= place).length;
        const stream = await openTestStream(here);
        expect((await readAll(stream)).map(textOf)).toEqual(texts(1, whole));
        expect((await stream.append(blockOf('next'))).seq).toBe(whole + 1);
        await stream.close();
      },
    ),
    { numRuns: 25 },
  );
});

test('any byte before the last group changed: that record is reported, all others are read', async () => {
  const { dir, file, ends } = await crashedLog([2, 1, 3, 2]);
  let run = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: SEGMENT_HEADER_BYTES, max: ends[5]! - 1 }),
      fc.integer({ min: 1, max: 255 }),
      async (place, change) => {
        const bytes = Buffer.from(file);
        bytes[place]! ^= change;
        const here = await withSegment(dir, join(dir, `middle-${run++}`), bytes);
        const bad = ends.filter((end) => end <= place).length + 1;
        const alarms: (string | null)[] = [];
        const stream = await openTestStream(here, { onAlarm: (sentence) => alarms.push(sentence) });
        expect(alarms.at(-1)).toContain(`Blocks ${bad} to ${bad}`);
        expect((await readAll(stream)).map(textOf)).toEqual(texts(1, 8).filter((text) => text !== `block ${bad}`));
        await expect(stream.read(bad)).rejects.toMatchObject({ code: 'STREAM_CORRUPT' });
        expect(textOf((await stream.read(bad + 1))!)).toBe(`block ${bad + 1}`);
        expect((await stream.append(blockOf('next'))).seq).toBe(9);
        await stream.close();
      },
    ),
    { numRuns: 25 },
  );
});

test('a sealed segment with damage, without its footer, or gone: everything else is still delivered', async () => {
  const dir = await freshFolder();
  const options = { segmentBytes: 10_000 };
  const first = await openTestStream(dir, options);
  for (let i = 1; i <= 12; i++) await first.append(blockOf(`block ${i}`, { bytes: 3000 }));
  await first.close();
  const firsts = await listSegments(dir);
  expect(firsts).toEqual([1, 4, 7, 10]);
  const flipped = await readFile(join(dir, segmentName(4)));
  flipped[SEGMENT_HEADER_BYTES + 3000 + 900]! ^= 1;
  await writeFile(join(dir, segmentName(4)), flipped);
  const { size } = await stat(join(dir, segmentName(7)));
  await truncate(join(dir, segmentName(7)), size - 10);

  const alarms: (string | null)[] = [];
  const second = await openTestStream(dir, { ...options, onAlarm: (sentence) => alarms.push(sentence) });
  expect(alarms).toEqual([]);
  expect((await readAll(second)).map(textOf)).toEqual(texts(1, 12).filter((text) => text !== 'block 5'));
  expect(alarms.at(-1)).toContain('Block 5 is damaged');
  await second.close();
  await unlink(join(dir, segmentName(4)));
  const third = await openTestStream(dir, { ...options, onAlarm: (sentence) => alarms.push(sentence) });
  expect(alarms.at(-1)).toContain('blocks 4 to 6 is missing');
  expect((await readAll(third, 'other')).map(textOf)).toEqual([...texts(1, 3), ...texts(7, 12)]);
  expect((await third.append(blockOf('next'))).seq).toBe(13);
});

test('a record that a sender wrote into its data is not taken for one behind damage', async () => {
  const { dir, file, ends } = await crashedLog([1, 1]);
  const forged = Buffer.from(file.subarray(ends[0], ends[1]));
  const here = await withSegment(dir, join(dir, 'forged'), file.subarray(0, SEGMENT_HEADER_BYTES));
  await writeFile(
    join(here, 'stream.json'),
    JSON.stringify({ stream_id: (await readIdentity(dir))!.streamId, mark: 1, salt: 2 }),
  );
  const stream = await openTestStream(here);
  await stream.append({ ...blockOf('x'), data: Buffer.concat([Buffer.alloc(8 - 4), forged, forged]) });
  await stream.append(blockOf('after'));
  const bytes = await readFile(join(here, segmentName(1)));
  await stream.close();
  bytes[SEGMENT_HEADER_BYTES + 30]! ^= 1;
  await writeFile(join(here, segmentName(1)), bytes);
  const again = await openTestStream(here);
  expect((await readAll(again)).map(textOf)).toEqual(['after']);
});

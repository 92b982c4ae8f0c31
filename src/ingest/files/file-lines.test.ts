/** Lines of a file: however it grew, the same records at the same offsets. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/index.ts';
import { sliceLines } from './file-lines.ts';

function recordsAt(bytes: Buffer, final = true): { at: number; text: string }[] {
  const slice = sliceLines(bytes, 0, final);
  const data = Buffer.from(slice.data);
  return [...slice.ends].map((end, i) => ({
    at: slice.next[i] as number,
    text: data.toString('latin1', slice.ends[i - 1] ?? 0, end),
  }));
}

test('lines, CR LF, empty lines, NUL runs, and an unfinished last line', () => {
  const bytes = Buffer.from('\n\0\0\0one\r\n\ntw\0o\n\nthr');
  expect(recordsAt(bytes, false)).toEqual([
    { at: 9, text: 'one' },
    { at: 15, text: 'tw\0o' },
  ]);
  expect(recordsAt(bytes).at(-1)).toEqual({ at: bytes.length, text: 'thr' });
  expect(sliceLines(bytes, 100, false)).toMatchObject({ start: 104, end: 116 });
});

test('reading on from any record’s end gives the rest, whatever was there at the time', () => {
  const line = fc.constantFrom('a', 'bb\r', '', '\0\0', '\0c', 'long'.repeat(20));
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 30 }), fc.nat(), fc.nat(), (lines, cut, pick) => {
      const bytes = Buffer.from(lines.join('\n'));
      const whole = recordsAt(bytes);
      const seen = sliceLines(bytes.subarray(0, cut % (bytes.length + 1)), 0, false);
      const count = seen.ends.length === 0 ? 0 : (pick % seen.ends.length) + 1;
      const from = count === 0 ? seen.end : (seen.next[count - 1] as number);
      const rest = sliceLines(bytes.subarray(from), from, true);
      expect([...seen.next.slice(0, count), ...rest.next]).toEqual(whole.map((record) => record.at));
      // The key of the next batch: the first record's own offset, wherever reading began.
      expect(sliceLines(bytes.subarray(seen.end), seen.end, true).start).toBe(
        sliceLines(bytes.subarray(seen.next.at(-1) ?? 0), seen.next.at(-1) ?? 0, true).start,
      );
    }),
    { numRuns: 1000 },
  );
});

test('a line over the limit goes on in the next record', () => {
  const long = 'x'.repeat(LIMITS.recordBytesMax + 10);
  expect(recordsAt(Buffer.from(`${long}\nnext\n`)).map((record) => record.text.length)).toEqual([
    LIMITS.recordBytesMax,
    10,
    4,
  ]);
  expect(sliceLines(Buffer.from(long), 0, false)).toMatchObject({ cut: 1, end: LIMITS.recordBytesMax });
});

/** Framing: any split of any bytes gives the same records, and the two framings and their trailers are told apart. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LIMITS } from '../../core/index.ts';
import { createFramer } from './syslog-framing.ts';

function frame(chunks: readonly Buffer[]): { records: string[]; faults: string[] } {
  const records: string[] = [];
  const faults: string[] = [];
  const framer = createFramer({
    record: (bytes, start, end) => records.push(bytes.toString('latin1', start, end)),
    fault: (what) => faults.push(what),
  });
  for (const chunk of chunks) framer.push(chunk);
  framer.end();
  return { records, faults };
}
const one = (text: string) => frame([Buffer.from(text, 'latin1')]);

function split(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

// Few different bytes, so that the framing's own bytes meet often.
const hostile = fc
  .array(fc.constantFrom('<', '1', '0', '9', '5 ', ' ', '\n', '\r\n', '\0', '\0<', 'a', '7 <34>abc', '<13>x y', 'é'), {
    maxLength: 60,
  })
  .map((parts) => Buffer.from(parts.join(''), 'latin1'));

test('any split of any bytes gives the same records', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        hostile,
        fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      ),
      fc.array(fc.nat(), { maxLength: 12 }),
      (bytes, cuts) => {
        expect(frame(split(bytes, cuts))).toEqual(frame([bytes]));
      },
    ),
    { numRuns: 3000 },
  );
});

test('any split around the size limit gives the same records', () => {
  const max = LIMITS.recordBytesMax;
  fc.assert(
    fc.property(
      fc.constantFrom('<13>', '300000 <13>', 'a\0<', '<1>a\0<2>b\0'),
      fc.integer({ min: -3, max: 3 }),
      fc.constantFrom('\n<14>next\n', '\0<14>next\0', '<14>next'),
      fc.array(fc.nat(), { maxLength: 4 }),
      (head, more, end, cuts) => {
        const bytes = Buffer.from(`${head}${'x'.repeat(max - head.length + more)}${end}`, 'latin1');
        expect(frame(split(bytes, cuts))).toEqual(frame([bytes]));
      },
    ),
    { numRuns: 60 },
  );
});

test('octet-counted messages of any content come out as they went in', () => {
  const message = fc
    .uint8Array({ minLength: 1, maxLength: 200 })
    .map((body) => Buffer.concat([Buffer.from('<13>'), body, Buffer.from('.')]));
  fc.assert(
    fc.property(
      fc.array(message, { minLength: 1, maxLength: 20 }),
      fc.array(fc.nat(), { maxLength: 10 }),
      (messages, cuts) => {
        const bytes = Buffer.concat(messages.flatMap((body) => [Buffer.from(`${body.length} `), body]));
        expect(frame(split(bytes, cuts))).toEqual({
          records: messages.map((body) => body.toString('latin1')),
          faults: [],
        });
      },
    ),
  );
});

test('lines end in LF, CR LF or NUL', () => {
  expect(one('<1>a\n<2>b\r\n\n<3>c\0\n<4>d').records).toEqual(['<1>a', '<2>b', '<3>c', '<4>d']);
  expect(one('<1>a\0<2>b\0<3>c\0').records).toEqual(['<1>a', '<2>b', '<3>c']);
});

test('NUL inside a line stays', () => {
  expect(one('<1>a\0b\0\0c\n<2>d\0<e\n').records).toEqual(['<1>a\0b\0\0c', '<2>d\0<e']);
});

test('a line that starts with digits is a line', () => {
  expect(one('2026-05-01 12:00 up\n12 monkeys\n').records).toEqual(['2026-05-01 12:00 up', '12 monkeys']);
});

test('a wrong length is one fault, and the next frame gets through', () => {
  expect(one('5 <1>ab5 <1>cdx oops\n5 <1>ef')).toEqual({
    records: ['<1>ab', '<1>cd', 'x oops', '<1>ef'],
    faults: ['out-of-step'],
  });
  expect(one('5 <1>ab99999999999 <1>cd\n5 <1>ef')).toEqual({
    records: ['<1>ab', '99999999999 <1>cd', '<1>ef'],
    faults: ['out-of-step'],
  });
});

test('a connection that ends early keeps what it had', () => {
  expect(one('50 <1>abc')).toEqual({ records: ['<1>abc'], faults: ['truncated'] });
  expect(one('<1>abc\n<2>de')).toEqual({ records: ['<1>abc', '<2>de'], faults: [] });
});

test('what is longer than a record may be is cut, and the next one gets through', () => {
  const long = 'y'.repeat(LIMITS.recordBytesMax * 2);
  const lines = one(`<1>${long}\n<2>b\n`);
  expect(lines.records.map((r) => r.length)).toEqual([LIMITS.recordBytesMax, 4]);
  expect(lines.faults).toEqual(['cut']);
  const counted = one(`${long.length + 3} <1>${long}4 <2>b`);
  expect(counted.records.map((r) => r.length)).toEqual([LIMITS.recordBytesMax, 4]);
  expect(counted.faults).toEqual(['cut']);
});

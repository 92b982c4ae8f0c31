/** Splitting: any chunks give the same records; JSON values come out as they went in. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type SplitSink, type Splitter, splitEventXml, splitJson, splitLines } from './ingest-split.ts';

type Make = (sink: SplitSink) => Splitter;

function run(make: Make, chunks: readonly Buffer[]) {
  const records: string[] = [];
  const splitter = make({
    record: (bytes, start, end) => records.push(Buffer.from(bytes.subarray(start, end)).toString('latin1')),
    cut: () => records.push('CUT'),
  });
  for (const chunk of chunks) splitter.push(chunk);
  return { records, fault: splitter.end() };
}

function chunksOf(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((from, i) => bytes.subarray(from, at[i] ?? bytes.length));
}

const parts = [
  '{',
  '}',
  '[',
  ']',
  '"',
  '\\',
  ',',
  ' ',
  '\n',
  'a',
  '1',
  '<Event>',
  '<Events>',
  '<EventData>',
  '</Event>',
  '<Event a="1">',
];
const hostile = fc.array(fc.constantFrom(...parts), { maxLength: 40 }).map((list) => Buffer.from(list.join('')));

for (const [name, make] of [
  ['lines', splitLines],
  ['JSON', splitJson],
  ['event XML', splitEventXml],
] as const) {
  test(`${name}: any chunks of any bytes give the same records`, () => {
    fc.assert(
      fc.property(
        fc.oneof(
          hostile,
          fc.uint8Array({ maxLength: 100 }).map((b) => Buffer.from(b)),
        ),
        fc.array(fc.nat(), { maxLength: 8 }),
        (bytes, cuts) => {
          expect(run(make, chunksOf(bytes, cuts))).toEqual(run(make, [bytes]));
        },
      ),
      { numRuns: 1000 },
    );
  });
}

test('JSON values come out as they went in, from an array or one after the other', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue()), fc.boolean(), fc.constantFrom(0, 2), (values, asArray, indent) => {
      const objects = values.map((value) => ({ value }));
      const text = asArray
        ? JSON.stringify(objects, null, indent)
        : objects.map((o) => JSON.stringify(o, null, indent)).join('\n');
      const { records, fault } = run(splitJson, [Buffer.from(text)]);
      expect(fault).toBeNull();
      expect(records.map((record) => JSON.parse(Buffer.from(record, 'latin1').toString()))).toEqual(
        JSON.parse(JSON.stringify(objects)),
      );
    }),
  );
});

test('unfinished JSON is a fault', () => {
  for (const text of ['{"a":', '[{}', '"abc', '[', '{}}', '[]1', '[{}}]']) {
    expect(run(splitJson, [Buffer.from(text)]).fault, text).not.toBeNull();
  }
  for (const text of ['', ' ', '{}', '[]', '1 2', '[1,2]\n']) {
    expect(run(splitJson, [Buffer.from(text)]).fault, text).toBeNull();
  }
});

test('an unfinished Windows event is kept and told', () => {
  const { records, fault } = run(splitEventXml, [Buffer.from('<Event>1</Event><Event>2')]);
  expect(records).toEqual(['<Event>1</Event>', '<Event>2']);
  expect(fault).not.toBeNull();
});

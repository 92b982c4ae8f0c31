/** The record framing: what goes in comes out, and no changed byte gets through. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Block, LIMITS, RECORD_HINTS, type SourceId } from '../core/index.ts';
import {
  dataIsWhole,
  dedupeKey,
  parseHead,
  prepareRecord,
  RECORD_BYTES_MAX,
  stampRecord,
  toBlock,
} from './stream-record.ts';

const key = { mark: 0xfee1600d, salt: 7 };

const blocks: fc.Arbitrary<Block> = fc
  .record({
    source: fc.string({ maxLength: 40 }),
    receivedMs: fc.nat(),
    hint: fc.constantFrom(...RECORD_HINTS),
    peer: fc.string({ unit: 'grapheme', maxLength: 60 }),
    exercise: fc.boolean(),
    lengths: fc.array(fc.nat({ max: 3000 }), { maxLength: 12 }),
    byte: fc.nat({ max: 255 }),
    dedupe: fc.option(fc.string({ unit: 'grapheme', maxLength: 300 }), { nil: undefined }),
  })
  .map(({ lengths, byte, dedupe, source, ...rest }) => {
    let end = 0;
    const ends = Uint32Array.from(lengths, (length) => (end += length));
    const data = Uint8Array.from({ length: end }, (_, i) => (byte + i * i) & 255);
    const block = { ...rest, source: source as SourceId, data, ends };
    return dedupe === undefined ? block : { ...block, dedupe };
  });

function encode(block: Block, seq: number): Buffer {
  const record = prepareRecord(block);
  stampRecord(record, seq, seq, key);
  const bytes = Buffer.concat(record.parts);
  expect(bytes.length).toBe(record.bytes);
  // As in a file: a buffer of its own, not a piece of the pool.
  const own = Buffer.allocUnsafeSlow(bytes.length);
  own.set(bytes);
  return own;
}

test('a block comes back as it was, on an 8-byte boundary', () => {
  fc.assert(
    fc.property(blocks, fc.integer({ min: 1, max: 2 ** 50 }), (block, seq) => {
      const buf = encode(block, seq);
      expect(buf.length % 8).toBe(0);
      const head = parseHead(buf, 0, buf.length, key);
      expect(head).not.toBeNull();
      expect(dataIsWhole(buf, 0, buf.length, head!)).toBe(true);
      const back = toBlock(buf, 0, head!);
      const { data, dedupe, ...rest } = block;
      expect(back).toMatchObject({ ...rest, seq });
      expect(Buffer.compare(back.data, data)).toBe(0);
      expect(back.dedupe).toBe(dedupe === undefined ? undefined : dedupeKey(dedupe));
    }),
  );
});

test('a record with one changed byte or a missing end is refused', () => {
  fc.assert(
    fc.property(blocks, fc.nat(), fc.integer({ min: 1, max: 255 }), (block, place, change) => {
      const buf = encode(block, 5);
      const whole = (end: number): boolean => {
        const head = parseHead(buf, 0, end, key);
        return head !== null && dataIsWhole(buf, 0, end, head);
      };
      expect(whole(place % buf.length)).toBe(false);
      buf[place % buf.length]! ^= change;
      expect(whole(buf.length)).toBe(false);
    }),
  );
});

test('a record of another stream is refused', () => {
  const block = fc.sample(blocks, 1)[0]!;
  const buf = encode(block, 1);
  expect(parseHead(buf, 0, buf.length, { ...key, salt: 8 })).toBeNull();
});

test('arbitrary bytes never make it throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      const buf = Buffer.concat([Buffer.alloc(4), Buffer.from(bytes)]);
      buf.writeUInt32LE(key.mark);
      expect(parseHead(buf, 0, buf.length, key)).toBeNull();
    }),
  );
});

test('the largest block fits, a larger one is refused', () => {
  const block = fc.sample(blocks, 1)[0]!;
  const data = new Uint8Array(LIMITS.blockBytesMax);
  const ends = new Uint32Array(LIMITS.blockRecordsMax).fill(data.length);
  const peer = '\uffff'.repeat(5000);
  expect(prepareRecord({ ...block, data, ends, peer, dedupe: peer }).bytes).toBeLessThanOrEqual(RECORD_BYTES_MAX);
  const tooLong = { ...block, data: new Uint8Array(data.length + 1), ends };
  expect(() => prepareRecord(tooLong)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
  const tooMany = { ...block, data, ends: new Uint32Array(ends.length + 1) };
  expect(() => prepareRecord(tooMany)).toThrow(expect.objectContaining({ code: 'TOO_LARGE' }));
});

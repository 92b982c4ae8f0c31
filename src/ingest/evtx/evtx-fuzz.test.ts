/** Changed bytes of a small event log: nothing throws, nothing hangs, and the chunk after the damage is always read. */

import { Buffer } from 'node:buffer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEvtx } from './index.ts';
import { bytesOf, sealChunk, text, uint32, type WrittenEvent, writeChunk, writeHead } from './testing/evtx-writer.ts';

const RUNS = 150;

function eventOf(number: number): WrittenEvent {
  return {
    eventId: number % 2 ? 1 : 4624,
    channel: number % 2 ? 'Microsoft-Windows-Sysmon/Operational' : 'Security',
    provider: 'P',
    computer: 'c',
    number,
    timeMs: Date.UTC(2026, 4, 20),
    data: [
      ['Image', text('C:\\a.exe')],
      ['', bytesOf(0x81, '610000006200')],
      ['ProcessId', uint32(number)],
      ['Sid', bytesOf(0x13, '010100000000000512000000')],
    ],
    ...(number % 5 === 0 ? { userData: 'Changed' } : {}),
  };
}

const first = writeChunk(Array.from({ length: 12 }, (_, n) => eventOf(n + 1))).bytes;
const second = writeChunk(Array.from({ length: 3 }, (_, n) => eventOf(n + 101))).bytes;
const usedBytes = first.readUInt32LE(48);

async function numbers(bytes: Buffer, carve: boolean): Promise<unknown[]> {
  const out: unknown[] = [];
  for await (const event of readEvtx(bytes, { carve })) {
    JSON.stringify(event);
    out.push(event.fields.EventRecordID);
  }
  return out;
}

const change = fc.record({
  at: fc.nat({ max: usedBytes - 1 }),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    // Tokens, sizes and places that lead far, or back to where they came from.
    fc.constantFrom(
      [0x01],
      [0x41],
      [0x0c],
      [0x0d],
      [0x21],
      [0x81],
      [0xff, 0xff, 0xff, 0xff],
      [0, 2, 0, 0],
      [0x26, 2, 0, 0],
    ),
  ),
});

test.each([true, false])('changed bytes, carving %s', async (carve) => {
  await fc.assert(
    fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 12 }), fc.boolean(), async (changes, seal) => {
      const bad = Buffer.from(first);
      for (const { at, bytes } of changes) bad.set(Uint8Array.from(bytes).subarray(0, bad.length - at), at);
      if (seal) sealChunk(bad);
      const found = await numbers(Buffer.concat([writeHead(2), bad, second]), carve);
      expect(found.slice(-3)).toEqual([101, 102, 103]);
    }),
    { numRuns: RUNS },
  );
});

test('any bytes at all', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 3000 }), fc.nat({ max: 8 }), async (noise, at) => {
      const chunk = Buffer.concat([first.subarray(0, 512 + at * 24), noise]);
      await numbers(Buffer.concat([writeHead(1), chunk]), false);
      await numbers(chunk, true);
    }),
    { numRuns: RUNS },
  );
});

test('a template that names itself ends', async () => {
  const bad = Buffer.from(first);
  const used = bad.readUInt32LE(48);
  // Every slot of every template becomes binary XML, and every value claims to be it.
  for (let at = 512; at < used - 4; at++) {
    if (bad[at] === 0x0e && bad[at + 2] === 0) bad[at + 3] = 0x21;
    if (bad[at + 3] === 0 && (bad[at + 2] === 1 || bad[at + 2] === 8)) bad[at + 2] = 0x21;
  }
  sealChunk(bad);
  expect((await numbers(Buffer.concat([writeHead(2), bad, second]), false)).slice(-3)).toEqual([101, 102, 103]);
});

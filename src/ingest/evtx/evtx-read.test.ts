/** Event logs written by the test's own writer: every value type, damage of every kind, and carving. */

import { Buffer } from 'node:buffer';
import { describe, expect, test } from 'vitest';
import type { DecodedEvent } from '../../core/index.ts';
import { decodeOne } from '../decode/decode-testing.ts';
import { readEvtx } from './index.ts';
import {
  bytesOf,
  fileTime,
  nothing,
  sealChunk,
  text,
  uint32,
  type WrittenEvent,
  writeChunk,
  writeEvtx,
} from './testing/evtx-writer.ts';

const CHUNK = 65_536;
const HEAD = 4096;
const TIME_MS = Date.UTC(2026, 4, 20, 9, 14, 3, 123);

function logon(number: number, data: WrittenEvent['data'] = [], over: Partial<WrittenEvent> = {}): WrittenEvent {
  return {
    eventId: 4625,
    channel: 'Security',
    provider: 'Microsoft-Windows-Security-Auditing',
    computer: 'dc1.h.example',
    number,
    timeMs: TIME_MS,
    data: [
      ['TargetUserName', text(`ada${number}`)],
      ['IpAddress', text('203.0.113.9')],
      ['LogonType', uint32(3)],
      ...data,
    ],
    ...over,
  };
}

async function all(input: Uint8Array | AsyncIterable<unknown>, carve = false) {
  const read = readEvtx(input, { carve, receivedMs: TIME_MS + 1000 });
  const events: DecodedEvent[] = [];
  for await (const event of read) events.push(event);
  return { events, counts: read.counts, numbers: events.map((event) => event.fields.EventRecordID) };
}

async function fieldsOf(data: WrittenEvent['data'], over: Partial<WrittenEvent> = {}) {
  const { events } = await all(writeEvtx([logon(1, data, over)]));
  return (events[0] as DecodedEvent).fields;
}

/** More events than one chunk holds. */
const many = (count: number): WrittenEvent[] => Array.from({ length: count }, (_, n) => logon(n + 1));

test('an event is what every other carrier of it gives', async () => {
  const { events, counts } = await all(writeEvtx([logon(77)]));
  expect(counts).toEqual({
    chunks: 1,
    damagedChunks: 0,
    records: 1,
    damagedRecords: 0,
    dirty: false,
    damagedHeader: false,
  });
  expect(events).toHaveLength(1);
  expect(events[0]).toMatchObject({
    format: 'windows/security',
    timeMs: TIME_MS,
    logsource: { product: 'windows', service: 'security' },
    norm: { action: 'logon', outcome: 'failure', user: 'ada77', src_ip: '203.0.113.9', event_code: '4625' },
    marks: [],
  });
  expect(events[0]?.fields).toEqual({
    Provider_Name: 'Microsoft-Windows-Security-Auditing',
    EventID: 4625,
    Level: 4,
    Keywords: '0x8020000000000000',
    EventRecordID: 77,
    Channel: 'Security',
    Computer: 'dc1.h.example',
    Security_UserID: 'S-1-5-18',
    TargetUserName: 'ada77',
    IpAddress: '203.0.113.9',
    LogonType: 3,
  });
});

test('its raw text decodes to the same event', async () => {
  const [event] = (await all(writeEvtx([logon(1, [['Odd "name"', text('Grüße\u202e')]])]))).events;
  const again = decodeOne((event as DecodedEvent).raw);
  expect(again).toMatchObject({
    timeMs: TIME_MS,
    format: event?.format,
    norm: event?.norm,
    logsource: event?.logsource,
    fields: event?.fields,
  });
});

describe('value types', () => {
  test.each([
    ['text', text('Grüße'), 'Grüße'],
    ['empty text', text(''), ''],
    ['null', nothing, null],
    ['ansi', bytesOf(0x02, '61626300'), 'abc'],
    ['int8', bytesOf(0x03, 'ff'), -1],
    ['uint8', bytesOf(0x04, 'ff'), 255],
    ['int16', bytesOf(0x05, 'feff'), -2],
    ['uint16', bytesOf(0x06, 'feff'), 65_534],
    ['int32', bytesOf(0x07, 'fdffffff'), -3],
    ['uint32', bytesOf(0x08, 'fdffffff'), 4_294_967_293],
    ['int64', bytesOf(0x09, 'fcffffffffffffff'), -4],
    ['uint64', bytesOf(0x0a, 'ffffffffffffffff'), '18446744073709551615'],
    ['float', bytesOf(0x0b, '0000c03f'), 1.5],
    ['double', bytesOf(0x0c, '000000000000f83f'), 1.5],
    ['double, not a number', bytesOf(0x0c, '000000000000f87f'), 'NaN'],
    ['bool', bytesOf(0x0d, '01000000'), true],
    ['binary', bytesOf(0x0e, 'deadbeef'), 'DEADBEEF'],
    ['guid', bytesOf(0x0f, '1e7219015a002869a50b000000000d00'), '0119721E-005A-6928-A50B-000000000D00'],
    ['size, 4', bytesOf(0x10, '0a000000'), '0xa'],
    ['size, 8', bytesOf(0x10, '0a00000001000000'), '0x10000000a'],
    ['file time', { type: 0x11, bytes: fileTime(TIME_MS) }, '2026-05-20T09:14:03.123000Z'],
    ['system time', bytesOf(0x12, 'ea070500030014000900' + '0e0003007b00'), '2026-05-20T09:14:03.123000Z'],
    ['sid', bytesOf(0x13, '01020000000000052000000020020000'), 'S-1-5-32-544'],
    ['hex32', bytesOf(0x14, 'e7030000'), '0x3e7'],
    ['hex64', bytesOf(0x15, 'e703000000000080'), '0x80000000000003e7'],
    ['texts', bytesOf(0x81, Buffer.from('one\0two\0', 'utf16le').toString('hex')), ['one', 'two']],
    ['uint16s', bytesOf(0x86, '01000200'), [1, 2]],
    ['sids', bytesOf(0x93, '010100000000000512000000010100000000000513000000'), ['S-1-5-18', 'S-1-5-19']],
    ['too short', bytesOf(0x0a, '0102'), null],
    ['unknown', bytesOf(0x7f, '0102'), null],
  ])('%s', async (_name, value, expected) => {
    expect((await fieldsOf([['Value', value]])).Value).toEqual(expected);
  });
});

test('values without a name become a list, user data flat fields', async () => {
  const list = await fieldsOf([
    ['', text('one')],
    ['', bytesOf(0x81, Buffer.from('two\0three\0', 'utf16le').toString('hex'))],
  ]);
  expect(list.Data).toEqual(['one', 'two', 'three']);
  const user = await fieldsOf([['SubjectUserName', text('eve')]], { userData: 'LogFileCleared', eventId: 1102 });
  expect(user).toMatchObject({ EventID: 1102, SubjectUserName: 'eve' });
});

test('a field may not change the object', async () => {
  const fields = await fieldsOf([['__proto__', text('x')]]);
  expect(Object.getPrototypeOf(fields)).toBe(Object.prototype);
  expect(fields._proto_).toBe('x');
});

describe('damage', () => {
  const events = many(500);
  const file = writeEvtx(events);
  const chunkCount = (file.length - HEAD) / CHUNK;
  const inFirst = writeChunk(events).count;

  test('any cut of the bytes into parts gives the same', async () => {
    async function* parts() {
      for (let at = 0; at < file.length; at += 40_001) yield file.subarray(at, at + 40_001);
    }
    expect((await all(parts())).numbers).toEqual(events.map((event) => event.number));
    expect(chunkCount).toBeGreaterThan(2);
  });

  test('a torn file gives every whole record', async () => {
    const torn = file.subarray(0, HEAD + CHUNK + 30_000);
    const { numbers, counts } = await all(torn);
    expect(numbers.length).toBeGreaterThan(inFirst + 20);
    expect(numbers).toEqual(events.slice(0, numbers.length).map((event) => event.number));
    expect(counts.damagedChunks).toBe(1);
  });

  test('a chunk without its head keeps its records', async () => {
    const bad = Buffer.from(file);
    bad.fill(0xaa, HEAD, HEAD + 512);
    const { numbers, counts } = await all(bad);
    expect(numbers).toHaveLength(events.length);
    expect(counts.damagedChunks).toBe(1);
  });

  test('a damaged record is counted and the next gets through', async () => {
    const bad = Buffer.from(file);
    const second = bad.indexOf('**\0\0', HEAD + 520, 'latin1');
    bad.writeUInt32LE(0x7fff_ffff, second + 4);
    const { numbers, counts } = await all(bad);
    expect(numbers).toEqual(events.filter((event) => event.number !== 2).map((event) => event.number));
    expect(counts).toMatchObject({ damagedRecords: 1, damagedChunks: 1 });
  });

  test('a record under another template than its own keeps what System says, and nothing under a wrong name', async () => {
    const bad = writeEvtx([logon(1), logon(2, [['Extra', text('x')]], { userData: 'Changed' })]);
    const chunk = bad.subarray(HEAD);
    const name = chunk.indexOf(Buffer.from('Extra', 'utf16le'));
    chunk.write('Wrong', name, 'utf16le');
    sealChunk(chunk);
    const { events, counts } = await all(bad);
    expect(counts).toMatchObject({ records: 2, damagedRecords: 1, damagedChunks: 0 });
    expect(events[1]).toMatchObject({ fields: { EventID: 4625, EventRecordID: 2 }, marks: ['cut'] });
    expect(events[1]?.fields.TargetUserName).toBeUndefined();
    expect(JSON.stringify(events)).not.toContain('Wrong');
  });

  test('a file that was not closed: records behind the stated end are read, remains of older ones are not', async () => {
    const dirty = writeEvtx(events.slice(0, 3), true);
    const ends = [...Array(3)].map((_, i) => {
      let at = HEAD + 512;
      for (let k = 0; k < i; k++) at += dirty.readUInt32LE(at + 4);
      return at;
    });
    dirty.writeUInt32LE((ends[2] as number) - HEAD, HEAD + 48);
    sealChunk(dirty.subarray(HEAD, HEAD + CHUNK));
    expect((await all(dirty)).numbers).toEqual([1, 2, 3]);
    dirty.writeUInt32LE(1, (ends[2] as number) + 8);
    expect((await all(dirty)).numbers).toEqual([1, 2]);
  });

  test('unused chunks are room, not damage', async () => {
    const { counts } = await all(Buffer.concat([file, Buffer.alloc(3 * CHUNK)]));
    expect(counts).toMatchObject({ damagedChunks: 0, records: events.length });
  });

  test('carving finds chunks anywhere and single records', async () => {
    const noise = Buffer.alloc(70_001, 'x');
    const chunk = file.subarray(HEAD, HEAD + CHUNK);
    const loose = chunk.subarray(512);
    const { numbers } = await all(Buffer.concat([noise, chunk, noise, loose.subarray(0, 40_000), noise, chunk]), true);
    const first = events.slice(0, inFirst).map((event) => event.number);
    expect(numbers.slice(0, inFirst)).toEqual(first);
    expect(numbers.slice(-inFirst)).toEqual(first);
    expect(numbers.length).toBeGreaterThan(2 * inFirst + 20);
  });
});

test('bytes that are no event log are no events', async () => {
  for (const bytes of [
    Buffer.alloc(0),
    Buffer.from('ElfFile\0'),
    Buffer.alloc(200_000, '**\0\0'),
    Buffer.alloc(70_000, 1),
  ]) {
    expect((await all(bytes)).events).toEqual([]);
    expect((await all(bytes, true)).events).toEqual([]);
  }
});

/** Writes small event logs for tests and benchmarks: one template a chunk for the event, one for its data. */

import { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { CHUNK_BYTES, CHUNK_SIGNATURE, FILE_SIGNATURE, HEADER_BLOCK_BYTES, RECORDS_AT } from '../evtx-layout.ts';
import { TYPE } from '../evtx-values.ts';

/** A value with its type's number, already in bytes. */
export interface TypedValue {
  readonly type: number;
  readonly bytes: Buffer;
}

export interface WrittenEvent {
  readonly eventId: number;
  readonly channel: string;
  readonly provider: string;
  readonly computer: string;
  readonly number: number;
  readonly timeMs: number;
  /** Names and values; an empty name is a `Data` without one. */
  readonly data: readonly (readonly [string, TypedValue])[];
  /** Writes `UserData` with an element of this name around the data instead of `EventData`. */
  readonly userData?: string;
}

export const text = (value: string): TypedValue => ({ type: TYPE.text, bytes: Buffer.from(value, 'utf16le') });
export const nothing: TypedValue = { type: TYPE.null, bytes: Buffer.alloc(0) };
const number = (type: number, bytes: number, value: number): TypedValue => {
  const out = Buffer.alloc(bytes);
  out.writeUIntLE(value, 0, bytes);
  return { type, bytes: out };
};
export const uint16 = (value: number): TypedValue => number(TYPE.uint16, 2, value);
export const uint32 = (value: number): TypedValue => number(TYPE.uint32, 4, value);
export const bytesOf = (type: number, hex: string): TypedValue => ({ type, bytes: Buffer.from(hex, 'hex') });

export function fileTime(ms: number): Buffer {
  const out = Buffer.alloc(8);
  out.writeBigUInt64LE((BigInt(ms) + 11_644_473_600_000n) * 10_000n);
  return out;
}

/** The chunk being written: where things are matters, names and templates are stated by their place. */
interface Pen {
  readonly bytes: Buffer;
  at: number;
  readonly names: Map<string, number>;
  readonly templates: Map<string, number>;
}

const u8 = (pen: Pen, ...values: number[]): void => {
  for (const value of values) pen.bytes[pen.at++] = value;
};
const u16 = (pen: Pen, value: number): void => {
  pen.at = pen.bytes.writeUInt16LE(value, pen.at);
};
const u32 = (pen: Pen, value: number): void => {
  pen.at = pen.bytes.writeUInt32LE(value, pen.at);
};
const put = (pen: Pen, bytes: Buffer): void => {
  pen.bytes.set(bytes, pen.at);
  pen.at += bytes.length;
};

function name(pen: Pen, value: string): void {
  const known = pen.names.get(value);
  if (known !== undefined) {
    u32(pen, known);
    return;
  }
  const at = pen.at + 4;
  u32(pen, at);
  pen.names.set(value, at);
  u32(pen, 0);
  let hash = 0;
  for (const unit of value) hash = (Math.imul(hash, 65_599) + unit.charCodeAt(0)) >>> 0;
  u16(pen, hash & 0xffff);
  u16(pen, value.length);
  put(pen, Buffer.from(`${value}\0`, 'utf16le'));
}

type Content = string | { readonly slot: number; readonly type: number } | (() => void);

function literal(pen: Pen, value: string): void {
  u8(pen, 0x05, 0x01);
  u16(pen, value.length);
  put(pen, Buffer.from(value, 'utf16le'));
}

function contents(pen: Pen, content: Content): void {
  if (typeof content === 'function') content();
  else if (typeof content === 'string') literal(pen, content);
  else {
    u8(pen, 0x0e);
    u16(pen, content.slot);
    u8(pen, content.type);
  }
}

function element(
  pen: Pen,
  tag: string,
  attributes: readonly (readonly [string, Content])[],
  content: Content | null,
): void {
  u8(pen, attributes.length > 0 ? 0x41 : 0x01);
  u16(pen, 0xffff);
  const sizeAt = pen.at;
  u32(pen, 0);
  name(pen, tag);
  if (attributes.length > 0) {
    const listAt = pen.at;
    u32(pen, 0);
    attributes.forEach(([attribute, value], i) => {
      u8(pen, i < attributes.length - 1 ? 0x46 : 0x06);
      name(pen, attribute);
      contents(pen, value);
    });
    pen.bytes.writeUInt32LE(pen.at - listAt - 4, listAt);
  }
  if (content === null) u8(pen, 0x03);
  else {
    u8(pen, 0x02);
    contents(pen, content);
    u8(pen, 0x04);
  }
  pen.bytes.writeUInt32LE(pen.at - sizeAt - 4, sizeAt);
}

/** An instance: the definition when the chunk has none of that key yet, then the values. */
function instance(pen: Pen, key: string, define: () => void, values: readonly TypedValue[]): void {
  u8(pen, 0x0f, 1, 1, 0);
  u8(pen, 0x0c, 1);
  const guid = Buffer.alloc(16);
  guid.writeUInt32LE(crc32(key), 0);
  guid.writeUInt32LE(key.length, 4);
  put(pen, guid.subarray(0, 4));
  const known = pen.templates.get(key);
  if (known === undefined) {
    const at = pen.at + 4;
    u32(pen, at);
    pen.templates.set(key, at);
    u32(pen, 0);
    put(pen, guid);
    const sizeAt = pen.at;
    u32(pen, 0);
    u8(pen, 0x0f, 1, 1, 0);
    define();
    u8(pen, 0x00);
    pen.bytes.writeUInt32LE(pen.at - sizeAt - 4, sizeAt);
  } else u32(pen, known);
  u32(pen, values.length);
  const sizesAt = pen.at;
  for (const value of values) {
    u16(pen, value.bytes.length);
    u8(pen, value.type, 0);
  }
  for (const [i, value] of values.entries()) {
    const from = pen.at;
    if (value === LATER) continue;
    put(pen, value.bytes);
    pen.bytes.writeUInt16LE(pen.at - from, sizesAt + i * 4);
  }
}

/** Stands for the data's own instance, which is the last value and is written in its place. */
const LATER: TypedValue = { type: TYPE.binXml, bytes: Buffer.alloc(0) };

function system(pen: Pen): void {
  const slot = (n: number, type: number): Content => ({ slot: n, type });
  element(pen, 'Event', [['xmlns', 'http://schemas.microsoft.com/win/2004/08/events/event']], () => {
    element(pen, 'System', [], () => {
      element(pen, 'Provider', [['Name', slot(0, TYPE.text)]], null);
      element(pen, 'EventID', [['Qualifiers', slot(9, TYPE.uint16)]], slot(1, TYPE.uint16));
      element(pen, 'Level', [], slot(2, TYPE.uint8));
      element(pen, 'Keywords', [], slot(3, TYPE.hex64));
      element(pen, 'TimeCreated', [['SystemTime', slot(4, TYPE.fileTime)]], null);
      element(pen, 'EventRecordID', [], slot(5, TYPE.uint64));
      element(pen, 'Channel', [], slot(6, TYPE.text));
      element(pen, 'Computer', [], slot(7, TYPE.text));
      element(pen, 'Security', [['UserID', slot(8, TYPE.sid)]], null);
    });
    contents(pen, slot(10, TYPE.binXml));
  });
}

function data(pen: Pen, event: WrittenEvent): void {
  const fields = (): void => {
    event.data.forEach(([field, value], i) => {
      const slot: Content = { slot: i, type: value.type };
      if (event.userData) element(pen, field, [], slot);
      else element(pen, 'Data', field === '' ? [] : [['Name', field]], slot);
    });
  };
  const around = event.userData;
  if (around === undefined) element(pen, 'EventData', [], fields);
  else element(pen, 'UserData', [], () => element(pen, around, [['xmlns', 'urn:test']], fields));
}

function record(pen: Pen, event: WrittenEvent): void {
  const start = pen.at;
  u32(pen, 0x2a2a);
  u32(pen, 0);
  put(pen, number(0, 6, event.number).bytes);
  u16(pen, 0);
  put(pen, fileTime(event.timeMs));
  instance(pen, 'system', () => system(pen), [
    text(event.provider),
    uint16(event.eventId),
    number(TYPE.uint8, 1, 4),
    bytesOf(TYPE.hex64, '0000000000002080'),
    { type: TYPE.fileTime, bytes: fileTime(event.timeMs) },
    { type: TYPE.uint64, bytes: Buffer.concat([number(0, 6, event.number).bytes, Buffer.alloc(2)]) },
    text(event.channel),
    text(event.computer),
    bytesOf(TYPE.sid, '010100000000000512000000'),
    nothing,
    LATER,
  ]);
  const from = pen.at;
  const shape = event.data.map(([field, value]) => `${field}:${value.type}`).join('|');
  instance(
    pen,
    `${event.userData ?? ''}${shape}`,
    () => data(pen, event),
    event.data.map(([, value]) => value),
  );
  // The data is the last value of the system's instance: its size stands before the values, eleven entries back.
  const size = pen.at - from;
  pen.bytes.writeUInt16LE(size, lastSizeAt(from, event));
  u8(pen, 0);
  while ((pen.at - start + 4) % 8 !== 0) u8(pen, 0);
  u32(pen, pen.at - start + 4);
  pen.bytes.writeUInt32LE(pen.at - start, start + 4);
}

/** Where the eleventh size stands: before all values of the system's instance. */
function lastSizeAt(dataAt: number, event: WrittenEvent): number {
  const values = (event.provider.length + event.channel.length + event.computer.length) * 2 + 2 + 1 + 8 + 8 + 8 + 12;
  return dataAt - values - 4;
}

/** A chunk with as many of the events, in order, as fit; and how many these are. */
export function writeChunk(events: readonly WrittenEvent[]): { bytes: Buffer; count: number } {
  // Room beyond the chunk: the record that does not fit is written there and thrown away.
  const bytes = Buffer.alloc(CHUNK_BYTES * 4);
  const pen: Pen = { bytes, at: RECORDS_AT, names: new Map(), templates: new Map() };
  let count = 0;
  let lastAt = RECORDS_AT;
  for (const event of events) {
    const start = pen.at;
    record(pen, event);
    if (pen.at > CHUNK_BYTES) {
      bytes.fill(0, start);
      pen.at = start;
      break;
    }
    lastAt = start;
    count++;
  }
  bytes.write(CHUNK_SIGNATURE, 0, 'latin1');
  const first = events[0]?.number ?? 1;
  for (const [at, value] of [
    [8, first],
    [16, first + count - 1],
    [24, first],
    [32, first + count - 1],
  ] as const)
    bytes.writeUIntLE(value, at, 6);
  bytes.writeUInt32LE(128, 40);
  bytes.writeUInt32LE(lastAt, 44);
  bytes.writeUInt32LE(pen.at, 48);
  const chunk = bytes.subarray(0, CHUNK_BYTES);
  sealChunk(chunk);
  return { bytes: chunk, count };
}

/** Computes the checksums of a chunk anew, so that changed bytes are believed. */
export function sealChunk(chunk: Buffer): void {
  const freeAt = Math.min(Math.max(chunk.readUInt32LE(48), RECORDS_AT), chunk.length);
  chunk.writeUInt32LE(crc32(chunk.subarray(RECORDS_AT, freeAt)), 52);
  chunk.writeUInt32LE(crc32(chunk.subarray(128, RECORDS_AT), crc32(chunk.subarray(0, 120))), 124);
}

/** The head of a file with that many chunks. */
export function writeHead(chunks: number, dirty = false): Buffer {
  const head = Buffer.alloc(HEADER_BLOCK_BYTES);
  head.write(FILE_SIGNATURE, 0, 'latin1');
  head.writeUInt32LE(Math.max(chunks - 1, 0), 16);
  head.writeUInt32LE(128, 32);
  head.writeUInt16LE(1, 36);
  head.writeUInt16LE(3, 38);
  head.writeUInt16LE(HEADER_BLOCK_BYTES, 40);
  head.writeUInt16LE(Math.min(chunks, 65_535), 42);
  head.writeUInt32LE(dirty ? 1 : 0, 120);
  head.writeUInt32LE(crc32(head.subarray(0, 120)), 124);
  return head;
}

/** A whole file of these events, in as many chunks as they need. */
export function writeEvtx(events: readonly WrittenEvent[], dirty = false): Buffer {
  const chunks: Buffer[] = [];
  for (let from = 0; from < events.length; ) {
    const { bytes, count } = writeChunk(events.slice(from));
    if (count === 0) throw new Error('an event is larger than a chunk');
    chunks.push(bytes);
    from += count;
  }
  return Buffer.concat([writeHead(chunks.length, dirty), ...chunks]);
}

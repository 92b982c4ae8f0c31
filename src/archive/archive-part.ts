/**
 * Collects events by column and makes one hot part (a Parquet file) of them. Hot path: this runs for every event in the
 * thread that decodes and matches, so it writes bytes straight into column buffers and keeps no object of the event;
 * 1 to 2 µs an sshd event (`bench/bench-archive.ts`, `append_us`). The round-trip test compares it with the events.
 */

import type { DecodedEvent } from '../core/index.ts';
import { ARCHIVE_COLUMNS, type ArchiveColumn, COLUMN_INDEX } from './archive-columns.ts';
import { createFieldFolder, type FieldFolder } from './archive-fields.ts';
import { bitPackedHeader, CONVERTED, PARQUET_TYPE, type ParquetColumn, parquetFile } from './archive-parquet.ts';

/**
 * Rows and text bytes at which a part is written; with two parts in work this bounds the writer's memory. Buffers double, so
 * a little less than a power of two is all used.
 */
const PART_ROWS_FULL = 65_536;
const PART_BYTES_FULL = 7.5 * 1024 * 1024;
/** Room for rows at first; buffers double as they fill, so an unused column costs nothing. */
const ROWS_AT_FIRST = 1024;

interface ColumnBuffer {
  readonly column: ArchiveColumn;
  /** One bit a row: is there a value? */
  present: Uint8Array;
  /** Values so far. */
  count: number;
  /** `long`, `time`: pairs of 32-bit halves, low first. */
  halves: Int32Array | null;
  /** `dict`: the value's code in each row that has one. */
  codes: Uint32Array | null;
  readonly dictionary: Map<string, number> | null;
  last: string;
  lastCode: number;
  /** `text`: values; `dict`: the dictionary; each as a 32-bit length and UTF-8. */
  bytes: Buffer;
  used: number;
}

export interface PartBuilder {
  add(event: DecodedEvent): void;
  readonly rows: number;
  readonly full: boolean;
  /** The finished file's pieces (views that stay valid until `reset`) and what they span. */
  finish(): PartContent;
  reset(): void;
}

export interface PartContent {
  readonly pieces: readonly Uint8Array[];
  readonly rows: number;
  readonly timeMs: readonly [number, number];
  readonly seq: readonly [number, number];
}

function columnBuffer(column: ArchiveColumn): ColumnBuffer {
  const fixed = column.kind === 'long' || column.kind === 'time';
  return {
    column,
    present: new Uint8Array(ROWS_AT_FIRST / 8),
    count: 0,
    halves: fixed ? new Int32Array(ROWS_AT_FIRST * 2) : null,
    codes: column.kind === 'dict' ? new Uint32Array(ROWS_AT_FIRST) : null,
    dictionary: column.kind === 'dict' ? new Map() : null,
    last: '',
    lastCode: -1,
    bytes: Buffer.allocUnsafe(column.kind === 'long' ? 0 : 4096),
    used: 0,
  };
}

/** Answers the length in bytes. */
function putText(buffer: ColumnBuffer, text: string): number {
  const most = buffer.used + 4 + text.length * 3;
  if (most > buffer.bytes.length) {
    const larger = Buffer.allocUnsafe(Math.max(buffer.bytes.length * 2, most));
    buffer.bytes.copy(larger, 0, 0, buffer.used);
    buffer.bytes = larger;
  }
  const at = buffer.used;
  const bytes = buffer.bytes;
  const length = bytes.write(text, at + 4, 'utf8');
  bytes[at] = length & 255;
  bytes[at + 1] = (length >>> 8) & 255;
  bytes[at + 2] = (length >>> 16) & 255;
  bytes[at + 3] = length >>> 24;
  buffer.used = at + 4 + length;
  return length;
}

function putCode(buffer: ColumnBuffer, row: number, text: string): void {
  let code: number;
  if (buffer.lastCode >= 0 && text === buffer.last) code = buffer.lastCode;
  else {
    const dictionary = buffer.dictionary as Map<string, number>;
    const known = dictionary.get(text);
    if (known === undefined) {
      code = dictionary.size;
      dictionary.set(text, code);
      putText(buffer, text);
    } else code = known;
    buffer.last = text;
    buffer.lastCode = code;
  }
  let codes = buffer.codes as Uint32Array;
  if (buffer.count >= codes.length) {
    codes = new Uint32Array(codes.length * 2);
    codes.set(buffer.codes as Uint32Array);
    buffer.codes = codes;
  }
  codes[buffer.count++] = code;
  mark(buffer, row);
}

function putLong(buffer: ColumnBuffer, row: number, value: number): void {
  let halves = buffer.halves as Int32Array;
  const at = buffer.count * 2;
  if (at >= halves.length) {
    halves = new Int32Array(halves.length * 2);
    halves.set(buffer.halves as Int32Array);
    buffer.halves = halves;
  }
  halves[at] = value | 0;
  // `| 0` keeps a double's low 32 bits exactly up to 2^53 (ECMAScript ToInt32), so the rest is the high half.
  halves[at + 1] = value === (value | 0) ? (value < 0 ? -1 : 0) : Math.floor(value / 4294967296);
  buffer.count += 1;
  mark(buffer, row);
}

function mark(buffer: ColumnBuffer, row: number): void {
  const at = row >> 3;
  if (at >= buffer.present.length) widen(buffer, at);
  buffer.present[at] = (buffer.present[at] as number) | (1 << (row & 7));
}

function widen(buffer: ColumnBuffer, at: number): void {
  const larger = new Uint8Array(Math.max(buffer.present.length * 2, at + 1));
  larger.set(buffer.present);
  buffer.present = larger;
}

/** Characters before the message when the record ends with it; -1 otherwise or where characters are not 16-bit units. */
function messageAt(raw: string, message: string, ascii: boolean): number {
  if (message === '' || !raw.endsWith(message)) return -1;
  const at = raw.length - message.length;
  if (ascii) return at;
  for (let i = 0; i < at; i++) {
    const unit = raw.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdfff) return -1;
  }
  // A pair of surrogates must not be cut in two by the boundary.
  const first = message.charCodeAt(0);
  return first >= 0xdc00 && first <= 0xdfff ? -1 : at;
}

const place = (name: string): number => COLUMN_INDEX.get(name) as number;
const AT = {
  seq: place('seq'),
  idx: place('idx'),
  time: place('time'),
  received: place('received'),
  source: place('source'),
  format: place('format'),
  product: place('logsource_product'),
  category: place('logsource_category'),
  service: place('logsource_service'),
  messageAt: place('message_at'),
  fields: place('fields'),
  same: place('fields_same'),
  raw: place('raw'),
  marks: place('marks'),
  exercise: place('exercise'),
} as const;

/** Time of a Parquet timestamp is 64-bit microseconds; anything a double cannot hold exactly is cut to the nearest. */
const TIME_MS_MAX = 8.64e12;
const micros = (ms: number): number => Math.floor(Math.max(-TIME_MS_MAX, Math.min(TIME_MS_MAX, ms))) * 1000;

/** Where the columns of the last event's names are: the next event mostly has the same names in the same order. */
interface NameMemo {
  readonly names: string[];
  readonly buffers: (ColumnBuffer | null)[];
}

function bufferOf(buffers: readonly ColumnBuffer[], memo: NameMemo, at: number, name: string): ColumnBuffer | null {
  if (memo.names[at] === name) return memo.buffers[at] as ColumnBuffer | null;
  const index = COLUMN_INDEX.get(name);
  const buffer = index === undefined ? null : (buffers[index] as ColumnBuffer);
  memo.names[at] = name;
  memo.buffers[at] = buffer;
  return buffer;
}

function addNormalised(
  buffers: readonly ColumnBuffer[],
  memo: NameMemo,
  row: number,
  event: DecodedEvent,
  ascii: boolean,
): void {
  const norm = event.norm as Record<string, string | number | undefined>;
  let position = 0;
  for (const name in norm) {
    const value = norm[name];
    const buffer = bufferOf(buffers, memo, position++, name);
    if (value === undefined || buffer === null) continue;
    if (typeof value === 'number') {
      if (buffer.halves !== null && Number.isSafeInteger(value)) putLong(buffer, row, value);
    } else if (buffer.codes !== null) putCode(buffer, row, value);
    else if (name === 'message') {
      const at = messageAt(event.raw, value, ascii);
      if (at >= 0) putLong(buffers[AT.messageAt] as ColumnBuffer, row, at);
      else addText(buffer, row, value);
    } else if (buffer.halves === null) addText(buffer, row, value);
  }
}

function addText(buffer: ColumnBuffer, row: number, text: string): number {
  const length = putText(buffer, text);
  buffer.count += 1;
  mark(buffer, row);
  return length;
}

function addEvent(
  buffers: readonly ColumnBuffer[],
  memo: NameMemo,
  row: number,
  event: DecodedEvent,
  folder: FieldFolder,
): void {
  putLong(buffers[AT.seq] as ColumnBuffer, row, event.seq);
  putLong(buffers[AT.idx] as ColumnBuffer, row, event.index);
  putLong(buffers[AT.time] as ColumnBuffer, row, micros(event.timeMs));
  putLong(buffers[AT.received] as ColumnBuffer, row, micros(event.receivedMs));
  putCode(buffers[AT.source] as ColumnBuffer, row, event.source);
  putCode(buffers[AT.format] as ColumnBuffer, row, event.format);
  const { product, category, service } = event.logsource;
  if (product !== undefined) putCode(buffers[AT.product] as ColumnBuffer, row, product);
  if (category !== undefined) putCode(buffers[AT.category] as ColumnBuffer, row, category);
  if (service !== undefined) putCode(buffers[AT.service] as ColumnBuffer, row, service);
  const ascii = addText(buffers[AT.raw] as ColumnBuffer, row, event.raw) === event.raw.length;
  addNormalised(buffers, memo, row, event, ascii);
  const folded = folder.fold(event);
  if (folded.json !== null) addText(buffers[AT.fields] as ColumnBuffer, row, folded.json);
  if (folded.same !== null) putCode(buffers[AT.same] as ColumnBuffer, row, folded.same);
  if (event.marks.length > 0) putCode(buffers[AT.marks] as ColumnBuffer, row, JSON.stringify(event.marks));
  if (event.exercise) mark(buffers[AT.exercise] as ColumnBuffer, row);
}

/** Definition levels of format version 1: byte length, then one bit-packed run of one bit a row. */
function levels(buffer: ColumnBuffer, rows: number): Uint8Array[] {
  if (buffer.column.required) return [];
  const header = bitPackedHeader(rows);
  const size = Math.ceil(rows / 8);
  if (size > buffer.present.length) widen(buffer, size - 1);
  const lead = Buffer.alloc(4 + header.length);
  lead.writeUInt32LE(header.length + size, 0);
  lead.set(header, 4);
  return [lead, buffer.present.subarray(0, size)];
}

/** Dictionary codes with a bit width of whole bytes, so that packing is a copy. */
function packedCodes(buffer: ColumnBuffer): Uint8Array[] {
  // The buffer's length is a multiple of eight, so there is always room for the padding.
  const codes = buffer.codes as Uint32Array;
  const size = (buffer.dictionary as Map<string, number>).size;
  const padded = Math.ceil(buffer.count / 8) * 8;
  const some = codes.subarray(0, padded);
  some.fill(0, buffer.count);
  const packed = size <= 256 ? Uint8Array.from(some) : size <= 65_536 ? Uint16Array.from(some) : some;
  const lead = Buffer.concat([Uint8Array.of(packed.BYTES_PER_ELEMENT * 8), bitPackedHeader(buffer.count)]);
  return [lead, new Uint8Array(packed.buffer, packed.byteOffset, packed.byteLength)];
}

function parquetColumn(buffer: ColumnBuffer, rows: number): ParquetColumn {
  const { name, kind, required } = buffer.column;
  const lead = levels(buffer, rows);
  if (kind === 'bool') {
    if (buffer.present.length * 8 < rows) widen(buffer, Math.ceil(rows / 8) - 1);
    const bits = buffer.present.subarray(0, Math.ceil(rows / 8));
    return { name, type: PARQUET_TYPE.boolean, converted: null, required, dictionary: null, data: [...lead, bits] };
  }
  if (buffer.halves !== null) {
    const values = new Uint8Array(buffer.halves.buffer, 0, buffer.count * 8);
    const converted = kind === 'time' ? CONVERTED.timestampMicros : null;
    return { name, type: PARQUET_TYPE.int64, converted, required, dictionary: null, data: [...lead, values] };
  }
  const text = { name, type: PARQUET_TYPE.byteArray, converted: CONVERTED.utf8, required };
  const bytes = buffer.bytes.subarray(0, buffer.used);
  if (buffer.codes === null || buffer.count === 0) return { ...text, dictionary: null, data: [...lead, bytes] };
  const dictionary = { bytes, count: (buffer.dictionary as Map<string, number>).size };
  return { ...text, dictionary, data: [...lead, ...packedCodes(buffer)] };
}

export function createPartBuilder(): PartBuilder {
  const buffers = ARCHIVE_COLUMNS.map(columnBuffer);
  const raw = buffers[AT.raw] as ColumnBuffer;
  const fields = buffers[AT.fields] as ColumnBuffer;
  const folder = createFieldFolder();
  const memo: NameMemo = { names: [], buffers: [] };
  let rows = 0;
  let timeMin = Infinity;
  let timeMax = -Infinity;
  let seqMin = Infinity;
  let seqMax = -Infinity;
  return {
    get rows() {
      return rows;
    },
    get full() {
      return rows >= PART_ROWS_FULL || raw.used + fields.used >= PART_BYTES_FULL;
    },
    add(event) {
      addEvent(buffers, memo, rows, event, folder);
      rows += 1;
      const timeMs = micros(event.timeMs) / 1000;
      if (timeMs < timeMin) timeMin = timeMs;
      if (timeMs > timeMax) timeMax = timeMs;
      if (event.seq < seqMin) seqMin = event.seq;
      if (event.seq > seqMax) seqMax = event.seq;
    },
    finish() {
      const columns = buffers.map((buffer) => parquetColumn(buffer, rows));
      return { pieces: parquetFile(columns, rows), rows, timeMs: [timeMin, timeMax], seq: [seqMin, seqMax] };
    },
    reset() {
      for (const buffer of buffers) {
        buffer.present.fill(0);
        buffer.dictionary?.clear();
        buffer.count = 0;
        buffer.used = 0;
        buffer.lastCode = -1;
        // One part with a huge text must not hold its memory for ever.
        if (buffer.bytes.length > 2 * PART_BYTES_FULL) buffer.bytes = Buffer.allocUnsafe(4096);
      }
      rows = 0;
      timeMin = seqMin = Infinity;
      timeMax = seqMax = -Infinity;
    },
  };
}

/** Values of binary XML as field values, written as the usual dumps of these files write them (libyal, "EVTX", value types). */

import type { Buffer } from 'node:buffer';
import type { FieldValue } from '../../core/index.ts';
import { u16, u32, utf16 } from './evtx-bytes.ts';

type Scalar = string | number | boolean | null;

export const TYPE = {
  null: 0x00,
  text: 0x01,
  ansi: 0x02,
  int8: 0x03,
  uint8: 0x04,
  int16: 0x05,
  uint16: 0x06,
  int32: 0x07,
  uint32: 0x08,
  int64: 0x09,
  uint64: 0x0a,
  float: 0x0b,
  double: 0x0c,
  bool: 0x0d,
  binary: 0x0e,
  guid: 0x0f,
  size: 0x10,
  fileTime: 0x11,
  systemTime: 0x12,
  sid: 0x13,
  hex32: 0x14,
  hex64: 0x15,
  binXml: 0x21,
  xml: 0x23,
} as const;
const ARRAY = 0x80;

/** As many as decoders of other forms keep of a list. */
const ITEMS_MAX = 128;
/** A binary value is shown as two characters a byte; what is beyond stays in the file. */
const BINARY_BYTES_MAX = 16 * 1024;
/** winnt.h, SID_MAX_SUB_AUTHORITIES. */
const SUB_AUTHORITIES_MAX = 15;

/** Bytes of one value; 0 when the type has no fixed width. */
function widthOf(type: number): number {
  switch (type) {
    case TYPE.int8:
    case TYPE.uint8:
      return 1;
    case TYPE.int16:
    case TYPE.uint16:
      return 2;
    case TYPE.int32:
    case TYPE.uint32:
    case TYPE.float:
    case TYPE.bool:
    case TYPE.hex32:
      return 4;
    case TYPE.int64:
    case TYPE.uint64:
    case TYPE.double:
    case TYPE.fileTime:
    case TYPE.hex64:
      return 8;
    case TYPE.guid:
    case TYPE.systemTime:
      return 16;
    default:
      return 0;
  }
}

/** The value in [at, at + size); null when the type is unknown, or the size cannot hold it. */
export function readValue(bytes: Buffer, type: number, at: number, size: number): FieldValue {
  if (type === TYPE.text || type === TYPE.xml) return utf16(bytes, at, size >> 1);
  if (type & ARRAY) return readArray(bytes, type & ~ARRAY, at, size);
  return readScalar(bytes, type, at, size);
}

function readScalar(bytes: Buffer, type: number, at: number, size: number): Scalar {
  if (size < widthOf(type)) return null;
  switch (type) {
    case TYPE.ansi:
      return ansi(bytes, at, at + size);
    case TYPE.int8:
      return bytes.readInt8(at);
    case TYPE.uint8:
      return bytes[at] as number;
    case TYPE.int16:
      return bytes.readInt16LE(at);
    case TYPE.uint16:
      return u16(bytes, at);
    case TYPE.int32:
      return bytes.readInt32LE(at);
    case TYPE.uint32:
      return u32(bytes, at);
    case TYPE.int64:
      return whole(bytes.readBigInt64LE(at));
    case TYPE.uint64:
      return whole(bytes.readBigUInt64LE(at));
    case TYPE.float:
      return finite(bytes.readFloatLE(at));
    case TYPE.double:
      return finite(bytes.readDoubleLE(at));
    case TYPE.bool:
      return u32(bytes, at) !== 0;
    case TYPE.binary:
      return bytes.toString('hex', at, at + Math.min(size, BINARY_BYTES_MAX)).toUpperCase();
    case TYPE.guid:
      return guid(bytes, at);
    case TYPE.size:
      return size >= 8 ? hex64(bytes, at) : size >= 4 ? hex32(bytes, at) : null;
    case TYPE.fileTime:
      return fileTimeText(bytes, at);
    case TYPE.systemTime:
      return systemTime(bytes, at);
    case TYPE.sid:
      return sid(bytes, at, size);
    case TYPE.hex32:
      return hex32(bytes, at);
    case TYPE.hex64:
      return hex64(bytes, at);
    default:
      return null;
  }
}

/** Texts end in a NUL each; a SID says its own length; everything else is as wide as its type. */
function readArray(bytes: Buffer, type: number, at: number, size: number): FieldValue {
  const items: Scalar[] = [];
  const end = at + size;
  if (type === TYPE.text || type === TYPE.ansi) {
    const step = type === TYPE.text ? 2 : 1;
    let from = at;
    for (let p = at; p + step <= end && items.length < ITEMS_MAX; p += step) {
      if ((step === 2 ? u16(bytes, p) : bytes[p]) !== 0) continue;
      items.push(step === 2 ? utf16(bytes, from, (p - from) >> 1) : ansi(bytes, from, p));
      from = p + step;
    }
    if (from + step <= end && items.length < ITEMS_MAX)
      items.push(step === 2 ? utf16(bytes, from, (end - from) >> 1) : ansi(bytes, from, end));
    return items;
  }
  for (let p = at; p < end && items.length < ITEMS_MAX; ) {
    const width = type === TYPE.sid ? 8 + 4 * (bytes[p + 1] as number) : type === TYPE.size ? 8 : widthOf(type);
    if (width === 0 || p + width > end) break;
    items.push(readScalar(bytes, type, p, width));
    p += width;
  }
  return items;
}

function ansi(bytes: Buffer, at: number, to: number): string {
  let end = to;
  while (end > at && bytes[end - 1] === 0) end--;
  return bytes.toString('latin1', at, end);
}

/** Beyond 2^53 the digits as text: a rounded number would be a wrong one. */
function whole(value: bigint): Scalar {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : String(value);
}

/** JSON has no word for these, so the event must not either. */
function finite(value: number): Scalar {
  return Number.isFinite(value) ? value : String(value);
}

function hex32(bytes: Buffer, at: number): string {
  return `0x${u32(bytes, at).toString(16)}`;
}

function hex64(bytes: Buffer, at: number): string {
  const high = u32(bytes, at + 4);
  const low = u32(bytes, at).toString(16);
  return high === 0 ? `0x${low}` : `0x${high.toString(16)}${low.padStart(8, '0')}`;
}

/** MS-DTYP 2.3.4.2: three little-endian groups, then eight bytes as they are. */
function guid(bytes: Buffer, at: number): string {
  const hex = bytes.toString('hex', at, at + 16).toUpperCase();
  const swap = (from: number, to: number): string => {
    let out = '';
    for (let i = to - 2; i >= from; i -= 2) out += hex.slice(i, i + 2);
    return out;
  };
  return `${swap(0, 8)}-${swap(8, 12)}-${swap(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}

/** MS-DTYP 2.4.2.2: revision, count, 48 bits of authority with the highest byte first, sub-authorities. */
function sid(bytes: Buffer, at: number, size: number): Scalar {
  if (size < 8) return null;
  const count = bytes[at + 1] as number;
  if (count > SUB_AUTHORITIES_MAX || 8 + 4 * count > size) return null;
  let out = `S-${bytes[at]}-${bytes.readUIntBE(at + 2, 6)}`;
  for (let i = 0; i < count; i++) out += `-${u32(bytes, at + 8 + 4 * i)}`;
  return out;
}

/** 1601 to 1970 in milliseconds (MS-DTYP 2.3.3). */
const EPOCH_MS = 11_644_473_600_000;
/** 2^32 ticks of 100 ns are this many whole milliseconds and this many ticks. */
const HIGH_MS = 429_496;
const HIGH_TICKS = 7296;

/** Unix milliseconds of a FILETIME, cut; exact, which one division of the rounded 64 bits would not be. */
export function fileTimeMs(bytes: Uint8Array, at: number): number {
  const high = u32(bytes, at + 4);
  return high * HIGH_MS + Math.floor((high * HIGH_TICKS + u32(bytes, at)) / 10_000) - EPOCH_MS;
}

/** Records come in order of time: the text of the second is nearly always that of the record before. */
let lastSecond = Number.NaN;
let lastText = '';

/** Latest time that has four digits for its year. */
const TEXT_MS_MAX = Date.UTC(9999, 11, 31);

export function fileTimeText(bytes: Uint8Array, at: number): Scalar {
  const ms = fileTimeMs(bytes, at);
  if (ms > TEXT_MS_MAX) return null;
  const ticks = (u32(bytes, at + 4) * HIGH_TICKS + u32(bytes, at)) % 10_000;
  const second = Math.floor(ms / 1000);
  if (second !== lastSecond) {
    lastSecond = second;
    lastText = new Date(second * 1000).toISOString().slice(0, 20);
  }
  const micros = (ms - second * 1000) * 1000 + Math.floor(ticks / 10);
  return `${lastText}${String(1_000_000 + micros).slice(1)}Z`;
}

/** MS-DTYP 2.3.13: year, month, day of the week, day, hour, minute, second, milliseconds. */
function systemTime(bytes: Buffer, at: number): Scalar {
  const part = (i: number, digits: number): string => String(u16(bytes, at + 2 * i)).padStart(digits, '0');
  if (u16(bytes, at) > 9999) return null;
  return `${part(0, 4)}-${part(1, 2)}-${part(3, 2)}T${part(4, 2)}:${part(5, 2)}:${part(6, 2)}.${part(7, 3)}000Z`;
}

/**
 * Reads ExportLogsServiceRequest (opentelemetry-proto 1.x, logs/v1 and common/v1) from protobuf bytes, and writes the two
 * small answers. Only this one message, bounded in depth; unknown fields are skipped (protobuf.dev, "Encoding").
 */

import { LIMITS } from '../../core/index.ts';
import { emptyObject, type OtlpRecord, type OtlpSink, type OtlpValue } from './otlp-record.ts';

/** The bytes are not the message; the text says where. */
export class OtlpFault extends Error {}

interface Cursor {
  readonly bytes: Buffer;
  at: number;
  readonly end: number;
}

const VARINT = 0;
const FIXED64 = 1;
const LENGTH = 2;
const FIXED32 = 5;

function fault(cursor: Cursor, what: string): never {
  throw new OtlpFault(`${what} at byte ${cursor.at}`);
}

/** A varint of up to 64 bits; at most ten bytes. */
function varint(cursor: Cursor): bigint {
  let value = 0n;
  for (let shift = 0n; shift < 70n; shift += 7n) {
    if (cursor.at >= cursor.end) fault(cursor, 'a number ends too early');
    const byte = cursor.bytes[cursor.at++] as number;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return BigInt.asUintN(64, value);
  }
  return fault(cursor, 'a number is too long');
}

/** Tags and lengths: what does not fit 32 bits is nonsense. */
function smallVarint(cursor: Cursor): number {
  let value = 0;
  for (let shift = 0; shift < 35; shift += 7) {
    if (cursor.at >= cursor.end) fault(cursor, 'a number ends too early');
    const byte = cursor.bytes[cursor.at++] as number;
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return value;
  }
  return fault(cursor, 'a number is too long');
}

function inside(cursor: Cursor): Cursor {
  const length = smallVarint(cursor);
  if (length > cursor.end - cursor.at) fault(cursor, 'a length reaches over the end');
  const part = { bytes: cursor.bytes, at: cursor.at, end: cursor.at + length };
  cursor.at += length;
  return part;
}

function fixed64(cursor: Cursor): number {
  if (cursor.end - cursor.at < 8) fault(cursor, 'a number ends too early');
  cursor.at += 8;
  return cursor.at - 8;
}

function skip(cursor: Cursor, wire: number): void {
  if (wire === VARINT) varint(cursor);
  else if (wire === LENGTH) inside(cursor);
  else if (wire === FIXED64) fixed64(cursor);
  else if (wire === FIXED32 && cursor.end - cursor.at >= 4) cursor.at += 4;
  else fault(cursor, 'an unknown kind of field');
}

/** Calls `read` for each field; it answers false for what it does not know. */
function fields(cursor: Cursor, read: (field: number, wire: number) => boolean): void {
  while (cursor.at < cursor.end) {
    const tag = smallVarint(cursor);
    const field = Math.floor(tag / 8);
    if (field === 0) fault(cursor, 'field number 0');
    if (!read(field, tag % 8)) skip(cursor, tag % 8);
  }
}

const text = (cursor: Cursor): string => {
  const part = inside(cursor);
  return part.bytes.toString('utf8', part.at, part.end);
};
const hex = (cursor: Cursor): string => {
  const part = inside(cursor);
  return part.bytes.toString('hex', part.at, Math.min(part.end, part.at + 32));
};

function keyValue(cursor: Cursor, into: Record<string, OtlpValue>, depth: number): void {
  let key = '';
  let value: OtlpValue = null;
  fields(cursor, (field, wire) => {
    if (wire !== LENGTH) return false;
    if (field === 1) key = text(cursor);
    else if (field === 2) value = anyValue(inside(cursor), depth + 1);
    else return false;
    return true;
  });
  into[key] = value;
}

function anyValue(cursor: Cursor, depth: number): OtlpValue {
  if (depth > LIMITS.jsonDepthMax) fault(cursor, 'a value is nested too deep');
  let value: OtlpValue = null;
  fields(cursor, (field, wire) => {
    if (field === 1 && wire === LENGTH) value = text(cursor);
    else if (field === 2 && wire === VARINT) value = varint(cursor) !== 0n;
    else if (field === 3 && wire === VARINT) {
      const number = BigInt.asIntN(64, varint(cursor));
      value = Number.isSafeInteger(Number(number)) ? Number(number) : number.toString();
    } else if (field === 4 && wire === FIXED64) {
      const number = cursor.bytes.readDoubleLE(fixed64(cursor));
      value = Number.isFinite(number) ? number : String(number);
    } else if (field === 5 && wire === LENGTH) {
      const list: OtlpValue[] = [];
      const part = inside(cursor);
      fields(part, (inner, innerWire) => {
        if (inner !== 1 || innerWire !== LENGTH) return false;
        list.push(anyValue(inside(part), depth + 1));
        return true;
      });
      value = list;
    } else if (field === 6 && wire === LENGTH) {
      const part = inside(cursor);
      value = keyValues(part, 1, depth);
    } else if (field === 7 && wire === LENGTH) {
      const part = inside(cursor);
      value = part.bytes.toString('base64', part.at, part.end);
    } else return false;
    return true;
  });
  return value;
}

/** A message of which one field is a list of KeyValue. */
function keyValues(cursor: Cursor, wanted: number, depth = 0): Record<string, OtlpValue> {
  const into = emptyObject();
  fields(cursor, (field, wire) => {
    if (field !== wanted || wire !== LENGTH) return false;
    keyValue(inside(cursor), into, depth);
    return true;
  });
  return into;
}

function scopeOf(cursor: Cursor): Record<string, OtlpValue> {
  const attributes = emptyObject();
  const scope = emptyObject();
  fields(cursor, (field, wire) => {
    if (wire !== LENGTH) return false;
    if (field === 1) scope.name = text(cursor);
    else if (field === 2) scope.version = text(cursor);
    else if (field === 3) keyValue(inside(cursor), attributes, 0);
    else return false;
    return true;
  });
  if (Object.keys(attributes).length > 0) scope.attributes = attributes;
  return scope;
}

function logRecord(cursor: Cursor): OtlpRecord {
  const record: OtlpRecord = {
    time: '0',
    observed: '0',
    severityNumber: 0,
    severityText: '',
    body: null,
    attributes: emptyObject(),
    traceId: '',
    spanId: '',
    eventName: '',
  };
  fields(cursor, (field, wire) => {
    if (field === 1 && wire === FIXED64) record.time = cursor.bytes.readBigUInt64LE(fixed64(cursor)).toString();
    else if (field === 11 && wire === FIXED64)
      record.observed = cursor.bytes.readBigUInt64LE(fixed64(cursor)).toString();
    else if (field === 2 && wire === VARINT) record.severityNumber = Number(BigInt.asUintN(32, varint(cursor)));
    else if (wire !== LENGTH) return false;
    else if (field === 3) record.severityText = text(cursor);
    else if (field === 5) record.body = anyValue(inside(cursor), 0);
    else if (field === 6) keyValue(inside(cursor), record.attributes, 0);
    else if (field === 9) record.traceId = hex(cursor);
    else if (field === 10) record.spanId = hex(cursor);
    else if (field === 12) record.eventName = text(cursor);
    else return false;
    return true;
  });
  return record;
}

/** Fields may come in any order: a message's parts of one number are read in a pass of their own. */
function eachPart(cursor: Cursor, wanted: number, take: (part: Cursor) => void): void {
  const pass = { bytes: cursor.bytes, at: cursor.at, end: cursor.end };
  fields(pass, (field, wire) => {
    if (field !== wanted || wire !== LENGTH) return false;
    take(inside(pass));
    return true;
  });
}

/** @throws OtlpFault when the bytes are not the message */
export function readOtlpProtobuf(bytes: Buffer, sink: OtlpSink): void {
  eachPart({ bytes, at: 0, end: bytes.length }, 1, (resourceLogs) => {
    let resource = '{}';
    eachPart(resourceLogs, 1, (part) => {
      resource = JSON.stringify(keyValues(part, 1));
    });
    eachPart(resourceLogs, 2, (scopeLogs) => {
      let scope = '{}';
      eachPart(scopeLogs, 1, (part) => {
        scope = JSON.stringify(scopeOf(part));
      });
      eachPart(scopeLogs, 2, (part) => sink(logRecord(part), resource, scope));
    });
  });
}

function writeVarint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return bytes;
}

/** A number in field 1 and a text in field 2: ExportLogsPartialSuccess and google.rpc.Status are both this. */
export function writeNumberAndText(number: number, words: string): Buffer {
  const body = Buffer.from(words, 'utf8');
  return Buffer.concat([Buffer.from([0x08, ...writeVarint(number), 0x12, ...writeVarint(body.length)]), body]);
}

/** ExportLogsServiceResponse; everything taken is the empty message. */
export function writeOtlpResponse(rejected: number, message: string): Buffer {
  if (rejected === 0) return Buffer.alloc(0);
  const partial = writeNumberAndText(rejected, message);
  return Buffer.concat([Buffer.from([0x0a, ...writeVarint(partial.length)]), partial]);
}

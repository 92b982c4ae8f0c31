/** Correlation state as bytes: what a restart needs to raise the same alerts again; keyed by rule so rules may change. */

import type { Group, GroupTable } from './detection-group.ts';
import { newGroup } from './detection-group.ts';
import { DETECTION_LIMITS as LIMIT } from './detection-limits.ts';

const MAGIC = 'asepsis-detection-1';
const KINDS = ['address', 'account', 'host'] as const;

interface Writer {
  number(value: number): void;
  float(value: number): void;
  text(value: string): void;
  bytes(): Uint8Array;
}

function createWriter(): Writer {
  let buffer = Buffer.allocUnsafe(1 << 16);
  let at = 0;
  const room = (more: number): void => {
    if (at + more <= buffer.length) return;
    const bigger = Buffer.allocUnsafe(Math.max(buffer.length * 2, at + more));
    buffer.copy(bigger, 0, 0, at);
    buffer = bigger;
  };
  /** Seven bits a byte, the lowest first (LEB128); numbers up to 2^53. */
  const number = (value: number): void => {
    room(8);
    let rest = value;
    while (rest >= 128) {
      buffer[at++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    buffer[at++] = rest;
  };
  return {
    number,
    float: (value) => {
      room(8);
      at = buffer.writeDoubleLE(value, at);
    },
    text: (value) => {
      const length = Buffer.byteLength(value);
      number(length);
      room(length);
      at += buffer.write(value, at);
    },
    bytes: () => new Uint8Array(buffer.subarray(0, at)),
  };
}

function createReader(bytes: Uint8Array) {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 0;
  const need = (more: number): void => {
    if (at + more > buffer.length) throw new RangeError('the state ends too early');
  };
  const number = (): number => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      need(1);
      const byte = buffer[at++] as number;
      value += (byte & 127) * scale;
      if (byte < 128) return value;
      if (scale > 2 ** 49) throw new RangeError('a number of the state is too large');
    }
  };
  return {
    number,
    float: (): number => {
      need(8);
      at += 8;
      return buffer.readDoubleLE(at - 8);
    },
    text: (): string => {
      const length = number();
      need(length);
      at += length;
      return buffer.toString('utf8', at - length, at);
    },
    done: () => at >= buffer.length,
  };
}
type Reader = ReturnType<typeof createReader>;

function writeGroup(writer: Writer, key: string, group: Group): void {
  writer.text(key);
  writer.number(group.values.length);
  for (const value of group.values) writer.text(value);
  writer.float(group.maxMs);
  writer.float(group.touchedMs);
  writer.float(group.quietUntilMs);
  writer.number(group.since);
  writer.number(group.refs.length);
  for (const ref of group.refs) {
    writer.float(ref.ms);
    writer.number(ref.seq);
    writer.number(ref.index);
    writer.float(ref.extra);
  }
  writer.number(group.distinct?.size ?? 0);
  for (const [value, ms] of group.distinct ?? []) {
    writer.text(value);
    writer.float(ms);
  }
  writer.number(group.seen.length);
  for (const { kind, name, ms } of group.seen) {
    writer.number(KINDS.indexOf(kind));
    writer.text(name);
    writer.float(ms);
  }
}

function readGroup(reader: Reader): { key: string; group: Group } {
  const count = (): number => {
    const n = reader.number();
    if (n > 4 * LIMIT.groupEntriesMax) throw new RangeError('a list of the state is too long');
    return n;
  };
  const key = reader.text();
  const group = newGroup(
    Array.from({ length: count() }, () => reader.text()),
    0,
  );
  group.maxMs = reader.float();
  group.touchedMs = reader.float();
  group.quietUntilMs = reader.float();
  group.since = reader.number();
  for (let n = count(); n > 0; n--) {
    group.refs.push({ ms: reader.float(), seq: reader.number(), index: reader.number(), extra: reader.float() });
  }
  for (let n = count(); n > 0; n--) {
    group.distinct ??= new Map();
    group.distinct.set(reader.text(), reader.float());
  }
  for (let n = count(); n > 0; n--) {
    const kind = KINDS[reader.number()];
    if (!kind) throw new RangeError('a word of the state is not known');
    group.seen.push({ kind, name: reader.text(), ms: reader.float() });
  }
  return { key, group };
}

interface Part {
  /** What the state belongs to; a changed rule has another. */
  readonly hash: string;
  readonly table: GroupTable;
}

export function writeSnapshot(parts: readonly Part[]): Uint8Array {
  const writer = createWriter();
  writer.text(MAGIC);
  writer.number(parts.length);
  for (const { hash, table } of parts) {
    writer.text(hash);
    writer.number(table.size);
    for (const [key, group] of table.entries()) writeGroup(writer, key, group);
  }
  return writer.bytes();
}

/**
 * Fills the tables whose rules are unchanged; state of other rules is passed over. Damaged bytes end the reading early.
 *
 * @returns null, or why not everything could be read
 */
export function readSnapshot(bytes: Uint8Array, parts: readonly Part[]): string | null {
  const byHash = new Map(parts.map((part) => [part.hash, part.table]));
  try {
    const reader = createReader(bytes);
    if (reader.text() !== MAGIC) return 'the state was written by another version';
    for (let left = reader.number(); left > 0; left--) {
      const table = byHash.get(reader.text());
      for (let groups = reader.number(); groups > 0; groups--) {
        const { key, group } = readGroup(reader);
        table?.set(key, group);
      }
    }
    return null;
  } catch (error) {
    if (error instanceof RangeError) return error.message;
    throw error;
  }
}

/** One block as bytes on disk: a fixed head, the ends, three short texts, the data; two checksums over it. */

import assert from 'node:assert';
import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { AsepsisError, type Block, LIMITS, RECORD_HINTS, type SourceId, type StoredBlock } from '../core/index.ts';

/**
 * Two random words of one stream, on disk only. They open every record and seed its checksum, so that bytes which a
 * sender puts into a log line are never taken for a record when a reader looks for the next whole one after damage.
 */
export interface LogKey {
  readonly mark: number;
  readonly salt: number;
}

/*
 * Little-endian, 8-byte aligned: 0 mark · 4 head crc (over the rest of the head) · 8 bytes of the record · 12 bytes
 * of the head (the data starts there) · 16 data bytes · 20 data crc · 24 seq · 32 first seq of its commit group ·
 * 40 receivedMs · 48 records · 52 source, 54 peer, 56 dedupe bytes · 58 hint · 59 flags · 60 zero · 64 ends, texts,
 * padding. The length is under the head's own checksum: a damaged one is never followed.
 */
const FIXED_BYTES = 64;
const SOURCE_CHARS_MAX = 256;
const PEER_CHARS_MAX = 1024;
const DEDUPE_CHARS_MAX = 200;
const TEXT_BYTES_MAX = 3 * (SOURCE_CHARS_MAX + PEER_CHARS_MAX + DEDUPE_CHARS_MAX);
const HEAD_BYTES_MAX = FIXED_BYTES + 4 * LIMITS.blockRecordsMax + TEXT_BYTES_MAX + 8;
export const RECORD_BYTES_MAX = HEAD_BYTES_MAX + LIMITS.blockBytesMax;
/** Data up to this size is copied beside its head: one vector less in the write for each small block. */
const INLINE_BYTES_MAX = 4096;
const EXERCISE = 1;
const DEDUPED = 2;

export interface PreparedBlock {
  readonly parts: readonly Uint8Array[];
  readonly head: Buffer;
  readonly bytes: number;
}

export interface RecordHead {
  readonly bytes: number;
  readonly headBytes: number;
  readonly seq: number;
  /** Everything before this sequence number was durable when the record was written. */
  readonly groupFirst: number;
}

/** The form in which a dedupe key is kept: itself, or a digest when it is long, so that memory stays bounded. */
export function dedupeKey(key: string): string {
  return key.length <= DEDUPE_CHARS_MAX ? key : `sha256-${hash('sha256', key, 'base64')}`;
}

function checkBlock(block: Block): void {
  if (block.data.length > LIMITS.blockBytesMax || block.ends.length > LIMITS.blockRecordsMax) {
    throw new AsepsisError('TOO_LARGE', `A block has ${block.data.length} bytes in ${block.ends.length} records.`);
  }
  assert(block.source.length <= SOURCE_CHARS_MAX, 'a source id is short');
  let before = 0;
  for (const end of block.ends) {
    assert(end >= before && end <= block.data.length, 'ends ascend and lie within the data');
    before = end;
  }
}

/** Everything of the record except what is known only when it is written (`stampRecord`); the data is not copied. */
export function prepareRecord(block: Block): PreparedBlock {
  checkBlock(block);
  const source = Buffer.from(block.source);
  const peer = Buffer.from(block.peer.slice(0, PEER_CHARS_MAX));
  const dedupe = Buffer.from(block.dedupe === undefined ? '' : dedupeKey(block.dedupe));
  const { data, ends } = block;
  const used = FIXED_BYTES + ends.byteLength + source.length + peer.length + dedupe.length;
  // The padding goes before the data, so that head and data end on an 8-byte boundary in two vectors.
  const headBytes = used + ((8 - ((used + data.length) & 7)) & 7);
  const bytes = headBytes + data.length;
  const inline = data.length <= INLINE_BYTES_MAX;
  const head = Buffer.allocUnsafe(inline ? bytes : headBytes);
  head.fill(0, used, headBytes);
  head.writeUInt32LE(bytes, 8);
  head.writeUInt32LE(headBytes, 12);
  head.writeUInt32LE(data.length, 16);
  head.writeUInt32LE(crc32(data), 20);
  head.writeDoubleLE(block.receivedMs, 40);
  head.writeUInt32LE(ends.length, 48);
  head.writeUInt16LE(source.length, 52);
  head.writeUInt16LE(peer.length, 54);
  head.writeUInt16LE(dedupe.length, 56);
  head[58] = RECORD_HINTS.indexOf(block.hint);
  head[59] = (block.exercise ? EXERCISE : 0) | (block.dedupe === undefined ? 0 : DEDUPED);
  head.writeUInt32LE(0, 60);
  let at = FIXED_BYTES;
  for (const part of [new Uint8Array(ends.buffer, ends.byteOffset, ends.byteLength), source, peer, dedupe]) {
    head.set(part, at);
    at += part.length;
  }
  if (inline) head.set(data, headBytes);
  return { parts: inline ? [head] : [head, data], head, bytes };
}

/** Writes the position into a prepared record and closes its head; may be done again after a failed write. */
export function stampRecord(record: PreparedBlock, seq: number, groupFirst: number, key: LogKey): void {
  const { head } = record;
  head.writeUInt32LE(key.mark, 0);
  head.writeDoubleLE(seq, 24);
  head.writeDoubleLE(groupFirst, 32);
  head.writeUInt32LE(crc32(head.subarray(8, head.readUInt32LE(12)), key.salt), 4);
}

/** The head of the record at `at` when it is whole and undamaged, else null. The data is not looked at. */
export function parseHead(buf: Buffer, at: number, end: number, key: LogKey): RecordHead | null {
  if (end - at < FIXED_BYTES || buf.readUInt32LE(at) !== key.mark) return null;
  const bytes = buf.readUInt32LE(at + 8);
  const headBytes = buf.readUInt32LE(at + 12);
  if (headBytes < FIXED_BYTES || headBytes > HEAD_BYTES_MAX || headBytes > end - at) return null;
  if (bytes > RECORD_BYTES_MAX || bytes !== headBytes + buf.readUInt32LE(at + 16) || (bytes & 7) !== 0) return null;
  if (crc32(buf.subarray(at + 8, at + headBytes), key.salt) !== buf.readUInt32LE(at + 4)) return null;
  return { bytes, headBytes, seq: buf.readDoubleLE(at + 24), groupFirst: buf.readDoubleLE(at + 32) };
}

/** True when the data of the record is there to its last byte and matches its checksum. */
export function dataIsWhole(buf: Buffer, at: number, end: number, head: RecordHead): boolean {
  if (head.bytes > end - at) return false;
  return crc32(buf.subarray(at + head.headBytes, at + head.bytes)) === buf.readUInt32LE(at + 20);
}

/** The dedupe key of a checked record; null when it has none. */
export function recordKey(buf: Buffer, at: number): string | null {
  if (((buf[at + 59] ?? 0) & DEDUPED) === 0) return null;
  const start =
    at + FIXED_BYTES + 4 * buf.readUInt32LE(at + 48) + buf.readUInt16LE(at + 52) + buf.readUInt16LE(at + 54);
  return buf.toString('utf8', start, start + buf.readUInt16LE(at + 56));
}

/** A checked record as a block whose data and ends are views of `buf`. */
export function toBlock(buf: Buffer, at: number, head: RecordHead): StoredBlock {
  const records = buf.readUInt32LE(at + 48);
  const endsAt = at + FIXED_BYTES;
  const sourceAt = endsAt + 4 * records;
  const peerAt = sourceAt + buf.readUInt16LE(at + 52);
  const dedupeAt = peerAt + buf.readUInt16LE(at + 54);
  const flags = buf[at + 59] ?? 0;
  const hint = RECORD_HINTS[buf[at + 58] ?? 0];
  assert(hint !== undefined, 'a checked record has a known hint');
  const block = {
    seq: head.seq,
    source: buf.toString('utf8', sourceAt, peerAt) as SourceId,
    receivedMs: buf.readDoubleLE(at + 40),
    hint,
    peer: buf.toString('utf8', peerAt, dedupeAt),
    exercise: (flags & EXERCISE) !== 0,
    data: buf.subarray(at + head.headBytes, at + head.bytes),
    ends: new Uint32Array(buf.buffer, buf.byteOffset + endsAt, records),
  };
  const dedupe = recordKey(buf, at);
  return dedupe === null ? block : { ...block, dedupe };
}

/** A segment file: its name, header, records, and the footer with a sparse index that closes ("seals") it. */

import { type FileHandle, open, readdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { syncFolder } from '../core/index.ts';
import type { LogKey } from './stream-record.ts';

/** Where the first record starts. */
export const SEGMENT_HEADER_BYTES = 64;
const MAGIC = Buffer.from('ASEPSEG1');
const TRAILER_BYTES = 64;
/** One index entry for so many bytes: a random read then costs one read of about this size. */
const INDEX_EVERY_BYTES = 256 * 1024;

export interface SparseIndex {
  readonly seqs: number[];
  readonly offsets: number[];
}

/** What is known of one segment without reading its records. */
export interface SegmentInfo {
  readonly firstSeq: number;
  /** `firstSeq - 1` when it holds nothing. */
  readonly lastSeq: number;
  readonly bytes: number;
  /** Unix milliseconds at which it was sealed. */
  readonly sealedMs: number;
}

export interface Footer {
  readonly lastSeq: number;
  readonly dataEnd: number;
  readonly sealedMs: number;
  readonly index: SparseIndex;
  /** Dedupe keys of the segment in the order of their blocks. */
  readonly keys: readonly (readonly [seq: number, key: string])[];
}

export function segmentName(firstSeq: number): string {
  return `${String(firstSeq).padStart(12, '0')}.seg`;
}

/** The first sequence numbers of all segments in the folder, ascending. */
export async function listSegments(dir: string): Promise<number[]> {
  const firsts = (await readdir(dir))
    .filter((name) => /^\d{12}\.seg$/.test(name))
    .map((name) => Number(name.slice(0, 12)));
  return firsts.sort((a, b) => a - b);
}

/** Creates the segment under its final name only once its header is on disk; replaces one that never held a record. */
export async function createSegment(
  dir: string,
  firstSeq: number,
  streamId: string,
  nowMs: number,
): Promise<FileHandle> {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  MAGIC.copy(header);
  header.write(streamId, 16, 16, 'latin1');
  header.writeDoubleLE(firstSeq, 32);
  header.writeDoubleLE(nowMs, 40);
  header.writeUInt32LE(crc32(header.subarray(16)), 8);
  const path = join(dir, segmentName(firstSeq));
  const handle = await open(`${path}.tmp`, 'w+');
  try {
    await handle.write(header, 0, header.length, 0);
    await handle.sync();
    await rename(`${path}.tmp`, path);
    await syncFolder(dir);
    return handle;
  } catch (error) {
    await handle.close().catch(() => {});
    throw error;
  }
}

/** True when the file starts with an undamaged header of this stream and position. */
export async function headerIsWhole(handle: FileHandle, firstSeq: number, streamId: string): Promise<boolean> {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES);
  const { bytesRead } = await handle.read(header, 0, header.length, 0);
  if (bytesRead < header.length || !header.subarray(0, 8).equals(MAGIC)) return false;
  if (crc32(header.subarray(16)) !== header.readUInt32LE(8)) return false;
  const owner = header.toString('latin1', 16, 32).replace(/\0+$/, '');
  return owner === streamId && header.readDoubleLE(32) === firstSeq;
}

/** Adds an entry when the record lies far enough behind the last one. */
export function noteRecord(index: SparseIndex, seq: number, offset: number): void {
  const last = index.offsets.at(-1);
  if (last !== undefined && offset - last < INDEX_EVERY_BYTES) return;
  index.seqs.push(seq);
  index.offsets.push(offset);
}

/** The file offset of the last indexed record at or before `seq`; the first record's when there is none. */
export function indexFloor(index: SparseIndex, seq: number): number {
  let low = 0;
  let high = index.seqs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((index.seqs[middle] as number) <= seq) low = middle + 1;
    else high = middle;
  }
  return index.offsets[low - 1] ?? SEGMENT_HEADER_BYTES;
}

function encodeFooter(footer: Footer, key: LogKey): Buffer {
  const { seqs, offsets } = footer.index;
  const entries = Buffer.alloc(16 * seqs.length);
  for (let i = 0; i < seqs.length; i++) {
    entries.writeDoubleLE(seqs[i] as number, 16 * i);
    entries.writeDoubleLE(offsets[i] as number, 16 * i + 8);
  }
  const parts: Buffer[] = [entries];
  for (const [seq, text] of footer.keys) {
    const bytes = Buffer.from(text);
    const part = Buffer.alloc(10 + bytes.length);
    part.writeDoubleLE(seq, 0);
    part.writeUInt16LE(bytes.length, 8);
    part.set(bytes, 10);
    parts.push(part);
  }
  const trailer = Buffer.alloc(TRAILER_BYTES);
  parts.push(trailer);
  const all = Buffer.concat(parts);
  const at = all.length - TRAILER_BYTES;
  // The mark's complement: never mistaken for a record, and not to be guessed from outside (see LogKey).
  all.writeUInt32LE(~key.mark >>> 0, at);
  all.writeUInt32LE(at, at + 8);
  all.writeUInt32LE(seqs.length, at + 12);
  all.writeUInt32LE(footer.keys.length, at + 16);
  all.writeDoubleLE(footer.lastSeq, at + 24);
  all.writeDoubleLE(footer.dataEnd, at + 32);
  all.writeDoubleLE(footer.sealedMs, at + 40);
  all.writeUInt32LE(crc32(all.subarray(at + 8), crc32(all.subarray(0, at), key.salt)), at + 4);
  return all;
}

/** Writes the footer behind the last record and waits until it is durable; answers the size of the file. */
export async function sealSegment(handle: FileHandle, footer: Footer, key: LogKey): Promise<number> {
  const bytes = encodeFooter(footer, key);
  let written = 0;
  while (written < bytes.length) {
    written += (await handle.write(bytes, written, bytes.length - written, footer.dataEnd + written)).bytesWritten;
  }
  await handle.sync();
  return footer.dataEnd + bytes.length;
}

/** The footer of a sealed segment; null when the segment is open, was cut, or its footer is damaged. */
export async function readFooter(handle: FileHandle, key: LogKey): Promise<Footer | null> {
  const { size } = await handle.stat();
  if (size < SEGMENT_HEADER_BYTES + TRAILER_BYTES) return null;
  const trailer = Buffer.alloc(TRAILER_BYTES);
  await handle.read(trailer, 0, TRAILER_BYTES, size - TRAILER_BYTES);
  if (trailer.readUInt32LE(0) !== ~key.mark >>> 0) return null;
  const bodyBytes = trailer.readUInt32LE(8);
  const dataEnd = trailer.readDoubleLE(32);
  if (dataEnd + bodyBytes + TRAILER_BYTES !== size || dataEnd < SEGMENT_HEADER_BYTES) return null;
  const body = Buffer.alloc(bodyBytes);
  await handle.read(body, 0, bodyBytes, dataEnd);
  if (crc32(trailer.subarray(8), crc32(body, key.salt)) !== trailer.readUInt32LE(4)) return null;
  const index: SparseIndex = { seqs: [], offsets: [] };
  let at = 0;
  for (let i = trailer.readUInt32LE(12); i > 0; i--, at += 16) {
    index.seqs.push(body.readDoubleLE(at));
    index.offsets.push(body.readDoubleLE(at + 8));
  }
  const keys: (readonly [number, string])[] = [];
  for (let i = trailer.readUInt32LE(16); i > 0; i--) {
    const bytes = body.readUInt16LE(at + 8);
    keys.push([body.readDoubleLE(at), body.toString('utf8', at + 10, at + 10 + bytes)]);
    at += 10 + bytes;
  }
  return { lastSeq: trailer.readDoubleLE(24), dataEnd, sealedMs: trailer.readDoubleLE(40), index, keys };
}

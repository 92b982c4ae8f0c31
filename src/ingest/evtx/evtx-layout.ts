/** Where things are in the file and its chunks, and whether the checksums hold (libyal, "Windows XML Event Log (EVTX)"). */

import type { Buffer } from 'node:buffer';
import { crc32 } from 'node:zlib';
import { u16, u32, u64 } from './evtx-bytes.ts';

export const FILE_SIGNATURE = 'ElfFile\0';
export const CHUNK_SIGNATURE = 'ElfChnk\0';
export const FILE_HEADER_BYTES = 128;
export const HEADER_BLOCK_BYTES = 4096;
export const CHUNK_BYTES = 65_536;
/** Chunk header, common names and template places; the first record comes next. */
export const RECORDS_AT = 512;
/** Signature, size, number, time; then binary XML, then the size again. */
export const RECORD_HEAD_BYTES = 24;
export const RECORD_BYTES_MIN = RECORD_HEAD_BYTES + 4 + 4;
/** `**\0\0` */
export const RECORD_SIGNATURE = 0x0000_2a2a;

const FLAG_DIRTY = 1;

export interface FileHeader {
  /** Windows did not close the file: its numbers, and those of the last chunks, may be old. */
  readonly dirty: boolean;
  readonly sound: boolean;
  /** Where the first chunk begins. */
  readonly blockBytes: number;
}

/** The header; null when these bytes do not begin an event log. */
export function readFileHeader(bytes: Buffer): FileHeader | null {
  if (bytes.length < FILE_HEADER_BYTES || bytes.toString('latin1', 0, 8) !== FILE_SIGNATURE) return null;
  const sound = crc32(bytes.subarray(0, 120)) === u32(bytes, 124);
  const stated = u16(bytes, 40);
  return {
    dirty: (u32(bytes, 120) & FLAG_DIRTY) !== 0,
    sound,
    blockBytes: sound && stated >= FILE_HEADER_BYTES ? stated : HEADER_BLOCK_BYTES,
  };
}

export interface ChunkHeader {
  readonly sound: boolean;
  /** Where the records end, as far as the header knows. */
  readonly freeAt: number;
}

/** The header of a whole or torn chunk; null without the signature. */
export function readChunkHeader(bytes: Buffer): ChunkHeader | null {
  if (bytes.length < RECORDS_AT || bytes.toString('latin1', 0, 8) !== CHUNK_SIGNATURE) return null;
  const head = crc32(bytes.subarray(128, RECORDS_AT), crc32(bytes.subarray(0, 120)));
  const freeAt = u32(bytes, 48);
  const headSound = head === u32(bytes, 124) && freeAt >= RECORDS_AT && freeAt <= bytes.length;
  const sound = headSound && crc32(bytes.subarray(RECORDS_AT, freeAt)) === u32(bytes, 52);
  return { sound, freeAt: headSound ? freeAt : bytes.length };
}

/** Bytes of the record at `at` when a whole one stands there, else 0. */
export function recordBytes(bytes: Buffer, at: number): number {
  if (at + RECORD_BYTES_MIN > bytes.length || u32(bytes, at) !== RECORD_SIGNATURE) return 0;
  const size = u32(bytes, at + 4);
  if (size < RECORD_BYTES_MIN || at + size > bytes.length) return 0;
  if (u32(bytes, at + size - 4) === size) return size;
  // The copy of the size is damaged, but the next record begins where this one says that it ends.
  return at + size + 4 <= bytes.length && u32(bytes, at + size) === RECORD_SIGNATURE ? size : 0;
}

export function recordNumber(bytes: Buffer, at: number): number {
  return u64(bytes, at + 8);
}

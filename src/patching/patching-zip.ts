/** Zip archives entry by entry (APPNOTE.TXT 6.3, with ZIP64): names are never paths, sizes are what inflating says. */

import { type FileHandle, open } from 'node:fs/promises';
import { inflateRawSync } from 'node:zlib';
import { AsepsisError } from '../core/index.ts';
import type { Faults } from './patching-input.ts';

const ENTRIES_MAX = 1_000_000;
const ENTRY_BYTES_MAX = 32 * 1024 * 1024;
const ALL_BYTES_MAX = 8 * 1024 ** 3;
const DIRECTORY_BYTES_MAX = 512 * 1024 * 1024;

interface Entry {
  readonly name: string;
  readonly method: number;
  readonly packed: number;
  readonly offset: number;
}

/** Yields the entries whose name is wanted; one that is broken, encrypted or too large is a counted fault. */
export async function* zipEntries(
  path: string,
  wanted: (name: string) => boolean,
  faults: Faults,
): AsyncGenerator<{ name: string; bytes: Buffer }> {
  const file = await open(path);
  try {
    const { size } = await file.stat();
    let left = ALL_BYTES_MAX;
    for (const entry of directory(await readDirectory(file, size, path), faults)) {
      if (!wanted(entry.name)) continue;
      const bytes = await readEntry(file, entry, size, faults);
      // What fails was unpacked too: deflate makes at most 1032 bytes of one.
      left -= bytes?.length ?? Math.min(ENTRY_BYTES_MAX, entry.packed * 1032);
      if (left < 0) throw new AsepsisError('TOO_LARGE', `${path} unpacks to more than 8 GiB.`);
      if (bytes !== null) yield { name: entry.name, bytes };
    }
  } finally {
    await file.close();
  }
}

async function at(file: FileHandle, offset: number, length: number): Promise<Buffer> {
  if (!Number.isSafeInteger(offset)) return Buffer.alloc(0);
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, offset);
  return buffer.subarray(0, bytesRead);
}

async function readDirectory(file: FileHandle, size: number, path: string): Promise<Buffer> {
  const broken = () => new AsepsisError('INPUT_UNREADABLE', `${path} is not a whole zip archive.`);
  const tailSize = Math.min(size, 65_557);
  const tail = await at(file, size - tailSize, tailSize);
  const end = tail.lastIndexOf(Buffer.from([0x50, 0x4b, 5, 6]));
  if (end < 0 || end + 22 > tail.length) throw broken();
  let length = tail.readUInt32LE(end + 12);
  let offset = tail.readUInt32LE(end + 16);
  if ((offset === 0xffff_ffff || length === 0xffff_ffff) && end >= 20 && tail.readUInt32LE(end - 20) === 0x0706_4b50) {
    const record = await at(file, Number(tail.readBigUInt64LE(end - 12)), 56);
    if (record.length < 56 || record.readUInt32LE(0) !== 0x0606_4b50) throw broken();
    length = Number(record.readBigUInt64LE(40));
    offset = Number(record.readBigUInt64LE(48));
  }
  if (length > DIRECTORY_BYTES_MAX || offset + length > size) throw broken();
  return at(file, offset, length);
}

function* directory(bytes: Buffer, faults: Faults): Generator<Entry> {
  let count = 0;
  for (let i = 0; i + 46 <= bytes.length; ) {
    if (bytes.readUInt32LE(i) !== 0x0201_4b50) return faults.add('A broken directory in a zip archive');
    if (++count > ENTRIES_MAX) return faults.add('More entries in a zip archive than are read');
    const [nameLength, extraLength, noteLength] = [
      bytes.readUInt16LE(i + 28),
      bytes.readUInt16LE(i + 30),
      bytes.readUInt16LE(i + 32),
    ];
    const name = bytes.toString('utf8', i + 46, i + 46 + nameLength);
    const wide = wideFields(bytes.subarray(i + 46 + nameLength, i + 46 + nameLength + extraLength), [
      bytes.readUInt32LE(i + 24),
      bytes.readUInt32LE(i + 20),
      bytes.readUInt32LE(i + 42),
    ]);
    if ((bytes.readUInt16LE(i + 8) & 1) === 1) faults.add('An encrypted entry in a zip archive');
    else yield { name, method: bytes.readUInt16LE(i + 10), packed: wide[1], offset: wide[2] };
    i += 46 + nameLength + extraLength + noteLength;
  }
}

/** Section 4.5.3: those of size, packed size and offset that do not fit 32 bits, in this order. */
function wideFields(extra: Buffer, narrow: [number, number, number]): [number, number, number] {
  for (let i = 0; i + 4 <= extra.length; i += 4 + extra.readUInt16LE(i + 2)) {
    if (extra.readUInt16LE(i) !== 1) continue;
    let place = i + 4;
    return narrow.map((value) => {
      if (value !== 0xffff_ffff || place + 8 > extra.length) return value;
      place += 8;
      return Number(extra.readBigUInt64LE(place - 8));
    }) as [number, number, number];
  }
  return narrow;
}

async function readEntry(file: FileHandle, entry: Entry, size: number, faults: Faults): Promise<Buffer | null> {
  const head = await at(file, entry.offset, 30);
  if (head.length < 30 || head.readUInt32LE(0) !== 0x0403_4b50 || entry.packed > size) {
    faults.add('A broken entry in a zip archive');
    return null;
  }
  if (entry.packed > ENTRY_BYTES_MAX) {
    faults.add('An entry in a zip archive that is too large');
    return null;
  }
  const packed = await at(file, entry.offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28), entry.packed);
  try {
    if (entry.method === 0) return packed;
    if (entry.method === 8) return inflateRawSync(packed, { maxOutputLength: ENTRY_BYTES_MAX });
    faults.add('A way of packing that is not known');
  } catch {
    faults.add('A broken entry in a zip archive');
  }
  return null;
}

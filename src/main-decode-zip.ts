/**
 * The files in a .zip, one after the other, in bounded memory (PKWARE APPNOTE 6.3): stored and deflated entries, no
 * encryption, no ZIP64. What an archive says of itself is not believed: sizes and their sum are bounded.
 */

import { Buffer } from 'node:buffer';
import { createReadStream } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { pipeline } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { AsepsisError } from './core/index.ts';

export interface ZipEntry {
  readonly name: string;
  readonly parts: AsyncIterable<unknown>;
}

const LOCAL = 0x0403_4b50;
const CENTRAL = 0x0201_4b50;
const END = 0x0605_4b50;
const END_BYTES = 22;
/** A comment may follow the end record; its length has 16 bits. */
const TAIL_BYTES = END_BYTES + 65_535;
const DIRECTORY_BYTES_MAX = 32 * 1024 * 1024;
const ENTRIES_MAX = 65_535;
/** An archive may grow by this factor, or to a gibibyte: event logs with much unused room shrink a lot. */
const GROWTH_MAX = 200;
const SMALL_BYTES = 1024 ** 3;

/** True when the file begins as an archive does; a file that cannot be read is none. */
export async function isZip(path: string): Promise<boolean> {
  const file = await open(path, 'r').catch(() => null);
  if (file === null) return false;
  try {
    return (await readAt(file, 0, 4)).equals(Buffer.from('PK\x03\x04', 'latin1'));
  } catch {
    return false;
  } finally {
    await file.close();
  }
}

async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}

interface Listed {
  readonly name: string;
  readonly method: number;
  readonly encrypted: boolean;
  readonly packed: number;
  readonly size: number;
  readonly headerAt: number;
}

/** @throws AsepsisError INPUT_UNREADABLE when the archive has no directory that makes sense */
export async function* zipEntries(path: string, say: (sentence: string) => void = () => {}): AsyncGenerator<ZipEntry> {
  const file = await open(path, 'r');
  try {
    const { size } = await file.stat();
    let budget = Math.max(SMALL_BYTES, size * GROWTH_MAX);
    for (const entry of await directory(file, size, path)) {
      const refusal = entry.encrypted
        ? 'is encrypted'
        : entry.method !== 0 && entry.method !== 8
          ? 'is packed in an unknown way'
          : entry.size > budget
            ? 'is larger than an honest archive of this size'
            : '';
      const head = refusal === '' ? await readAt(file, entry.headerAt, 30) : null;
      if (head === null || head.length < 30 || head.readUInt32LE(0) !== LOCAL) {
        say(`${path}: ${entry.name} ${refusal || 'is not where the directory says'}; left out.`);
        continue;
      }
      budget -= entry.size;
      const start = entry.headerAt + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
      yield { name: entry.name, parts: unpack(path, entry, start, say) };
    }
  } finally {
    await file.close();
  }
}

async function directory(file: FileHandle, size: number, path: string): Promise<Listed[]> {
  const tail = await readAt(file, Math.max(0, size - TAIL_BYTES), Math.min(size, TAIL_BYTES));
  let at = tail.length - END_BYTES;
  while (at >= 0 && tail.readUInt32LE(at) !== END) at--;
  const bad = (reason: string): AsepsisError => new AsepsisError('INPUT_UNREADABLE', `${path}: ${reason}.`);
  if (at < 0) throw bad('the archive has no end');
  const length = tail.readUInt32LE(at + 12);
  const from = tail.readUInt32LE(at + 16);
  if (from === 0xffff_ffff) throw bad('archives of more than 4 GB are not read');
  if (length > DIRECTORY_BYTES_MAX || from + length > size) throw bad('the directory of the archive is damaged');
  const bytes = await readAt(file, from, length);
  const entries: Listed[] = [];
  let packed = 0;
  for (let p = 0; p + 46 <= bytes.length && bytes.readUInt32LE(p) === CENTRAL && entries.length < ENTRIES_MAX; ) {
    const nameEnd = p + 46 + bytes.readUInt16LE(p + 28);
    const entry: Listed = {
      name: bytes.toString('utf8', p + 46, nameEnd),
      method: bytes.readUInt16LE(p + 10),
      encrypted: (bytes.readUInt16LE(p + 8) & 1) !== 0,
      packed: bytes.readUInt32LE(p + 20),
      size: bytes.readUInt32LE(p + 24),
      headerAt: bytes.readUInt32LE(p + 42),
    };
    packed += entry.packed;
    // Entries that share their bytes are how a small archive becomes a huge one.
    if (packed > size) throw bad('entries of the archive overlap');
    if (!entry.name.endsWith('/')) entries.push(entry);
    p = nameEnd + bytes.readUInt16LE(p + 30) + bytes.readUInt16LE(p + 32);
  }
  return entries;
}

/** Never more than the size that the directory states; a damaged entry ends where the damage is. */
async function* unpack(
  path: string,
  entry: Listed,
  start: number,
  say: (sentence: string) => void,
): AsyncGenerator<unknown> {
  if (entry.packed === 0) return;
  const raw = createReadStream(path, { start, end: start + entry.packed - 1 });
  const parts = entry.method === 0 ? raw : pipeline(raw, createInflateRaw(), () => {});
  let left = entry.size;
  try {
    for await (const part of parts) {
      const bytes = part as Buffer;
      if (left === 0) break;
      yield bytes.length <= left ? bytes : bytes.subarray(0, left);
      left -= Math.min(left, bytes.length);
    }
  } catch (error) {
    say(`${path}: ${entry.name} is damaged: ${(error as Error).message}.`);
  }
}

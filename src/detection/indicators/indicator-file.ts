/** Indicators on disk: one file that is there as a whole or not at all, read without parsing; complex patterns beside it. */

import { mkdir, open, readFile, rename, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AsepsisError } from '../../core/index.ts';
import type { IndicatorPattern, IndicatorRecord } from './indicator-import.ts';
import { buildIndicators, type IndicatorArrays, type IndicatorSet, openIndicators } from './indicator-set.ts';

const MAGIC = 'ASEPIND1';

export const indicatorFile = (dataDir: string): string => join(dataDir, 'detection', 'indicators.bin');

export interface StoredIndicators {
  readonly set: IndicatorSet;
  readonly patterns: readonly IndicatorPattern[];
}

const ARRAYS = [
  ['until', Float64Array],
  ['offsets', Uint32Array],
  ['table', Uint32Array],
  ['checks', Uint32Array],
  ['sourceOf', Uint16Array],
  ['types', Uint8Array],
  ['confidence', Uint8Array],
  ['bytes', Uint8Array],
] as const;

interface Head {
  readonly sources: readonly string[];
  readonly patterns: readonly IndicatorPattern[];
  readonly lengths: Readonly<Record<string, number>>;
}

const aligned = (n: number): number => Math.ceil(n / 8) * 8;

/** @param records deduplicated; of the same value the more confident first */
export async function writeIndicators(
  file: string,
  records: readonly IndicatorRecord[],
  patterns: readonly IndicatorPattern[],
): Promise<void> {
  const arrays = buildIndicators(records);
  const lengths = Object.fromEntries(ARRAYS.map(([name]) => [name, arrays[name].length]));
  const head = Buffer.from(JSON.stringify({ sources: arrays.sources, patterns, lengths } satisfies Head));
  const lead = Buffer.alloc(aligned(16 + head.length));
  lead.write(MAGIC, 0, 'latin1');
  lead.writeUInt32LE(head.length, 8);
  head.copy(lead, 16);
  const pieces: Uint8Array[] = [lead];
  for (const [name] of ARRAYS) {
    const { buffer, byteOffset, byteLength } = arrays[name];
    pieces.push(new Uint8Array(buffer, byteOffset, byteLength), new Uint8Array(aligned(byteLength) - byteLength));
  }
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const partial = `${file}.partial`;
  const handle = await open(partial, 'w', 0o600);
  try {
    for (const piece of pieces) if (piece.length > 0) await handle.write(piece);
    await handle.datasync();
  } finally {
    await handle.close();
  }
  await rename(partial, file);
}

function decode(bytes: Buffer): { arrays: IndicatorArrays; patterns: readonly IndicatorPattern[] } | null {
  if (bytes.length < 16 || bytes.toString('latin1', 0, 8) !== MAGIC) return null;
  const headLength = bytes.readUInt32LE(8);
  try {
    const head = JSON.parse(bytes.toString('utf8', 16, 16 + headLength)) as Head;
    const arrays: Record<string, unknown> = { sources: head.sources };
    let at = aligned(16 + headLength);
    for (const [name, Kind] of ARRAYS) {
      const length = head.lengths[name] as number;
      const size = length * Kind.BYTES_PER_ELEMENT;
      if (at + size > bytes.length) return null;
      arrays[name] = new Kind(bytes.buffer as ArrayBuffer, bytes.byteOffset + at, length);
      at += aligned(size);
    }
    return { arrays: arrays as unknown as IndicatorArrays, patterns: head.patterns };
  } catch {
    return null;
  }
}

/** The indicators; an empty set when there is no file. */
export async function readIndicators(file: string): Promise<StoredIndicators> {
  const read = await readFile(file).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw new AsepsisError('INPUT_UNREADABLE', `${file}: ${error.message}.`, { cause: error });
  });
  if (read === null) return { set: openIndicators(buildIndicators([])), patterns: [] };
  // Typed arrays need the file to begin on a multiple of eight in memory.
  const bytes = read.byteOffset % 8 === 0 ? read : Buffer.from(new Uint8Array(read));
  const decoded = decode(bytes);
  if (decoded === null) throw new AsepsisError('INPUT_UNREADABLE', `${file} is damaged: import the lists again.`);
  return { set: openIndicators(decoded.arrays), patterns: decoded.patterns };
}

/** Changes whenever the file does; null when there is none. */
export async function indicatorStamp(file: string): Promise<string | null> {
  const found = await stat(file).catch(() => null);
  return found === null ? null : `${found.ino}-${found.mtimeMs}-${found.size}`;
}

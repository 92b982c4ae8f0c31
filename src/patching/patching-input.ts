/** Files as bounded streams: opened, unpacked when gzip, cut into lines. */

import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { createGunzip } from 'node:zlib';
import { AsepsisError } from '../core/index.ts';

/** After unpacking. The largest real feed files are some 2 GB; beyond is a bomb. */
const FILE_BYTES_MAX = 4 * 1024 ** 3;
const LINE_CHARS_MAX = 8 * 1024 * 1024;

/** What could not be read and how often; every reader of inventories and feeds fills one. */
export class Faults extends Map<string, number> {
  add(what: string, count = 1): void {
    // The words are ours, so that there are few; nothing from the input becomes a key.
    this.set(what, (this.get(what) ?? 0) + count);
  }
}

/** The first bytes of a file, to tell what it is. */
export async function headOf(path: string, bytes = 4096): Promise<Buffer> {
  try {
    const file = await open(path);
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, 0);
      return buffer.subarray(0, bytesRead);
    } finally {
      await file.close();
    }
  } catch (cause) {
    throw new AsepsisError('INPUT_UNREADABLE', `${path} cannot be opened.`, { cause });
  }
}

/** The bytes of a file, unpacked when it is gzip. */
export async function* bytesOf(path: string): AsyncGenerator<Uint8Array> {
  const head = await headOf(path, 2);
  const gzip = head[0] === 0x1f && head[1] === 0x8b;
  const raw = createReadStream(path, { highWaterMark: 256 * 1024 });
  const stream = gzip ? raw.pipe(createGunzip()) : raw;
  if (gzip) raw.on('error', (error) => stream.destroy(error));
  let size = 0;
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      size += chunk.length;
      if (size > FILE_BYTES_MAX) throw new AsepsisError('TOO_LARGE', `${path} is larger than 4 GiB.`);
      yield chunk;
    }
  } catch (cause) {
    if (cause instanceof AsepsisError) throw cause;
    throw new AsepsisError('INPUT_UNREADABLE', `${path} cannot be read to its end.`, { cause });
  } finally {
    raw.destroy();
  }
}

/** Lines without their end; one that is too long is left out and counted. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, faults: Faults): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8');
  let rest = '';
  let skipping = false;
  for await (const chunk of chunks) {
    const text = rest + decoder.decode(chunk, { stream: true });
    let start = 0;
    for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', start)) {
      if (skipping) skipping = false;
      else yield text.charCodeAt(end - 1) === 13 ? text.slice(start, Math.max(start, end - 1)) : text.slice(start, end);
      start = end + 1;
    }
    rest = skipping ? '' : text.slice(start);
    if (rest.length > LINE_CHARS_MAX) {
      faults.add('A line is too long');
      skipping = true;
      rest = '';
    }
  }
  rest += decoder.decode();
  if (rest !== '' && !skipping) yield rest;
}

/** The whole text of a file that must be small. */
export async function textOf(path: string, bytesMax: number): Promise<string> {
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytesOf(path)) {
    size += chunk.length;
    if (size > bytesMax)
      throw new AsepsisError('TOO_LARGE', `${path} is larger than ${Math.floor(bytesMax / 1048576)} MiB.`);
    parts.push(chunk);
  }
  return Buffer.concat(parts)
    .toString('utf8')
    .replace(/^\uFEFF/, '');
}

export type Json = Readonly<Record<string, unknown>>;
export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
export const textAt = (value: Json, key: string): string => {
  const found = value[key];
  return typeof found === 'string' ? found : typeof found === 'number' ? String(found) : '';
};
export const listAt = (value: Json, key: string): readonly unknown[] => {
  const found = value[key];
  return Array.isArray(found) ? found : [];
};

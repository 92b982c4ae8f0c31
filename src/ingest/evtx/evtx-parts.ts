/** What a stream, an array or a generator hands over, as bytes. */

import { Buffer } from 'node:buffer';

export type Parts = AsyncIterable<unknown> | Iterable<unknown>;

export function asBuffer(part: unknown): Buffer {
  if (Buffer.isBuffer(part)) return part;
  return part instanceof Uint8Array
    ? Buffer.from(part.buffer, part.byteOffset, part.byteLength)
    : Buffer.from(String(part));
}

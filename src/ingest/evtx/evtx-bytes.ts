/** Little-endian numbers and texts out of bytes; callers check the bounds, a place outside reads as zero. */

import { Buffer } from 'node:buffer';

export function u16(bytes: Uint8Array, at: number): number {
  return (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
}

export function u32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) |
      ((bytes[at + 1] as number) << 8) |
      ((bytes[at + 2] as number) << 16) |
      ((bytes[at + 3] as number) << 24)) >>>
    0
  );
}

/** Exact up to 2^53, rounded beyond. */
export function u64(bytes: Uint8Array, at: number): number {
  return u32(bytes, at + 4) * 0x1_0000_0000 + u32(bytes, at);
}

/** Texts up to this many characters are tried as one byte a character; longer ones are scripts and rare. */
const NARROW_CHARS_MAX = 2048;
const narrow = Buffer.alloc(NARROW_CHARS_MAX);

/**
 * UTF-16 text of `chars` characters, without NULs at its end. Text of Latin letters becomes a string of one byte a
 * character: half the memory, and everything that later searches it is faster.
 */
export function utf16(bytes: Buffer, at: number, chars: number): string {
  let length = chars;
  while (length > 0 && bytes[at + length * 2 - 1] === 0 && bytes[at + length * 2 - 2] === 0) length--;
  if (length === 0) return '';
  if (length <= NARROW_CHARS_MAX) {
    let i = 0;
    for (let p = at; i < length && bytes[p + 1] === 0; p += 2) narrow[i++] = bytes[p] as number;
    if (i === length) return narrow.toString('latin1', 0, length);
  }
  return bytes.toString('utf16le', at, at + length * 2);
}

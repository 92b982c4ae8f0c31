/** The unfinished end of a record: grows by doubling up to a limit, so that one byte at a time costs no more than all at once. */

const FIRST_CAPACITY = 512;
const KEPT_CAPACITY = 4096;

export interface Tail {
  readonly bytes: Buffer;
  readonly length: number;
  /** Takes as many bytes as the limit allows; answers how many that were. */
  add(chunk: Uint8Array, start: number, end: number): number;
  clear(): void;
}

export function createTail(bytesMax: number): Tail {
  let bytes = Buffer.alloc(0);
  let length = 0;
  return {
    get bytes() {
      return bytes;
    },
    get length() {
      return length;
    },
    add(chunk, start, end) {
      const taken = Math.min(end - start, bytesMax - length);
      if (length + taken > bytes.length) {
        let capacity = Math.max(bytes.length * 2, FIRST_CAPACITY);
        while (capacity < length + taken) capacity *= 2;
        const grown = Buffer.allocUnsafeSlow(Math.min(capacity, bytesMax));
        bytes.copy(grown, 0, 0, length);
        bytes = grown;
      }
      bytes.set(taken === chunk.length ? chunk : chunk.subarray(start, start + taken), length);
      length += taken;
      return taken;
    },
    clear() {
      length = 0;
      // One long record must not hold its memory for the life of a quiet connection.
      if (bytes.length > KEPT_CAPACITY) bytes = Buffer.alloc(0);
    },
  };
}

/** Reading records from a segment file through a window of a few megabytes, and finding the next whole one after damage. */

import type { FileHandle } from 'node:fs/promises';
import { dataIsWhole, type LogKey, parseHead, type RecordHead } from './stream-record.ts';

/** One read; four times the largest record, so that little is read twice when a record crosses its end. */
const WINDOW_BYTES = 4 * 1024 * 1024;

export interface Located {
  readonly head: RecordHead;
  readonly buf: Buffer;
  readonly at: number;
}

export interface Window {
  /** The record at a file offset when the window holds all of it undamaged; null otherwise. */
  peek(offset: number, checkData?: boolean): Located | null;
  load(offset: number): Promise<void>;
  /** `peek`, after a `load` where needed: null means damage or the end of the file. */
  recordAt(offset: number, checkData?: boolean): Promise<Located | null>;
  /** The first whole record at or after `offset` whose sequence number is at least `seqMin`. */
  resync(offset: number, seqMin: number): Promise<number | null>;
}

async function readFully(handle: FileHandle, buf: Buffer, offset: number): Promise<number> {
  let length = 0;
  while (length < buf.length) {
    const { bytesRead } = await handle.read(buf, length, buf.length - length, offset + length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return length;
}

/**
 * @param fresh a new buffer for each load, because blocks that were handed out are views of the one before
 */
export function createWindow(handle: FileHandle, key: LogKey, fresh: boolean): Window {
  let buf = Buffer.alloc(0);
  let base = 0;
  let length = 0;
  const mark = Buffer.alloc(4);
  mark.writeUInt32LE(key.mark);

  async function load(offset: number): Promise<void> {
    if (fresh) {
      const { size } = await handle.stat();
      // Not from the pool: the offset of the ends within the buffer must stay a multiple of four.
      buf = Buffer.allocUnsafeSlow(Math.max(0, Math.min(WINDOW_BYTES, size - offset)));
    } else if (buf.length === 0) {
      buf = Buffer.allocUnsafeSlow(WINDOW_BYTES);
    }
    length = 0;
    base = offset;
    length = await readFully(handle, buf, offset);
  }

  function peek(offset: number, checkData = true): Located | null {
    const at = offset - base;
    if (at < 0 || at >= length) return null;
    const head = parseHead(buf, at, length, key);
    if (head === null) return null;
    if (checkData && !dataIsWhole(buf, at, length, head)) return null;
    return { head, buf, at };
  }

  async function recordAt(offset: number, checkData = true): Promise<Located | null> {
    const found = peek(offset, checkData);
    if (found !== null || (base === offset && length > 0)) return found;
    await load(offset);
    return peek(offset, checkData);
  }

  async function resync(offset: number, seqMin: number): Promise<number | null> {
    for (let from = offset; ; ) {
      await load(from);
      const reached = length;
      let at = buf.subarray(0, length).indexOf(mark);
      while (at !== -1) {
        const candidate = from + at;
        const found = candidate % 8 === 0 ? await recordAt(candidate) : null;
        if (found !== null && found.head.seq >= seqMin) return candidate;
        if (base !== from) await load(from);
        at = buf.subarray(0, length).indexOf(mark, at + 1);
      }
      // Four bytes less than a full window, so that a mark across its end is seen by the next one.
      if (reached < WINDOW_BYTES) return null;
      from += reached - 8;
    }
  }

  return { peek, load, recordAt, resync };
}

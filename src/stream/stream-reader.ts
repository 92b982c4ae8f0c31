/** Reading the log, in order from a position or one block by its number, up to what the writer has declared durable. */

import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, type StoredBlock } from '../core/index.ts';
import { type LogKey, toBlock } from './stream-record.ts';
import { createWindow, type Window } from './stream-scan.ts';
import {
  indexFloor,
  listSegments,
  noteRecord,
  readFooter,
  SEGMENT_HEADER_BYTES,
  type SparseIndex,
  segmentName,
} from './stream-segment.ts';
import type { SeqSignal } from './stream-signal.ts';

/** Segments kept open for random reads. */
const OPEN_SEGMENTS_MAX = 8;

/** Receives each damaged or missing range that a reader had to step over. */
export type OnFault = (fault: AsepsisError) => void;

interface OpenSegment {
  readonly firstSeq: number;
  readonly handle: FileHandle;
  readonly index: SparseIndex;
}

export interface Cursor {
  /** The next sequence number that will be delivered. */
  position(): number;
  /**
   * Up to `max` blocks that are durable now, from one read of the file (so at most a window in memory); empty only
   * when there are none. A damaged range is reported and stepped over: the blocks behind it still get through.
   */
  pull(max: number): Promise<StoredBlock[]>;
  close(): Promise<void>;
}

export interface LogReader {
  read(seq: number): Promise<StoredBlock | null>;
  cursor(seq: number): Cursor;
  close(): Promise<void>;
}

function corrupt(from: number, to: number, where: string): AsepsisError {
  const blocks = from === to ? `Block ${from} is` : `Blocks ${from} to ${to} are`;
  return new AsepsisError('STREAM_CORRUPT', `${blocks} ${where}.`);
}

function createTable(dir: string): {
  find(seq: number): number | null;
  after(seq: number): number | null;
  refresh(): Promise<void>;
} {
  let firsts: number[] = [];
  return {
    find: (seq) => firsts.findLast((first) => first <= seq) ?? null,
    after: (seq) => firsts.find((first) => first > seq) ?? null,
    async refresh() {
      firsts = await listSegments(dir);
    },
  };
}

/** Null when retention has removed the file. */
async function openSegment(dir: string, firstSeq: number, key: LogKey): Promise<OpenSegment | null> {
  let handle: FileHandle;
  try {
    handle = await open(join(dir, segmentName(firstSeq)), 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
  const index = (await readFooter(handle, key))?.index ?? { seqs: [], offsets: [] };
  return { firstSeq, handle, index };
}

/** The offset of the first readable record at or after `seq`, or of the end. What is passed on the way is indexed. */
async function locate(segment: OpenSegment, window: Window, seq: number): Promise<number> {
  let offset = indexFloor(segment.index, seq);
  for (;;) {
    const found = await window.recordAt(offset, false);
    if (found === null) {
      const later = await window.resync(offset, segment.firstSeq);
      if (later === null) return offset;
      offset = later;
      continue;
    }
    if (found.head.seq >= seq) return offset;
    if (found.head.seq > (segment.index.seqs.at(-1) ?? 0)) noteRecord(segment.index, found.head.seq, offset);
    offset += found.head.bytes;
  }
}

export function createLogReader(o: { dir: string; key: LogKey; signal: SeqSignal; onFault: OnFault }): LogReader {
  const table = createTable(o.dir);
  const kept = new Map<number, OpenSegment>();
  const cursors = new Set<Cursor>();
  let turn: Promise<unknown> = Promise.resolve();

  async function keep(firstSeq: number): Promise<OpenSegment | null> {
    const segment = kept.get(firstSeq) ?? (await openSegment(o.dir, firstSeq, o.key));
    if (segment === null) return null;
    kept.delete(firstSeq);
    kept.set(firstSeq, segment);
    for (const [oldest, { handle }] of kept) {
      if (kept.size <= OPEN_SEGMENTS_MAX) break;
      kept.delete(oldest);
      await handle.close();
    }
    return segment;
  }

  async function readOne(seq: number): Promise<StoredBlock | null> {
    if (!(seq >= 1 && seq <= o.signal.durable())) return null;
    await table.refresh();
    for (const [firstSeq, { handle }] of kept) {
      // An open file that retention removed would go on taking its space.
      if (table.find(firstSeq) === firstSeq) continue;
      kept.delete(firstSeq);
      await handle.close();
    }
    const first = table.find(seq);
    const segment = first === null ? null : await keep(first);
    if (segment === null) return null;
    const window = createWindow(segment.handle, o.key, true);
    const found = await window.recordAt(await locate(segment, window, seq));
    if (found?.head.seq !== seq) throw corrupt(seq, seq, `damaged or missing in ${segmentName(segment.firstSeq)}`);
    return toBlock(found.buf, found.at, found.head);
  }

  return {
    // One after the other: a read must not close the file that another one is using.
    read(seq) {
      const answer = turn.then(() => readOne(seq));
      turn = answer.catch(() => {});
      return answer;
    },
    cursor(seq) {
      const cursor = createCursor({ ...o, table, seq });
      cursors.add(cursor);
      return cursor;
    },
    async close() {
      await turn;
      for (const cursor of cursors) await cursor.close();
      for (const { handle } of kept.values()) await handle.close();
      kept.clear();
    },
  };
}

function createCursor(o: {
  dir: string;
  key: LogKey;
  signal: SeqSignal;
  onFault: OnFault;
  table: ReturnType<typeof createTable>;
  seq: number;
}): Cursor {
  let next = o.seq;
  let here: { segment: OpenSegment; window: Window; offset: number } | null = null;
  /**
   * The window was read when this was durable. What lies behind it in the window may have been a write that failed
   * and was replaced, so it is read again.
   */
  let validThrough = 0;

  async function leave(): Promise<void> {
    const old = here;
    here = null;
    await old?.segment.handle.close();
  }

  /** Goes to the segment that holds `next`, or over what retention took or damage made unreadable. */
  async function move(): Promise<void> {
    const durable = o.signal.durable();
    await o.table.refresh();
    const first = o.table.find(next);
    if (first === null) {
      const oldest = o.table.after(next);
      const to = oldest ?? durable + 1;
      if (oldest === null) o.onFault(corrupt(next, durable, 'missing'));
      next = to;
      return leave();
    }
    if (here === null || here.segment.firstSeq !== first) {
      await leave();
      const segment = await openSegment(o.dir, first, o.key);
      if (segment === null) return;
      const window = createWindow(segment.handle, o.key, true);
      here = { segment, window, offset: SEGMENT_HEADER_BYTES };
      here.offset = await locate(segment, window, next);
      validThrough = 0;
      return;
    }
    const end = Math.min(o.table.after(first) ?? durable + 1, durable + 1);
    const offset = await here.window.resync(here.offset, next + 1);
    const seq = offset === null ? undefined : here.window.peek(offset)?.head.seq;
    const whole = offset !== null && seq !== undefined && seq < end;
    const to = whole ? seq : end;
    o.onFault(corrupt(next, to - 1, `damaged in ${segmentName(first)}`));
    next = to;
    validThrough = 0;
    if (whole) here.offset = offset;
    else await leave();
  }

  async function pull(max: number): Promise<StoredBlock[]> {
    const out: StoredBlock[] = [];
    while (out.length < max && next <= o.signal.durable()) {
      if (here === null) {
        await move();
        continue;
      }
      let found = next <= validThrough ? here.window.peek(here.offset) : null;
      if (found === null) {
        if (out.length > 0) break;
        validThrough = o.signal.durable();
        await here.window.load(here.offset);
        found = here.window.peek(here.offset);
      }
      if (found?.head.seq === next) {
        out.push(toBlock(found.buf, found.at, found.head));
        here.offset += found.head.bytes;
        next++;
      } else if (out.length > 0) break;
      else await move();
    }
    return out;
  }

  return { position: () => next, pull, close: leave };
}

/**
 * Group commit: blocks that arrive while one group is being made durable form the next one; a group is one vectored
 * write and one fdatasync, and only then are its senders answered.
 */

import type { FileHandle } from 'node:fs/promises';
import { open, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type AppendResult, AsepsisError, type Block, type Clock, LIMITS } from '../core/index.ts';
import type { DedupeWindow } from './stream-dedupe.ts';
import { type DiskGuard, diskError } from './stream-disk.ts';
import { dedupeKey, type LogKey, type PreparedBlock, prepareRecord, stampRecord } from './stream-record.ts';
import type { ActiveSegment, RecoveredLog } from './stream-recover.ts';
import {
  createSegment,
  noteRecord,
  SEGMENT_HEADER_BYTES,
  type SegmentInfo,
  sealSegment,
  segmentName,
} from './stream-segment.ts';
import type { SeqSignal } from './stream-signal.ts';

/** One group: bounds how long a sender waits for others, and what a failed write takes back. */
const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** writev(2) takes 1024 vectors at a time. */
const VECTORS_MAX = 1024;
/** What a waiting block costs beside its bytes: counted, so that many tiny ones are bounded too. */
const WAITING_BYTES = 512;

interface Waiting {
  readonly record: PreparedBlock;
  readonly key: string | undefined;
  readonly durable: PromiseWithResolvers<number>;
}

export interface LogWriter {
  append(block: Block): Promise<AppendResult>;
  /** Cuts what a failed write left behind; intake may resume when it resolves. */
  repair(): Promise<void>;
  sealed(): readonly SegmentInfo[];
  /** Size of the segment that is being written; null when there is none. */
  openBytes(): number | null;
  firstSeq(): number;
  forget(segments: readonly SegmentInfo[]): void;
  /** While full, `append` answers BUSY. */
  setFull(full: boolean): void;
  /** Answers everybody who waits, seals the open segment and closes it. */
  close(): Promise<void>;
}

export interface WriterOptions {
  readonly dir: string;
  readonly streamId: string;
  readonly key: LogKey;
  readonly clock: Clock;
  readonly segmentBytes: number;
  readonly signal: SeqSignal;
  readonly dedupe: DedupeWindow;
  readonly log: RecoveredLog;
  /** Built by the caller around this writer's `repair`. */
  readonly guard: () => DiskGuard;
  readonly onSealed: () => void;
  /** fdatasync; a parameter because a disk that fails it cannot be had in a test. */
  readonly sync: (handle: FileHandle) => Promise<void>;
}

async function writeAll(handle: FileHandle, parts: readonly Uint8Array[], offset: number): Promise<number> {
  let at = offset;
  for (let i = 0; i < parts.length; i += VECTORS_MAX) {
    let rest = parts.slice(i, i + VECTORS_MAX);
    while (rest.length > 0) {
      let { bytesWritten } = await handle.writev(rest, at);
      at += bytesWritten;
      let whole = 0;
      while (whole < rest.length && bytesWritten >= (rest[whole] as Uint8Array).length) {
        bytesWritten -= (rest[whole] as Uint8Array).length;
        whole++;
      }
      rest = rest.slice(whole);
      if (rest[0] !== undefined && bytesWritten > 0) rest[0] = rest[0].subarray(bytesWritten);
    }
  }
  return at;
}

export function createLogWriter(o: WriterOptions): LogWriter {
  const sealed: SegmentInfo[] = [...o.log.sealed];
  let active: ActiveSegment | null = o.log.active;
  let lastSeq = o.log.lastSeq;
  let queue: Waiting[] = [];
  let inFlightBytes = 0;
  let running: Promise<void> | null = null;
  let closed = false;
  let full = false;
  /** Where a failed write must be cut before anything is written again. */
  let leftover: { firstSeq: number; end: number; empty: boolean } | null = null;
  /** Keys of blocks that are on their way; whoever sends the same one waits for the same fsync. */
  const pending = new Map<string, Promise<number>>();

  async function seal(): Promise<void> {
    if (active === null || active.lastSeq < active.firstSeq) return;
    const { handle, firstSeq, end, index, keys } = active;
    const nowMs = o.clock.now();
    const bytes = await sealSegment(handle, { lastSeq, dataEnd: end, sealedMs: nowMs, index, keys }, o.key);
    active = null;
    sealed.push({ firstSeq, lastSeq, bytes, sealedMs: nowMs });
    await handle.close();
    o.onSealed();
  }

  async function segmentFor(bytes: number): Promise<ActiveSegment> {
    if (active !== null && active.end > SEGMENT_HEADER_BYTES && active.end + bytes > o.segmentBytes) await seal();
    if (active !== null) return active;
    const firstSeq = lastSeq + 1;
    const handle = await createSegment(o.dir, firstSeq, o.streamId, o.clock.now());
    const index = { seqs: [], offsets: [] };
    active = { handle, firstSeq, lastSeq, end: SEGMENT_HEADER_BYTES, index, keys: [] };
    return active;
  }

  /** As many waiting blocks as belong into one group and one segment; always at least one. */
  function takeGroup(): { group: Waiting[]; bytes: number } {
    const room = active === null ? o.segmentBytes - SEGMENT_HEADER_BYTES : o.segmentBytes - active.end;
    const first = (queue[0] as Waiting).record.bytes;
    // The first one may need a new segment of its own; then that segment's room counts.
    const limit = Math.min(GROUP_BYTES_MAX, first > room ? o.segmentBytes - SEGMENT_HEADER_BYTES : room);
    let bytes = first;
    let count = 1;
    for (; count < queue.length; count++) {
      const more = (queue[count] as Waiting).record.bytes;
      if (bytes + more > limit) break;
      bytes += more;
    }
    const group = queue.slice(0, count);
    queue = queue.slice(count);
    return { group, bytes };
  }

  async function commit(group: readonly Waiting[], bytes: number): Promise<void> {
    const segment = await segmentFor(bytes);
    const first = lastSeq + 1;
    for (const [i, { record }] of group.entries()) stampRecord(record, first + i, first, o.key);
    const parts = group.flatMap(({ record }) => record.parts);
    await writeAll(segment.handle, parts, segment.end);
    await o.sync(segment.handle);
    for (const [i, { record, key }] of group.entries()) {
      noteRecord(segment.index, first + i, segment.end);
      if (key !== undefined) segment.keys.push([first + i, key]);
      o.dedupe.note(first + i, key);
      segment.end += record.bytes;
    }
    lastSeq += group.length;
    segment.lastSeq = lastSeq;
    o.signal.publish(lastSeq);
    for (const [i, waiting] of group.entries()) done(waiting, first + i);
  }

  function done(waiting: Waiting, seq: number): void {
    release(waiting);
    waiting.durable.resolve(seq);
  }

  function release({ record, key }: Waiting): void {
    inFlightBytes -= record.bytes + WAITING_BYTES;
    if (key !== undefined) pending.delete(key);
  }

  /**
   * After a failed write or fsync nothing behind the last durable record can be trusted: the kernel may have dropped
   * the pages and call them clean, so a second fsync that succeeds proves nothing (Rebello et al., "Can Applications
   * Recover from fsync Failures?", USENIX ATC 2020). The segment is cut there and never written again.
   */
  async function abandon(): Promise<void> {
    if (active === null) return;
    const { handle, firstSeq, end, lastSeq: last } = active;
    active = null;
    leftover = { firstSeq, end, empty: last < firstSeq };
    await handle.close().catch(() => {});
    await repair().catch(() => {});
  }

  async function repair(): Promise<void> {
    if (leftover === null) return;
    const { firstSeq, end, empty } = leftover;
    const path = join(o.dir, segmentName(firstSeq));
    if (empty) await unlink(path);
    else {
      const handle = await open(path, 'r+');
      try {
        await handle.truncate(end);
        await handle.sync();
      } finally {
        await handle.close();
      }
      // Without a footer: it is read in order, and the next start gives it one.
      sealed.push({ firstSeq, lastSeq, bytes: end, sealedMs: o.clock.now() });
    }
    leftover = null;
  }

  async function run(): Promise<void> {
    // One turn of the microtask queue: everything that is appended in the same breath joins the first group.
    await Promise.resolve();
    while (queue.length > 0) {
      const { group, bytes } = takeGroup();
      try {
        if (leftover !== null) throw new AsepsisError('DATA_READ_ONLY', 'A failed write is not yet repaired.');
        await commit(group, bytes);
      } catch (error) {
        await abandon();
        o.guard().fail(error);
        const failed = [...group, ...queue];
        queue = [];
        for (const waiting of failed) {
          release(waiting);
          waiting.durable.reject(diskError(error, 'Writing the event log'));
        }
        continue;
      }
      await o.guard().wrote(bytes);
    }
  }

  function start(): void {
    running ??= run().finally(() => {
      running = null;
      if (queue.length > 0) start();
    });
  }

  function refusal(bytes: number): AsepsisError | null {
    if (closed) return new AsepsisError('BUSY', 'The event log is being closed.', { retryAfterSec: 5 });
    const stopped = o.guard().stopped();
    if (stopped !== null) return stopped;
    if (full)
      return new AsepsisError('BUSY', 'The event log is full of records that wait to be worked off.', {
        retryAfterSec: 5,
      });
    if (inFlightBytes === 0 || inFlightBytes + bytes + WAITING_BYTES <= LIMITS.inFlightBytesMax) return null;
    const detail = `${inFlightBytes} bytes wait for the disk.`;
    return new AsepsisError('BUSY', detail, { retryAfterSec: 1 });
  }

  return {
    async append(block) {
      const key = block.dedupe === undefined ? undefined : dedupeKey(block.dedupe);
      if (key !== undefined) {
        const before = o.dedupe.find(key) ?? pending.get(key);
        if (before !== undefined) return { seq: await before, duplicate: true };
      }
      const refused = refusal(block.data.length + block.ends.byteLength);
      if (refused !== null) throw refused;
      const waiting: Waiting = { record: prepareRecord(block), key, durable: Promise.withResolvers() };
      inFlightBytes += waiting.record.bytes + WAITING_BYTES;
      queue.push(waiting);
      if (key !== undefined) pending.set(key, waiting.durable.promise);
      start();
      return { seq: await waiting.durable.promise, duplicate: false };
    },
    repair,
    setFull(now) {
      full = now;
    },
    sealed: () => sealed,
    openBytes: () => active?.end ?? null,
    firstSeq: () => sealed[0]?.firstSeq ?? active?.firstSeq ?? lastSeq + 1,
    forget(segments) {
      for (const { firstSeq } of segments) {
        const at = sealed.findIndex((one) => one.firstSeq === firstSeq);
        if (at >= 0) sealed.splice(at, 1);
      }
    },
    async close() {
      closed = true;
      while (running !== null) await running;
      try {
        await seal();
      } catch {
        // The records are durable; a footer that cannot be written now is written at the next start.
      }
      await active?.handle.close();
      await repair().catch(() => {});
    },
  };
}

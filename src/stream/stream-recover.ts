/** What the folder holds when it is opened: whole records are kept, a torn tail is cut, damage in the middle is reported. */

import { type FileHandle, open, readdir, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { AsepsisError, type Clock, syncFolder } from '../core/index.ts';
import { DEDUPE_BLOCKS, DEDUPE_MS, type DedupeWindow } from './stream-dedupe.ts';
import { type LogKey, type RecordHead, recordKey } from './stream-record.ts';
import { createWindow } from './stream-scan.ts';
import {
  type Footer,
  headerIsWhole,
  listSegments,
  noteRecord,
  readFooter,
  SEGMENT_HEADER_BYTES,
  type SegmentInfo,
  type SparseIndex,
  sealSegment,
  segmentName,
} from './stream-segment.ts';

/** The segment that takes the next records. */
export interface ActiveSegment {
  readonly handle: FileHandle;
  readonly firstSeq: number;
  lastSeq: number;
  /** File offset behind the last durable record. */
  end: number;
  readonly index: SparseIndex;
  readonly keys: [seq: number, key: string][];
}

export interface RecoveredLog {
  readonly sealed: SegmentInfo[];
  readonly active: ActiveSegment | null;
  readonly lastSeq: number;
}

interface Scan {
  lastSeq: number;
  end: number;
  index: SparseIndex;
  keys: [number, string][];
  /** Sequence numbers that cannot be read though they were durable. */
  damage: { from: number; to: number }[];
}

interface Doubt {
  readonly seq: number;
  readonly before: Pick<Scan, 'lastSeq' | 'end'> & { entries: number; keys: number };
  readonly to: number;
}

/** Forgets what was read after the first doubtful place: a group that was never acknowledged, written in part. */
function rollBack(scan: Scan, doubt: Doubt): void {
  scan.lastSeq = doubt.before.lastSeq;
  scan.end = doubt.before.end;
  scan.index.seqs.length = doubt.before.entries;
  scan.index.offsets.length = doubt.before.entries;
  scan.keys.length = doubt.before.keys;
}

/**
 * Reads a segment record by record. After an unreadable place the next whole record is looked for. Pages of a group
 * that was never fsynced reach the disk in any order, so a whole record behind a broken one proves nothing by
 * itself; but each record says from which sequence number on its group began, and all before that was durable. With
 * such a proof the place is damage and reading goes on; without it the file ends there.
 *
 * @param bound first sequence number of the next segment, all before it was durable; null for the last segment
 */
async function scanSegment(handle: FileHandle, firstSeq: number, bound: number | null, key: LogKey): Promise<Scan> {
  const scan: Scan = {
    lastSeq: firstSeq - 1,
    end: SEGMENT_HEADER_BYTES,
    index: { seqs: [], offsets: [] },
    keys: [],
    damage: [],
  };
  const window = createWindow(handle, key, false);
  const doubts: Doubt[] = [];
  const prove = (before: number): void => {
    for (let doubt = doubts[0]; doubt !== undefined && doubt.seq < before; doubt = doubts[0]) {
      scan.damage.push({ from: doubt.seq, to: doubt.to });
      doubts.shift();
    }
  };
  const take = (head: RecordHead, offset: number, text: string | null): void => {
    noteRecord(scan.index, head.seq, offset);
    if (text !== null) scan.keys.push([head.seq, text]);
    scan.lastSeq = head.seq;
    scan.end = offset + head.bytes;
    prove(head.groupFirst);
  };
  let offset: number | null = SEGMENT_HEADER_BYTES;
  while (bound === null || scan.lastSeq + 1 < bound) {
    const expected = scan.lastSeq + 1;
    let found = await window.recordAt(offset);
    if (found === null || found.head.seq !== expected) {
      offset = await window.resync(offset, expected + 1);
      found = offset === null ? null : await window.recordAt(offset);
      if (offset === null || found === null || (bound !== null && found.head.seq >= bound)) break;
      const before = {
        lastSeq: scan.lastSeq,
        end: scan.end,
        entries: scan.index.seqs.length,
        keys: scan.keys.length,
      };
      doubts.push({ seq: expected, before, to: found.head.seq - 1 });
    }
    take(found.head, offset, recordKey(found.buf, found.at));
    offset += found.head.bytes;
  }
  if (bound !== null) {
    prove(bound);
    if (scan.lastSeq + 1 < bound) scan.damage.push({ from: scan.lastSeq + 1, to: bound - 1 });
  }
  if (doubts[0] !== undefined) rollBack(scan, doubts[0]);
  return scan;
}

async function cut(handle: FileHandle, end: number): Promise<void> {
  if ((await handle.stat()).size > end) await handle.truncate(end);
  // Records of a killed process may be in the page cache only: they count as durable from here on.
  await handle.sync();
}

/** Recovers `dir`; notes the dedupe keys of the window; reports each damaged place through `onFault`. */
export async function recoverLog(o: {
  dir: string;
  key: LogKey;
  streamId: string;
  clock: Clock;
  dedupe: DedupeWindow;
  onFault: (fault: AsepsisError) => void;
}): Promise<RecoveredLog> {
  const { dir } = o;
  for (const name of await readdir(dir)) if (name.endsWith('.tmp')) await unlink(join(dir, name));
  const firsts = await listSegments(dir);
  const sealed: SegmentInfo[] = [];
  let active: ActiveSegment | null = null;
  let lastSeq = (firsts[0] ?? 1) - 1;
  for (const [i, firstSeq] of firsts.entries()) {
    if (firstSeq !== lastSeq + 1) o.onFault(missing(lastSeq + 1, firstSeq - 1));
    const handle = await open(join(dir, segmentName(firstSeq)), 'r+');
    const one = await recoverSegment({ ...o, handle, firstSeq, next: firsts[i + 1] ?? null });
    lastSeq = one.lastSeq;
    if ('handle' in one) active = one;
    else {
      await handle.close();
      if (one.lastSeq >= firstSeq) sealed.push(one);
      else await setAside(dir, firstSeq);
    }
  }
  await syncFolder(dir);
  await noteKeys(o, sealed, active, lastSeq);
  return { sealed, active, lastSeq };
}

function missing(from: number, to: number): AsepsisError {
  return new AsepsisError('STREAM_CORRUPT', `The segment with blocks ${from} to ${to} is missing.`);
}

/** A last segment of which nothing can be read: kept for whoever examines it, its name is free for the next one. */
async function setAside(dir: string, firstSeq: number): Promise<void> {
  const path = join(dir, segmentName(firstSeq));
  await rename(path, `${path}.damaged`);
}

async function recoverSegment(o: {
  handle: FileHandle;
  firstSeq: number;
  next: number | null;
  key: LogKey;
  streamId: string;
  clock: Clock;
  onFault: (fault: AsepsisError) => void;
}): Promise<SegmentInfo | ActiveSegment> {
  const { handle, firstSeq, next, key } = o;
  const name = segmentName(firstSeq);
  const headed = await headerIsWhole(handle, firstSeq, o.streamId);
  if (!headed)
    o.onFault(new AsepsisError('STREAM_CORRUPT', `The header of ${name} is damaged; its records are still read.`));
  const { size, mtimeMs } = await handle.stat();
  const footer = await readFooter(handle, key);
  if (footer !== null && (next === null || footer.lastSeq < next)) {
    return { firstSeq, lastSeq: footer.lastSeq, bytes: size, sealedMs: footer.sealedMs };
  }
  const scan = await scanSegment(handle, firstSeq, next, key);
  for (const { from, to } of scan.damage) {
    o.onFault(new AsepsisError('STREAM_CORRUPT', `Blocks ${from} to ${to} in ${name} are damaged.`));
  }
  const { lastSeq, end, index, keys } = scan;
  if (next === null && scan.damage.length === 0 && headed) {
    await cut(handle, end);
    return { handle, firstSeq, lastSeq, end, index, keys };
  }
  // Damage stays as it is for whoever examines it; a footer behind it makes the rest quick to find.
  const tailDamaged = next !== null && lastSeq < next - 1;
  const info = { firstSeq, lastSeq: next === null ? lastSeq : next - 1, bytes: size, sealedMs: mtimeMs };
  if (tailDamaged) return info;
  await cut(handle, end);
  const whole: Footer = { lastSeq, dataEnd: end, sealedMs: o.clock.now(), index, keys };
  return { ...info, bytes: await sealSegment(handle, whole, key), sealedMs: whole.sealedMs };
}

/** Fills the dedupe window from the end of the log: footers of sealed segments, the scan of the open one. */
async function noteKeys(
  o: { dir: string; key: LogKey; clock: Clock; dedupe: DedupeWindow },
  sealed: readonly SegmentInfo[],
  active: ActiveSegment | null,
  lastSeq: number,
): Promise<void> {
  const recent = sealed.filter(
    (one) => one.lastSeq > lastSeq - DEDUPE_BLOCKS || one.sealedMs > o.clock.now() - DEDUPE_MS,
  );
  for (const { firstSeq } of recent) {
    const handle = await open(join(o.dir, segmentName(firstSeq)), 'r');
    try {
      const keys = (await readFooter(handle, o.key))?.keys ?? (await scanSegment(handle, firstSeq, null, o.key)).keys;
      for (const [seq, text] of keys) o.dedupe.note(seq, text);
    } finally {
      await handle.close();
    }
  }
  for (const [seq, text] of active?.keys ?? []) o.dedupe.note(seq, text);
}

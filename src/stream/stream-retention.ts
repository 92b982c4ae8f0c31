/** Which sealed segments may go: by age once everybody has acknowledged them, by size in any case, the latter counted. */

import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type SegmentInfo, segmentName, syncFolder } from './stream-segment.ts';

export interface RetentionPlan {
  readonly remove: readonly SegmentInfo[];
  /** Blocks among them that the slowest consumer has not acknowledged: the size bound forced it. */
  readonly unacknowledged: number;
}

/**
 * Oldest first. Age alone never removes a block that some consumer has not acknowledged. The size bound is a promise
 * to the disk: it removes acknowledged segments and, when only unacknowledged ones are left, those too. The newest
 * segment stays, because its name is what the numbering goes on from.
 *
 * @param ackedSeq position of the slowest consumer; with no consumer nobody waits and everything counts as acknowledged
 * @param openBytes size of the segment that is still written, which counts towards the bound
 */
export function planRetention(o: {
  sealed: readonly SegmentInfo[];
  openBytes: number | null;
  ackedSeq: number;
  nowMs: number;
  retentionMs: number;
  retentionBytes: number;
}): RetentionPlan {
  const remove: SegmentInfo[] = [];
  let unacknowledged = 0;
  let bytes = (o.openBytes ?? 0) + o.sealed.reduce((sum, one) => sum + one.bytes, 0);
  const candidates = o.openBytes === null ? o.sealed.slice(0, -1) : o.sealed;
  for (const one of candidates) {
    const acknowledged = one.lastSeq <= o.ackedSeq;
    const tooOld = one.sealedMs + o.retentionMs < o.nowMs;
    const tooMuch = bytes > o.retentionBytes;
    if (!tooMuch && !(tooOld && acknowledged)) break;
    remove.push(one);
    bytes -= one.bytes;
    if (!acknowledged) unacknowledged += one.lastSeq - Math.max(o.ackedSeq, one.firstSeq - 1);
  }
  return { remove, unacknowledged };
}

/** Removes the files; one that is gone already is fine. */
export async function removeSegments(dir: string, segments: readonly SegmentInfo[]): Promise<void> {
  for (const { firstSeq } of segments) {
    await unlink(join(dir, segmentName(firstSeq))).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
  if (segments.length > 0) await syncFolder(dir);
}

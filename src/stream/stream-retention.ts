/** Which sealed segments may go, by age or by size: only what everybody has acknowledged; a log that is full of the rest takes no more. */

import { unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../core/index.ts';
import { type SegmentInfo, segmentName } from './stream-segment.ts';

export interface RetentionPlan {
  readonly remove: readonly SegmentInfo[];
  /** What is left is more than the bound and still waited for: intake must pause until it is worked off. */
  readonly full: boolean;
}

/**
 * Oldest first. Nothing that some consumer has not acknowledged is ever removed: its sender was told that it is safe.
 * Where that breaks the size bound, the log is full. The newest segment stays, because its name is what the numbering
 * goes on from.
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
  let bytes = (o.openBytes ?? 0) + o.sealed.reduce((sum, one) => sum + one.bytes, 0);
  const candidates = o.openBytes === null ? o.sealed.slice(0, -1) : o.sealed;
  for (const one of candidates) {
    const tooOld = one.sealedMs + o.retentionMs < o.nowMs;
    if (one.lastSeq > o.ackedSeq || !(tooOld || bytes > o.retentionBytes)) break;
    remove.push(one);
    bytes -= one.bytes;
  }
  const waitedFor = o.sealed.some((one) => one.lastSeq > o.ackedSeq);
  return { remove, full: waitedFor && bytes > o.retentionBytes };
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

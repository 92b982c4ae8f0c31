/** One file being read: verify that it is still the same, read on, append, and only then move the offset. */

import { randomBytes } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Block, type Clock, LIMITS, type SourceId, type Stream } from '../../core/index.ts';
import type { Bucket } from '../ingest-bucket.ts';
import { appendPatiently } from '../ingest-intake.ts';
import type { Sources } from '../ingest-sources.ts';
import type { FileState } from './file-checkpoint.ts';
import { FINGERPRINT_BYTES, factsOf, fingerprintOf, isSame, keyOf, readRange } from './file-identity.ts';
import { type FileSlice, sliceLines } from './file-lines.ts';

/** Read at once: more than the longest record, less than a block. */
const READ_BYTES = 2 * LIMITS.recordBytesMax;
/** Batches before another file has its turn. */
const TURN_BATCHES = 8;

export interface Tracked extends FileState {
  offset: number;
  path: string;
  fingerprint: string;
  fingerprintBytes: number;
  id: string;
  readonly handle: FileHandle;
  readonly sourceId: SourceId;
  readonly bucket: Bucket;
  /** Since when no name of the pattern leads to it any more; null while one does. */
  goneMs: number | null;
  changedMs: number;
  /** Size and time of change when it was last read to its end. */
  settled: string;
}

export interface ReadContext {
  readonly stream: Stream;
  readonly clock: Clock;
  readonly sources: Sources;
  readonly exercise: boolean;
  readonly signal: AbortSignal;
  readonly buffer: Buffer;
  /** Makes the checkpoint durable now. */
  save(): Promise<void>;
  /** The checkpoint has changed; it is made durable soon. */
  changed(): void;
}

export const newBuffer = (): Buffer => Buffer.allocUnsafeSlow(READ_BYTES);
export const newLife = (): string => randomBytes(12).toString('base64url');

export const stateOf = ({ id, dev, ino, path, offset, fingerprint, fingerprintBytes, source }: Tracked): FileState => ({
  id,
  dev,
  ino,
  path,
  offset,
  fingerprint,
  fingerprintBytes,
  source,
});

/** A file's fingerprint is kept over as much of its beginning as there is; the life's id is durable before its first block. */
async function fingerprint(tracked: Tracked, size: number, context: ReadContext): Promise<void> {
  if (tracked.fingerprintBytes === FINGERPRINT_BYTES || size === tracked.fingerprintBytes) return;
  const first = tracked.fingerprintBytes === 0;
  const length = Math.min(size, FINGERPRINT_BYTES);
  tracked.fingerprint = await fingerprintOf(tracked.handle, length);
  tracked.fingerprintBytes = length;
  if (first) await context.save();
  else context.changed();
}

/**
 * Appends one slice; answers the offset to go on from. When the key was there already (a kill came between the append
 * and the checkpoint), the block that was written then says how many of these records it had.
 */
async function appendSlice(tracked: Tracked, slice: FileSlice, context: ReadContext): Promise<number> {
  const block: Block = {
    source: tracked.sourceId,
    receivedMs: context.clock.now(),
    hint: 'line',
    peer: tracked.path.slice(0, 4096),
    exercise: context.exercise,
    data: slice.data,
    ends: slice.ends,
    dedupe: `${tracked.id}@${slice.start}`,
  };
  const { seq, duplicate } = await appendPatiently(context.stream, block, context.signal);
  if (!duplicate) return slice.end;
  const stored = await context.stream.read(seq).catch(() => null);
  if (!stored) {
    // Retention took it, or it is damaged: better a repeat than a loss.
    await appendPatiently(context.stream, { ...block, dedupe: `${block.dedupe}+` }, context.signal);
    return slice.end;
  }
  return slice.next[Math.min(stored.ends.length, slice.next.length) - 1] ?? slice.end;
}

export type TurnResult = 'more' | 'settled' | 'replaced';

/**
 * Reads on for a turn.
 *
 * @param final the file is finished: an unfinished last line is a record
 * @returns `replaced` when the file was truncated or written anew, `more` when there is more to read now
 */
export async function readTurn(tracked: Tracked, final: boolean, context: ReadContext): Promise<TurnResult> {
  const facts = await factsOf(tracked.handle);
  const now = `${facts.size} ${facts.mtimeNs}`;
  if (now === tracked.settled && !final) return 'settled';
  if (!(await isSame(tracked.handle, facts.size, tracked))) return 'replaced';
  if (now !== tracked.settled) tracked.changedMs = context.clock.now();
  if (facts.size === 0) return 'settled';
  await fingerprint(tracked, facts.size, context);
  for (let batch = 0; batch < TURN_BATCHES; batch++) {
    if (context.signal.aborted) return 'settled';
    const bytes = await readRange(tracked.handle, tracked.offset, context.buffer);
    const slice = sliceLines(bytes, tracked.offset, final && tracked.offset + bytes.length >= facts.size);
    if (slice.ends.length === 0) {
      if (slice.end > tracked.offset) {
        tracked.offset = slice.end;
        context.changed();
        continue;
      }
      tracked.settled = now;
      return 'settled';
    }
    const from = tracked.offset;
    tracked.offset = await appendSlice(tracked, slice, context);
    context.changed();
    if (slice.cut > 0) context.sources.fault(tracked.sourceId, 'lines over the record limit were split', slice.cut);
    tracked.bucket.take(slice.ends.length, context.clock.now());
    const waitMs = tracked.bucket.waitMs(context.clock.now());
    if (waitMs > 0) await sleep(waitMs, undefined, { signal: context.signal }).catch(() => {});
    if (tracked.offset === from) throw new Error(`no progress in ${keyOf(tracked)}`);
  }
  return 'more';
}

/** The log of one folder put together: lock, identity, recovery, then writer, reader, disk guard and retention. */

import type { FileHandle } from 'node:fs/promises';
import { endianness } from 'node:os';
import { AsepsisError, type Clock, ensureFolder, errorLine, type Stream, type StreamStats } from '../core/index.ts';
import { createAlarms } from './stream-alarm.ts';
import { createConsumers } from './stream-consumer.ts';
import { createDedupe } from './stream-dedupe.ts';
import { createDiskGuard, DISK_RESERVE_BYTES, type DiskGuard, diskError } from './stream-disk.ts';
import { ensureIdentity } from './stream-identity.ts';
import { type FolderLock, lockFolder } from './stream-lock.ts';
import { readOffsets } from './stream-offsets.ts';
import { createLogReader } from './stream-reader.ts';
import { recoverLog } from './stream-recover.ts';
import { planRetention, removeSegments } from './stream-retention.ts';
import { createSignal } from './stream-signal.ts';
import { createLogWriter } from './stream-writer.ts';

const PROBE_MS = 2000;
const RETENTION_EVERY_MS = 60_000;
/** A full log is looked at more often: senders wait for it. */
const FULL_EVERY_MS = 500;
const BACKLOG_ALARM =
  'The event log has reached its size limit with records that are not worked off yet: senders are told to wait. If it lasts, raise stream.retention_mb.';

export interface SegmentStreamOptions {
  readonly dir: string;
  readonly clock: Clock;
  readonly segmentBytes: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
  /** Every standing alarm in one text, each time that changes; null once all is well again. */
  readonly onAlarm?: (sentence: string | null) => void;
  /** Intake stops when less than this is free on the disk; 256 MB. */
  readonly reserveBytes?: number;
  /** How often the disk is looked at; 2 s. */
  readonly probeMs?: number;
  /** Instead of fdatasync, to try what happens when the disk fails it. */
  readonly sync?: (handle: FileHandle) => Promise<void>;
}

export type SegmentStream = Stream & {
  /** For `openSegmentReader` in another thread: one signed 64-bit word, the last durable sequence number. */
  readonly signal: SharedArrayBuffer;
};

/** Opens the log for writing and reading; one process at a time (`DATA_LOCKED`). */
export async function openSegmentStream(o: SegmentStreamOptions): Promise<SegmentStream> {
  if (endianness() !== 'LE') throw new AsepsisError('INTERNAL', 'The event log needs a little-endian processor.');
  let lock: FolderLock | null = null;
  try {
    await ensureFolder(o.dir, 0o750);
    lock = await lockFolder(o.dir);
    return await assemble(o, lock);
  } catch (error) {
    await lock?.release();
    throw diskError(error, `Opening the event log in ${o.dir}`);
  }
}

async function assemble(o: SegmentStreamOptions, lock: FolderLock): Promise<SegmentStream> {
  const { dir, clock } = o;
  const { streamId, key } = await ensureIdentity(dir);
  const alarms = createAlarms(o.onAlarm ?? (() => {}));
  const onFault = createFaults((sentence) => alarms.set('damage', sentence));
  const dedupe = createDedupe(clock);
  const log = await recoverLog({ dir, key, streamId, clock, dedupe, onFault });
  const signal = createSignal();
  signal.publish(log.lastSeq);
  const guard: DiskGuard = createDiskGuard({
    dir,
    reserveBytes: o.reserveBytes ?? DISK_RESERVE_BYTES,
    repair: () => writer.repair(),
    onChange: (stopped) => alarms.set('disk', stopped && `Intake is stopped. ${errorLine(stopped)}`),
  });
  const retention = createRetention(
    o,
    key,
    () => writer,
    (sentence) => alarms.set('retention', sentence),
  );
  const writer = createLogWriter({
    ...o,
    streamId,
    key,
    signal,
    dedupe,
    log,
    guard: () => guard,
    onSealed: () => void retention(),
    sync: o.sync ?? ((handle) => handle.datasync()),
  });
  const reader = createLogReader({ dir, key, signal, onFault });
  const consumers = createConsumers({ dir, key, signal, reader });
  await guard.probe();
  const timers = [
    setInterval(() => void guard.probe(), o.probeMs ?? PROBE_MS),
    setInterval(() => void retention(), RETENTION_EVERY_MS),
  ];
  for (const timer of timers) timer.unref();
  let closing: Promise<void> | null = null;

  async function close(): Promise<void> {
    for (const timer of timers) clearInterval(timer);
    await writer.close();
    await retention();
    await consumers.closeAll();
    await reader.close();
    await lock.release();
  }

  return {
    streamId,
    signal: signal.buffer,
    append: (block) => writer.append(block),
    consumer: (name, options) => consumers.open(name, options),
    read: (seq) => reader.read(seq),
    async stats(): Promise<StreamStats> {
      const bytes = writer.sealed().reduce((sum, one) => sum + one.bytes, writer.openBytes() ?? 0);
      const stopped = guard.stopped();
      return {
        firstSeq: writer.firstSeq(),
        lastSeq: signal.durable(),
        bytes,
        consumers: await readOffsets(dir, key),
        stopped: stopped && errorLine(stopped),
      };
    },
    close: () => (closing ??= close()),
  };
}

/** Collects damaged places into one sentence: how many there are and the first of them. */
function createFaults(alarm: (sentence: string) => void): (fault: AsepsisError) => void {
  const seen = new Set<string>();
  return (fault) => {
    // Several readers meet the same place; a disk that goes to pieces must not fill the memory.
    if (seen.has(fault.message) || seen.size >= 1000) return;
    seen.add(fault.message);
    const [first] = seen;
    const more = seen.size === 1 ? '' : ` ${seen.size - 1} more places are damaged.`;
    alarm(`${first}${more} ${fault.advice}`);
  };
}

/** One round of retention; rounds follow each other and never fail loudly, because the next one tries again. */
function createRetention(
  o: SegmentStreamOptions,
  key: Parameters<typeof readOffsets>[1],
  writer: () => ReturnType<typeof createLogWriter>,
  alarm: (sentence: string | null) => void,
): () => Promise<void> {
  let turn = Promise.resolve();
  let again: NodeJS.Timeout | undefined;

  async function round(): Promise<void> {
    const positions = Object.values(await readOffsets(o.dir, key));
    const plan = planRetention({
      sealed: writer().sealed(),
      openBytes: writer().openBytes(),
      ackedSeq: positions.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...positions),
      nowMs: o.clock.now(),
      retentionMs: o.retentionMs,
      retentionBytes: o.retentionBytes,
    });
    writer().forget(plan.remove);
    await removeSegments(o.dir, plan.remove);
    writer().setFull(plan.full);
    alarm(plan.full ? BACKLOG_ALARM : null);
    clearTimeout(again);
    if (plan.full) again = setTimeout(() => void next(), FULL_EVERY_MS).unref();
  }

  const next = () => {
    turn = turn.then(round).catch(() => {});
    return turn;
  };
  return next;
}

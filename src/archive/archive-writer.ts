/**
 * The archive's writer: takes events by column, makes them durable as hot parts, and hands everything slow to the upkeep
 * thread. It alone appends to the manifest, so the chain has one author and a crash leaves no doubt what counts.
 */

import { mkdir, rm, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type ArchiveWriter, AsepsisError, type Clock, ensureFolder, rfc3339 } from '../core/index.ts';
import {
  DAY_MS,
  diskError,
  FOLDER,
  filesOnDisk,
  hotName,
  hotSeq,
  indexName,
  isHot,
  jobOf,
  writeDurably,
} from './archive-files.ts';
import type { FileEntry } from './archive-manifest.ts';
import { type ManifestFile, openManifest } from './archive-manifest-file.ts';
import { createPartBuilder, type PartBuilder } from './archive-part.ts';
import { planUpkeep, UPKEEP, type UpkeepJob, type UpkeepLimits } from './archive-plan.ts';
import { createUpkeep } from './archive-upkeep.ts';

export interface ArchiveWriterOptions {
  readonly dir: string;
  readonly streamId: string;
  readonly clock: Clock;
  readonly retentionDays: number;
  readonly upkeep?: Partial<UpkeepLimits>;
  /** A sentence when upkeep fails (searching and appending go on), null when it works again. */
  readonly onAlarm?: (sentence: string | null) => void;
}

/** How long a file that nobody needs any more stays for searches that have just begun to read it. */
const GRACE_MS = 15_000;
const TICK_MS = 1000;
const RETRY_MS = 30_000;
/** Events a second beyond which merging waits for a quieter moment. */
const BUSY_PER_SEC = 20_000;
const MANIFEST_DAYS = 30;

export interface ArchiveWriterWithUpkeep extends ArchiveWriter {
  /** Does all upkeep that is due now; for tests, benches and commands. */
  settle(): Promise<void>;
}

/** A part on its way to the disk; `entry` once its file is there and only the manifest's line is missing. */
interface TakenPart {
  readonly builder: PartBuilder;
  readonly seq: number;
  entry: FileEntry | null;
}

/** Removes what a crash left: unfinished files, and files of lines that were never written. */
async function cleanUp(dir: string, manifest: ManifestFile): Promise<void> {
  await rm(join(dir, FOLDER.tmp), { recursive: true, force: true });
  await mkdir(join(dir, FOLDER.tmp), { recursive: true });
  await ensureFolder(join(dir, FOLDER.hot));
  const { live, removed, durable, job } = manifest.state;
  for (const name of await filesOnDisk(dir)) {
    const file = name.endsWith('.idx') ? name.slice(0, -4) : name;
    if (live.has(file)) continue;
    const unfinished = isHot(file) ? hotSeq(file) > durable : jobOf(file) > job;
    // Anything else is not ours to delete: `archive verify` names it.
    if (unfinished || removed.has(file)) await unlink(join(dir, name));
  }
  removed.clear();
}

export async function openArchiveWriter(o: ArchiveWriterOptions): Promise<ArchiveWriterWithUpkeep> {
  const limits: UpkeepLimits = { ...UPKEEP, ...o.upkeep };
  const { dir, clock } = o;
  await ensureFolder(dir);
  if ((await filesOnDisk(dir)).length > 0) await refuseWithoutManifest(dir);
  const manifest = await openManifest(dir, o.streamId, clock);
  await cleanUp(dir, manifest);

  let building: PartBuilder = createPartBuilder();
  let spare: PartBuilder | null = createPartBuilder();
  /** A part whose writing failed, with its events; the next flush tries again. */
  let unwritten: TakenPart | null = null;
  let appendedSeq = manifest.state.durable;
  let partNumber = manifest.state.n;
  let closed = false;

  // Manifest lines come from flushes and from upkeep; one after the other.
  let tail: Promise<unknown> = Promise.resolve();
  const inOrder = <T>(work: () => Promise<T>): Promise<T> => {
    const next = tail.then(work, work);
    tail = next.catch(() => undefined);
    return next;
  };

  const writePart = async (builder: PartBuilder): Promise<FileEntry> => {
    const { pieces, rows, timeMs, seq } = builder.finish();
    partNumber += 1;
    const file = hotName(seq, partNumber);
    try {
      return { file, rows, ...(await writeDurably(dir, file, pieces)), time: timeMs, seq };
    } catch (error) {
      throw diskError(error, 'A part of the archive cannot be written');
    }
  };

  const cut = (): TakenPart | null => {
    if (unwritten !== null) return unwritten;
    if (appendedSeq === manifest.state.durable && building.rows === 0) return null;
    const taken: TakenPart = { builder: building, seq: appendedSeq, entry: null };
    building = spare ?? createPartBuilder();
    spare = null;
    return taken;
  };

  const flushOnce = async (): Promise<void> => {
    const taken = cut();
    if (taken === null) return;
    unwritten = taken;
    if (taken.builder.rows > 0) taken.entry ??= await writePart(taken.builder);
    const add = taken.entry === null ? [] : [taken.entry];
    await manifest.append({ kind: 'part', durable: taken.seq, add });
    unwritten = null;
    taken.builder.reset();
    spare = taken.builder;
    rate.add(taken.entry?.rows ?? 0, clock.now());
    if (taken.entry !== null) hotSinceMs.set(taken.entry.file, clock.now());
  };

  let flushing: Promise<void> | null = null;
  const flush = async (): Promise<void> => {
    const wanted = appendedSeq;
    // Two rounds at most: one that may have begun before the last append, and one after it.
    while (manifest.state.durable < wanted) {
      flushing ??= inOrder(flushOnce).finally(() => {
        flushing = null;
      });
      await flushing;
    }
  };

  const rate = createRate();
  /** When each hot part was written; those found at the start count from now. */
  const hotSinceMs = new Map<string, number>();
  for (const { file } of manifest.state.live.values()) if (isHot(file)) hotSinceMs.set(file, clock.now());
  const upkeep = createUpkeep();
  const graveyard: { file: string; atMs: number }[] = [];
  let retryAtMs = 0;

  const removeFile = async (file: string): Promise<void> => {
    await rm(join(dir, file), { force: true });
    await rm(join(dir, indexName(file)), { force: true });
  };

  const bury = async (all: boolean): Promise<void> => {
    while (graveyard.length > 0 && (all || (graveyard[0]?.atMs ?? 0) + GRACE_MS <= clock.now())) {
      const { file } = graveyard.shift() as { file: string };
      await removeFile(file);
      manifest.state.removed.delete(file);
    }
  };

  const retire = async (job: UpkeepJob & { kind: 'retire' }): Promise<void> => {
    const remove = job.files.map((entry) => entry.file);
    await inOrder(() => manifest.append({ kind: 'retire', before: rfc3339(job.beforeMs), remove }));
    for (const file of remove) graveyard.push({ file, atMs: clock.now() });
  };

  const rewrite = async (job: UpkeepJob & { kind: 'seal' | 'compact' }): Promise<void> => {
    const number = manifest.state.job + 1;
    const folder = job.kind === 'compact' ? job.folder : '';
    const add = await upkeep.run({ dir, kind: job.kind, job: number, folder, files: job.files });
    const remove = job.files.map((entry) => entry.file);
    await inOrder(() => manifest.append({ kind: job.kind, job: number, add, remove })).catch(async (error: unknown) => {
      for (const entry of add) await removeFile(entry.file);
      throw error;
    });
    for (const file of remove) graveyard.push({ file, atMs: clock.now() });
    for (const file of remove) hotSinceMs.delete(file);
  };

  const upkeepStep = async (busy: boolean): Promise<boolean> => {
    const oldest = hotSinceMs.size === 0 ? null : Math.min(...hotSinceMs.values());
    const view = { live: manifest.state.live.values(), nowMs: clock.now(), hotSinceMs: oldest };
    const job = planUpkeep({ ...view, retentionDays: o.retentionDays, busy }, limits);
    if (job === null) return false;
    if (job.kind === 'retire') {
      await retire(job);
      await manifest.forget(clock.now() - MANIFEST_DAYS * DAY_MS);
    } else await rewrite(job);
    return true;
  };

  /** One upkeep at a time, whoever asks for it. */
  let upkeepTail: Promise<unknown> = Promise.resolve();
  let ticking = false;
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const next = upkeepTail.then(work, work);
    upkeepTail = next.catch(() => undefined);
    return next;
  };

  const tickOnce = async (): Promise<void> => {
    try {
      await bury(false);
      const did = await upkeepStep(rate.perSec(clock.now()) > BUSY_PER_SEC);
      if (!did || retryAtMs === 0) return;
      retryAtMs = 0;
      o.onAlarm?.(null);
    } catch (error) {
      if (closed) return;
      retryAtMs = clock.now() + RETRY_MS;
      o.onAlarm?.(`The archive could not be tidied: ${error instanceof Error ? error.message : String(error)}`);
    }
  };

  const tick = (): void => {
    if (closed || ticking || clock.now() < retryAtMs) return;
    ticking = true;
    void alone(tickOnce).finally(() => {
      ticking = false;
    });
  };
  const timer = setInterval(tick, TICK_MS);
  timer.unref();

  return {
    get durableSeq() {
      return manifest.state.durable;
    },
    async append(events, seq) {
      if (closed) throw new AsepsisError('INTERNAL', 'The archive is closed.');
      if (seq <= appendedSeq) return;
      // Before taking more: an error here leaves the batch with the caller, who may bring it again.
      if (building.full) await flush();
      // A batch that begins before what is there already was cut differently the first time.
      for (const event of events) if (event.seq > appendedSeq) building.add(event);
      appendedSeq = seq;
      if (!building.full) return;
      void flush().catch(() => undefined);
      tick();
    },
    flush,
    async settle() {
      await flush();
      await alone(async () => {
        while (await upkeepStep(false)) await bury(false);
      });
    },
    async close() {
      if (closed) return;
      await flush();
      closed = true;
      clearInterval(timer);
      await upkeep.close();
      await upkeepTail;
      await bury(true);
      await manifest.close();
    },
  };
}

/** Without a manifest nothing says which files count; deleting them would be the worst answer. */
async function refuseWithoutManifest(dir: string): Promise<void> {
  const { readdir } = await import('node:fs/promises');
  const names = await readdir(join(dir, FOLDER.manifest)).catch(() => []);
  if (names.length === 0) throw new AsepsisError('ARCHIVE_TAMPERED', `There are files in ${dir}, but no manifest.`);
}

/** Events a second over the last second. */
function createRate(): { add(events: number, nowMs: number): void; perSec(nowMs: number): number } {
  let sinceMs = 0;
  let events = 0;
  let last = 0;
  const turn = (nowMs: number) => {
    const elapsed = nowMs - sinceMs;
    if (elapsed < 1000) return;
    last = elapsed > 60_000 ? 0 : (events * 1000) / elapsed;
    events = 0;
    sinceMs = nowMs;
  };
  return {
    add(more, nowMs) {
      turn(nowMs);
      events += more;
    },
    perSec(nowMs) {
      turn(nowMs);
      return last;
    },
  };
}

/**
 * The pipeline's loop: blocks in order → events → archive and rules. One acknowledgement covers all effects: a block is
 * acknowledged only when its events are durable in the archive, its alerts are in the store, and the engine's memory
 * that includes it is on disk. Every effect carries an id made from the block, so a replay after a crash repeats none.
 */

import type {
  Alert,
  ArchiveWriter,
  Clock,
  DecodedEvent,
  SourceCount,
  StoredBlock,
  StreamConsumer,
} from '../core/index.ts';
import type { PipelineProgress, Sighting } from './pipeline-messages.ts';

/** How often what arrived becomes searchable. */
const FLUSH_EVERY_MS = 1000;
/** Blocks of one delivery (a block has at most 1 MiB). */
const BLOCKS_PER_TURN = 4;
/** Writing the engine's memory may take this share of the time. */
const STATE_SHARE = 0.05;
/** Between two blocks the engine's memory is written for so long, and then events have their turn again. */
const STATE_STEP_MS = 10;
/** While it is being written, the wait for blocks is this short. */
const STATE_WAIT_MS = 2;
const SIGHTINGS_MAX = 4096;
const ALERTS_WAITING_MAX = 2000;

export interface PipelineParts {
  readonly consumer: StreamConsumer;
  readonly archive: ArchiveWriter;
  readonly decode: (block: StoredBlock) => Iterable<DecodedEvent>;
  readonly takeCounts: () => readonly SourceCount[];
  readonly engine: {
    feed(event: DecodedEvent): readonly Alert[];
    tick(nowMs: number): readonly Alert[];
    beginSnapshot(): { step(budgetMs: number): boolean; pieces(): readonly Uint8Array[] };
  };
  /** The engine's memory already includes blocks up to this one. */
  readonly engineSeq: number;
  /** The sources' counts already include blocks up to this one. */
  readonly countedSeq: number;
  readonly writeState: (seq: number, pieces: readonly Uint8Array[]) => Promise<void>;
  /** Resolves when the alerts are in the store. */
  readonly storeAlerts: (alerts: readonly Alert[]) => Promise<void>;
  readonly storeCounts: (seq: number, counts: readonly SourceCount[], sightings: readonly Sighting[]) => Promise<void>;
  readonly onProgress: (progress: PipelineProgress) => void;
  readonly clock: Clock;
}

/** Runs until `signal` aborts, then makes everything durable and returns. Throws when a part fails: start again then. */
export async function runPipeline(parts: PipelineParts, signal: AbortSignal): Promise<void> {
  const { consumer, archive, engine, clock } = parts;
  let seq = consumer.ackedSeq;
  let events = 0;
  let alertCount = 0;
  let flushedMs = clock.now();
  let reportedMs = clock.now();
  let reportedEvents = 0;
  let oldestMs = 0;
  const sightings = createSightings();

  const outgoing = createSender(parts.storeAlerts);
  const send = (alerts: readonly Alert[]) => {
    alertCount += alerts.length;
    outgoing.send(alerts);
  };
  /** One event at a time through everything, so that hardly any outlives the next: decoded blocks would fill the memory. */
  function* passing(block: StoredBlock, raised: Alert[]): Generator<DecodedEvent, void, void> {
    const counts = block.seq > parts.engineSeq;
    for (const event of parts.decode(block)) {
      events++;
      if (counts) for (const alert of engine.feed(event)) raised.push(alert);
      sightings.see(event);
      yield event;
    }
  }
  const take = async (block: StoredBlock) => {
    const raised: Alert[] = [];
    const flow = passing(block, raised);
    if (block.seq > archive.durableSeq) await archive.append(flow, block.seq);
    // What the archive had no use for still counts.
    for (const _ of flow);
    if (raised.length > 0) send(raised);
    seq = block.seq;
    if (seq === parts.countedSeq) parts.takeCounts();
  };
  const checkpoint = createCheckpoint(parts, {
    /** Everything up to now is durable and counted, but for the engine's memory. */
    settle: async () => {
      await archive.flush();
      await outgoing.settled();
      const counts = parts.takeCounts();
      if (seq > parts.countedSeq) await parts.storeCounts(seq, counts, sightings.take());
      flushedMs = clock.now();
      return seq;
    },
  });
  const report = (now: number) => {
    const perSec = Math.round(((events - reportedEvents) * 1000) / Math.max(1, now - reportedMs));
    parts.onProgress({
      events,
      alerts: alertCount,
      seq,
      durableSeq: archive.durableSeq,
      ackedSeq: consumer.ackedSeq,
      perSec,
      lagMs: oldestMs,
      rssBytes: process.memoryUsage.rss(),
    });
    reportedMs = now;
    reportedEvents = events;
  };

  while (!signal.aborted) {
    const waitMs = checkpoint.running ? STATE_WAIT_MS : FLUSH_EVERY_MS;
    const blocks = await consumer.next(BLOCKS_PER_TURN, AbortSignal.any([signal, AbortSignal.timeout(waitMs)]));
    for (const block of blocks) {
      await take(block);
      await checkpoint.proceed(STATE_STEP_MS);
    }
    if (blocks.length === 0) await checkpoint.proceed(STATE_STEP_MS);
    const now = clock.now();
    oldestMs = blocks.length > 0 ? Math.max(0, now - (blocks[0] as StoredBlock).receivedMs) : 0;
    if ((blocks.length === 0 && !checkpoint.running) || now - reportedMs >= FLUSH_EVERY_MS) send(engine.tick(now));
    const unsaved = seq > consumer.ackedSeq;
    if (unsaved && checkpoint.isDue(now)) await checkpoint.begin();
    else if (unsaved && now - flushedMs >= FLUSH_EVERY_MS) {
      await archive.flush();
      flushedMs = now;
    }
    if (now - reportedMs >= FLUSH_EVERY_MS) report(now);
    // A failed store must not be found out only at the checkpoint, and what waits for it stays bounded.
    if (outgoing.waiting() > ALERTS_WAITING_MAX) await outgoing.settled();
    outgoing.check();
  }
  await checkpoint.finish();
  if (seq > consumer.ackedSeq) {
    await checkpoint.begin();
    await checkpoint.finish();
  }
  report(clock.now());
}

/**
 * The acknowledgement of a block and all before it. The engine's memory as of that block is written while later ones are
 * taken, because a million groups take seconds to write; the block is acknowledged when the memory is on disk.
 */
function createCheckpoint(parts: PipelineParts, o: { settle: () => Promise<number> }) {
  const { clock, consumer, engine } = parts;
  type Saving = {
    seq: number;
    snapshot: ReturnType<typeof engine.beginSnapshot> | null;
    writing: Promise<void> | null;
  };
  let saving: Saving | null = null;
  let written = false;
  let failure: unknown = null;
  let costMs = 0;
  let endedMs = clock.now();

  const write = async ({ seq, snapshot }: Saving): Promise<void> => {
    const started = performance.now();
    try {
      if (snapshot !== null) await parts.writeState(seq, snapshot.pieces());
      written = true;
    } catch (error) {
      failure = error ?? new Error('The state could not be written.');
    }
    costMs += performance.now() - started;
  };
  const proceed = async (budgetMs: number): Promise<void> => {
    if (saving === null) return;
    const started = performance.now();
    if (saving.writing === null) {
      const complete = saving.snapshot === null || saving.snapshot.step(budgetMs);
      costMs += performance.now() - started;
      if (!complete) return;
      saving.writing = write(saving);
    }
    if (failure !== null) throw failure;
    if (!written) return;
    await consumer.ack(saving.seq);
    saving = null;
    endedMs = clock.now();
  };
  return {
    get running() {
      return saving !== null;
    },
    isDue: (now: number) => saving === null && now - endedMs >= Math.max(FLUSH_EVERY_MS, costMs / STATE_SHARE),
    begin: async () => {
      const seq = await o.settle();
      written = false;
      costMs = 0;
      // No event is fed between the two.
      saving = { seq, snapshot: seq > parts.engineSeq ? engine.beginSnapshot() : null, writing: null };
    },
    proceed,
    /** All that is left at once: the pipeline ends. */
    finish: async () => {
      while (saving !== null) {
        await proceed(Number.POSITIVE_INFINITY);
        await saving?.writing;
      }
    },
  };
}

/** One call to the store at a time; what is raised meanwhile goes together in the next, so that a storm is few transactions. */
function createSender(storeAlerts: (alerts: readonly Alert[]) => Promise<void>): {
  send(alerts: readonly Alert[]): void;
  waiting(): number;
  check(): void;
  settled(): Promise<void>;
} {
  let waiting: Alert[] = [];
  let running: Promise<void> | null = null;
  let failure: unknown = null;
  const pump = async () => {
    while (waiting.length > 0 && failure === null) {
      const batch = waiting;
      waiting = [];
      await storeAlerts(batch).catch((error: unknown) => {
        failure = error ?? new Error('The store failed.');
      });
    }
    running = null;
  };
  const check = () => {
    if (failure !== null) throw failure;
  };
  return {
    send: (alerts) => {
      for (const alert of alerts) waiting.push(alert);
      if (waiting.length > 0) running ??= pump();
    },
    waiting: () => waiting.length,
    check,
    settled: async () => {
      while (running !== null) await running;
      check();
    },
  };
}

/** Collects which hosts named themselves, so that they become assets; bounded, the rest is seen next time. */
function createSightings(): { see(event: DecodedEvent): void; take(): Sighting[] } {
  const seen = new Map<string, Sighting>();
  let lastHost = '';
  let lastBlock = -1;
  return {
    see: (event) => {
      const host = event.norm.host;
      if (host === undefined || (host === lastHost && event.seq === lastBlock)) return;
      lastHost = host;
      lastBlock = event.seq;
      const key = event.exercise ? `x ${host}` : host;
      const before = seen.get(key);
      if (!before && seen.size >= SIGHTINGS_MAX) return;
      if (before && before.lastMs >= event.timeMs) return;
      seen.set(key, {
        host,
        format: event.format,
        product: event.logsource.product ?? before?.product ?? null,
        source: event.source,
        lastMs: event.timeMs,
        exercise: event.exercise,
      });
    },
    take: () => {
      const all = [...seen.values()];
      seen.clear();
      return all;
    },
  };
}

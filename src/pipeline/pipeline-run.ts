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
    snapshot(): Uint8Array;
  };
  /** The engine's memory already includes blocks up to this one. */
  readonly engineSeq: number;
  /** The sources' counts already include blocks up to this one. */
  readonly countedSeq: number;
  readonly writeState: (seq: number, state: Uint8Array) => Promise<void>;
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
  let stateCostMs = 0;
  let flushedMs = clock.now();
  let checkpointMs = clock.now();
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
  const checkpoint = async () => {
    await archive.flush();
    await outgoing.settled();
    const counts = parts.takeCounts();
    if (seq > parts.countedSeq) await parts.storeCounts(seq, counts, sightings.take());
    const started = performance.now();
    if (seq > parts.engineSeq) await parts.writeState(seq, engine.snapshot());
    stateCostMs = performance.now() - started;
    await consumer.ack(seq);
    checkpointMs = clock.now();
    flushedMs = checkpointMs;
  };
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
    const wait = AbortSignal.any([signal, AbortSignal.timeout(FLUSH_EVERY_MS)]);
    const blocks = await consumer.next(BLOCKS_PER_TURN, wait);
    for (const block of blocks) await take(block);
    const now = clock.now();
    oldestMs = blocks.length > 0 ? Math.max(0, now - (blocks[0] as StoredBlock).receivedMs) : 0;
    if (blocks.length === 0 || now - reportedMs >= FLUSH_EVERY_MS) send(engine.tick(now));
    const unsaved = seq > consumer.ackedSeq;
    const stateDue = now - checkpointMs >= Math.max(FLUSH_EVERY_MS, stateCostMs / STATE_SHARE);
    if (unsaved && stateDue) await checkpoint();
    else if (unsaved && now - flushedMs >= FLUSH_EVERY_MS) {
      await archive.flush();
      flushedMs = now;
    }
    if (now - reportedMs >= FLUSH_EVERY_MS) report(now);
    // A failed store must not be found out only at the checkpoint, and what waits for it stays bounded.
    if (outgoing.waiting() > ALERTS_WAITING_MAX) await outgoing.settled();
    outgoing.check();
  }
  if (seq > consumer.ackedSeq) await checkpoint();
  report(clock.now());
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

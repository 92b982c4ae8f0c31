/** How far the event time of all sources has come: what lies before may be judged, because nothing that counts can come. */

import type { DecodedEvent } from '../core/index.ts';
import type { Reader, Writer } from './detection-bytes.ts';

export interface Watermark {
  /** Takes an event's source, time and receipt; answers the event's time, held back where its clock is ahead. */
  see(event: DecodedEvent): number;
  /** Event time up to which everything has come; -Infinity before the first event. */
  readonly ms: number;
  /** Our clock's word, for when no event comes. */
  tick(nowMs: number): void;
  /** The latest event time seen of each source. */
  sources(): readonly { source: string; ms: number }[];
  write(writer: Writer): void;
  read(reader: Reader): void;
}

/** Sources remembered; a hospital has hundreds. */
const SOURCES_MAX = 4096;
/** A source that sent nothing for this long does not hold the others back. */
const IDLE_MS_MIN = 60_000;
const LOOK_EVERY_MS = 1000;

interface SourceTime {
  maxMs: number;
  heardMs: number;
}

/** @param latenessMs how late an event may come and still be counted at its own time */
export function createWatermark(latenessMs: number): Watermark {
  const sources = new Map<string, SourceTime>();
  const idleMs = Math.max(IDLE_MS_MIN, latenessMs);
  let ms = Number.NEGATIVE_INFINITY;
  let clockMs = Number.NEGATIVE_INFINITY;
  let lastSource = '';
  let last: SourceTime | null = null;
  let nextLookMs = Number.NEGATIVE_INFINITY;
  let nextLookReceivedMs = Number.NEGATIVE_INFINITY;

  const look = (): void => {
    let least = Number.POSITIVE_INFINITY;
    for (const [name, { maxMs, heardMs }] of sources) {
      if (heardMs < clockMs - idleMs) {
        sources.delete(name);
        if (name === lastSource) last = null;
      } else if (maxMs < least) least = maxMs;
    }
    // Nobody speaks: then our own clock is all there is.
    const reached = (least === Number.POSITIVE_INFINITY ? clockMs : least) - latenessMs;
    if (reached > ms) ms = reached;
  };

  return {
    get ms() {
      return ms;
    },
    see: (event) => {
      const { timeMs, receivedMs, source } = event;
      const time = timeMs > receivedMs + latenessMs ? receivedMs + latenessMs : timeMs;
      if (receivedMs > clockMs) clockMs = receivedMs;
      if (last === null || source !== lastSource) {
        last = sources.get(source) ?? null;
        if (last === null) {
          last = { maxMs: Number.NEGATIVE_INFINITY, heardMs: receivedMs };
          if (sources.size < SOURCES_MAX) sources.set(source, last);
        }
        lastSource = source;
      }
      last.heardMs = receivedMs;
      if (time > last.maxMs) {
        last.maxMs = time;
        // Looking at all sources is for once a second of event time or receipt, not for each event.
        if (sources.size === 1) {
          if (time - latenessMs > ms) ms = time - latenessMs;
        } else if (time >= nextLookMs || receivedMs >= nextLookReceivedMs) {
          nextLookMs = time + LOOK_EVERY_MS;
          nextLookReceivedMs = receivedMs + LOOK_EVERY_MS;
          look();
        }
      }
      return time;
    },
    tick: (nowMs) => {
      if (nowMs > clockMs) clockMs = nowMs;
      look();
    },
    sources: () => [...sources].map(([source, { maxMs }]) => ({ source, ms: maxMs })),
    write: (writer) => {
      writer.float(ms);
      writer.float(clockMs);
      writer.number(sources.size);
      for (const [source, { maxMs, heardMs }] of sources) {
        writer.text(source);
        writer.float(maxMs);
        writer.float(heardMs);
      }
    },
    read: (reader) => {
      ms = reader.float();
      clockMs = reader.float();
      for (let n = Math.min(SOURCES_MAX, reader.number()); n > 0; n--) {
        const source = reader.text();
        sources.set(source, { maxMs: reader.float(), heardMs: reader.float() });
      }
      last = null;
    },
  };
}

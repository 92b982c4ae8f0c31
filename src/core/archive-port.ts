/** The archive port: events by column, sealed into immutable files, searched newest first. */

import type { DecodedEvent } from './event.ts';
import type { EventRecord } from './records.ts';

export interface SearchRequest {
  /** The query language of `docs/operate/search.md`; empty matches everything. */
  readonly query: string;
  /** Unix milliseconds, inclusive and exclusive. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly limit: number;
  /** Opaque cursor of an earlier page. */
  readonly after?: string;
}

export interface SearchPage {
  readonly items: readonly EventRecord[];
  /** Cursor of the next page; null at the end. */
  readonly next: string | null;
  readonly tookMs: number;
}

export interface HistogramBucket {
  readonly startMs: number;
  readonly count: number;
}

export interface ArchiveVerdict {
  readonly ok: boolean;
  readonly files: number;
  readonly events: number;
  readonly faults: readonly string[];
}

/** What the pipeline writes to. */
export interface ArchiveWriter {
  /** Takes events of blocks up to `seq`; resolves when memory allows more (back-pressure). */
  append(events: readonly DecodedEvent[], seq: number): Promise<void>;
  /** Highest block sequence whose events are all durable in the archive. */
  readonly durableSeq: number;
  /** Makes everything appended so far durable and searchable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** What the desk reads from; also sees what is not yet sealed. */
export interface ArchiveReader {
  search(request: SearchRequest, signal?: AbortSignal): Promise<SearchPage>;
  histogram(
    request: Omit<SearchRequest, 'limit' | 'after'>,
    bucketMs: number,
    signal?: AbortSignal,
  ): Promise<readonly HistogramBucket[]>;
  get(id: string): Promise<EventRecord | null>;
  verify(onProgress?: (done: number, all: number) => void): Promise<ArchiveVerdict>;
  close(): Promise<void>;
}

/** The archive port: events by column, sealed into immutable files, searched newest first. */

import type { DecodedEvent, NormalisedColumn } from './event.ts';
import type { EventId } from './ids.ts';
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
  /** Takes events of blocks up to `seq`, read once to their end; resolves when memory allows more (back-pressure). */
  append(events: Iterable<DecodedEvent>, seq: number): Promise<void>;
  /** Highest block sequence whose events are all durable in the archive. */
  readonly durableSeq: number;
  /** Makes everything appended so far durable and searchable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** One file of the archive. Upkeep merges files: a part that is gone stands in a later list under another id. */
export interface ArchivePart {
  readonly id: string;
  readonly rows: number;
  /** Event times of the first and last event, Unix milliseconds. */
  readonly timeMs: readonly [number, number];
}

/** What a part can be asked for: a superset of what one looks for, cheap to decide from columns and texts. */
export type PartCondition =
  | { readonly t: 'and' | 'or'; readonly of: readonly PartCondition[] }
  /** The record holds one of the texts, whatever its case; records that were not kept as text count as holding it. */
  | { readonly t: 'raw'; readonly texts: readonly string[] }
  /** The column holds one of the texts, whatever its case. */
  | { readonly t: 'contains'; readonly column: NormalisedColumn; readonly texts: readonly string[] }
  | { readonly t: 'column'; readonly column: NormalisedColumn; readonly values: readonly string[] };

/** The archive part by part: for work over years that asks for distinct values instead of rows, and goes on after a break. */
export interface ArchiveParts {
  /** Parts with events in the range, the oldest first. */
  list(fromMs: number, toMs: number): Promise<readonly ArchivePart[]>;
  /** Those of the values that the part may hold in that column: what its side index rules out is left out. */
  held(part: string, column: NormalisedColumn, values: readonly string[]): Promise<readonly string[]>;
  /**
   * Which of the observables' numbers (`keysOfObservable`, ascending) the part has, and how many different ones it has in
   * all; null when its side index does not say. What it has not stands in none of its columns for addresses, names, URLs,
   * command lines, digests and accounts.
   */
  among(part: string, keys: Uint32Array): Promise<{ readonly held: readonly number[]; readonly count: number } | null>;
  /** The different texts of a column in some parts, at most `limit`; null when one of them is gone. */
  distinct(
    parts: readonly string[],
    column: NormalisedColumn,
    limit: number,
    signal?: AbortSignal,
  ): Promise<readonly string[] | null>;
  /**
   * Events of some parts in order of time; null when one of them is gone. A null condition asks for all.
   *
   * @param after the last event of an earlier answer: its time, block and index
   */
  events(
    parts: readonly string[],
    condition: PartCondition | null,
    range: { readonly fromMs: number; readonly toMs: number; readonly limit: number; readonly after?: EventId },
    signal?: AbortSignal,
  ): Promise<readonly EventRecord[] | null>;
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
  readonly parts: ArchiveParts;
  verify(onProgress?: (done: number, all: number) => void): Promise<ArchiveVerdict>;
  close(): Promise<void>;
}

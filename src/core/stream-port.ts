/**
 * The stream port: blocks of raw records, acknowledged once they are durable, read in order by named consumers.
 * A block maps to one message of NATS JetStream: `seq` is its stream sequence, `dedupe` its Nats-Msg-Id, a consumer's
 * `ack` is AckPolicy=All, and delivery is at least once. Nothing here needs a local file.
 */

import type { SourceId } from './ids.ts';

/** How a block's records are framed or shaped, so that the decoder need not guess what the transport knows. */
export const RECORD_HINTS = ['syslog', 'json', 'journal', 'otlp', 'line', 'windows-xml'] as const;
export type RecordHint = (typeof RECORD_HINTS)[number];

export interface Block {
  readonly source: SourceId;
  /** Unix milliseconds at which the listener had the records. */
  readonly receivedMs: number;
  readonly hint: RecordHint;
  /** Address of the sender, path of the file or name of the token; for people, never for decisions. */
  readonly peer: string;
  readonly exercise: boolean;
  /** The records' bytes one after the other, no separators; at most `LIMITS.blockBytesMax`. */
  readonly data: Uint8Array;
  /** Exclusive end offset of each record in `data`, ascending; at most `LIMITS.blockRecordsMax` of them. */
  readonly ends: Uint32Array;
  /** Two blocks with the same key are one (within the adapter's window, at least 2 minutes and 100,000 blocks). */
  readonly dedupe?: string;
}

export interface StoredBlock extends Block {
  /** Position in the stream, from 1, without gaps in one stream's life. */
  readonly seq: number;
}

export interface AppendResult {
  readonly seq: number;
  /** True when the dedupe key was already there: nothing was written, `seq` is the earlier block's. */
  readonly duplicate: boolean;
}

export interface StreamStats {
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly bytes: number;
  readonly consumers: Readonly<Record<string, number>>;
  /** Why intake stopped (disk full, read-only disk); null while it takes blocks. */
  readonly stopped: string | null;
}

export interface Stream {
  /** Eight characters that name this stream for ever: the first part of every event id. */
  readonly streamId: string;
  /**
   * Resolves when the block is durable (fsync here, the publish acknowledgement there), and not before.
   * Rejects with `BUSY` when too much is in flight, `DISK_FULL` or `DATA_READ_ONLY` when nothing can be written.
   */
  append(block: Block): Promise<AppendResult>;
  /** Opens the named durable consumer at its stored position (a new one at `from`, by default the start). */
  consumer(name: string, options?: { from?: 'start' | 'end' | number }): Promise<StreamConsumer>;
  /** Random access for evidence; null when it was removed by retention. */
  read(seq: number): Promise<StoredBlock | null>;
  stats(): Promise<StreamStats>;
  close(): Promise<void>;
}

export interface StreamConsumer {
  /** The position up to which everything was acknowledged. */
  readonly ackedSeq: number;
  /** Waits for blocks after the last ones delivered; an empty answer only when `signal` aborts. */
  next(maxBlocks: number, signal: AbortSignal): Promise<readonly StoredBlock[]>;
  /** Everything up to `seq` is done and will not be delivered again; durable when it resolves. */
  ack(seq: number): Promise<void>;
  close(): Promise<void>;
}

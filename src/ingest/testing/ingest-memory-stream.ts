/** A stream in memory for tests: keeps the port's promises but durability, and can be told to refuse. */

import { AsepsisError, type Block, type ErrorCode, type Stream } from '../../core/index.ts';

export interface MemoryStream extends Stream {
  readonly blocks: Block[];
  /** While set, appends are refused with this code. */
  refuse: ErrorCode | null;
}

export function openMemoryStream(streamId = 'memory00'): MemoryStream {
  const blocks: Block[] = [];
  const keys = new Map<string, number>();
  const stream: MemoryStream = {
    streamId,
    blocks,
    refuse: null,
    async append(block) {
      if (stream.refuse) throw new AsepsisError(stream.refuse, 'Told to refuse.', { retryAfterSec: 1 });
      const known = block.dedupe === undefined ? undefined : keys.get(block.dedupe);
      if (known !== undefined) return { seq: known, duplicate: true };
      blocks.push({ ...block, data: Uint8Array.from(block.data) });
      if (block.dedupe !== undefined) keys.set(block.dedupe, blocks.length);
      // Durable a little later, as on disk: what may be reused after the call must not be relied on.
      await new Promise((resolve) => setImmediate(resolve));
      return { seq: blocks.length, duplicate: false };
    },
    read: async (seq) => {
      const block = blocks[seq - 1];
      return block ? { ...block, seq } : null;
    },
    consumer: () => Promise.reject(new Error('not in this stream')),
    stats: async () => ({ firstSeq: 1, lastSeq: blocks.length, bytes: 0, consumers: {}, stopped: stream.refuse }),
    close: async () => {},
  };
  return stream;
}

/** The records of blocks as text, one byte a character. */
export function recordsOf(blocks: readonly Block[]): string[] {
  const records: string[] = [];
  for (const block of blocks) {
    const bytes = Buffer.from(block.data);
    let start = 0;
    for (const end of block.ends) {
      records.push(bytes.toString('latin1', start, end));
      start = end;
    }
  }
  return records;
}

/** The real stream in a folder, with what was written to it at hand, and a valve before it that can be told to refuse. */

import { AsepsisError, type Block, type Clock, type ErrorCode, type Stream } from '../../core/index.ts';
import { openSegmentStream } from '../../stream/index.ts';

export interface TestStream extends Stream {
  /** What the stream has, read back from it, in its order. */
  readonly blocks: Block[];
  /** While set, appends are refused with this code. */
  refuse: ErrorCode | null;
}

export async function openTestStream(dir: string, clock: Clock): Promise<TestStream> {
  const real = await openSegmentStream({
    dir,
    clock,
    segmentBytes: 2 ** 24,
    retentionMs: 2 ** 40,
    retentionBytes: 2 ** 40,
  });
  const blocks: Block[] = [];
  const stream: TestStream = {
    streamId: real.streamId,
    blocks,
    refuse: null,
    async append(block) {
      if (stream.refuse) throw new AsepsisError(stream.refuse, 'Told to refuse.', { retryAfterSec: 1 });
      const result = await real.append(block);
      if (!result.duplicate) blocks[result.seq - 1] = (await real.read(result.seq)) as Block;
      return result;
    },
    read: (seq) => real.read(seq),
    consumer: (name, options) => real.consumer(name, options),
    stats: () => real.stats(),
    close: () => real.close(),
  };
  return stream;
}

/** The records of blocks as text, one byte a character. */
export function recordsOf(blocks: readonly Block[]): string[] {
  const records: string[] = [];
  for (const block of blocks) {
    // Read back out of order: this one is still on its way.
    if (block === undefined) continue;
    const bytes = Buffer.from(block.data);
    let start = 0;
    for (const end of block.ends) {
      records.push(bytes.toString('latin1', start, end));
      start = end;
    }
  }
  return records;
}

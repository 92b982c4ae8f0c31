/** Appends blocks from several senders and reads them back; one JSON line with megabytes a second on stdout. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Block, type SourceId, systemClock } from '../src/core/index.ts';
import { openSegmentStream } from '../src/stream/index.ts';

const { values } = parseArgs({
  options: {
    block: { type: 'string', default: '131072' },
    total: { type: 'string', default: '1073741824' },
    senders: { type: 'string', default: '64' },
    dir: { type: 'string', default: tmpdir() },
    'no-sync': { type: 'boolean', default: false },
  },
});
const blockBytes = Number(values.block);
const blocks = Math.ceil(Number(values.total) / blockBytes);
const recordBytes = Math.min(256, blockBytes);
const data = Buffer.alloc(blockBytes, 'benchmark line ');
const ends = Uint32Array.from({ length: Math.min(8192, blockBytes / recordBytes) }, (_, i) => (i + 1) * recordBytes);
const dir = await mkdtemp(join(values.dir, 'asepsis-bench-'));
const stream = await openSegmentStream({
  dir,
  clock: systemClock,
  segmentBytes: 256 * 1024 * 1024,
  retentionMs: 3_600_000,
  retentionBytes: Number.POSITIVE_INFINITY,
  ...(values['no-sync'] ? { sync: async () => {} } : {}),
});

try {
  const block: Block = {
    source: 'src_bench' as SourceId,
    receivedMs: 0,
    hint: 'line',
    peer: 'bench',
    exercise: true,
    data,
    ends,
  };
  let sent = 0;
  const latencies: number[] = [];
  const writeStart = performance.now();
  await Promise.all(
    Array.from({ length: Number(values.senders) }, async () => {
      while (sent < blocks) {
        sent++;
        const before = performance.now();
        await stream.append(block);
        latencies.push(performance.now() - before);
      }
    }),
  );
  const writeSec = (performance.now() - writeStart) / 1000;
  const consumer = await stream.consumer('bench');
  const readStart = performance.now();
  for (let read = 0; read < blocks; ) read += (await consumer.next(1024, AbortSignal.timeout(60_000))).length;
  const readSec = (performance.now() - readStart) / 1000;
  latencies.sort((a, b) => a - b);
  const megabytes = (blocks * blockBytes) / 1e6;
  console.log(
    JSON.stringify({
      bench: 'stream',
      block_bytes: blockBytes,
      blocks,
      append_mb_per_sec: Math.round(megabytes / writeSec),
      append_blocks_per_sec: Math.round(blocks / writeSec),
      append_p99_ms: Number(latencies[Math.floor(latencies.length * 0.99)]?.toFixed(2)),
      read_mb_per_sec: Math.round(megabytes / readSec),
      read_blocks_per_sec: Math.round(blocks / readSec),
      rss_mb: Math.round(process.memoryUsage().rss / 1e6),
      synced: !values['no-sync'],
    }),
  );
} finally {
  await stream.close();
  await rm(dir, { recursive: true });
}

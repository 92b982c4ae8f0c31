/** What the tests of the log share: a folder that goes away, a stream on it, blocks that can be told apart. */

import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Block, type SourceId, type StoredBlock, systemClock } from '../../core/index.ts';
import { openSegmentStream, type SegmentStream, type SegmentStreamOptions } from '../stream-service.ts';

export async function freshFolder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'asepsis-stream-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

function system(program: string, args: readonly string[]): void {
  execFileSync(program, args, { stdio: 'ignore' });
}

export function mount(...args: string[]): void {
  system('mount', args);
}

/** A small file system of its own at a fresh folder; null when this user may not mount one. */
export async function smallDisk(size: string): Promise<string | null> {
  const dir = await mkdtemp(join(tmpdir(), 'asepsis-disk-'));
  try {
    mount('-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir);
  } catch {
    await rm(dir, { recursive: true });
    return null;
  }
  onTestFinished(async () => {
    system('umount', ['-l', dir]);
    await rm(dir, { recursive: true });
  });
  return dir;
}

export async function openTestStream(dir: string, options: Partial<SegmentStreamOptions> = {}): Promise<SegmentStream> {
  const stream = await openSegmentStream({
    dir,
    clock: systemClock,
    segmentBytes: 64 * 1024 * 1024,
    retentionMs: 3_600_000,
    retentionBytes: 1e12,
    reserveBytes: 0,
    ...options,
  });
  onTestFinished(() => stream.close());
  return stream;
}

/** A block of two records with this text in it. */
export function blockOf(text: string, options: { dedupe?: string; bytes?: number } = {}): Block {
  const data = Buffer.from(text.padEnd(options.bytes ?? 0, '.'));
  const ends = Uint32Array.of(data.length >> 1, data.length);
  const block: Block = {
    source: 'src_test' as SourceId,
    receivedMs: 1_700_000_000_000,
    hint: 'line',
    peer: '127.0.0.1',
    exercise: false,
    data,
    ends,
  };
  return options.dedupe === undefined ? block : { ...block, dedupe: options.dedupe };
}

export const textOf = (block: StoredBlock): string => Buffer.from(block.data).toString().replace(/\.+$/, '');

/** Everything a new consumer gets, in order. */
export async function readAll(stream: SegmentStream, name = 'all'): Promise<StoredBlock[]> {
  const consumer = await stream.consumer(name);
  const { lastSeq } = await stream.stats();
  const all: StoredBlock[] = [];
  while (all.length === 0 || all[all.length - 1]!.seq < lastSeq) {
    if (lastSeq === 0) break;
    all.push(...(await consumer.next(7, AbortSignal.timeout(5000))));
  }
  await consumer.close();
  return all;
}

/** Killed with SIGKILL under load, again and again: what was said to be durable is there exactly once, and nothing else. */

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openDuck, parquetTable } from './archive-duckdb.ts';
import { createManifestReader } from './archive-manifest-file.ts';
import { verifyArchive } from './archive-verify.ts';
import { openArchiveWriter } from './archive-writer.ts';

const STREAM = 'crashstr';
const CHILD = fileURLToPath(new URL('./testing/crash-worker.ts', import.meta.url));

/** Runs the child for a while and kills it; the highest block that it said was durable. */
async function killedAfter(dir: string, lines: number, ms: number): Promise<number> {
  const child = spawn(process.execPath, [CHILD, dir, STREAM], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_OPTIONS: '' },
  });
  let said = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (piece: Buffer) => {
      said += piece.toString();
      if (said.split('\n').length > lines) setTimeout(() => child.kill('SIGKILL'), ms);
    });
    child.once('close', () => resolve());
  });
  return Math.max(0, ...[...said.matchAll(/(?:open|durable) (\d+)\n/g)].map((match) => Number(match[1])));
}

async function blocksIn(dir: string): Promise<{ durable: number; rows: number; distinct: number; max: number }> {
  const manifest = createManifestReader(dir);
  await manifest.refresh();
  const instance = await openDuck({ threads: 1, memoryMb: 256 });
  const duck = await instance.connect();
  const table = parquetTable([...manifest.state.live.keys()].map((file) => join(dir, file)));
  const [row] = await duck.rows(`SELECT count(*), count(DISTINCT seq * 1000 + idx), max(seq) FROM ${table}`);
  duck.close();
  instance.close();
  const [rows = 0, distinct = 0, max = 0] = (row ?? []).map(Number);
  return { durable: manifest.state.durable, rows, distinct, max };
}

test('kill -9 in five rounds: exactly once', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'archive-crash-'));
  let before = 0;
  for (let round = 0; round < 5; round++) {
    const said = await killedAfter(dir, 4 + round * 3, (round * 37) % 90);
    expect(said).toBeGreaterThan(before);
    const writer = await openArchiveWriter({ dir, streamId: STREAM, clock: { now: () => 0 }, retentionDays: 36_500 });
    const { durableSeq } = writer;
    await writer.close();
    expect(durableSeq).toBeGreaterThanOrEqual(said);
    expect(await blocksIn(dir)).toEqual({
      durable: durableSeq,
      rows: durableSeq * 500,
      distinct: durableSeq * 500,
      max: durableSeq,
    });
    expect((await verifyArchive(dir)).faults).toEqual([]);
    before = durableSeq;
  }
  await rm(dir, { recursive: true, force: true });
}, 60_000);

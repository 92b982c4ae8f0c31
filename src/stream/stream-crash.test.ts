/** kill -9 under load: every acknowledged block is there exactly once after the restart, and numbers have no gaps. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { freshFolder, openTestStream, readAll } from './testing/stream-fixture.ts';

const ROUNDS = 5;
const ACKS_A_ROUND = 300;

/** Appends from many senders without pause and prints `number key` once acknowledged. */
function loadCode(dir: string, round: number): string {
  const door = new URL('./index.ts', import.meta.url).href;
  return `
    import { writeSync } from 'node:fs';
    const { openSegmentStream } = await import('${door}');
    const clock = { now: () => Date.now() };
    const stream = await openSegmentStream({ dir: ${JSON.stringify(dir)}, clock, segmentBytes: 300000,
      retentionMs: 3600000, retentionBytes: 1e12, reserveBytes: 0 });
    let n = 0;
    for (let sender = 0; sender < 16; sender++) (async () => {
      for (;;) {
        const key = '${round}.' + n++;
        const data = Buffer.from(key.padEnd(50 + (n * 7919) % 9000, '.'));
        const block = { source: 'src_crash', receivedMs: Date.now(), hint: 'line', peer: '', exercise: true, data,
          ends: Uint32Array.of(data.length), dedupe: key };
        const { seq } = await stream.append(block);
        writeSync(1, seq + ' ' + key + '\\n');
      }
    })();
  `;
}

test('five rounds of kill -9', async () => {
  const dir = await freshFolder();
  const acknowledged = new Map<number, string>();
  for (let round = 1; round <= ROUNDS; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', loadCode(dir, round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    let count = 0;
    for await (const line of createInterface({ input: child.stdout })) {
      const [seq, key] = line.split(' ');
      expect(acknowledged.has(Number(seq))).toBe(false);
      acknowledged.set(Number(seq), key!);
      if (++count === ACKS_A_ROUND + round * 17) child.kill('SIGKILL');
    }
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    expect(child.signalCode).toBe('SIGKILL');

    const alarms: (string | null)[] = [];
    const stream = await openTestStream(dir, { onAlarm: (sentence) => alarms.push(sentence) });
    const all = await readAll(stream, `check-${round}`);
    expect(all.map(({ seq }) => seq)).toEqual(all.map((_, i) => i + 1));
    const keys = all.map(({ dedupe }) => dedupe);
    expect(new Set(keys).size).toBe(keys.length);
    for (const [seq, key] of acknowledged) expect(all[seq - 1]?.dedupe).toBe(key);
    for (const { data, dedupe } of all) expect(Buffer.from(data).toString()).toMatch(new RegExp(`^${dedupe}\\.*$`));
    expect(alarms).toEqual([]);
    await stream.close();
  }
});

/** One instance per folder, with real processes. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { lockFolder } from './stream-lock.ts';
import { blockOf, freshFolder, openTestStream } from './testing/stream-fixture.ts';

async function holder(dir: string): Promise<ChildProcess> {
  const door = new URL('./stream-lock.ts', import.meta.url).href;
  const code = `const { lockFolder } = await import('${door}'); await lockFolder(${JSON.stringify(dir)}); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout!, 'data');
  return child;
}

test('a second process is refused and told the pid of the first; a killed one is taken over', async () => {
  const dir = await freshFolder();
  const child = await holder(dir);
  await expect(openTestStream(dir)).rejects.toMatchObject({
    code: 'DATA_LOCKED',
    message: expect.stringContaining(`Process ${child.pid} `),
  });
  child.kill('SIGKILL');
  await once(child, 'exit');
  const stream = await openTestStream(dir);
  expect((await stream.append(blockOf('mine'))).seq).toBe(1);
  await expect(openTestStream(dir)).rejects.toMatchObject({ code: 'DATA_LOCKED' });
  await stream.close();
  await (await openTestStream(dir)).close();
});

test('a reused pid does not keep the lock; a lock of another container does while it shows signs of life', async () => {
  const dir = await freshFolder();
  const path = join(dir, 'lock');
  const lock = await lockFolder(dir);
  const mine = JSON.parse(await readFile(path, 'utf8'));
  await lock.release();
  await writeFile(path, JSON.stringify({ ...mine, start: '1' }));
  await (await lockFolder(dir)).release();
  await writeFile(path, JSON.stringify({ ...mine, boot: 'another' }));
  await (await lockFolder(dir)).release();
  await writeFile(path, JSON.stringify({ ...mine, space: 'pid:[1]' }));
  await expect(lockFolder(dir)).rejects.toMatchObject({ code: 'DATA_LOCKED' });
});

test('of many that start at once on a dead lock one gets it', async () => {
  const dir = await freshFolder();
  await writeFile(join(dir, 'lock'), JSON.stringify({ pid: 1, start: '0', boot: 'old', space: '' }));
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(dir)));
  const held = results.filter((one) => one.status === 'fulfilled');
  expect(held.length).toBe(1);
  await held[0]!.value.release();
});

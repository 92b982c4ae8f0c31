import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readState, writeState } from './pipeline-state.ts';

let folder = '';
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-state-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test('what was written comes back with its block', async () => {
  const file = join(folder, 'a');
  await writeState(file, 2 ** 40 + 7, [Buffer.from('mem'), Buffer.from('ory')]);
  const back = await readState(file);
  expect(back?.seq).toBe(2 ** 40 + 7);
  expect(Buffer.from(back?.state ?? []).toString()).toBe('memory');
});

test('a changed byte anywhere is noticed', async () => {
  const file = join(folder, 'b');
  await writeState(file, 5, [Buffer.from('memory')]);
  const whole = await readFile(file);
  for (let i = 0; i < whole.length; i++) {
    const damaged = Buffer.from(whole);
    damaged[i] = (damaged[i] as number) ^ 1;
    await writeFile(file, damaged);
    expect(await readState(file), `byte ${i}`).toBeNull();
  }
});

test('a missing or cut file is no state', async () => {
  expect(await readState(join(folder, 'none'))).toBeNull();
  await writeFile(join(folder, 'c'), 'ASEP');
  expect(await readState(join(folder, 'c'))).toBeNull();
});

/** Folders that are made, that are there, and that cannot be. */

import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ensureFileSync, ensureFolder, moveDurably } from './durable-files.ts';

test('makes what is missing, leaves what is there, and moves into it', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'durable-'));
  try {
    await ensureFolder(join(dir, 'a', 'b', 'c'), 0o700);
    await ensureFolder(join(dir, 'a', 'b', 'c'));
    expect((await stat(join(dir, 'a', 'b', 'c'))).mode & 0o777).toBe(0o700);
    await writeFile(join(dir, 'x'), 'x');
    await moveDurably(join(dir, 'x'), join(dir, 'd', 'e', 'x'));
    expect((await stat(join(dir, 'd', 'e', 'x'))).size).toBe(1);
    ensureFileSync(join(dir, 'f', 'g', 'y'), 0o700, 0o600);
    expect((await stat(join(dir, 'f', 'g', 'y'))).mode & 0o777).toBe(0o600);
    await expect(ensureFolder(join(dir, 'd', 'e', 'x', 'deeper'))).rejects.toMatchObject({ code: 'ENOTDIR' });
    await expect(ensureFolder(join(dir, 'd', 'e', 'x'))).rejects.toMatchObject({ code: 'EEXIST' });
  } finally {
    await rm(dir, { recursive: true });
  }
});

test.skipIf(process.platform !== 'linux')('a folder that cannot be is an error, not a wait without end', async () => {
  await expect(ensureFolder('/proc/asepsis/data')).rejects.toThrow();
  expect(() => ensureFileSync('/proc/asepsis/data/file', 0o700, 0o600)).toThrow();
});

import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { backup, restore } from './backup.ts';

let root = '';
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'asepsis-backup-'));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function installation(): Promise<string> {
  const dataDir = join(root, 'data');
  await mkdir(join(dataDir, 'archive', 'day=2026-01-01'), { recursive: true });
  await writeFile(join(dataDir, 'archive', 'day=2026-01-01', 'a.parquet'), 'columns');
  await mkdir(join(dataDir, 'stream'), { recursive: true });
  await writeFile(join(dataDir, 'stream', '1.seg'), 'blocks');
  await writeFile(join(dataDir, 'stream', 'stream.lock'), '1');
  return dataDir;
}
const quiet = { onProgress: () => {} };

test('what was backed up comes back, without locks, with the database', async () => {
  const dataDir = await installation();
  const store = await openStore({ dataDir, clock: systemClock });
  await store.values.set('answer', '42');
  const index = await backup({ dataDir, target: join(root, 'copy'), store, clock: systemClock, ...quiet });
  await store.close();
  expect(index.files.map((file) => file.path)).toContain('asepsis.db');
  expect(index.files.map((file) => file.path)).not.toContain('stream/stream.lock');
  const back = join(root, 'back');
  await restore({ source: join(root, 'copy'), dataDir: back, ...quiet });
  expect(await readFile(join(back, 'archive', 'day=2026-01-01', 'a.parquet'), 'utf8')).toBe('columns');
  const again = await openStore({ dataDir: back, clock: systemClock });
  expect(await again.values.get('answer')).toBe('42');
  await again.close();
});

test('a changed byte, a missing file, a full folder: nothing is restored', async () => {
  const dataDir = await installation();
  const store = await openStore({ dataDir, clock: systemClock });
  const copy = join(root, 'copy');
  await backup({ dataDir, target: copy, store, clock: systemClock, ...quiet });
  await expect(backup({ dataDir, target: copy, store, clock: systemClock, ...quiet })).rejects.toThrow(
    /exists already/,
  );
  await store.close();
  await expect(restore({ source: copy, dataDir, ...quiet })).rejects.toThrow(/not empty/);
  await writeFile(join(copy, 'stream', '1.seg'), 'blockz');
  await expect(restore({ source: copy, dataDir: join(root, 'x'), ...quiet })).rejects.toThrow(/not what was backed up/);
  await rm(join(copy, 'stream', '1.seg'));
  await expect(restore({ source: copy, dataDir: join(root, 'x'), ...quiet })).rejects.toThrow(/missing/);
  await rm(join(copy, 'BACKUP.json'));
  await expect(restore({ source: copy, dataDir: join(root, 'x'), ...quiet })).rejects.toThrow(/not a backup/);
});

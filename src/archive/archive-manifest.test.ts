/** The manifest's files: torn tails, followers, a new file before one grows long, and proofs that name what was changed. */

import { appendFile, mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { FileEntry } from './archive-manifest.ts';
import { createManifestReader, openManifest, verifyChain } from './archive-manifest-file.ts';

const clock = { now: () => 0 };
let dir = '';
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'archive-manifest-'));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

const entry = (number: number, file = `hot/${number}.parquet`): FileEntry => ({
  file,
  rows: 1,
  bytes: 1,
  sha256: 'a'.repeat(64),
  time: [number, number],
  seq: [number, number],
});
const part = (number: number) => ({ kind: 'part' as const, durable: number, add: [entry(number)] });
const first = () => join(dir, 'manifest', '000001.jsonl');

test('a torn last line never happened; what follows joins the chain', async () => {
  for (const torn of ['{"n":4,"kind":"pa', '{"n":4\n', '\u0000\u0000']) {
    const manifest = await openManifest(dir, 'streamid', clock);
    const { durable } = manifest.state;
    await manifest.append(part(durable + 1));
    await manifest.close();
    await appendFile(first(), torn);
  }
  const again = await openManifest(dir, 'streamid', clock);
  expect(again.state).toMatchObject({ durable: 3, n: 4, stream: 'streamid' });
  await again.close();
  expect((await verifyChain(dir)).faults).toEqual([]);
});

test('refuses to go on after a line in the middle was changed, or with another stream', async () => {
  const manifest = await openManifest(dir, 'streamid', clock);
  for (let i = 1; i <= 3; i++) await manifest.append(part(i));
  await manifest.close();
  await expect(openManifest(dir, 'otherone', clock)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  const text = await readFile(first(), 'utf8');
  await writeFile(first(), text.replace('"durable":2', '"durable":9'));
  await expect(openManifest(dir, 'streamid', clock)).rejects.toMatchObject({ code: 'ARCHIVE_TAMPERED' });
});

test('starts a new file with all that is live; followers and the chain go across', async () => {
  const manifest = await openManifest(dir, 'streamid', clock);
  const reader = createManifestReader(dir);
  await reader.refresh();
  const long = Array.from({ length: 300 }, (_, i) => entry(i, `hot/${'x'.repeat(200)}${i}.parquet`));
  let hash = '';
  for (let i = 1; i <= 120; i++) {
    await manifest.append({ kind: 'part', durable: i, add: long });
    if (i === 5) hash = `${manifest.state.n}:${manifest.state.hash}`;
    await reader.refresh();
    expect(reader.state.durable).toBe(i);
  }
  await manifest.append({ kind: 'retire', before: '', remove: ['hot/1.parquet'] });
  await manifest.close();
  await reader.refresh();
  expect(reader.state.live.size).toBe(300);
  expect(reader.state.hash).toBe(manifest.state.hash);
  expect(await readdir(join(dir, 'manifest'))).toEqual(['000001.jsonl', '000002.jsonl']);
  expect((await verifyChain(dir, hash)).faults).toEqual([]);
  expect((await verifyChain(dir, hash.replace(/.$/, 'z'))).faults).toEqual([expect.stringContaining('were rewritten')]);
  const again = await openManifest(dir, 'streamid', clock);
  expect(again.state.n).toBe(manifest.state.n);
  await again.close();
  await unlink(first());
  expect((await verifyChain(dir)).faults).toEqual([]);
});

test('one changed line is one fault, and names the files of that line', async () => {
  const manifest = await openManifest(dir, 'streamid', clock);
  for (let i = 1; i <= 9; i++) await manifest.append(part(i));
  await manifest.close();
  const lines = (await readFile(first(), 'utf8')).split('\n');
  lines[4] = (lines[4] as string).replace('"rows":1', '"rows":2');
  await writeFile(first(), lines.join('\n'));
  const chain = await verifyChain(dir);
  expect(chain.faults).toEqual([expect.stringContaining('the line before it names hot/4.parquet')]);
  expect(chain.state).toMatchObject({ n: 10, durable: 9 });
  lines.splice(4, 1);
  await writeFile(first(), lines.join('\n'));
  expect((await verifyChain(dir)).faults).toHaveLength(1);
});

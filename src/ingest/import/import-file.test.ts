/** Imports: shapes, compression, repeats, damage; and the command against a real server. */

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Command } from 'commander';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { EXIT, type Terminal } from '../../core/index.ts';
import { ingestCommands } from '../ingest-commands.ts';
import { startIngestApp, TOKEN } from '../testing/ingest-app.ts';
import { type Harness, openHarness } from '../testing/ingest-harness.ts';
import { importFile } from './import-file.ts';

let harness: Harness;
beforeEach(async () => {
  harness = await openHarness();
  await mkdir(join(harness.dir, 'in'));
});
afterEach(() => harness.stop());

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(harness.dir, 'in', name);
  await writeFile(path, content);
  return path;
}
const importOf = (path: string, more: { source?: string; onProgress?: (bytes: number, all: number) => void } = {}) =>
  importFile({ ...harness, path, exercise: false, ...more });

const shapes: [string, string | Uint8Array, string, string[]][] = [
  ['lines', '<38>May  1 a\n[Mon May 04] [error] b\n', 'line', ['<38>May  1 a', '[Mon May 04] [error] b']],
  [
    'an error log',
    '[Mon May 04 2026] [error] x\n[Mon May 04 2026] y',
    'line',
    ['[Mon May 04 2026] [error] x', '[Mon May 04 2026] y'],
  ],
  ['NDJSON', '{"a":1}\n{"b":2}\n', 'json', ['{"a":1}', '{"b":2}']],
  ['a JSON array', '\ufeff[\n {"a":1},\n {"b":2}\n]', 'json', ['{"a":1}', '{"b":2}']],
  ['pretty objects', '{\n "a":1\n}\n{\n "b":2\n}', 'json', ['{\n "a":1\n}', '{\n "b":2\n}']],
  [
    'journal',
    '{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}\n',
    'journal',
    ['{"__REALTIME_TIMESTAMP":"1","MESSAGE":"x"}'],
  ],
  [
    'event XML in UTF-16',
    Buffer.from('\ufeff<Events>\r\n<Event><a/></Event></Events>', 'utf16le'),
    'windows-xml',
    ['<Event><a/></Event>'],
  ],
];
for (const [name, content, hint, records] of shapes) {
  test(`${name}, plain, gzip and zstd`, async () => {
    const bytes = Buffer.from(content);
    expect(await importOf(await put('plain', bytes))).toEqual({ records: records.length, blocks: 1 });
    await importOf(await put('a.gz', gzipSync(bytes)));
    await importOf(await put('a.zst', zstdCompressSync(bytes)));
    expect(harness.records()).toEqual([...records, ...records, ...records]);
    expect(harness.stream.blocks.map((block) => block.hint)).toEqual([hint, hint, hint]);
  });
}

const many = Array.from({ length: 40_000 }, (_, i) => `line ${i} ${'.'.repeat(60)}`);

test('importing twice adds nothing, under another source it does; progress reaches the end', async () => {
  const path = await put('big.log', many.join('\n'));
  let last: readonly number[] = [];
  const first = await importOf(path, { onProgress: (...now) => (last = now) });
  expect(first.records).toBe(many.length);
  expect(first.blocks).toBeGreaterThan(3);
  expect(last[0]).toBe(last[1]);
  expect(await importOf(path)).toEqual({ records: 0, blocks: 0 });
  expect(harness.records()).toEqual(many);
  expect((await importOf(path, { source: 'again' })).records).toBe(many.length);
});

test('an import that broke off goes on without repeats', async () => {
  const path = await put('big.log', many.join('\n'));
  const append = harness.stream.append.bind(harness.stream);
  let calls = 0;
  harness.stream.append = (block) => (++calls === 3 ? Promise.reject(new Error('killed')) : append(block));
  await expect(importOf(path)).rejects.toThrow('killed');
  harness.stream.append = append;
  await importOf(path);
  expect(harness.records()).toEqual(many);
});

test('damage is told, and what comes before it is kept', async () => {
  const whole = gzipSync(many.join('\n'));
  await expect(importOf(await put('cut.gz', whole.subarray(0, whole.length / 2)))).rejects.toMatchObject({
    code: 'INPUT_UNREADABLE',
  });
  expect(harness.records().length).toBeGreaterThan(100);
  await expect(importOf(await put('half.json', '[{"a":1},{"b"'))).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
  expect(harness.records()).toContain('{"a":1}');
});

test('what is no text is refused with the way to make it so', async () => {
  await expect(importOf(await put('x.evtx', 'ElfFile\0rest'))).rejects.toThrow(/wevtutil/);
  await expect(importOf(join(harness.dir, 'in', 'absent'))).rejects.toMatchObject({ code: 'INPUT_UNREADABLE' });
  expect(await importOf(await put('empty', ''))).toEqual({ records: 0, blocks: 0 });
});

test('`asepsis import` sends to a running desk, once', async () => {
  const { app, url } = await startIngestApp(harness);
  const out: string[] = [];
  const said: string[] = [];
  const terminal: Terminal = {
    out: (text) => out.push(text),
    say: (line) => said.push(line),
    progress: () => {},
    colour: false,
  };
  const command = (...args: string[]) => {
    const program = new Command().exitOverride();
    ingestCommands(program, terminal);
    return program.parseAsync(['import', '--url', url, ...args], { from: 'user' });
  };
  try {
    const path = await put('big.log.gz', gzipSync(many.join('\n')));
    const json = await put('a.json', '[{"a":1},{"b":2}]');
    await command('--token', TOKEN, '--json', '--source', 'Wäscherei 東', path, json);
    await command('--token', TOKEN, '--json', '--source', 'Wäscherei 東', path);
    expect(out.map((line) => JSON.parse(line))).toEqual([
      { file: path, records: many.length, duplicate: 0 },
      { file: json, records: 2, duplicate: 0 },
      { file: path, records: 0, duplicate: many.length },
    ]);
    expect(harness.records()).toEqual([...many, '{"a":1}', '{"b":2}']);
    const source = (await harness.store.sources.list({})).find((entry) => entry.kind === 'import');
    expect(source?.name).toBe('Wäscherei 東');
    expect(process.exitCode).toBeUndefined();
    await command('--token', 'wrong', path);
    expect(process.exitCode).toBe(EXIT.failure);
    expect(said.at(-1)).toContain('401');
  } finally {
    process.exitCode = undefined;
    await app.close();
  }
});

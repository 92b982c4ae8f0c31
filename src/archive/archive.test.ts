/** The whole archive: what is appended comes out again, at every stage of its life, searched by page, verified, retired. */

import { mkdtemp, readdir, readFile, rm, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type DecodedEvent, type EventRecord, toEventRecord } from '../core/index.ts';
import { openArchiveReader } from './archive-reader.ts';
import { openArchiveWriter } from './archive-writer.ts';
import { sampleEvents } from './testing/sample-events.ts';

const STREAM = 'teststrm';
const START = Date.UTC(2026, 2, 1, 9, 30);
const folders: string[] = [];

afterEach(async () => {
  for (const dir of folders.splice(0)) await rm(dir, { recursive: true, force: true });
});

async function folder(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'archive-'));
  folders.push(dir);
  return dir;
}

async function setUp(o: { nowMs?: number; retentionDays?: number; sealRows?: number; dir?: string } = {}) {
  const dir = o.dir ?? (await folder());
  const clock = { nowMs: o.nowMs ?? START, now: () => clock.nowMs };
  const base = { dir, streamId: STREAM, clock };
  const upkeep = { sealRows: o.sealRows ?? 1000, sealAgeMs: 60_000 };
  const writer = await openArchiveWriter({ ...base, retentionDays: o.retentionDays ?? 365, upkeep });
  const reader = await openArchiveReader(base);
  return { dir, clock, writer, reader, close: async () => void (await Promise.all([writer.close(), reader.close()])) };
}

type Archive = Awaited<ReturnType<typeof setUp>>;

async function appendAll(archive: Archive, events: readonly DecodedEvent[], flushEvery = 1): Promise<void> {
  const blocks = Map.groupBy(events, (event) => event.seq);
  let count = 0;
  for (const [seq, block] of [...blocks].sort((a, b) => a[0] - b[0])) {
    await archive.writer.append(block, seq);
    if (++count % flushEvery === 0) await archive.writer.flush();
  }
  await archive.writer.flush();
}

async function everything(archive: Archive, query = '', limit = 170): Promise<EventRecord[]> {
  const items: EventRecord[] = [];
  let after: string | undefined;
  do {
    const ask = { query, fromMs: -Infinity, toMs: Infinity, limit };
    const page = await archive.reader.search(after === undefined ? ask : { ...ask, after });
    items.push(...page.items);
    after = page.next ?? undefined;
  } while (after !== undefined);
  return items;
}

function newestFirst(events: readonly DecodedEvent[]): EventRecord[] {
  return [...events]
    .sort((a, b) => b.timeMs - a.timeMs || b.seq - a.seq || b.index - a.index)
    .map((event) => toEventRecord(STREAM, event));
}

const odd = (over: Partial<DecodedEvent>): DecodedEvent => ({
  ...(sampleEvents(1)[0] as DecodedEvent),
  norm: {},
  fields: {},
  logsource: {},
  marks: [],
  ...over,
});

test('an event that is asked for before it can be searched is waited for', async () => {
  const archive = await setUp();
  const [event] = sampleEvents(1);
  const { id } = toEventRecord(STREAM, event as DecodedEvent);
  const asked = archive.reader.get(id);
  expect(await Promise.race([asked, new Promise((resolve) => setTimeout(resolve, 250, 'waits'))])).toBe('waits');
  await appendAll(archive, [event as DecodedEvent]);
  expect((await asked)?.id).toBe(id);
  await archive.close();
});

test('gives back odd events exactly, hot and sealed and merged', async () => {
  const archive = await setUp({ retentionDays: 36_500 });
  const texts = [
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '"\'\\',
    '\n\r\t',
    'ÄŐ漢😀',
    '\u2028',
    '%_*?',
    '{"a":1}',
    'null',
    '\u007f\u0085',
  ];
  const events = texts.map((text, index) =>
    odd({
      index,
      raw: `${text}|${text}`,
      norm: { user: text, message: text, command_line: `x${text}`, bytes: 2 ** 40 + index, status: -1 - index, pid: 0 },
      fields: {
        [`k${text}`]: text,
        same: text,
        pid: '0',
        n: 1.5,
        t: true,
        f: false,
        z: null,
        list: [text, 1, null, false],
      },
      marks: index % 2 === 0 ? [] : ['cut', text],
      logsource: index % 3 === 0 ? { category: text } : { product: text, service: 'x' },
      exercise: index % 2 === 0,
    }),
  );
  events.push(odd({ index: 90, raw: '😀end', norm: { message: 'end' }, fields: { ['__proto__']: 'p', '': 'e' } }));
  events.push(
    odd({ index: 91, raw: '', norm: { message: '' }, timeMs: -5 }),
    odd({ index: 92, fields: { m: 'x' }, norm: { bytes: 1 } }),
  );
  await appendAll(archive, events);
  const expected = newestFirst(events);
  expect(await everything(archive)).toEqual(expected);
  archive.clock.nowMs += 3 * 3_600_000;
  await archive.writer.settle();
  expect(await readdir(join(archive.dir, 'hot'))).toHaveLength(1);
  expect(await everything(archive)).toEqual(expected);
  for (const event of events)
    expect(await archive.reader.get(toEventRecord(STREAM, event).id)).toEqual(toEventRecord(STREAM, event));
  expect(await archive.reader.get('teststrm-zz-0')).toBeNull();
  expect(await archive.reader.get('otherstr-1-0')).toBeNull();
  await archive.close();
});

test('replaces what is not Unicode, and nothing else is lost', async () => {
  const archive = await setUp();
  const event = odd({ raw: 'a\ud800b', norm: { user: '\udc00' }, fields: { u: '\udc00', '\ud800': ['\ud800x'] } });
  await appendAll(archive, [event]);
  const [found] = await everything(archive);
  expect(found?.raw).toBe('a\ufffdb');
  expect(found?.fields).toEqual({ u: '\ufffd', '\ufffd': ['\ufffdx'] });
  expect(await everything(archive, 'fields.u:x OR "\ufffd"')).toHaveLength(1);
  await archive.close();
});

test('pages without gaps or repeats while hot parts are sealed, merged and added to', async () => {
  const archive = await setUp({ sealRows: 3000 });
  const events = sampleEvents(6000);
  await appendAll(archive, events.slice(0, 4000));
  const expected = newestFirst(events);
  await archive.writer.settle();
  await appendAll(archive, events.slice(4000));
  expect((await everything(archive)).map((event) => event.id)).toEqual(expected.map((event) => event.id));
  archive.clock.nowMs += 24 * 3_600_000;
  await archive.writer.settle();
  const files = await readdir(archive.dir, { recursive: true });
  expect(
    files.filter((name) => name.endsWith('.parquet') && !name.includes('packed') && !name.startsWith('hot')),
  ).toEqual(files.filter((name) => name.includes('sealed') && name.endsWith('.parquet')));
  expect(await everything(archive)).toEqual(expected);
  await archive.close();
});

test('takes blocks it has only once, also cut differently and after opening again', async () => {
  const first = await setUp();
  const events = sampleEvents(2500);
  await appendAll(first, events.slice(0, 1500));
  expect(first.writer.durableSeq).toBe(3);
  await first.writer.append(events.slice(1000, 1500), 3);
  await first.close();
  const again = await setUp({ dir: first.dir });
  expect(again.writer.durableSeq).toBe(3);
  await again.writer.append(events.slice(500), 5);
  await again.writer.append([], 9);
  await again.writer.flush();
  expect(again.writer.durableSeq).toBe(9);
  expect(await everything(again)).toEqual(newestFirst(events));
  expect((await again.reader.verify()).faults).toEqual([]);
  await again.close();
});

test('verify names what was changed, is missing, extra or rewritten', async () => {
  const archive = await setUp();
  await appendAll(archive, sampleEvents(2000), 2);
  await archive.writer.settle();
  await appendAll(archive, sampleEvents(3000).slice(2000));
  const before = await archive.reader.verify();
  expect(before).toMatchObject({ ok: true, events: 3000, faults: [] });
  await archive.close();

  const files = (await readdir(archive.dir, { recursive: true })).filter((name) => name.endsWith('.parquet'));
  const [sealed, hot] = [
    files.find((name) => name.includes('sealed')),
    files.find((name) => name.startsWith('hot')),
  ] as [string, string];
  const bytes = await readFile(join(archive.dir, sealed));
  bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] as number) ^ 1;
  await writeFile(join(archive.dir, sealed), bytes);
  await unlink(join(archive.dir, hot));
  await writeFile(join(archive.dir, 'hot', '1-1-1.parquet'), 'PAR1');
  const reader = await openArchiveReader({ dir: archive.dir, streamId: STREAM, clock: archive.clock });
  const verdict = await reader.verify();
  expect(verdict.ok).toBe(false);
  expect(verdict.faults).toEqual([
    `changed: ${sealed}`,
    `missing: ${hot}`,
    'extra: hot/1-1-1.parquet is in no line of the manifest',
  ]);

  const path = join(archive.dir, 'manifest', '000001.jsonl');
  const lines = (await readFile(path, 'utf8')).split('\n');
  lines[1] = (lines[1] as string).replace(/"sha256":"./, '"sha256":"x');
  await writeFile(path, lines.join('\n'));
  const rewritten = await reader.verify();
  expect(rewritten.faults[0]).toContain(
    'line 3 of the manifest does not follow from the line before it; the line before it names hot/',
  );
  await reader.close();
});

test('retention deletes whole days and records it', async () => {
  const archive = await setUp({ retentionDays: 2 });
  const day = 86_400_000;
  const days = [0, 1, 2, 3].flatMap((n) =>
    sampleEvents(500, { seed: 3, startMs: START + n * day, perSec: 5 }).map((event) => ({ ...event, seq: n + 1 })),
  );
  await appendAll(archive, days);
  archive.clock.nowMs = START + 3 * day;
  await archive.writer.settle();
  const left = newestFirst(days.filter((event) => event.timeMs >= Math.floor((START + day) / day) * day));
  expect(await everything(archive)).toEqual(left);
  const manifest = await readFile(join(archive.dir, 'manifest', '000001.jsonl'), 'utf8');
  expect(manifest).toContain('"kind":"retire","before":"2026-03-02T00:00:00.000Z"');
  expect((await archive.reader.verify()).faults).toEqual([]);
  await archive.close();
});

test('hostile clocks cannot make any number of files', { timeout: 90_000 }, async () => {
  const archive = await setUp({ sealRows: 1 });
  const events = sampleEvents(400).map((event, i) => ({ ...event, timeMs: event.timeMs + (i % 100) * 3_600_000 * 37 }));
  await appendAll(archive, events);
  await archive.writer.settle();
  const files = (await readdir(archive.dir, { recursive: true })).filter((name) => /day=.*parquet$/.test(name));
  expect(files).toHaveLength(49);
  expect(await everything(archive)).toEqual(newestFirst(events));
  await archive.close();
});

test('histogram counts the same from manifest, index and files', async () => {
  const archive = await setUp({ sealRows: 2000 });
  const events = sampleEvents(6000, { seed: 5, startMs: START, perSec: 1 });
  await appendAll(archive, events.slice(0, 5000), 4);
  await archive.writer.settle();
  await appendAll(archive, events.slice(5000));
  const count = (from: number, to: number, bucket: number, keep: (event: DecodedEvent) => boolean = () => true) => {
    const counts = new Map<number, number>();
    for (let at = Math.floor(from / bucket) * bucket; at < to; at += bucket) counts.set(at, 0);
    for (const event of events) {
      const at = Math.floor(event.timeMs / bucket) * bucket;
      if (event.timeMs >= from && event.timeMs < to && keep(event)) counts.set(at, (counts.get(at) ?? 0) + 1);
    }
    return [...counts].map(([startMs, n]) => ({ startMs, count: n }));
  };
  const hour = 3_600_000;
  for (const [from, to, bucket] of [
    [START - hour, START + 3 * hour, hour],
    [START, START + hour, 60_000],
    [START + 1234, START + hour + 4321, 60_000],
    [START + 60_000, START + 120_000, 1000],
    [START - 30 * hour, START + 30 * hour, 24 * hour],
  ] as const) {
    expect(await archive.reader.histogram({ query: '', fromMs: from, toMs: to }, bucket)).toEqual(
      count(from, to, bucket),
    );
    const query = 'outcome:success';
    const expected = count(from, to, bucket, (event) => event.norm.outcome === 'success');
    expect(await archive.reader.histogram({ query, fromMs: from, toMs: to }, bucket)).toEqual(expected);
  }
  await archive.close();
});

test('a search that is broken off says so and the next one works', async () => {
  const archive = await setUp();
  await appendAll(archive, sampleEvents(20_000), 50);
  const abort = new AbortController();
  const search = archive.reader.search({ query: 'x*y*z', fromMs: 0, toMs: Infinity, limit: 10 }, abort.signal);
  abort.abort();
  await expect(search).rejects.toThrow(/abort/i);
  expect((await everything(archive, 'user:root', 500)).length).toBeGreaterThan(100);
  const late = archive.reader.search({ query: 'x*y*z', fromMs: 0, toMs: Infinity, limit: 10 });
  const refused = expect(late).rejects.toThrow();
  await archive.reader.close();
  await refused;
  await archive.close();
});

test('search while writing sees every flushed event, through sealing', async () => {
  const archive = await setUp({ sealRows: 1500 });
  const events = sampleEvents(12_000);
  let flushed = 0;
  const writing = (async () => {
    for (let i = 0; i < events.length; i += 500) {
      await archive.writer.append(events.slice(i, i + 500), i / 500 + 1);
      await archive.writer.flush();
      flushed = i + 500;
      if (i % 3000 === 0) await archive.writer.settle();
    }
  })();
  const seen: number[] = [];
  while (flushed < events.length) {
    const atLeast = flushed;
    const [bucket] = await archive.reader.histogram(
      { query: 'process:sshd', fromMs: START, toMs: START + 86_400_000 },
      86_400_000,
    );
    seen.push((bucket?.count ?? 0) - atLeast);
  }
  await writing;
  expect(seen.every((more) => more >= 0)).toBe(true);
  expect(await everything(archive, '', 500)).toEqual(newestFirst(events));
  await archive.close();
});

/** Side indexes: what they say is exact or on the safe side, and searches that trust them find what a plain reading finds. */

import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveReader, toEventRecord } from '../core/index.ts';
import { createGrams, foldGrams, gramsAdd, gramsMayHave, gramsUnite } from './archive-grams.ts';
import { decodeIndex, encodeIndex, FANOUT_BYTES } from './archive-index.ts';
import { createKeys, keysAmong } from './archive-keys.ts';
import { bucketSpan, createPostings, minutesIn } from './archive-postings.ts';
import { parseQuery } from './archive-query.ts';
import { openArchiveReader } from './archive-reader.ts';
import { openArchiveWriter } from './archive-writer.ts';
import { matches } from './testing/oracle.ts';
import { sampleEvents } from './testing/sample-events.ts';

const STREAM = 'teststrm';
const START = Date.UTC(2026, 2, 1, 9, 30);
const clock = { now: () => START + 2 * 86_400_000 };
// An event every eight seconds or so: seven hours, several files an hour, few events a minute.
const events = sampleEvents(3000, { seed: 11, startMs: START, perSec: 0.12 });
const END = (events.at(-1)?.timeMs ?? 0) + 1;
const users = ['root', 'admin', 'test', ...new Set(events.slice(0, 40).map((event) => event.norm.user as string))];
let dir = '';
let reader: ArchiveReader;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'archive-index-'));
  const writer = await openArchiveWriter({ dir, streamId: STREAM, clock, retentionDays: 365, upkeep: { sealRows: 1 } });
  for (let i = 0; i < events.length; i += 500) {
    await writer.append(events.slice(i, i + 500), 1 + i / 500);
    await (i < 2500 ? writer.settle() : writer.flush());
  }
  await writer.close();
  reader = await openArchiveReader({ dir, streamId: STREAM, clock });
});

afterAll(async () => {
  await reader.close();
  await rm(dir, { recursive: true, force: true });
});

const query = fc.oneof(
  fc.constantFrom(...users).map((user) => `user:${user}`),
  fc.constantFrom(...events.slice(0, 60)).map((event) => `src_ip:${event.norm.src_ip}`),
  fc.tuple(fc.constantFrom(...users), fc.constantFrom(0, 1, 2)).map(([user, n]) => `user:${user} host:srv${n}`),
  fc.tuple(fc.constantFrom(...users), fc.constantFrom(...users)).map(([a, b]) => `user:(${a} OR ${b})`),
  fc.constantFrom(...users).map((user) => `user:${user} outcome:success`),
  fc.constantFrom(...users).map((user) => `-user:${user}`),
  fc.constantFrom(...users).map((user) => `"for invalid user ${user} "`),
  fc.constantFrom('', 'authenticating', 'xmrig', 'raw:*PREAUTH*', 'user:nobody OR xmrig OR "uid=0"'),
);
const span = fc
  .tuple(fc.integer({ min: START - 100_000, max: END }), fc.integer({ min: 1, max: END - START }))
  .map(([from, length]) => ({ fromMs: from, toMs: from + length }));

test('pages of any query and span, put together, are what a plain reading finds', async () => {
  await fc.assert(
    fc.asyncProperty(query, fc.option(span), fc.integer({ min: 5, max: 200 }), async (text, some, limit) => {
      const { fromMs, toMs } = some ?? { fromMs: 0, toMs: Infinity };
      const parsed = parseQuery(text);
      const expected = events
        .filter((event) => event.timeMs >= fromMs && event.timeMs < toMs && matches(parsed, event))
        .sort((a, b) => b.timeMs - a.timeMs || b.seq - a.seq || b.index - a.index)
        .slice(0, 3 * limit)
        .map((event) => toEventRecord(STREAM, event).id);
      const found: string[] = [];
      let after: string | undefined;
      for (let page = 0; page < 3; page++) {
        const next = await reader.search({
          query: text,
          fromMs,
          toMs,
          limit,
          ...(after === undefined ? {} : { after }),
        });
        found.push(...next.items.map((item) => item.id));
        if (next.next === null) break;
        after = next.next;
      }
      expect(found, text).toEqual(expected);
    }),
    { numRuns: 60 },
  );
});

test('histograms of any query, span and bucket are what a plain reading counts', async () => {
  const bucket = fc.constantFrom(60_000, 600_000, 3_600_000, 86_400_000, 90_000, 1000 * 7200);
  await fc.assert(
    fc.asyncProperty(query, fc.option(span), bucket, fc.boolean(), async (text, some, bucketMs, whole) => {
      const round = (ms: number) => (whole ? Math.floor(ms / 60_000) * 60_000 : ms);
      const [fromMs, toMs] = some === null ? [0, Infinity] : [round(some.fromMs), round(some.toMs)];
      const parsed = parseQuery(text);
      const expected = new Map<number, number>();
      for (const event of events) {
        if (event.timeMs < fromMs || event.timeMs >= toMs || !matches(parsed, event)) continue;
        const start = Math.floor(event.timeMs / bucketMs) * bucketMs;
        expected.set(start, (expected.get(start) ?? 0) + 1);
      }
      const found = await reader.histogram({ query: text, fromMs, toMs }, bucketMs);
      const counted = found.filter((one) => one.count > 0).map((one) => [one.startMs, one.count]);
      expect(counted, text).toEqual([...expected].sort((a, b) => a[0] - b[0]));
    }),
    { numRuns: 60 },
  );
});

test('an index that is cut short or gone is not believed: the file is asked', async () => {
  const names = (await readdir(dir, { recursive: true })).filter((name) => name.endsWith('.idx'));
  expect(names.length).toBeGreaterThan(3);
  for (const [i, name] of names.entries()) {
    if (i % 2 === 0) await rm(join(dir, name));
    else await writeFile(join(dir, name), Buffer.from('{"version":2,"bytes":64,"postings":4000,"grams":1024}\n'));
  }
  const fresh = await openArchiveReader({ dir, streamId: STREAM, clock });
  const expected = events.filter((event) => event.norm.user === 'root').length;
  const found = await fresh.histogram({ query: 'user:root', fromMs: 0, toMs: Infinity }, 86_400_000);
  await fresh.close();
  expect(found.reduce((sum, one) => sum + one.count, 0)).toBe(expected);
});

test('postings give back what went in, and nothing for what did not', () => {
  const value = fc.string({ unit: 'grapheme', maxLength: 12 });
  const minute = fc.integer({ min: -144_000_000, max: 144_000_000 });
  const counts = fc.dictionary(
    value,
    fc.uniqueArray(fc.tuple(minute, fc.integer({ min: 1, max: 5000 })), {
      minLength: 1,
      maxLength: 20,
      selector: ([m]) => m,
    }),
  );
  fc.assert(
    fc.property(counts, counts, value, (a, b, absent) => {
      const builder = createPostings(['src_ip', 'user']);
      for (const [column, values] of [a, b].entries())
        for (const [text, minutes] of Object.entries(values))
          for (const [at, count] of minutes) builder.add(column, text, at, count);
      const bytes = builder.finish();
      const look = (column: number, text: string) => {
        const [from, to] = bucketSpan(bytes.subarray(0, FANOUT_BYTES), ['src_ip', 'user'][column] as string, text);
        return minutesIn(bytes.subarray(from, to), column, text);
      };
      for (const [column, values] of [a, b].entries()) {
        for (const [text, minutes] of Object.entries(values))
          expect(look(column, text)).toEqual([...minutes].sort((x, y) => x[0] - y[0]));
        if (!Object.hasOwn(values, absent)) expect(look(column, absent)).toEqual([]);
      }
    }),
  );
});

test('bytes that are no postings are refused or read as nothing, never for ever', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      minutesIn(Buffer.from(bytes), 0, 'root');
      decodeIndex(Buffer.concat([Buffer.from('{"bytes":64,"postings":2000}\n'), bytes]));
      decodeIndex(Buffer.from(bytes));
    }),
  );
});

test('pieces of words never miss a text that is there, folded and united too', () => {
  const letters = ['a', 'b', 'X', 'Y', '0', '1', '9', ' ', '.', ':', '-', '_', 'é', '\u212a', '\u0130', '😀'];
  const text = fc.string({ unit: fc.constantFrom(...letters), maxLength: 60 });
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 8 }), fc.nat(), fc.nat({ max: 30 }), (texts, which, from) => {
      const parts = texts.map((one) => {
        const grams = createGrams();
        gramsAdd(grams, Buffer.from(one));
        return foldGrams(grams);
      });
      const whole = createGrams();
      for (const part of parts) gramsUnite(whole, part);
      const folded = foldGrams(whole);
      // As DuckDB folds case: these two are the only ones that become ASCII.
      const lower = (texts[which % texts.length] as string).replaceAll('\u212a', 'k').replaceAll('\u0130', 'i');
      expect(gramsMayHave(folded, lower.slice(from, from + 12))).toBe(true);
      expect(gramsMayHave(folded, lower.toUpperCase().slice(from, from + 12))).toBe(true);
    }),
  );
  const grams = createGrams();
  gramsAdd(grams, Buffer.from('Failed password for root from 192.0.2.7 port 22 ssh2'));
  expect(gramsMayHave(foldGrams(grams), 'mimikatz')).toBe(false);
});

test('keys that were added are there, others are not, and damaged bytes say nothing', () => {
  const key = fc.oneof(
    fc.integer({ min: 0, max: 0xffff_ffff }),
    fc.constantFrom(0, 1, 127, 128, 0x8000_0000, 0xffff_ffff),
  );
  fc.assert(
    fc.property(fc.array(key), fc.array(key), (added, asked) => {
      const keys = createKeys();
      for (const one of [...added, ...added]) keys.add(one);
      const bytes = keys.finish();
      const wanted = Uint32Array.from(new Set([...asked, ...added.slice(0, 3)])).sort();
      const has = new Set(added);
      expect(keysAmong(bytes, wanted)).toEqual({ held: [...wanted].filter((one) => has.has(one)), count: has.size });
      expect(keysAmong(bytes.subarray(0, -1), wanted)).toBeNull();
    }),
  );
  const many = createKeys();
  for (let i = 0; i < 200_000; i++) many.add((i * 7919) % 100_003);
  expect(keysAmong(many.finish(), Uint32Array.of(7, 200_000))).toEqual({ held: [7], count: 100_003 });
});

test('an index of the first version is read as one that knows less', () => {
  const bloom = new Uint8Array(64);
  const first = Buffer.concat([Buffer.from('{"version":1,"minutes":[[1,2]],"same":[],"bytes":64}\n'), bloom]);
  expect(decodeIndex(first)).toMatchObject({ minutes: [[1, 2]], columns: null, posted: [], fanout: null });
  const parts = { minutes: null, same: null, columns: ['raw'], posted: ['user'], bloom };
  const more = {
    postings: createPostings(['user']).finish(),
    grams: new Uint8Array(1024),
    keys: createKeys().finish(),
  };
  const second = encodeIndex({ ...parts, ...more });
  expect(decodeIndex(second)).toMatchObject({ columns: ['raw'], posted: ['user'], end: second.length });
});

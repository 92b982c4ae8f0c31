/** Looking back: the archive's own answers against a plain look at every event; parts that are not opened; going on after a break. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openArchiveReader, openArchiveWriter } from '../archive/index.ts';
import { type Alert, type ArchiveReader, type DecodedEvent, systemClock } from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import { type HuntOptions, huntIndicators, huntRules } from './detection-hunt-run.ts';
import type { IndicatorRecord } from './indicators/indicator-import.ts';
import { createFinder } from './indicators/indicator-match.ts';
import { buildIndicators, openIndicators } from './indicators/indicator-set.ts';
import { readIndicator } from './indicators/indicator-value.ts';
import { sampleEvent, sampleRules } from './testing/detection-samples.ts';

const STREAM = 'aaaaaaaa';
const T0 = Date.UTC(2026, 0, 5, 8);
let dir = '';
let archive: ArchiveReader;
const events: DecodedEvent[] = [];

/** Six hours of log-ins, proxies and processes, one part an hour. */
function hourOf(hour: number): DecodedEvent[] {
  return Array.from({ length: 400 }, (_, i) => {
    const timeMs = T0 + hour * 3_600_000 + i * 5000;
    const kind = i % 3;
    const image = `C:\\Tools\\app${i % 9}.exe`;
    const event = sampleEvent(kind === 2 ? { Image: image, CommandLine: `${image} -x ${i}` } : {}, {
      timeMs,
      receivedMs: timeMs,
      format: 'test/mixed',
      logsource: kind === 2 ? { product: 'windows', category: 'process_creation' } : { product: 'test' },
      norm:
        kind === 0
          ? {
              src_ip: `10.0.${hour}.${i % 200}`,
              user: `u${i % 7}`,
              outcome: i % 30 === 0 ? 'failure' : 'success',
              host: 'srv',
            }
          : kind === 1
            ? { src_ip: '10.1.1.1', domain: `host${i % 50}.h${hour}.example`, url: `/p${i % 11}`, host: 'proxy' }
            : { process: image, command_line: `${image} -x ${i}`, host: `ws-${i % 4}` },
    });
    return { ...event, seq: hour + 1, index: i, raw: JSON.stringify({ ...event.norm, ...event.fields }) };
  });
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asepsis-hunt-'));
  const writer = await openArchiveWriter({
    dir,
    streamId: STREAM,
    clock: systemClock,
    retentionDays: 36_500,
    onAlarm: () => {},
  });
  for (let hour = 0; hour < 6; hour++) {
    const list = hourOf(hour);
    events.push(...list);
    await writer.append(list, hour + 1);
    await writer.flush();
  }
  await writer.close();
  archive = await openArchiveReader({ dir, streamId: STREAM, clock: systemClock });
});
afterAll(async () => {
  await archive.close();
  await rm(dir, { recursive: true });
});

const setOf = (...values: string[]) => ({
  set: openIndicators(
    buildIndicators(
      values.map((value) => ({
        ...(readIndicator(value) as IndicatorRecord),
        source: 'list',
        confidence: 60,
        untilMs: null,
      })),
    ),
  ),
  patterns: [],
});
function options(raised: Alert[], more: Partial<HuntOptions> = {}): HuntOptions {
  return {
    fromMs: 0,
    toMs: Number.MAX_SAFE_INTEGER,
    deep: false,
    streamId: STREAM,
    done: new Set(),
    signal: new AbortController().signal,
    onAlerts: async (alerts) => void raised.push(...alerts),
    onParts: async () => {},
    ...more,
  };
}

test('indicators in the archive are those that a look at every event finds', async () => {
  const stored = setOf(
    '10.0.2.9',
    '10.0.4.0/25',
    'h3.example',
    'http://host1.h1.example/p1',
    'not.there.example',
    '203.0.113.9',
  );
  const raised: Alert[] = [];
  const progress = await huntIndicators(archive.parts, stored, options(raised));
  const finder = createFinder(stored.set);
  const found = new Set(
    events.flatMap((event) =>
      finder.find(event).map(({ index }) => `${stored.set.at(index).type} ${stored.set.at(index).value}`),
    ),
  );
  expect(new Set(raised.flatMap(({ matched }) => matched.map(({ words }) => words[0])))).toEqual(found);
  expect(found.size).toBe(4);
  expect(raised.every((alert) => alert.retrospective)).toBe(true);
  expect(new Set(raised.map(({ id }) => id)).size).toBe(raised.length);
  expect(progress.rows).toBe(events.length);
  expect(progress.eventsRead).toBeLessThan(events.length / 2);
  const deep: Alert[] = [];
  await huntIndicators(archive.parts, stored, options(deep, { deep: true }));
  expect(new Set(deep.map(({ id }) => id))).toEqual(new Set(raised.map(({ id }) => id)));
});

test.each([
  ['a column', 'logsource: { product: test }\ndetection: { s: { outcome: failure }, condition: s }'],
  ['a network', 'logsource: { product: test }\ndetection: { s: { src_ip|cidr: 10.0.3.0/26 }, condition: s }'],
  [
    'a text of the record',
    "logsource: { product: windows, category: process_creation }\ndetection: { s: { CommandLine|contains: '-x 77' }, condition: s }",
  ],
  [
    'a path',
    "logsource: { product: windows, category: process_creation }\ndetection: { s: { Image|endswith: '\\app4.exe' }, f: { CommandLine|endswith: '1' }, condition: s and not f }",
  ],
  [
    'alternatives',
    "logsource: { product: test }\ndetection: { a: { user: u3 }, b: { domain|endswith: '.h5.example' }, condition: a or b }",
  ],
  ['a number', 'logsource: { product: test }\ndetection: { s: { src_port|gt: 1 }, condition: s }'],
  ['a keyword', 'logsource: { product: test }\ndetection: { k: [ host44.h2 ], condition: k }'],
])('a rule over %s finds what the engine finds on every event', async (_, body) => {
  const rules = sampleRules(`title: T\nid: hunted\n${body}\n`);
  const raised: Alert[] = [];
  await huntRules(archive.parts, rules, { ...options(raised), state: null });
  const engine = createEngine(rules, { streamId: STREAM });
  const expected = events.flatMap((event) => engine.feed(event).map(({ id }) => id));
  expect(raised.map(({ id }) => id).sort()).toEqual(expected.sort());
});

test('a correlation counts over parts, also when the hunt was broken off between them', async () => {
  const rules = sampleRules(
    `title: F\nname: f\nlogsource: { product: test }\ndetection: { s: { outcome: failure }, condition: s }\n---\ntitle: Many\nid: many\ncorrelation: { type: event_count, rules: [f], group-by: [host], timespan: 2h, condition: { gte: 15 } }\n`,
  );
  const whole: Alert[] = [];
  await huntRules(archive.parts, rules, { ...options(whole), state: null });
  const first: Alert[] = [];
  const done = new Set<string>();
  let state: Uint8Array | null = null;
  const stop = new AbortController();
  const broken = huntRules(archive.parts, rules, {
    ...options(first, {
      batchRows: 1,
      signal: stop.signal,
      onParts: async (ids, _, after) => {
        for (const id of ids) done.add(id);
        state = after;
        if (done.size === 1) stop.abort(new Error('broken off'));
      },
    }),
    state: null,
  });
  await expect(broken).rejects.toThrow('broken off');
  const second: Alert[] = [];
  await huntRules(archive.parts, rules, { ...options(second, { done }), state });
  expect([...first, ...second].map(({ id }) => id)).toEqual(whole.map(({ id }) => id));
  expect(whole.length).toBeGreaterThan(0);
});

test('what upkeep merges away meanwhile is looked at in what it became', async () => {
  const stored = setOf('10.0.2.9', '10.0.4.0/25', 'h3.example');
  const whole: Alert[] = [];
  await huntIndicators(archive.parts, stored, options(whole));
  let asked = 0;
  // The second question is answered as if the parts had just been merged away; the list names them again.
  const moving = {
    ...archive.parts,
    distinct: (...args: Parameters<typeof archive.parts.distinct>) =>
      ++asked === 2 ? Promise.resolve(null) : archive.parts.distinct(...args),
  };
  const raised: Alert[] = [];
  const progress = await huntIndicators(moving, stored, options(raised, { batchRows: 1 }));
  expect(new Set(raised.map(({ id }) => id))).toEqual(new Set(whole.map(({ id }) => id)));
  expect([progress.partsDone, progress.rows]).toEqual([6, events.length]);
});

test('parts in which no value can match are not opened', async () => {
  const raised: Alert[] = [];
  const rules = sampleRules(
    'title: T\nid: none\nlogsource: { product: test }\ndetection: { s: { user: nobody, outcome: failure }, condition: s }\n',
  );
  const progress = await huntRules(archive.parts, rules, { ...options(raised), state: null });
  expect(raised).toEqual([]);
  expect(progress.eventsRead).toBe(0);
});

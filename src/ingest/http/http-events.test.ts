/** `/v1/events` with a real server: shapes, encodings, repeats, limits, overload. */

import { promisify } from 'node:util';
import { deflate, gzip, zstdCompress } from 'node:zlib';
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIMITS, type SourceId } from '../../core/index.ts';
import { startIngestApp, TOKEN } from '../testing/ingest-app.ts';
import { type Harness, openHarness } from '../testing/ingest-harness.ts';

let harness: Harness;
let app: FastifyInstance;
let url: string;
let source: SourceId;
beforeEach(async () => {
  harness = await openHarness();
  ({ app, url, source } = await startIngestApp(harness));
});
afterEach(async () => {
  await app.close();
  await harness.stop();
});

async function post(body: string | Uint8Array, headers: Record<string, string> = {}, to = url) {
  const response = await fetch(`${to}/v1/events`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, ...headers },
    body: body as BodyInit,
  });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as Record<string, unknown>,
  };
}

const ndjson = { 'content-type': 'application/x-ndjson' };
const json = { 'content-type': 'application/json' };

test('NDJSON lines become records of the token’s source', async () => {
  expect(await post('{"a":1}\n\n{"b":"ü"}\r\n', ndjson)).toMatchObject({
    status: 200,
    body: { accepted: 2, duplicate: 0 },
  });
  expect(harness.records()).toEqual(['{"a":1}', Buffer.from('{"b":"ü"}').toString('latin1')]);
  expect(harness.stream.blocks[0]).toMatchObject({ source, hint: 'json', peer: 'test shipper', exercise: false });
});

test('a JSON array, an object, text lines and event XML are taken apart', async () => {
  await post('[ {"a":"]},{"},\n {"b":[1,{"c":2}]} , 3]', json);
  await post('{"pretty":\n  true}', json);
  await post('first line\nsecond line', { 'content-type': 'text/plain; charset=utf-8' });
  await post('<?xml version="1.0"?><Events><Event xmlns="x"><EventData/></Event>\n<Event>2</Event></Events>', {
    'content-type': 'application/xml',
  });
  expect(harness.records()).toEqual([
    '{"a":"]},{"}',
    '{"b":[1,{"c":2}]}',
    '3',
    '{"pretty":\n  true}',
    'first line',
    'second line',
    '<Event xmlns="x"><EventData/></Event>',
    '<Event>2</Event>',
  ]);
  expect(harness.stream.blocks.map((block) => block.hint)).toEqual(['json', 'json', 'line', 'windows-xml']);
});

test('gzip, deflate and zstd are read', async () => {
  for (const [encoding, compress] of [
    ['gzip', gzip],
    ['deflate', deflate],
    ['zstd', zstdCompress],
  ] as const) {
    const body = await promisify(compress as typeof gzip)(`{"encoding":"${encoding}"}\n`);
    expect(await post(body, { ...ndjson, 'content-encoding': encoding })).toMatchObject({
      status: 200,
      body: { accepted: 1 },
    });
  }
  expect(harness.records()).toEqual(['{"encoding":"gzip"}', '{"encoding":"deflate"}', '{"encoding":"zstd"}']);
});

test('a request repeated with its key is taken once, also when it is many blocks', async () => {
  const lines = Array.from({ length: 30_000 }, (_, i) => JSON.stringify({ i, pad: 'x'.repeat(60) }));
  const headers = { ...ndjson, 'idempotency-key': 'batch 1' };
  expect((await post(lines.join('\n'), headers)).body).toEqual({ accepted: 30_000, duplicate: 0 });
  expect((await post(lines.join('\n'), headers)).body).toEqual({ accepted: 0, duplicate: 30_000 });
  expect(harness.records()).toEqual(lines);
  expect(harness.stream.blocks.length).toBeGreaterThan(3);
  for (const block of harness.stream.blocks) {
    expect(block.data.length).toBeLessThanOrEqual(LIMITS.blockBytesMax);
    expect(block.ends.length).toBeLessThanOrEqual(LIMITS.blockRecordsMax);
  }
});

test('a retry after a part was refused completes it without repeats', async () => {
  const lines = Array.from({ length: 20_000 }, (_, i) => JSON.stringify({ i }));
  const headers = { ...ndjson, 'idempotency-key': 'batch 2' };
  const append = harness.stream.append.bind(harness.stream);
  let calls = 0;
  harness.stream.append = (block) => {
    if (++calls === 2) harness.stream.refuse = 'DISK_FULL';
    return append(block);
  };
  const refused = await post(lines.join('\n'), headers);
  expect(refused).toMatchObject({ status: 503, body: { code: 'DISK_FULL' } });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  harness.stream.refuse = null;
  const again = (await post(lines.join('\n'), headers)).body as { accepted: number; duplicate: number };
  expect(again.accepted + again.duplicate).toBe(20_000);
  expect(again.duplicate).toBeGreaterThan(0);
  expect(harness.records().sort()).toEqual([...lines].sort());
});

test('a bomb is stopped at the limit, and so is a body that says its size', async () => {
  const bomb = await promisify(zstdCompress)(Buffer.alloc(LIMITS.ingestBodyBytesMax + 1));
  expect(bomb.length).toBeLessThan(100_000);
  expect(await post(bomb, { ...ndjson, 'content-encoding': 'zstd' })).toMatchObject({
    status: 413,
    body: { code: 'TOO_LARGE' },
  });
  expect(await post(Buffer.alloc(LIMITS.ingestBodyBytesMax + 1, 'a'), ndjson)).toMatchObject({ status: 413 });
  expect((await post('{}', ndjson)).status).toBe(200);
});

test('many large requests at once: some are told to wait, and each that is not is complete', async () => {
  const body = (i: number) => `${JSON.stringify({ i, pad: 'x'.repeat(1000) })}\n`.repeat(15_000);
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => post(body(i), ndjson)));
  const taken = answers.filter((answer) => answer.status === 200).length;
  expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200, 429]));
  for (const answer of answers)
    if (answer.status === 429) expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(harness.records()).toHaveLength(taken * 15_000);
});

test('any bytes with any content type and encoding are taken or refused, never a fault of ours', async () => {
  const types = [
    'application/x-ndjson',
    'application/json',
    'text/plain',
    'application/xml',
    'application/x-protobuf',
    '',
  ];
  const paths = ['/v1/events', '/_bulk', '/v1/logs'];
  const byte = fc.constantFrom(...Buffer.from('{}[]",:\\\n<>/ab1{"create":{}}\n\0\xff', 'latin1'));
  const bytes = fc.array(byte, { maxLength: 120 }).map((list) => Buffer.from(list));
  const encoding = fc.constantFrom('identity', 'identity', 'gzip', 'zstd', 'deflate', 'nonsense');
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...paths),
      fc.constantFrom(...types),
      encoding,
      bytes,
      async (path, type, coding, body) => {
        const response = await fetch(url + path, {
          method: 'POST',
          headers: {
            authorization: `Bearer ${TOKEN}`,
            'content-encoding': coding,
            ...(type && { 'content-type': type }),
          },
          body,
        });
        await response.arrayBuffer();
        expect([200, 400, 415]).toContain(response.status);
      },
    ),
    { numRuns: 300 },
  );
});

test('what cannot be read is refused whole', async () => {
  expect(await post('[{"a":1},{"b"', json)).toMatchObject({ status: 400, body: { code: 'BAD_REQUEST' } });
  expect(await post('{"a":1}}', json)).toMatchObject({ status: 400 });
  expect(await post('{}', { 'content-type': 'image/png' })).toMatchObject({ status: 415 });
  expect(await post('{}', { ...ndjson, 'content-encoding': 'br' })).toMatchObject({ status: 415 });
  expect(await post('not gzip', { ...ndjson, 'content-encoding': 'gzip' })).toMatchObject({ status: 400 });
  expect(await post('{}', { ...ndjson, 'idempotency-key': 'k'.repeat(300) })).toMatchObject({ status: 400 });
  expect(await post('{}', { ...ndjson, authorization: 'Bearer no' })).toMatchObject({ status: 401 });
  expect(harness.records()).toEqual([]);
});

test('a source over its rate is told when to come back', async () => {
  const slow = await startIngestApp(harness, { eventsPerSecMax: 10 });
  try {
    expect((await post('1\n'.repeat(45), { 'content-type': 'text/plain' }, slow.url)).status).toBe(200);
    const refused = await post('1\n', { 'content-type': 'text/plain' }, slow.url);
    expect(refused).toMatchObject({ status: 429, body: { code: 'RATE_LIMITED' } });
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  } finally {
    await slow.app.close();
  }
});

test('imported evidence is a source of its own', async () => {
  await post('line\n', { 'content-type': 'text/plain', 'x-asepsis-source': 'old firewall' });
  const imported = (await harness.store.sources.list({})).find((entry) => entry.kind === 'import');
  expect(imported).toMatchObject({ name: 'old firewall', address: 'test shipper' });
  expect(harness.stream.blocks[0]?.source).toBe(imported?.id);
});

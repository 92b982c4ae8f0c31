/** `/_bulk` and the handshake with the official Elasticsearch client, and what it does not send itself. */

import { Client, HttpConnection } from '@elastic/elasticsearch';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { startIngestApp, TOKEN } from '../testing/ingest-app.ts';
import { type Harness, openHarness } from '../testing/ingest-harness.ts';

let harness: Harness;
let app: FastifyInstance;
let url: string;
let client: Client;
beforeEach(async () => {
  harness = await openHarness();
  ({ app, url } = await startIngestApp(harness));
  client = new Client({
    node: url,
    auth: { username: 'shipper', password: TOKEN },
    maxRetries: 0,
    Connection: HttpConnection,
  });
});
afterEach(async () => {
  await client.close();
  await app.close();
  await harness.stop();
});

async function call(method: string, path: string, body?: string, headers: Record<string, string> = {}) {
  const response = await fetch(url + path, {
    method,
    headers: {
      authorization: `Bearer ${TOKEN}`,
      ...(body !== undefined && { 'content-type': 'application/x-ndjson' }),
      ...headers,
    },
    ...(body !== undefined && { body }),
  });
  const text = await response.text();
  const type = response.headers.get('content-type') ?? '';
  return {
    status: response.status,
    headers: response.headers,
    type,
    body: type.includes('json') && text ? JSON.parse(text) : text,
  };
}

test('the official client’s bulk helper delivers every document', async () => {
  const docs = Array.from({ length: 5000 }, (_, i) => ({ '@timestamp': '2026-01-01T00:00:00Z', i }));
  const answer = await client.helpers.bulk({
    datasource: docs,
    flushBytes: 50_000,
    onDocument: () => ({ create: { _index: 'logs' } }),
  });
  expect(answer).toMatchObject({ total: 5000, successful: 5000, failed: 0 });
  const seen = harness.records().map((record) => (JSON.parse(record) as { i: number }).i);
  expect(seen.sort((a, b) => a - b)).toEqual(docs.map((doc) => doc.i));
  expect(harness.stream.blocks[0]).toMatchObject({ hint: 'json' });
});

test('the official client finds an Elasticsearch: info, ping, license, templates, pipelines', async () => {
  expect((await client.info()).version.number).toMatch(/^8\./);
  expect(await client.ping()).toBe(true);
  expect((await client.license.get()).license.status).toBe('active');
  expect((await client.cluster.health()).status).toBe('green');
  expect(await client.indices.existsIndexTemplate({ name: 'filebeat' })).toBe(true);
  expect((await client.indices.putIndexTemplate({ name: 'filebeat', index_patterns: ['x'] })).acknowledged).toBe(true);
  expect(await client.ingest.getPipeline({ id: 'p' })).toHaveProperty('p');
  expect(await client.ilm.getLifecycle({ name: 'filebeat' })).toHaveProperty('filebeat');
  expect((await client.indices.getDataStream({ name: 'logs' })).data_streams[0]?.name).toBe('logs');
  expect(Object.keys((await client.nodes.info({ metric: 'http' })).nodes)).toHaveLength(1);
});

test('browsers get the page at /, Elasticsearch clients the cluster', async () => {
  const page = await fetch(url, { headers: { accept: 'text/html' } });
  expect(await page.text()).toContain('<!doctype html>');
  const cluster = await call('GET', '/', undefined, {
    accept: 'application/vnd.elasticsearch+json; compatible-with=9',
  });
  expect(cluster).toMatchObject({ status: 200, type: 'application/vnd.elasticsearch+json;compatible-with=9' });
  expect(cluster.headers.get('x-elastic-product')).toBe('Elasticsearch');
  expect((await call('HEAD', '/')).status).toBe(200);
  expect((await fetch(url, { headers: { accept: 'application/json' } })).status).toBe(401);
});

test('each action is answered under its own name, in order', async () => {
  const body = [
    '{"index":{"_index":"a","_id":"1"}}',
    '{"n":1}',
    '{"create":{}}',
    '{"n":2}',
    '{"delete":{"_id":"1"}}',
    '{"update":{"_id":"1"}}',
    '{"doc":{}}',
    '{"create":{}}',
    'no object',
    '{"create":{}}',
    '{"n":3}',
    '',
  ].join('\n');
  const answer = await call('POST', '/given/_bulk', body);
  expect(answer.status).toBe(200);
  expect(answer.body.errors).toBe(true);
  const items = answer.body.items as Record<string, { status: number; _index?: string; _id?: string }>[];
  expect(items.map((item) => Object.entries(item).map(([name, { status }]) => `${name} ${status}`)[0])).toEqual([
    'index 201',
    'create 201',
    'delete 400',
    'update 400',
    'create 400',
    'create 201',
  ]);
  expect(items[0]?.index).toMatchObject({ _index: 'a', _id: '1', result: 'created' });
  expect(items[1]?.create).toMatchObject({ _index: 'given', _id: `${harness.stream.streamId}-1-1` });
  expect(harness.records()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
});

test('filter_path makes items short; a repeat with ids is taken once', async () => {
  const body = '{"create":{"_id":"1"}}\n{"n":1}\n';
  const path = '/_bulk?filter_path=errors,items.*.error,items.*.status';
  expect((await call('POST', path, body)).body.items).toEqual([{ create: { status: 201 } }]);
  expect((await call('POST', path, body)).body.errors).toBe(false);
  expect(harness.records()).toEqual(['{"n":1}']);
});

test('malformed bodies are refused whole, in Elasticsearch’s words', async () => {
  for (const body of [
    'nonsense\n{}\n',
    '{"create":{}}\n',
    '{"a":1,"b":2}\n{}\n',
    '{"drop":{}}\n{}\n',
    '\n',
    `{"create":{"_id":"${'x'.repeat(5000)}"}}\n{}\n`,
  ]) {
    const answer = await call('POST', '/_bulk', body);
    expect(answer, body).toMatchObject({
      status: 400,
      body: { status: 400, error: { type: 'illegal_argument_exception' } },
    });
  }
  expect(harness.records()).toEqual([]);
});

test('a busy stream refuses the whole with Retry-After, a full disk with 503', async () => {
  harness.stream.refuse = 'DISK_FULL';
  const full = await call('POST', '/_bulk', '{"create":{}}\n{"n":1}\n');
  expect(full).toMatchObject({ status: 503, body: { error: { type: 'cluster_block_exception' } } });
  expect(Number(full.headers.get('retry-after'))).toBeGreaterThan(0);
  harness.stream.refuse = 'BUSY';
  const busy = await call('POST', '/_bulk', '{"create":{}}\n{"n":1}\n');
  expect(busy).toMatchObject({ status: 429, body: { error: { type: 'es_rejected_execution_exception' } } });
  expect(Number(busy.headers.get('retry-after'))).toBeGreaterThan(0);
});

test('when a part is refused its items say 429, and the client sends just those again', async () => {
  const docs = Array.from({ length: 12_000 }, (_, i) => ({ i }));
  const append = harness.stream.append.bind(harness.stream);
  let calls = 0;
  harness.stream.append = (block) => {
    calls++;
    if (calls === 2) harness.stream.refuse = 'BUSY';
    return append(block);
  };
  const sending = client.helpers.bulk({
    datasource: docs,
    flushBytes: 10_000_000,
    wait: 10,
    retries: 5,
    onDocument: () => ({ index: {} }),
    onFlush: () => {
      harness.stream.refuse = null;
    },
  });
  const answer = await sending;
  expect(answer).toMatchObject({ successful: 12_000, failed: 0 });
  expect(answer.retry).toBeGreaterThan(0);
  const seen = harness.records().map((record) => (JSON.parse(record) as { i: number }).i);
  expect(seen.sort((a, b) => a - b)).toEqual(docs.map((doc) => doc.i));
});

/** OTLP logs with OpenTelemetry's own exporters in both encodings, which must mean the same, and hostile bytes. */

import { type Logger, SeverityNumber } from '@opentelemetry/api-logs';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtoExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs';
import fc from 'fast-check';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { LIMITS } from '../../core/index.ts';
import { startIngestApp, TOKEN } from '../testing/ingest-app.ts';
import { type Harness, openHarness } from '../testing/ingest-harness.ts';
import { OtlpFault, readOtlpProtobuf } from './otlp-protobuf.ts';

let harness: Harness;
let app: FastifyInstance;
let url: string;
beforeEach(async () => {
  harness = await openHarness();
  ({ app, url } = await startIngestApp(harness));
});
afterEach(async () => {
  await app.close();
  await harness.stop();
});

async function exportWith(
  Exporter: typeof JsonExporter | typeof ProtoExporter,
  write: (logger: Logger) => void,
): Promise<void> {
  const exporter = new Exporter({ url: `${url}/v1/logs`, headers: { authorization: `Bearer ${TOKEN}` } });
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ 'service.name': 'pacs', 'host.name': 'pacs01' }),
    processors: [new SimpleLogRecordProcessor({ exporter })],
  });
  write(provider.getLogger('scanner', '1.2.3'));
  await provider.forceFlush();
  await provider.shutdown();
}

const emit = (logger: Logger) =>
  logger.emit({
    timestamp: 1_767_225_600_123,
    observedTimestamp: 1_767_225_601_000,
    severityNumber: SeverityNumber.WARN,
    severityText: 'WARN',
    eventName: 'login.failed',
    body: { text: 'Anmeldung fehlgeschlagen ü', tries: 3, nested: { list: [1, 'two', true, 4.5], none: null } },
    attributes: { 'user.name': 'alice', negative: -7, big: 2 ** 40, ratio: 0.25, ok: false, many: ['a', 'b'] },
  });

const expected = {
  time_unix_nano: '1767225600123000000',
  observed_time_unix_nano: '1767225601000000000',
  severity_number: 13,
  severity_text: 'WARN',
  event_name: 'login.failed',
  body: { text: 'Anmeldung fehlgeschlagen ü', tries: 3, nested: { list: [1, 'two', true, 4.5], none: null } },
  attributes: { 'user.name': 'alice', negative: -7, big: 2 ** 40, ratio: 0.25, ok: false, many: ['a', 'b'] },
  resource: { 'service.name': 'pacs', 'host.name': 'pacs01' },
  scope: { name: 'scanner', version: '1.2.3' },
};

for (const [name, Exporter] of [
  ['JSON', JsonExporter],
  ['protobuf', ProtoExporter],
] as const) {
  test(`OpenTelemetry’s ${name} exporter is understood`, async () => {
    await exportWith(Exporter, emit);
    const [record] = await harness.arrived(1);
    expect(JSON.parse(Buffer.from(record as string, 'latin1').toString())).toEqual(expected);
    expect(harness.stream.blocks[0]).toMatchObject({ hint: 'otlp' });
  });
}

async function post(body: string | Buffer, type: string) {
  const headers = { authorization: `Bearer ${TOKEN}`, 'content-type': type };
  const response = await fetch(`${url}/v1/logs`, { method: 'POST', headers, body: body as BodyInit });
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    bytes: Buffer.from(await response.arrayBuffer()),
  };
}

test('answers and refusals come in the encoding of the request', async () => {
  expect(await post('{"resourceLogs":[]}', 'application/json')).toMatchObject({
    status: 200,
    bytes: Buffer.from('{"partialSuccess":{}}'),
  });
  expect(await post(Buffer.alloc(0), 'application/x-protobuf')).toMatchObject({
    status: 200,
    type: 'application/x-protobuf',
    bytes: Buffer.alloc(0),
  });
  const refused = await post(Buffer.from([0x0a, 0xff]), 'application/x-protobuf');
  expect(refused).toMatchObject({ status: 400, type: 'application/x-protobuf' });
  expect([...refused.bytes.subarray(0, 3)]).toEqual([0x08, 3, 0x12]);
  expect(await post('{', 'application/json')).toMatchObject({
    status: 400,
    type: expect.stringContaining('application/json'),
  });
  expect((await post('x', 'text/plain')).status).toBe(415);
  harness.stream.refuse = 'DISK_FULL';
  expect((await post(JSON.stringify(oneRecord('x')), 'application/json')).status).toBe(503);
});

const oneRecord = (body: string) => ({
  resourceLogs: [{ scopeLogs: [{ logRecords: [{ body: { stringValue: body } }] }] }],
});

test('a record over the limit is a partial success', async () => {
  const request = oneRecord('x'.repeat(LIMITS.recordBytesMax));
  request.resourceLogs.push(...oneRecord('small').resourceLogs);
  const answer = await post(JSON.stringify(request), 'application/json');
  expect(JSON.parse(answer.bytes.toString())).toMatchObject({ partialSuccess: { rejectedLogRecords: '1' } });
  expect(harness.records()).toHaveLength(1);
});

test('a resource repeated a million times does not fill the memory', async () => {
  const logRecords = Array.from({ length: 20_000 }, () => ({}));
  const attributes = [{ key: 'k', value: { stringValue: 'v'.repeat(100_000) } }];
  const request = { resourceLogs: [{ resource: { attributes }, scopeLogs: [{ logRecords }] }] };
  expect((await post(JSON.stringify(request), 'application/json')).status).toBe(413);
});

test('any bytes are a message or a fault, never anything else', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        readOtlpProtobuf(Buffer.from(bytes), () => {});
      } catch (error) {
        expect(error).toBeInstanceOf(OtlpFault);
      }
    }),
    { numRuns: 3000 },
  );
});

test('nesting is bounded', () => {
  let value = Buffer.from([0x0a, 1, 0x78]);
  const wrap = (tag: number, inner: Buffer) => {
    const length = inner.length < 128 ? [inner.length] : [(inner.length & 127) | 128, inner.length >> 7];
    return Buffer.concat([Buffer.from([tag, ...length]), inner]);
  };
  for (let i = 0; i < 100; i++) value = wrap(0x2a, wrap(0x0a, value));
  const bytes = wrap(0x0a, wrap(0x12, wrap(0x12, wrap(0x2a, value))));
  expect(() => readOtlpProtobuf(bytes, () => {})).toThrow(/nested too deep/);
});

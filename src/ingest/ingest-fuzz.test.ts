/** Hostile bytes into every listener, over real sockets: none falls over or hangs, and what an honest sender says next gets through. */

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startListeners } from './ingest-listeners.ts';
import { startIngestApp, TOKEN } from './testing/ingest-app.ts';
import { makeAuthority } from './testing/ingest-certificates.ts';
import { type Harness, openHarness, testConfig, until } from './testing/ingest-harness.ts';

/** Bodies and packets; fixed, so that a run takes the same time each day. */
const RUNS = 60;
/** A request in a test on a busy machine; a hang would be for ever. */
const ANSWER_MS = 5000;

let harness: Harness;
let url = '';
let ca = '';
const stops: (() => unknown)[] = [];
const ports = new Map<string, number>();
let good = 0;

beforeAll(async () => {
  harness = await openHarness();
  const authority = await makeAuthority();
  ca = authority.cert;
  const started = await startListeners({
    ...harness,
    config: testConfig(),
    dataDir: harness.dir,
    exercise: false,
    tlsMaterial: await authority.issue('fuzz'),
  });
  stops.push(() => started.close());
  for (const { name, address } of started.listeners) ports.set(name, Number(address.split(':').at(-1)));
  const served = await startIngestApp(harness);
  stops.push(() => served.app.close());
  url = served.url;
});
afterAll(async () => {
  for (const stop of stops.reverse()) await stop();
  await harness.stop();
});

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 2000 }).map((array) => Buffer.from(array)),
  // Counts that lie, times that cannot be, depth, characters cut in two.
  fc
    .array(
      fc.constantFrom(
        '999999999 <13>x',
        '0 ',
        '12 <13>',
        '<999>',
        '<13>1 9999-99-99T99:99:99Z ',
        '{"a":',
        '[',
        '{"index":{}}\n',
        '\0',
        '\n',
        '\r\n',
        '"',
        '\xc3',
        '\xff\xfe',
        '<Event xmlns=',
        ']]>',
        'x'.repeat(500),
      ),
      { maxLength: 60 },
    )
    .map((parts) => Buffer.from(parts.join(''), 'latin1')),
);

/** A line that nobody else sends, and waits until the stream has it. */
async function through(send: (line: string) => Promise<unknown>): Promise<void> {
  const line = `<13>honest ${good++}.`;
  await send(line);
  await until(
    () => harness.records().some((record) => record.includes(line)),
    () => `${line} did not get through`,
  );
}

test('syslog over UDP', { timeout: 60_000 }, async () => {
  const socket = createSocket('udp4');
  stops.push(() => socket.close());
  const send = (data: Buffer) =>
    new Promise((resolve) => socket.send(data, ports.get('syslog-udp') as number, '127.0.0.1', resolve));
  await fc.assert(
    fc.asyncProperty(bytes, async (data) => void (await send(data))),
    { numRuns: RUNS },
  );
  await through((line) => send(Buffer.from(line)));
});

test.each(['syslog-tcp', 'syslog-tls'])('%s', { timeout: 60_000 }, async (name) => {
  const port = ports.get(name) as number;
  const dial = async () => {
    const socket =
      name === 'syslog-tls'
        ? connectTls({ port, host: '127.0.0.1', ca, servername: 'localhost' })
        : connect(port, '127.0.0.1');
    socket.on('error', () => {});
    await once(socket, name === 'syslog-tls' ? 'secureConnect' : 'connect');
    return socket;
  };
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { maxLength: 4 }), fc.boolean(), async (chunks, cut) => {
      const socket = await dial();
      for (const chunk of chunks) socket.write(chunk);
      if (cut) socket.destroy();
      else {
        socket.end();
        socket.resume();
        await Promise.race([once(socket, 'close'), sleep(ANSWER_MS)]);
        expect(socket.destroyed || socket.closed, 'the listener lets go of a finished connection').toBe(true);
      }
    }),
    { numRuns: RUNS / 2 },
  );
  // No TLS at all on the TLS port.
  const raw = connect(port, '127.0.0.1');
  raw.on('error', () => {});
  await once(raw, 'connect');
  raw.write(Buffer.alloc(300, 0x16));
  raw.destroy();
  const honest = await dial();
  await through(async (line) => honest.write(`${line}\n`));
  honest.destroy();
});

test.each([
  ['/v1/events', ['application/x-ndjson', 'application/json', 'text/plain', 'application/xml', 'x/y']],
  ['/_bulk', ['application/x-ndjson', 'application/json', 'application/vnd.elasticsearch+x-ndjson;compatible-with=8']],
  ['/v1/logs', ['application/x-protobuf', 'application/json']],
])('POST %s', { timeout: 120_000 }, async (path, types) => {
  const post = async (body: Buffer, headers: Record<string, string>) => {
    const response = await fetch(url + path, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, ...headers },
      body: new Uint8Array(body),
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    await response.arrayBuffer();
    return response.status;
  };
  const deep = (open: string, close: string) => Buffer.from(`${open.repeat(50_000)}1${close.repeat(50_000)}\n`);
  const body = fc.oneof(
    bytes,
    fc.constantFrom(deep('[', ']'), deep('{"a":', '}'), Buffer.from('{"create":{}}\n'.repeat(2000))),
  );
  const encoding = fc.constantFrom<[string, (plain: Buffer) => Buffer]>(
    ['', (plain) => plain],
    ['gzip', (plain) => gzipSync(plain)],
    ['zstd', (plain) => zstdCompressSync(plain)],
    ['gzip', (plain) => plain],
    ['zstd', (plain) => gzipSync(plain).subarray(0, 20)],
  );
  await fc.assert(
    fc.asyncProperty(body, encoding, fc.constantFrom(...types), async (plain, [name, encode], type) => {
      const status = await post(encode(plain), { 'content-type': type, ...(name && { 'content-encoding': name }) });
      expect([200, 400, 413, 415, 422, 429]).toContain(status);
    }),
    { numRuns: RUNS },
  );
  await through(async (line) => {
    const answer = await fetch(`${url}/v1/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'text/plain' },
      body: line,
    });
    expect(answer.status).toBe(200);
  });
});

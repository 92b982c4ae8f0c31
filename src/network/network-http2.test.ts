/** HTTP/2 in clear: real clients and servers, recorded on the way; header blocks of the specification's own examples. */

import { connect, createServer, type Http2Server } from 'node:http2';
import { type AddressInfo, connect as dial, createServer as listen } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createHpack } from './network-hpack.ts';
import { CANARY, connection, inspectBytes, inspectTalk, pcap, type Sent } from './network-testing.ts';

test('header blocks of RFC 7541 appendix C.4 and C.6', () => {
  const requests = createHpack();
  const read = (text: string, from = requests) => {
    const bytes = Buffer.from(text.replaceAll(' ', ''), 'hex');
    return Object.fromEntries(from.read(bytes, 0, bytes.length));
  };
  const same = { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'www.example.com' };
  expect(read('8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff')).toEqual(same);
  expect(read('8286 84be 5886 a8eb 1064 9cbf')).toEqual({ ...same, 'cache-control': 'no-cache' });
  expect(read('8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf')).toEqual({
    ...same,
    ':scheme': 'https',
    ':path': '/index.html',
    'custom-key': 'custom-value',
  });
  const answers = createHpack();
  expect(
    read(
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      answers,
    ),
  ).toEqual({
    ':status': '302',
    'cache-control': 'private',
    date: 'Mon, 21 Oct 2013 20:13:21 GMT',
    location: 'https://www.example.com',
  });
});

test('any bytes as a header block: no fault, and an end', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 6 }), (blocks) => {
      const hpack = createHpack();
      for (const block of blocks) expect(hpack.read(block, 0, block.length).length).toBeLessThanOrEqual(200);
    }),
  );
});

/** What Node's own client and server say to each other. */
async function recorded(server: Http2Server, ask: (port: number) => Promise<void>): Promise<Sent[]> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  const talk: Sent[] = [];
  const recorder = listen((near) => {
    const far = dial((server.address() as AddressInfo).port, '127.0.0.1');
    near.on('data', (bytes) => talk.push({ from: 'client', bytes })).pipe(far);
    far.on('data', (bytes) => talk.push({ from: 'server', bytes })).pipe(near);
    for (const one of [near, far]) one.on('error', () => undefined);
  });
  await new Promise<void>((resolve) => recorder.listen(0, '127.0.0.1', () => resolve()));
  await ask((recorder.address() as AddressInfo).port);
  recorder.close();
  server.close();
  return talk;
}

const patient = JSON.stringify({
  resourceType: 'Patient',
  identifier: [{ value: CANARY.nhs }],
  name: [{ family: CANARY.family }],
});

async function conversation(): Promise<Sent[]> {
  const server = createServer();
  server.on('stream', (stream, headers) => {
    stream.resume();
    if (headers[':path'] === '/fhir/Patient/1') {
      stream.respond({ ':status': 200, 'content-type': 'application/fhir+json', server: 'hapi' });
      stream.end(patient);
    } else {
      stream.respond({ ':status': 204 });
      stream.end();
    }
  });
  return recorded(server, async (port) => {
    const session = connect(`http://127.0.0.1:${port}`);
    const request = (headers: Record<string, string>, body?: string) =>
      new Promise<void>((resolve, reject) => {
        const stream = session.request(headers, { endStream: body === undefined });
        stream.on('error', reject).on('close', () => resolve());
        stream.resume();
        if (body !== undefined) stream.end(body);
      });
    const basic = Buffer.from(`${CANARY.account}:${CANARY.secret}`).toString('base64');
    await request({ ':path': '/fhir/Patient/1', authorization: `Basic ${basic}` });
    await request({ ':path': '/a', authorization: `Bearer ${CANARY.secret}`, 'x-long': 'y'.repeat(300) });
    await request({ ':path': '/a', authorization: `Bearer ${CANARY.secret}` });
    await request(
      { ':path': '/login', ':method': 'POST', 'content-type': 'application/x-www-form-urlencoded' },
      `user=a&password=${CANARY.secret}`,
    );
    await new Promise<void>((resolve) => session.close(resolve));
  });
}

test('log-ins and patients in what Node’s client and server say, in any cut', async () => {
  const talk = await conversation();
  for (const size of [1400, 33, 1]) {
    const found = inspectTalk(talk, size);
    const data = (kind: string) => found.find((one) => one.kind === kind)?.evidence[0]?.data;
    expect(data('clear-text-credential')).toMatchObject({ application: 'http', kinds: 'Basic, Bearer ×2, form' });
    expect(data('clear-text-patient-data')).toMatchObject({
      application: 'fhir',
      fields: 'Patient.identifier, Patient.name',
      nhs_numbers: '1 valid, 0 invalid',
      flow: '10.1.2.3 → 10.1.9.9 port 40001/tcp',
    });
  }
  // Answers alone: their bodies are read all the same.
  const answers = connection(talk).filter((packet) => packet.readUInt16BE(20) === 40_001);
  expect(inspectBytes(pcap(answers)).findings.map((one) => one.kind)).toContain('clear-text-patient-data');
});

test('changed anywhere, it does no harm', async () => {
  const talk = await conversation();
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(4000), fc.nat(255)), { minLength: 1, maxLength: 12 }), (changes) => {
      const broken = talk.map((one) => ({ ...one, bytes: Uint8Array.from(one.bytes) }));
      for (const [at, value] of changes) {
        const one = broken[at % broken.length]!;
        if (one.bytes.length > 0) one.bytes[at % one.bytes.length] = value;
      }
      inspectTalk(broken, 120);
    }),
    { numRuns: 150 },
  );
});

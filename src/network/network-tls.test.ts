/** Real handshakes over loopback, recorded on the way and inspected: versions, certificates, and what stays quiet. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer as createPlain, connect as dial, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect, createServer, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { assessInspection } from './network-assess.ts';
import { createCaptureReader } from './network-capture.ts';
import { createInspector } from './network-inspect.ts';
import { connection, pcap, type Sent, TIME_SEC } from './network-testing.ts';

let folder = '';
const pair = (name: string) => ({
  cert: readFileSync(join(folder, `${name}.c`)),
  key: readFileSync(join(folder, `${name}.k`)),
});
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'asepsis-wire-'));
  const make = (name: string, ...more: string[]) =>
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-nodes',
        '-subj',
        '/CN=pacs-2.hospital.example',
        '-keyout',
        join(folder, `${name}.k`),
        '-out',
        join(folder, `${name}.c`),
        ...more,
      ],
      { stdio: 'ignore' },
    );
  make('good', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-days', '7300');
  make('other', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-subj', '/O=Somebody/CN=a.example');
  make('short', '-newkey', 'rsa:1024', '-days', '7300', '-sha1');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const listening = (server: Server) =>
  new Promise<number>((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)),
  );

/** One real connection through a recorder, as a talk in the order in which it was seen. */
async function record(
  options: TlsOptions,
  client: { ciphers?: string; maxVersion?: 'TLSv1' | 'TLSv1.2' } = {},
): Promise<Sent[]> {
  const talk: Sent[] = [];
  const server = createServer(options, (socket) => socket.end('bye'));
  const port = await listening(server);
  const recorder = createPlain((near) => {
    const far = dial(port, '127.0.0.1');
    near.on('data', (bytes) => talk.push({ from: 'client', bytes })).pipe(far);
    far.on('data', (bytes) => talk.push({ from: 'server', bytes })).pipe(near);
    near.on('error', () => far.destroy());
    far.on('error', () => near.destroy());
  });
  const through = await listening(recorder);
  await new Promise<void>((resolve) => {
    const socket = connect({
      port: through,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      minVersion: 'TLSv1',
      servername: 'name.hospital.example',
      ...client,
    });
    socket
      .on('close', () => resolve())
      .on('error', () => resolve())
      .resume();
    socket.on('secureConnect', () => socket.write('hello'));
  });
  recorder.close();
  server.close();
  return talk;
}

function inspect(talk: readonly Sent[], size: number, atSec = TIME_SEC) {
  const inspector = createInspector({ hash: () => 'h', flowsMax: 64 });
  const shift = (atSec - TIME_SEC) * 1000;
  const reader = createCaptureReader((b, start, end, original, timeMs, link) =>
    inspector.frame(b, start, end, original, timeMs + shift, link),
  );
  reader.push(pcap(connection(talk, { size })));
  const seen = inspector.finish();
  const [finding] = assessInspection(seen, { routers: new Set() });
  return {
    kinds: finding?.evidence[0]?.data?.kinds,
    names: finding?.evidence[0]?.data?.names,
    pairs: [...seen.pairs.values()].map((pair) => pair.state),
  };
}

const now = Math.floor(Date.now() / 1000) + 3600;

test('TLS 1.3 is protected, and says no more', async () => {
  const talk = await record(pair('good'));
  for (const size of [1400, 9])
    expect(inspect(talk, size, now)).toEqual({ kinds: undefined, names: undefined, pairs: ['protected'] });
});

test('a self-signed certificate, its time over, its key short', async () => {
  const talk = await record({ ...pair('good'), maxVersion: 'TLSv1.2' });
  for (const size of [1400, 9]) {
    expect(inspect(talk, size, now)).toEqual({
      kinds: 'certificate for another name, certificate self-signed',
      names: 'name.hospital.example',
      pairs: ['protected'],
    });
    expect(inspect(talk, size, now + 7400 * 86_400).kinds).toBe(
      'certificate for another name, certificate expired, certificate self-signed',
    );
  }
  const short = await record(
    { ...pair('short'), maxVersion: 'TLSv1.2', ciphers: 'DEFAULT:@SECLEVEL=0' },
    { ciphers: 'DEFAULT:@SECLEVEL=0' },
  );
  expect(inspect(short, 1400, now).kinds).toBe(
    'certificate for another name, certificate self-signed, certificate with a short key',
  );
});

test('TLS 1.0', async () => {
  const old = { ciphers: 'DEFAULT:@SECLEVEL=0', minVersion: 'TLSv1', maxVersion: 'TLSv1' } as const;
  const seen = inspect(await record({ ...pair('good'), ...old }, old), 1400, now);
  expect(seen.kinds).toBe('TLS 1.0, certificate for another name, certificate self-signed');
  expect(seen.pairs).toEqual(['unknown']);
});

test('one client sees another certificate than the others do; a renewal is seen by all', async () => {
  const usual = await record({ ...pair('good'), maxVersion: 'TLSv1.2' });
  const other = await record({ ...pair('other'), maxVersion: 'TLSv1.2' });
  /** The same connection from another client. */
  const from = (client: number, talk: readonly Sent[]) =>
    connection(talk).map((packet) => {
      packet[packet.readUInt16BE(20) === 51_000 ? 15 : 19] = client;
      return packet;
    });
  const conflicts = (...packets: Buffer[][]) => {
    const inspector = createInspector({ hash: () => 'h', flowsMax: 64 });
    createCaptureReader(inspector.frame).push(pcap(packets.flat()));
    return assessInspection(inspector.finish(), { routers: new Set() }).filter(
      (one) => one.kind === 'certificate-differs',
    );
  };
  expect(conflicts(from(3, usual), from(4, usual), from(66, other), from(5, usual))).toMatchObject([
    {
      severity: 'high',
      asset: { name: '10.1.9.9' },
      evidence: [{ data: { clients: '1, 3', other_issuer: true, name: 'name.hospital.example' } }],
    },
  ]);
  expect(conflicts(from(3, usual), from(4, usual), from(3, other), from(4, other))).toEqual([]);
  expect(conflicts(from(3, usual), from(4, usual), from(5, other), from(6, other))).toEqual([]);
});

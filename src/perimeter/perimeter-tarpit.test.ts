import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { createGate } from './perimeter-gate.ts';
import { follow } from './perimeter-http.ts';
import { identify } from './perimeter-identify.ts';
import { loopbackScope } from './testing/perimeter-scopes.ts';

const gate = createGate({ scope: loopbackScope(), clock: systemClock });
async function withServer<T>(serve: (socket: Socket) => void, work: (port: number) => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    serve(socket);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await work((server.address() as AddressInfo).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}
const look = (port: number) =>
  identify({
    gate,
    host: '127.0.0.1',
    address: '127.0.0.1',
    port,
    nowMs: Date.now(),
    outside: false,
    gentle: false,
    active: [],
  });
function drip(socket: Socket, text: string, everyMs: number): void {
  const timer = setInterval(() => socket.write(text), everyMs);
  socket.on('close', () => clearInterval(timer));
}

test.each([
  ['never says a word', () => {}],
  ['drips a banner without end', (socket: Socket) => drip(socket, 'x', 50)],
  ['floods a banner without end', (socket: Socket) => drip(socket, 'y'.repeat(60_000), 1)],
  ['an SSH server that says other lines for ever', (socket: Socket) => drip(socket, 'SSH-not yet\r\n', 20)],
  [
    'an SSH packet of 4 GB',
    (socket: Socket) =>
      socket.write(Buffer.concat([Buffer.from('SSH-2.0-x\r\n'), Buffer.from([255, 255, 255, 255, 4])])),
  ],
  ['a mail server that never ends its answer', (socket: Socket) => drip(socket, '220-mail postfix\r\n', 20)],
  [
    'an HTTP head without end',
    (socket: Socket) => socket.once('data', () => drip(socket, 'HTTP/1.1 200 OK\r\nX: y\r\n', 20)),
  ],
] as const)(
  '%s: bounded, and the scan goes on',
  async (_what, serve) => {
    const start = performance.now();
    const view = await withServer(serve as (socket: Socket) => void, look);
    expect(view.weaknesses.filter(({ severity }) => severity === 'critical')).toEqual([]);
    expect(performance.now() - start).toBeLessThan(25_000);
  },
  40_000,
);

test('redirects in a circle, and a body that unpacks to 64 MiB, are named', async () => {
  const answer = (text: string | Buffer, head: string) => (socket: Socket) =>
    socket.once('data', () =>
      socket.end(
        Buffer.concat([Buffer.from(`HTTP/1.1 ${head}\r\nContent-Length: ${text.length}\r\n\r\n`), Buffer.from(text)]),
      ),
    );
  const site = (port: number) => ({ gate, host: '127.0.0.1', address: '127.0.0.1', port, tls: false });
  const circle = await withServer(answer('', '302 Found\r\nLocation: /'), (port) => follow(site(port), '/'));
  expect(circle.fault).toBe('loop');
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024));
  const unpacked = await withServer(answer(bomb, '200 OK\r\nContent-Encoding: gzip'), (port) =>
    follow(site(port), '/'),
  );
  expect(unpacked.last).toMatchObject({ fault: 'bomb', cut: true, body: '' });
});

test('a greeting made to be searched for ever is searched once', async () => {
  const greeting = `* OK ${'Dovecot'.repeat(400)}${'1'.repeat(5000)}\r\n`;
  let last = performance.now();
  let longest = 0;
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last);
    last = performance.now();
  }, 20);
  const view = await withServer((socket) => {
    socket.write(greeting);
    socket.on('data', () => socket.write('a1 OK\r\n'));
  }, look);
  clearInterval(timer);
  expect(view.service).toBe('imap');
  expect(longest).toBeLessThan(2000);
}, 60_000);

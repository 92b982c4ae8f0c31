import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseProcNet, reachOf } from './perimeter-sockets.ts';

test('a socket that this test opens is found in the kernel’s table, on both protocols', async () => {
  for (const [host, file] of [
    ['127.0.0.1', '/proc/net/tcp'],
    ['::1', '/proc/net/tcp6'],
  ] as const) {
    const server = createServer();
    server.listen(0, host);
    await Promise.race([once(server, 'listening'), once(server, 'error')]);
    const { port } = (server.address() ?? { port: 0 }) as AddressInfo;
    if (port === 0) continue;
    const rows = parseProcNet(readFileSync(file, 'utf8'), 'tcp');
    expect(rows.find((row) => row.port === port)).toMatchObject({ address: host, protocol: 'tcp' });
    server.close();
  }
});

test('addresses say who can reach them', () => {
  expect(reachOf('127.0.0.1')).toBe('this machine');
  expect(reachOf('::1')).toBe('this machine');
  expect(reachOf('0.0.0.0')).toBe('everywhere the machine is reachable');
  expect(reachOf('192.168.4.1')).toBe('the local network');
  expect(reachOf('fd00::1')).toBe('the local network');
  expect(reachOf('8.8.8.8')).toBe('everywhere the machine is reachable');
});

test('any text gives rows or none, never an error', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      expect(Array.isArray(parseProcNet(`head\n${text}`, 'udp'))).toBe(true);
    }),
    { numRuns: 300 },
  );
});

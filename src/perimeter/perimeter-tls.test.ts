/** A real TLS server on loopback, with what it offers set by the test, and a server that speaks no TLS. */

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer as createPlain } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer, type TlsOptions } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { viewTls } from './perimeter-tls.ts';

let folder = '';
let pair: { cert: Buffer; key: Buffer };
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'asepsis-tls-'));
  const args = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '5', '-subj', '/CN=pacs-1.hospital.example'];
  execFileSync('openssl', [...args, '-keyout', join(folder, 'k'), '-out', join(folder, 'c')], { stdio: 'ignore' });
  pair = { cert: readFileSync(join(folder, 'c')), key: readFileSync(join(folder, 'k')) };
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function view(options: TlsOptions) {
  const server = createServer({ ...pair, ...options });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const seen = await viewTls('127.0.0.1', (server.address() as AddressInfo).port);
  server.close();
  return seen;
}

test('a modern server is seen as one', async () => {
  const seen = await view({ minVersion: 'TLSv1.2' });
  expect(seen).toMatchObject({
    protocol: 'TLSv1.3',
    subject: 'pacs-1.hospital.example',
    selfSigned: true,
    oldProtocols: false,
  });
  expect(Math.round(((seen?.validToMs ?? 0) - Date.now()) / 86_400_000)).toBe(5);
});

test('TLS 1.0 is noticed', async () => {
  expect(await view({ minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' })).toMatchObject({ oldProtocols: true });
});

test('a port that speaks something else is not TLS', async () => {
  const server = createPlain((socket) => socket.end('220 ready\r\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  expect(await viewTls('127.0.0.1', (server.address() as AddressInfo).port)).toBeNull();
  server.close();
});

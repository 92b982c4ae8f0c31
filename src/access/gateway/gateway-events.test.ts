import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { systemClock } from '../../core/index.ts';
import { openEvents, sendToDesk, toRecord } from './gateway-events.ts';

const folders: string[] = [];
const newFolder = () => {
  const folder = mkdtempSync(join(tmpdir(), 'asepsis-events-'));
  folders.push(folder);
  return folder;
};
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});
const failure = (account: string) => ({ what: 'password', outcome: 'failure', account, address: '192.0.2.1' }) as const;

test('while the desk is down decisions wait on disk, survive the process, and arrive once', async () => {
  const folder = newFolder();
  const faults: (string | null)[] = [];
  const down = openEvents({
    folder,
    clock: systemClock,
    send: async () => Promise.reject(new Error('HTTP 503')),
    onFault: (sentence) => faults.push(sentence),
  });
  for (let i = 0; i < 250; i++) down.emit(failure(`user${i}`));
  await down.close();
  expect(faults.at(-1)).toContain('wait on disk');
  expect(readdirSync(folder).length).toBeGreaterThan(0);
  const took: { user: { name: string } }[] = [];
  const up = openEvents({
    folder,
    clock: systemClock,
    send: async (records) => void took.push(...(records as typeof took)),
    onFault: (sentence) => faults.push(sentence),
  });
  await up.close();
  expect(took.map((one) => one.user.name)).toEqual(Array.from({ length: 250 }, (_, i) => `user${i}`));
  expect(readdirSync(folder)).toEqual([]);
  expect(faults.at(-1)).toBeNull();
});

test('what happens at every request is told once and then counted', async () => {
  const took: { access: { count: number } }[] = [];
  const events = openEvents({
    folder: newFolder(),
    clock: systemClock,
    send: async (records) => void took.push(...(records as typeof took)),
    onFault: () => {},
  });
  for (let i = 0; i < 1000; i++)
    events.often({ what: 'access', outcome: 'success', account: 'anna', address: '192.0.2.1', app: 'notes' });
  await events.close();
  expect(took.map((one) => one.access.count)).toEqual([1, 999]);
});

test('to a desk over HTTP, with its token, as lines', async () => {
  const got: { authorization: string | undefined; lines: number }[] = [];
  const server = createServer((req, res) => {
    let body = '';
    req.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    req.on('end', () => {
      got.push({ authorization: req.headers.authorization, lines: body.split('\n').length });
      res.statusCode = got.length === 1 ? 503 : 202;
      res.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const send = sendToDesk(`http://127.0.0.1:${(server.address() as AddressInfo).port}`, 'secret');
  await expect(send([{}, {}])).rejects.toThrow('503');
  await send([{}, {}]);
  expect(got).toEqual([
    { authorization: 'Bearer secret', lines: 2 },
    { authorization: 'Bearer secret', lines: 2 },
  ]);
  server.closeAllConnections();
  server.close();
});

test('an event holds no query and no long number of a path', () => {
  const text = JSON.stringify(
    toRecord(
      {
        what: 'access',
        outcome: 'denied',
        address: '192.0.2.1',
        method: 'GET',
        path: '/patient/9434765919/notes?token=abc',
      },
      0,
      'gw',
    ),
  );
  expect(text).toContain('/patient/#/notes');
  expect(text).not.toMatch(/9434765919|abc/);
});

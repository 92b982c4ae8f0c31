/** A scanner outside pushes to a real desk, a scan from inside runs there; both are compared, and what appears becomes an alert. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { perimeterFiles } from '../src/perimeter/perimeter-files.ts';
import { newScopeKey, signScope } from '../src/perimeter/perimeter-scope-file.ts';
import { enrol, newDataDir, type Person, startDesk } from './harness/desk.ts';

let folder: Awaited<ReturnType<typeof newDataDir>>;
let away: Awaited<ReturnType<typeof newDataDir>>;
let desk: Awaited<ReturnType<typeof startDesk>>;
let person: Person;
const servers: Server[] = [];
const key = newScopeKey();
const SCOPE = signScope(
  'asepsis_scope: 1\nname: lab\nowner: R. Keller\ncontact: a@b\nexpires: 2999-01-01\naddresses: [127.0.0.9]\nrate: {per_sec: 1000, per_host_per_sec: 1000, per_host_connections: 64}\n',
  key.privatePem,
);

async function web(port = 0): Promise<number> {
  const server = createServer((_, response) => response.end('<html><title>Portal</title></html>'));
  servers.push(server);
  await once(server.listen(port, '127.0.0.9'), 'listening');
  return (server.address() as AddressInfo).port;
}
beforeAll(async () => {
  folder = await newDataDir();
  away = await newDataDir();
  perimeterFiles(folder.path).trust(key.publicKey);
  desk = await startDesk(folder.path);
  person = await enrol(desk);
  writeFileSync(join(away.path, 'scope.yaml'), SCOPE);
});
afterAll(async () => {
  for (const server of servers) server.close();
  await desk?.stop();
  await folder?.remove();
  await away?.remove();
});

/** The program as it runs on a host outside, with nothing of the desk but its address and a token. */
async function scanOutside(ports: readonly number[]): Promise<{ code: number | null; said: string; out: string }> {
  const args = ['perimeter', 'scan', '--scope', join(away.path, 'scope.yaml'), '--key', key.publicKey];
  const how = ['--from', 'outside', '--no-keep', '--no-udp', '--no-names', '--ports', ports.join(',')];
  const to = ['--push', desk.origin, '--token-file', join(away.path, 'token'), '--data', away.path];
  const child = spawn(join(import.meta.dirname, '..', 'bin', 'asepsis'), [...args, ...how, ...to], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  });
  let [said, out] = ['', ''];
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, said, out };
}
const rows = async (from: string) =>
  (
    await person.get<{ items: { host: string; port: number; service: string }[] }>(
      `/v1/perimeter/services?limit=100&from=${from}`,
    )
  ).items.map(({ host, port, service }) => `${host}:${port} ${service}`);

test('outside and inside are seen, compared, and a port that appears outside becomes an alert', async () => {
  const both = await web();
  const hidden = await web();
  const token = await person.send<{ token: string }>('POST', '/v1/tokens', {
    name: 'scanner outside',
    scope: 'write',
    role: 'analyst',
  });
  writeFileSync(join(away.path, 'token'), `${token.token}\n`, { mode: 0o600 });
  // The way in is closed for the second one: from outside it is not tried.
  const first = await scanOutside([both]);
  expect(first.said).toMatch(/Pushed to .*: \d+ findings, 0 changes/);
  expect(first.code).toBe(1);
  expect(first.said + first.out).not.toContain(token.token);
  expect(await rows('outside')).toEqual([`127.0.0.9:${both} http`]);

  await person.send('POST', '/v1/perimeter/scope', { text: SCOPE });
  await person.send('POST', '/v1/perimeter/scan', { ports: `${both},${hidden}` });
  const state = () => person.get<{ running: unknown; last: { from: string } | null }>('/v1/perimeter');
  for (let now = await state(); now.running !== null || now.last?.from !== 'inside'; now = await state())
    await new Promise((resolve) => setTimeout(resolve, 200));
  const compared = await person.get<{ items: { where: string; seen: string }[] }>('/v1/perimeter/compare');
  expect(compared.items.map(({ where, seen }) => `${where} ${seen}`)).toEqual([
    `tcp/${both} both`,
    `tcp/${hidden} inside only`,
  ]);

  const second = await scanOutside([both, hidden]);
  expect(second.said).toMatch(/1 changes/);
  const drift = await person.get<{ items: { sentence: string; from: string }[] }>('/v1/perimeter/drift?limit=10');
  expect(drift.items[0]).toMatchObject({
    from: 'outside',
    sentence: expect.stringContaining(`HTTP appeared on 127.0.0.9:${hidden}`),
  });
  const alerts = () => person.get<{ items: { rule: { id: string } }[] }>('/v1/alerts?limit=50');
  for (
    let list = await alerts();
    !list.items.some(({ rule }) => rule.id === 'asepsis-perimeter-port-appeared');
    list = await alerts()
  )
    await new Promise((resolve) => setTimeout(resolve, 500));
  const findings = await person.get<{ items: { asset: { name: string } }[] }>('/v1/findings?room=perimeter&limit=50');
  expect(findings.items.map(({ asset }) => asset.name)).toContain('127.0.0.9');
});

test('a token that may only read, and none at all, bring nothing in', async () => {
  const token = await person.send<{ token: string }>('POST', '/v1/tokens', {
    name: 'reader',
    scope: 'read',
    role: 'viewer',
  });
  writeFileSync(join(away.path, 'token'), token.token);
  const before = await rows('outside');
  const refused = await scanOutside([9]);
  expect(refused.code).not.toBe(0);
  expect(refused.said).toMatch(/Not allowed: .*answered 403/);
  expect(await rows('outside')).toEqual(before);
});

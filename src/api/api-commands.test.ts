import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { apiCommands } from './api-commands.ts';
import { openBrowser, startTestServer, type TestServer } from './api-harness.ts';

let desk: TestServer;
beforeAll(async () => {
  desk = await startTestServer({
    register: (app) =>
      void app.post('/v1/test/ingest', { config: { access: 'ingest' } }, async (request) => ({
        by: request.caller?.name,
      })),
  });
});
afterAll(() => desk.stop());

async function run(...args: string[]): Promise<{ out: string; said: string }> {
  let out = '';
  let said = '';
  const program = new Command().exitOverride().configureOutput({ writeErr: () => {} });
  apiCommands(program, {
    out: (text) => {
      out += text;
    },
    say: (line) => {
      said += `${line}\n`;
    },
    progress: () => {},
    colour: false,
  });
  await program.parseAsync(args, { from: 'user' });
  return { out, said };
}

test('people invite prints a link that the running server takes', async () => {
  const invited = await run('people', 'invite', '--role', 'lead', '--data', desk.dataDir, '--origin', desk.origin);
  const path = new URL(invited.out.trim()).pathname;
  expect((await openBrowser(desk.origin).call('GET', `/v1${path}`)).body).toMatchObject({
    role: 'lead',
    username: null,
  });
  await expect(run('people', 'invite', '--role', 'root', '--data', desk.dataDir)).rejects.toThrow();
  await expect(run('people', 'invite', '--data', desk.dataDir)).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  await expect(run('people', 'invite', '--reset', 'nobody', '--data', desk.dataDir)).rejects.toMatchObject({
    code: 'NOT_FOUND',
  });
});

test('token create prints a token that the running server takes', async () => {
  const { out } = await run('token', 'create', '--name', 'filebeat', '--scope', 'ingest', '--data', desk.dataDir);
  const headers = { authorization: `Bearer ${out.trim()}` };
  expect((await openBrowser(desk.origin).call('POST', '/v1/test/ingest', {}, headers)).body).toEqual({
    by: 'filebeat',
  });
  const json = await run('token', 'create', '--name', 'r', '--scope', 'read', '--data', desk.dataDir, '--json');
  expect(JSON.parse(json.out)).toMatchObject({ id: expect.stringMatching(/^tok_/), expires: expect.any(String) });
  const wrong = run('token', 'create', '--name', 'x', '--expires-days', '0', '--data', desk.dataDir);
  await expect(wrong).rejects.toMatchObject({ code: 'BAD_REQUEST' });
  const { items } = await desk.store.audit.list({ action: 'token.create' }, { limit: 10 });
  expect(items.map((entry) => entry.actor)).toEqual(['command line', 'command line']);
});

test('a folder without a database is not made into one', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'asepsis-empty-'));
  await expect(run('token', 'create', '--name', 'x', '--data', folder)).rejects.toMatchObject({
    code: 'CONFIG_UNREADABLE',
  });
  const made = await run('tls', 'init', '--name', 'desk.example', '127.0.0.1', '--data', folder);
  expect(made.out.trim()).toBe(join(folder, 'tls', 'server.crt'));
  expect(made.said).toContain('desk.example, 127.0.0.1');
  expect(made.said).toContain('update-ca-certificates');
  await rm(folder, { recursive: true, force: true });
});

/** Real receivers: an HTTP server that checks the signature, and an SMTP server that keeps the mail. */

import { createHmac } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SMTPServer } from 'smtp-server';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Config, rfc3339, type Store } from '../core/index.ts';
import { openStore } from '../store/index.ts';
import { createNotifier } from './team-notifier.ts';

const SECRET = 'a secret of more than sixteen characters';
const clock = { ms: Date.now(), now: () => clock.ms };
let folder = '';
let store: Store;
let closers: (() => void)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'asepsis-notify-'));
  store = await openStore({ dataDir: folder, clock });
  await writeFile(join(folder, 'secret'), `${SECRET}\n`);
});
afterEach(async () => {
  for (const close of closers.splice(0)) close();
  closers = [];
  await store.close();
  await rm(folder, { recursive: true, force: true });
});
const message = {
  incident: 'inc_1',
  title: 'Guessing\r\nBcc: eve@example.org',
  severity: 'high',
  opened: 'x',
  last_event: 'y',
  entities: [{ type: 'address', value: '203.0.113.9' }],
  rule: 'Rule',
  response: 'Block it.',
  exercise: true,
};
const put = (channel: 'webhook' | 'email') =>
  store.outbox.put([{ id: `m.${channel}`, channel, payload: JSON.stringify(message), next_at: rfc3339(clock.ms) }]);

async function receiver(
  status: () => number,
): Promise<{ server: Server; url: string; got: { body: string; signature: string }[] }> {
  const got: { body: string; signature: string }[] = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      got.push({ body, signature: String(request.headers['x-asepsis-signature']) });
      response.writeHead(status(), status() === 302 ? { location: 'http://127.0.0.1:9/' } : {}).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => server.close());
  return { server, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`, got };
}
const notifier = (config: Partial<Config['notify']>) =>
  createNotifier({ store, config: { level: 'high', ...config } as Config['notify'], clock, log: () => {} });

test('a webhook is signed, tried again after a failure, and sent once', async () => {
  let status = 500;
  const { url, got } = await receiver(() => status);
  const one = notifier({ webhook: { url, secret_file: join(folder, 'secret') } });
  await put('webhook');
  await one.flush();
  expect((await store.outbox.list(5))[0]).toMatchObject({ attempts: 1, last_error: expect.stringContaining('500') });
  await one.flush();
  expect(got, 'not before the pause is over').toHaveLength(1);
  status = 204;
  clock.ms += 60_000;
  await one.flush();
  await one.flush();
  expect(got).toHaveLength(2);
  expect(await store.outbox.list(5)).toHaveLength(0);
  const { body, signature } = got[1] as (typeof got)[number];
  const [, time, mac] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
  expect(mac).toBe(createHmac('sha256', SECRET).update(`${time}.${body}`).digest('hex'));
});

test('a redirect is not followed', async () => {
  const { url } = await receiver(() => 302);
  await put('webhook');
  await notifier({ webhook: { url, secret_file: join(folder, 'secret') } }).flush();
  expect((await store.outbox.list(5))[0]?.attempts).toBe(1);
});

test('a mail arrives, marked as an exercise, and a title cannot add headers', async () => {
  const mails: string[] = [];
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData: (stream, _session, done) => {
      let text = '';
      stream.on('data', (chunk: Buffer) => {
        text += chunk.toString();
      });
      stream.on('end', () => {
        mails.push(text);
        done();
      });
    },
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  closers.push(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const one = notifier({
    email: {
      host: '127.0.0.1',
      port,
      security: 'none',
      from: 'asepsis@hospital.example',
      to: ['lead@hospital.example'],
    },
  });
  await put('email');
  await one.flush();
  await one.stop();
  expect(mails).toHaveLength(1);
  const [head] = (mails[0] as string).split('\r\n\r\n');
  expect(head).toMatch(/^Subject:.*EXERCISE/m);
  expect(head).not.toMatch(/^Bcc:/m);
  expect(await store.outbox.list(5)).toHaveLength(0);
});

test('STARTTLS is demanded: a server without it gets no mail', async () => {
  const server = new SMTPServer({ authOptional: true, disabledCommands: ['STARTTLS'] });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  closers.push(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const one = notifier({
    email: { host: '127.0.0.1', port, security: 'starttls', from: 'a@b.example', to: ['c@d.example'] },
  });
  await put('email');
  await one.flush();
  expect((await store.outbox.list(5))[0]?.last_error).toMatch(/STARTTLS/i);
});

test('STARTTLS with a certificate that nobody vouches for gets no mail', async () => {
  const mails: string[] = [];
  // The server's own certificate is the self-signed one that comes with smtp-server.
  const server = new SMTPServer({
    authOptional: true,
    onData: (stream, _session, done) => {
      mails.push('mail');
      stream.resume();
      stream.on('end', () => done());
    },
  });
  server.on('error', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', () => resolve()));
  closers.push(() => server.close());
  const { port } = server.server.address() as AddressInfo;
  const one = notifier({
    email: { host: '127.0.0.1', port, security: 'starttls', from: 'a@b.example', to: ['c@d.example'] },
  });
  await put('email');
  await one.flush();
  await one.stop();
  expect(mails).toEqual([]);
  expect((await store.outbox.list(5))[0]?.last_error).toMatch(/certificate|self.signed|altnames|expired/i);
});

test('rounds at the same time send a message once', async () => {
  const { url, got } = await receiver(() => 204);
  const one = notifier({ webhook: { url, secret_file: join(folder, 'secret') } });
  await put('webhook');
  await Promise.all([one.flush(), one.flush(), one.flush()]);
  expect(got).toHaveLength(1);
});

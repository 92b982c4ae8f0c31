import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificate } from '../testing/gateway-certificate.ts';
import { addPerson, legacyApp, startTestGateway, type TestGateway } from '../testing/gateway-harness.ts';
import { arrive } from './gateway-sign-in.ts';

const APP = 'notes.localhost';
const folder = mkdtempSync(join(tmpdir(), 'asepsis-h2-'));
let app: Awaited<ReturnType<typeof legacyApp>>;
let it: TestGateway;
let client: ClientHttp2Session;
let cookie = '';
let sessionId = '';

beforeAll(async () => {
  makeCertificate(folder);
  app = await legacyApp();
  it = await startTestGateway({
    origin: 'https://login.localhost',
    listen: { port: 0, cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem') },
    apps: [{ name: 'notes', hosts: [`${APP}:443`], upstream: `http://127.0.0.1:${app.port}`, emergency: 'closed' }],
  });
  await addPerson(it.gateway, 'anna');
  const { session } = arrive(
    it.gateway,
    { address: '127.0.0.1', agent: 'h2', deviceCookie: null },
    { account: 'anna', display: 'Anna Übel, Dr.', email: '', groups: ['a,b'] },
    [{ kind: 'passkey', atMs: it.clock.ms }],
    3,
  );
  sessionId = session.id;
  cookie = `__Host-asepsis-access=${it.gateway.sessions.token(session.id, APP)}`;
  client = connect(`https://localhost:${it.port}`, { ca: readFileSync(join(folder, 'cert.pem')) });
});
afterAll(async () => {
  client.destroy();
  await it.stop();
  await app.close();
  rmSync(folder, { recursive: true, force: true });
});

function ask(
  headers: Record<string, string>,
  body?: Buffer,
): Promise<{ status: number; text: string; headers: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const stream = client.request(
      { ':authority': APP, ':path': '/', 'user-agent': 'h2', ...headers },
      { endStream: body === undefined },
    );
    let answer: Record<string, unknown> = {};
    let text = '';
    stream.on('response', (got) => {
      answer = got as Record<string, unknown>;
    });
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    stream.on('end', () => resolve({ status: Number(answer[':status']), text, headers: answer }));
    stream.on('error', reject);
    if (body !== undefined) stream.end(body);
  });
}

test('HTTP/2 to the client: identity, refusals, upload, and the cookies that only this host can set', async () => {
  const told = JSON.parse((await ask({ cookie, 'x-asepsis-user': 'root', x_asepsis_user: 'root' })).text) as {
    headers: Record<string, string>;
    raw: string[];
  };
  expect(told.headers).toMatchObject({
    'x-asepsis-user': 'anna',
    'x-asepsis-name': 'Anna %C3%9Cbel%2C Dr.',
    'x-asepsis-groups': 'a%2Cb',
    'x-forwarded-proto': 'https',
    host: APP,
  });
  expect(told.raw).not.toContain('root');
  const sent = await ask({ accept: 'text/html' });
  expect(sent.status).toBe(303);
  expect(String(sent.headers['set-cookie'])).toMatch(
    /^__Host-asepsis-state=[^;]+; Path=\/; HttpOnly; SameSite=Lax; Secure/,
  );
  expect((await ask({ cookie, ':path': '//admin' })).status).toBe(400);
  expect((await ask({ cookie, ':authority': 'other.localhost' })).status).toBe(421);
  expect((await ask({ cookie, host: 'login.localhost' })).status).toBe(400);
  const body = randomBytes(2_000_000);
  const uploaded = JSON.parse((await ask({ ':method': 'POST', ':path': '/upload', cookie }, body)).text) as {
    sha256: string;
  };
  expect(uploaded.sha256).toBe(createHash('sha256').update(body).digest('hex'));
});

test('a stream over HTTP/2 ends with its session', async () => {
  const stream = client.request({ ':authority': APP, ':path': '/events', 'user-agent': 'h2', cookie });
  stream.on('error', () => {});
  expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toContain('first');
  const closed = new Promise((resolve) => stream.on('close', resolve));
  const began = performance.now();
  it.gateway.sessions.end(sessionId);
  await closed;
  expect(performance.now() - began).toBeLessThan(1000);
  expect((await ask({ cookie })).status).toBe(401);
});

import { spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer, request, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway-harness.ts';
import { arrive } from './gateway-sign-in.ts';

const APP = 'notes.localhost';
const folder = mkdtempSync(join(tmpdir(), 'asepsis-tls-'));
const trusted = getCACertificates('default');
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const large = randomBytes(3_000_000);
let app: Server;
let it: TestGateway;
let cookie = '';

beforeAll(async () => {
  const [keyFile, certFile] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const made =
    'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost';
  spawnSync('openssl', [...made.split(' '), '-keyout', keyFile, '-out', certFile]);
  const [key, cert] = [readFileSync(keyFile), readFileSync(certFile, 'utf8')];
  setDefaultCACertificates([...trusted, cert]);
  app = createServer({ key, cert }, (req, res) => {
    if (req.url === '/large') return res.end(large);
    const digest = createHash('sha256');
    req.on('data', (chunk: Buffer) => digest.update(chunk));
    req.on('end', () => res.end(JSON.stringify({ sha256: digest.digest('hex'), headers: req.headers })));
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  const { port } = app.address() as { port: number };
  it = await startTestGateway({
    origin: 'https://login.localhost',
    listen: { port: 0, cert: certFile, key: keyFile },
    apps: [{ name: 'notes', hosts: [APP], upstream: `https://localhost:${port}`, emergency: 'closed' }],
  });
  const { session } = arrive(
    it.gateway,
    { address: '127.0.0.1', agent: 'tls', deviceCookie: null },
    { account: 'anna', display: 'Anna', email: '', groups: [] },
    [{ kind: 'passkey', atMs: it.clock.ms }],
    3,
  );
  cookie = `__Host-asepsis-access=${it.gateway.sessions.token(session.id, APP)}`;
});
afterAll(async () => {
  agent.destroy();
  await it.stop();
  app.closeAllConnections();
  await new Promise((resolve) => app.close(resolve));
  setDefaultCACertificates(trusted);
  rmSync(folder, { recursive: true, force: true });
});

const ask = (path: string, o: { method?: string; body?: Buffer; cookie?: string } = {}) =>
  new Promise<{ status: number; body: Buffer }>((resolve, reject) => {
    const headers = { host: APP, 'user-agent': 'tls', ...(o.cookie !== '' && { cookie: o.cookie ?? cookie }) };
    const options = {
      agent,
      host: 'localhost',
      servername: 'localhost',
      family: 4,
      port: it.port,
      path,
      method: o.method ?? 'GET',
      headers,
    };
    const asking = request(options, (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks) }));
      answer.on('error', reject);
    });
    asking.on('error', reject);
    asking.end(o.body);
  });

test('HTTP/1.1 over TLS to an application over TLS: pages, what is large, and an upload on the same connection', async () => {
  const told = JSON.parse((await ask('/')).body.toString()) as { headers: Record<string, string> };
  expect(told.headers).toMatchObject({ 'x-asepsis-user': 'anna', 'x-forwarded-proto': 'https', host: APP });
  expect((await ask('/', { cookie: '' })).status).toBe(401);
  const page = await ask('/large');
  expect(createHash('sha256').update(page.body).digest('hex')).toBe(createHash('sha256').update(large).digest('hex'));
  const sent = JSON.parse((await ask('/', { method: 'POST', body: large })).body.toString()) as { sha256: string };
  expect(sent.sha256).toBe(createHash('sha256').update(large).digest('hex'));
  expect((await ask('/')).status).toBe(200);
});

test('an application whose certificate is nobody’s is down, not trusted', async () => {
  setDefaultCACertificates(trusted);
  const { port } = app.address() as { port: number };
  const other = await startTestGateway({
    apps: [
      {
        name: 'open',
        hosts: ['open.localhost'],
        upstream: `https://127.0.0.1:${port}`,
        emergency: 'closed',
        rules: [{ paths: ['/'], effect: 'public' }],
      },
    ],
  });
  try {
    expect((await other.send('/', { host: 'open.localhost' })).status).toBe(502);
  } finally {
    await other.stop();
  }
});

import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { LOGIN_HOST, legacyApp, startTestGateway, type TestGateway } from '../testing/gateway-harness.ts';
import { parseGatewayConfig } from './gateway-config.ts';

const HOST = 'notes.localhost:8430';
let app: Awaited<ReturnType<typeof legacyApp>>;
let it: TestGateway;

const apps = (rules: object[], upstreamPort = app.port) => [
  { name: 'notes', hosts: [HOST], upstream: `http://127.0.0.1:${upstreamPort}`, emergency: 'closed', rules },
];
const reload = (rules: object[], upstreamPort?: number) =>
  it.gateway.reload(
    parseGatewayConfig(stringify({ origin: `http://${LOGIN_HOST}`, apps: apps(rules, upstreamPort) }), 'gateway.yaml'),
  );
const EVERYBODY = [{ paths: ['/**'], groups: ['staff'] }];

beforeAll(async () => {
  app = await legacyApp();
  it = await startTestGateway({ apps: apps(EVERYBODY) });
});
afterAll(async () => {
  await it.stop();
  await app.close();
});

const session = (account: string, factorMs = it.clock.ms) => {
  const made = it.gateway.sessions.start({
    account,
    display: account,
    email: '',
    groups: ['staff'],
    strength: 2,
    factors: [{ kind: 'totp', atMs: factorMs }],
    agent: 'open',
    address: '127.0.0.1',
    lifeMs: 43_200_000,
    idleMs: 3_600_000,
    bind: [],
    lockMs: null,
    emergencyApp: null,
  });
  return `Cookie: asepsis-access=${it.gateway.sessions.token(made.id, HOST)}\r\n`;
};
const SOCKET =
  'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n';

/** Something that stays open, and whether it has been closed since. */
async function open(
  path: string,
  headers: string,
): Promise<{ socket: Socket; closed: () => boolean; said: () => string }> {
  const socket = connect(it.port, '127.0.0.1');
  let closed = false;
  let said = '';
  socket.on('error', () => {});
  socket.on('close', () => {
    closed = true;
  });
  const first = new Promise((resolve) => socket.once('data', resolve));
  socket.on('data', (data: Buffer) => {
    said += data.toString('latin1');
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${HOST}\r\nOrigin: http://${HOST}\r\n${headers}\r\n`);
  await first;
  return { socket, closed: () => closed, said: () => said };
}
const settle = () => new Promise((resolve) => setTimeout(resolve, 150));

test('a changed policy closes sockets and streams that it no longer allows, and no other', async () => {
  const anna = session('anna');
  const ben = session('ben');
  const [annas, annasStream, bens] = await Promise.all([
    open('/live', anna + SOCKET),
    open('/events', anna),
    open('/live', ben + SOCKET),
  ]);
  expect(annas.said()).toContain('101 Switching');
  expect(annasStream.said()).toContain('200 OK');
  // The same policy again, and one that concerns something else: nothing closes.
  reload(EVERYBODY);
  reload([{ paths: ['/admin/**'], effect: 'deny' }, ...EVERYBODY]);
  await settle();
  expect([annas.closed(), annasStream.closed(), bens.closed()]).toEqual([false, false, false]);
  reload([{ paths: ['/**'], users: ['ben'] }]);
  await settle();
  expect([annas.closed(), annasStream.closed(), bens.closed()]).toEqual([true, true, false]);
  // The application moved: what is open to its old place ends.
  reload(EVERYBODY, app.port + 1);
  await settle();
  expect(bens.closed()).toBe(true);
  reload(EVERYBODY);
});

test('a factor that was fresh when a socket opened is fresh for it; being asked about is no sign of life', async () => {
  const step = [{ paths: ['/**'], need: { strength: 'two-factor', within_minutes: 5 } }];
  reload(step);
  const cookie = session('cleo');
  const one = await open('/live', cookie + SOCKET);
  it.clock.ms += 600_000;
  reload(step);
  await settle();
  expect(one.closed()).toBe(false);
  const held = [...it.gateway.held].find((each) => each.session?.account === 'cleo');
  expect(held?.session?.lastSeenMs).toBe(it.clock.ms - 600_000);
  one.socket.destroy();
  reload(EVERYBODY);
});

test('who loses a group loses what is open for it', async () => {
  const one = await open('/live', session('dora') + SOCKET);
  it.gateway.sessions.regroup('dora', ['visitors']);
  await settle();
  expect(one.closed()).toBe(true);
});

test('a locked session closes what it has open', async () => {
  const one = await open('/events', session('erik'));
  const held = [...it.gateway.held].find((each) => each.session?.account === 'erik');
  if (held?.session) it.gateway.sessions.lock(held.session);
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(one.closed()).toBe(true);
});

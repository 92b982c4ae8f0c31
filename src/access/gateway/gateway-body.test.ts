import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LOGIN_HOST, legacyApp, startTestGateway, type TestGateway } from '../testing/gateway-harness.ts';

const HOST = 'notes.localhost:8430';
const SPAN_MS = 250;
let app: Awaited<ReturnType<typeof legacyApp>>;
let it: TestGateway;

beforeAll(async () => {
  app = await legacyApp();
  it = await startTestGateway(
    {
      apps: [
        {
          name: 'notes',
          hosts: [HOST],
          upstream: `http://127.0.0.1:${app.port}`,
          emergency: 'closed',
          rules: [{ paths: ['/upload'], effect: 'public' }],
        },
      ],
    },
    { times: { headMs: SPAN_MS, formMs: SPAN_MS, uploadSpanMs: SPAN_MS } },
  );
});
afterAll(async () => {
  await it.stop();
  await app.close();
});

/** Sends the start, then one byte at a time without end; answers when it was cut off, or after three seconds with null. */
function drip(start: string): Promise<string | null> {
  return new Promise((resolve) => {
    const socket = connect(it.port, '127.0.0.1', () => socket.write(start));
    let said = '';
    const more = setInterval(() => socket.write('a'), 20);
    const done = (text: string | null) => {
      clearInterval(more);
      clearTimeout(late);
      socket.destroy();
      resolve(text);
    };
    const late = setTimeout(() => done(null), 3000);
    socket.on('data', (data: Buffer) => {
      said += data.toString();
    });
    socket.on('error', () => {});
    socket.on('close', () => done(said));
  });
}

test.each([
  ['a plain head', 'GET / HTTP/1.1\r\nX: '],
  ['a head for Node’s server', `POST / HTTP/1.1\r\nHost: ${HOST}\r\nX: `],
  [
    'a form',
    `POST /sign-in HTTP/1.1\r\nHost: ${LOGIN_HOST}\r\nOrigin: http://${LOGIN_HOST}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 60000\r\n\r\n`,
  ],
  ['an upload', `POST /upload HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 1000000\r\n\r\n`],
])('slowloris: %s that comes a byte at a time is cut off', async (_name, start) => {
  expect(await drip(start)).not.toBeNull();
});

test('an upload at a fair rate goes on for longer than the span, and is whole', async () => {
  const bytes = 12;
  const piece = Buffer.alloc(20_000, 'x');
  const said = await new Promise<string>((resolve) => {
    const socket = connect(it.port, '127.0.0.1');
    socket.write(`POST /upload HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: ${bytes * piece.length}\r\n\r\n`);
    let sent = 0;
    const more = setInterval(() => {
      if (sent++ < bytes) socket.write(piece);
      else clearInterval(more);
    }, SPAN_MS / 4);
    socket.on('data', (data: Buffer) => {
      clearInterval(more);
      socket.destroy();
      resolve(data.toString());
    });
    socket.on('close', () => resolve(''));
    socket.on('error', () => {});
  });
  expect(said).toContain(`"bytes":${bytes * piece.length}`);
});

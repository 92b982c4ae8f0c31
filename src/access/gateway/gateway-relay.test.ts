import { request } from 'node:http';
import { connect, createServer, type Server, type Socket } from 'node:net';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { sendRaw } from '../testing/gateway-bypass.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway-harness.ts';
import { openChunks } from './gateway-chunks.ts';

const HOST = 'notes.localhost:8430';
/** An application that answers with whatever bytes a test wants, in whatever pieces. */
let pieces: readonly Buffer[] = [];
let closes = false;
let asked = 0;
let app: Server;
let it: TestGateway;
let appPort = 0;
const sockets = new Set<Socket>();

beforeAll(async () => {
  app = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.on('data', (data: Buffer) => {
      if (!data.toString('latin1').endsWith('\r\n\r\n')) return;
      asked++;
      const waiting = [...pieces];
      const step = () => {
        const next = waiting.shift();
        if (next !== undefined) {
          socket.write(next);
          setImmediate(step);
        } else if (closes) socket.end();
      };
      step();
    });
  });
  await new Promise<void>((resolve) => app.listen(0, '127.0.0.1', resolve));
  appPort = (app.address() as { port: number }).port;
  it = await startTestGateway({
    apps: [
      {
        name: 'notes',
        hosts: [HOST],
        upstream: `http://127.0.0.1:${appPort}`,
        emergency: 'closed',
        rules: [{ paths: ['/'], effect: 'public' }],
      },
    ],
  });
});
afterAll(async () => {
  await it.stop();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => app.close(resolve));
});

const answers = (text: string, end = false, size = Number.POSITIVE_INFINITY) => {
  const bytes = Buffer.from(text, 'latin1');
  pieces = [];
  for (let at = 0; at < bytes.length; at += size) pieces = [...pieces, bytes.subarray(at, at + size)];
  closes = end;
};

interface Seen {
  readonly status: number;
  readonly headers: Record<string, unknown>;
  readonly body: string;
}
/** What Node's own client makes of it; null when it is no answer, or breaks off. */
function askWith(port: number, method = 'GET'): Promise<Seen | null> {
  return new Promise((resolve) => {
    const asking = request(
      { host: '127.0.0.1', port, path: '/', method, agent: false, setHost: false, headers: { host: HOST } },
      (answer) => {
        let body = '';
        answer.on('data', (chunk: Buffer) => {
          body += chunk.toString('latin1');
        });
        answer.on('error', () => resolve(null));
        answer.on('aborted', () => resolve(null));
        answer.on('end', () => {
          const headers: Record<string, unknown> = { ...answer.headers };
          // Of one connection only, or said in another way.
          for (const name of ['connection', 'transfer-encoding', 'keep-alive', 'trailer']) delete headers[name];
          if (answer.complete) resolve({ status: answer.statusCode ?? 0, headers, body });
          else resolve(null);
        });
      },
    );
    asking.setTimeout(600, () => asking.destroy());
    asking.on('error', () => resolve(null));
    asking.on('close', () => resolve(null));
    asking.end();
  });
}

const status = fc.constantFrom(
  '200 OK',
  '200',
  '204 No Content',
  '304 Not Modified',
  '404 Not Found',
  '500 X',
  '99 No',
  '101 Switch',
);
const framing = fc.constantFrom(
  'Content-Length: 5\r\n',
  'Content-Length: 5\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: chunked\r\n',
  'Transfer-Encoding: Chunked\r\n',
  '',
  'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n',
  'Content-Length: 5\r\nContent-Length: 6\r\n',
  'Content-Length: +5\r\n',
  'Content-Length: 5, 5\r\n',
  'Transfer-Encoding: gzip, chunked\r\n',
  'Transfer-Encoding : chunked\r\n',
);
const field = fc.constantFrom(
  'X-A: b\r\n',
  'Set-Cookie: a=b\r\n',
  'Set-Cookie: asepsis-access=evil\r\n',
  'Connection: close\r\n',
  'Connection: X-A\r\n',
  'X-Umlaut: \xfc\r\n',
  'X-Empty:\r\n',
  'X_Under: 1\r\n',
  'Bad Name: x\r\n',
  'X-Bare: a\nb: c\r\n',
  ' folded\r\n',
  'X-Null: a\0b\r\n',
);
const body = fc.constantFrom(
  'hello',
  '5\r\nhello\r\n0\r\n\r\n',
  '5;ext=1\r\nhello\r\n0\r\n\r\n',
  '2\r\nhe\r\n3\r\nllo\r\n0\r\nX-Trailer: y\r\n\r\n',
  '5\r\nhello\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n',
  '5\nhello\n0\n\n',
  'G\r\nhello\r\n0\r\n\r\n',
  '5\r\nhelloX0\r\n\r\n',
  'helloHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
  '',
);
const answer = fc
  .tuple(
    fc.constantFrom('HTTP/1.1 ', 'HTTP/1.1 ', 'HTTP/1.1 ', 'HTTP/1.0 ', 'HTTP/2.0 '),
    status,
    fc.array(field, { maxLength: 3 }),
    framing,
    body,
  )
  .map(([protocol, line, fields, frame, rest]) => `${protocol}${line}\r\n${fields.join('')}${frame}\r\n${rest}`);

test('what comes through the gateway is what Node reads of the application itself', { timeout: 120_000 }, async () => {
  let through = 0;
  await fc.assert(
    fc.asyncProperty(answer, fc.boolean(), fc.constantFrom(1, 7, 1000), async (text, end, size) => {
      answers(text, end, size);
      const seen = await askWith(it.port);
      if (seen === null || seen.status === 502) return;
      through++;
      const own = await askWith(appPort);
      // Bytes after the answer spoil it for Node's client, which reads alone; ours has passed the answer on by then.
      if (own === null) {
        const sent = text.slice(text.indexOf('\r\n\r\n') + 4);
        expect(['hello', sent.slice(0, 5), '']).toContain(seen.body);
        expect(sent.length).toBeGreaterThan(seen.body.length);
        return;
      }
      const headers = { ...own.headers };
      // Cookies under our names and what `Connection` lists stay behind.
      if (/Connection: X-A/.test(text)) delete headers['x-a'];
      const cookies = (headers['set-cookie'] as string[] | undefined)?.filter((one) => !one.startsWith('asepsis-'));
      if (cookies !== undefined && cookies.length > 0) headers['set-cookie'] = cookies;
      else delete headers['set-cookie'];
      expect(seen).toEqual({ ...own, headers });
    }),
    { numRuns: 400 },
  );
  expect(through).toBeGreaterThan(20);
});

test.each([
  ['a length', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello', false],
  ['chunks', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n', false],
  ['an end', 'HTTP/1.0 200 OK\r\n\r\nhello', true],
  [
    'an interim answer',
    'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
    false,
  ],
])('honest answers with %s arrive whole, in pieces of any size', async (_name, text, end) => {
  for (const size of [1, 3, 10, 1000]) {
    answers(text, end, size);
    expect((await askWith(it.port))?.body).toBe('hello');
  }
});

test.each([
  ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello'],
  ['length and chunks', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
  ['a protocol that nobody asked for', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n'],
  ['a line end inside a header', 'HTTP/1.1 200 OK\r\nX: a\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n'],
  ['no HTTP at all', 'SSH-2.0-OpenSSH\r\n\r\n'],
])('an application that answers with %s is down, as far as clients see', async (_name, text) => {
  answers(text);
  expect((await askWith(it.port))?.status).toBe(502);
});

test('bytes after an answer are nobody’s answer', async () => {
  answers('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil');
  const line = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
  const got = await sendRaw(it.port, line + line + line);
  expect(got.match(/HTTP\/1\.1 200/g)).toHaveLength(3);
  expect(got).not.toContain('evil');
});

test('requests in one packet are answered in turn, and what is not plain goes on to Node in its turn', async () => {
  answers('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  asked = 0;
  const get = `GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`;
  const post = `POST / HTTP/1.1\r\nHost: ${HOST}\r\nContent-Length: 0\r\n\r\n`;
  const got = await sendRaw(it.port, get + get + post + get);
  expect(got.match(/HTTP\/1\.1 200/g)).toHaveLength(4);
  expect(asked).toBe(4);
});

test('a kept connection that the application just closed is asked anew', async () => {
  for (let i = 0; i < 5; i++) {
    // Closed right after the answer, without a word of it.
    answers('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok', true);
    expect((await askWith(it.port))?.body).toBe('ok');
  }
});

test('a client that reads slowly gets every byte, and a large answer does not pile up in memory', async () => {
  const body = Buffer.alloc(24 * 1024 * 1024, 'abcdefgh');
  pieces = [Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`), body];
  closes = false;
  const before = process.memoryUsage().arrayBuffers;
  const got = await new Promise<number>((resolve) => {
    const socket = connect(it.port, '127.0.0.1', () => socket.write(`GET / HTTP/1.1\r\nHost: ${HOST}\r\n\r\n`));
    let bytes = 0;
    let most = 0;
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      socket.pause();
      setTimeout(() => socket.resume(), 1);
      if (bytes >= body.length) {
        socket.destroy();
        resolve(bytes);
      }
    });
  });
  expect(got).toBeGreaterThanOrEqual(body.length);
});

test('chunks: whatever the pieces, the same bytes are kept; extensions and trailers go', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string({ minLength: 1, maxLength: 40 }), { maxLength: 5 }),
      fc.boolean(),
      fc.integer({ min: 1, max: 50 }),
      (texts, extras, size) => {
        const plain = texts.map((one) => Buffer.from(one));
        const chunk = (one: Buffer, more: string) =>
          Buffer.concat([Buffer.from(`${one.length.toString(16)}${more}\r\n`), one, Buffer.from('\r\n')]);
        const made = (more: string, trailer: string) =>
          Buffer.concat([...plain.map((one) => chunk(one, more)), Buffer.from(`0${more}\r\n${trailer}\r\n`)]);
        const sent = extras ? made(';a="b"', 'X-T: 1\r\nX-U: 2\r\n') : made('', '');
        const chunks = openChunks();
        const kept: Buffer[] = [];
        for (let at = 0; at < sent.length; at += size) {
          const piece = sent.subarray(at, at + size);
          expect(chunks.read(piece, 0, piece.length, (from, to) => kept.push(piece.subarray(from, to)))).toBe(
            piece.length,
          );
        }
        expect(chunks.done()).toBe(true);
        expect(Buffer.concat(kept).toString('latin1')).toBe(made('', '').toString('latin1'));
      },
    ),
  );
});

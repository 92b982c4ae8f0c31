import { createServer, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readPlainHead } from './gateway-request-head.ts';

/** What Node's own parser makes of the bytes: the requests, with their bodies, until it gives up. */
function readByNode(bytes: Buffer): Promise<{ req: IncomingMessage; body: string }[]> {
  return new Promise((resolve) => {
    const found: { req: IncomingMessage; body: string }[] = [];
    const server = createServer((req, res) => {
      let body = '';
      req.on('data', (chunk: Buffer) => {
        body += chunk.toString('latin1');
      });
      req.on('end', () => found.push({ req, body }));
      res.end();
    });
    const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() });
    socket.on('error', () => {});
    server.on('clientError', () => socket.destroy());
    server.emit('connection', socket);
    socket.push(bytes);
    setTimeout(() => {
      socket.destroy();
      resolve(found);
    }, 10);
  });
}

const method = fc.constantFrom('GET', 'HEAD', 'POST', 'get', 'GE', 'GET ', 'HEADS');
const target = fc.constantFrom('/', '/a/b?c=d', '*', 'http://x/', '/a b', '/ä', '/a\u0000', '//', '', '/%2e');
const version = fc.constantFrom(' HTTP/1.1', ' HTTP/1.0', ' HTTP/1.1 ', '  HTTP/1.1', ' HTTP/2.0', '');
const lineEnd = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n');
const name = fc.constantFrom(
  'Host',
  'host',
  'Accept',
  'Cookie',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'X_Under',
  'X-A',
  'Expect',
  'TE',
  'Upgrade',
  'bad name',
  '',
  ' Folded',
);
const value = fc.constantFrom(
  'trailers',
  'x.localhost',
  '0',
  '5',
  'chunked',
  'close',
  'keep-alive',
  'upgrade',
  'a  b',
  'ü',
  'a\tb',
  '',
  'a\u0001b',
  'x ',
);
const colon = fc.constantFrom(': ', ': ', ': ', ':', ' : ', ':  ', '');
const field = fc.tuple(name, colon, value, lineEnd).map((parts) => parts.join(''));
const odd = fc
  .tuple(
    method,
    target,
    version,
    lineEnd,
    fc.array(field, { maxLength: 6 }),
    lineEnd,
    fc.constantFrom('', 'hello', 'GET / HTTP/1.1\r\n'),
  )
  .map(
    ([verb, path, protocol, end, fields, last, rest]) =>
      `${verb} ${path}${protocol}${end}${fields.join('')}${last}${rest}`,
  );
/** An honest request with one byte changed. */
const honest =
  'GET /a/b?c=d HTTP/1.1\r\nHost: x.localhost\r\nUser-Agent: a b\r\nCookie: a=1; b=2\r\nConnection: keep-alive\r\n\r\n';
const bent = fc
  .tuple(fc.nat(honest.length - 1), fc.nat(255))
  .map(([at, code]) => honest.slice(0, at) + String.fromCharCode(code) + honest.slice(at + 1));

test('what is read as plain, Node reads alike: one request, the same head, no body', { timeout: 60_000 }, async () => {
  let plain = 0;
  await fc.assert(
    fc.asyncProperty(fc.oneof(odd, bent), async (text) => {
      const bytes = Buffer.from(text, 'latin1');
      const head = readPlainHead(bytes);
      if (typeof head === 'string') return;
      plain++;
      const [first] = await readByNode(bytes.subarray(0, head.length));
      expect(first?.req.method).toBe(head.method);
      expect(first?.req.url).toBe(head.url);
      expect(first?.req.rawHeaders).toEqual(head.rawHeaders);
      expect({ ...first?.req.headers }).toEqual({ ...head.headers });
      expect(first?.body).toBe('');
      expect(first?.req.httpVersion).toBe('1.1');
    }),
    { numRuns: 1500 },
  );
  // A reader that refuses everything would pass too.
  expect(plain).toBeGreaterThan(40);
});

test('what browsers behind a proxy say of trailers is plain', () => {
  expect(readPlainHead(Buffer.from('GET / HTTP/1.1\r\nHost: x\r\nTE: trailers\r\n\r\n'))).toMatchObject({ url: '/' });
});

test('a head in pieces is waited for, and read the same wherever it is cut', () => {
  const bytes = Buffer.from(`${honest}GET /next`, 'latin1');
  const whole = readPlainHead(bytes);
  expect(whole).toMatchObject({ method: 'GET', url: '/a/b?c=d', close: false, length: honest.length });
  for (let end = 1; end < honest.length; end++) expect(readPlainHead(bytes.subarray(0, end))).toBe('more');
});

test.each([
  ['a body', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n'],
  ['chunks', 'GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ['a socket', 'GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'],
  ['codings', 'GET / HTTP/1.1\r\nHost: x\r\nTE: chunked\r\n\r\n'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n'],
  ['no host', 'GET / HTTP/1.1\r\n\r\n'],
  ['a changing method', 'POST / HTTP/1.1\r\nHost: x\r\n\r\n'],
  ['HTTP/1.0', 'GET / HTTP/1.0\r\nHost: x\r\n\r\n'],
  ['underscores', 'GET / HTTP/1.1\r\nHost: x\r\nX_A: b\r\n\r\n'],
  ['a long head', `GET / HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}`],
])('%s is left to Node', (_name, text) => {
  expect(readPlainHead(Buffer.from(text, 'latin1'))).toBe('other');
});

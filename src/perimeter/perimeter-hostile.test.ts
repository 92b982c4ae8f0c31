/** Servers that are awkward, broken or hostile; each is looked at to an end, and what can be known of it is known. */

import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer as createHttp } from 'node:http';
import { createServer as createHttps } from 'node:https';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, createServer as createTls, type TlsOptions } from 'node:tls';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../core/index.ts';
import { createGate, type Gate } from './perimeter-gate.ts';
import { identify } from './perimeter-identify.ts';
import { runScan, type ScanEvent } from './perimeter-scan.ts';
import { freePort, has, type Lab, openLab, P256, RSA } from './testing/perimeter-lab.ts';
import { loopbackScope } from './testing/perimeter-scopes.ts';
import { tlsProfile } from './tls/tls-profile.ts';

const openssl = has('openssl');
let lab: Lab;
let gate: Gate;
let rsa: { cert: string; key: string };
const open: Server[] = [];
const sockets = new Set<Socket>();
const scope = loopbackScope('names: [one.test, two.test, plain.test]\n');
beforeAll(() => {
  lab = openLab();
  gate = createGate({ scope, clock: systemClock, resolve: async () => ['127.0.0.1'] });
  if (openssl) rsa = lab.certificate('rsa', RSA, 'DNS:one.test,IP:127.0.0.1');
});
afterEach(() => {
  for (const socket of sockets) socket.destroy();
  for (const server of open.splice(0)) server.close();
});
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});
async function listen(server: Server, host = '127.0.0.1'): Promise<number> {
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
  });
  server.on('tlsClientError', () => {});
  open.push(server);
  await once(server.listen(0, host), 'listening');
  return (server.address() as AddressInfo).port;
}
const material = (one: { cert: string; key: string }) => ({ cert: readFileSync(one.cert), key: readFileSync(one.key) });
const tls = (options: TlsOptions, host?: string) =>
  listen(
    createHttps({ ...material(rsa), ...options }, (_, response) => response.end('<title>Inside</title>')),
    host,
  );
const look = (port: number, host = '127.0.0.1', address = host) =>
  identify({ gate, host, address, port, nowMs: Date.now(), outside: false, gentle: false, active: [] });
const profile = (port: number, host = '127.0.0.1') =>
  tlsProfile(gate, { host, port, ...(host.endsWith('.test') ? { address: '127.0.0.1' } : {}) }, Date.now());

test.skipIf(!openssl)('TLS 1.3 only: the profile is whole, and HTTP inside is looked at', async () => {
  const view = await look(await tls({ minVersion: 'TLSv1.3' }));
  expect(view).toMatchObject({ service: 'http', tls: true });
  expect(view.profile?.versions.map(({ version, ciphers }) => [version, ciphers.length])).toEqual([['TLS 1.3', 3]]);
  expect(view.profile?.chains[0]?.certificates[0]?.keyType).toBe('rsa');
});

test.skipIf(!openssl).each([['TLSv1.2'], ['TLSv1.3']] as const)(
  'a client certificate is required over %s: suites and certificate are seen all the same',
  async (version) => {
    const port = await tls({
      requestCert: true,
      rejectUnauthorized: true,
      ca: readFileSync(rsa.cert),
      minVersion: version,
      maxVersion: version,
    });
    const seen = await profile(port);
    expect(seen?.versions.map(({ version: one }) => one)).toEqual([version.replace('v', ' ')]);
    expect(seen?.chains).toHaveLength(1);
    expect(seen?.asksClientCertificate).toBe(true);
    expect((await look(port)).tls).toBe(true);
  },
);

test.skipIf(!openssl)('a certificate by name: each name is judged by its own', async () => {
  const two = lab.certificate('two', P256, 'DNS:two.test');
  const port = await tls({
    SNICallback: (name, done) => done(null, createSecureContext(material(name === 'two.test' ? two : rsa))),
  });
  const [first, second, bare] = [await profile(port, 'one.test'), await profile(port, 'two.test'), await profile(port)];
  expect(first?.chains[0]).toMatchObject({ nameMatches: true, certificates: [{ keyType: 'rsa' }] });
  expect(second?.chains[0]).toMatchObject({ nameMatches: true, certificates: [{ keyType: 'ec' }] });
  expect(bare?.chains[0]?.certificates[0]?.keyType).toBe('rsa');
});

test.skipIf(!openssl)(
  'a server that hangs up on names it does not know still has a profile under its own',
  async () => {
    const port = await tls({
      SNICallback: (name, done) =>
        name === 'one.test' ? done(null, createSecureContext(material(rsa))) : done(new Error('no')),
    });
    expect((await profile(port, 'one.test'))?.chains).toHaveLength(1);
    expect(await profile(port, 'two.test')).toBeNull();
  },
);

test.skipIf(!has('openssl', 'nginx'))('an order of suites of its own for each version', async () => {
  const port = await freePort();
  const conf = lab.file(
    'mixed.conf',
    `daemon off; pid ${lab.dir}/mixed.pid; error_log stderr; events {}
http { access_log off; client_body_temp_path ${lab.dir}/b; proxy_temp_path ${lab.dir}/p; fastcgi_temp_path ${lab.dir}/f; uwsgi_temp_path ${lab.dir}/u; scgi_temp_path ${lab.dir}/s;
server { listen 127.0.0.1:${port} ssl; ssl_certificate ${rsa.cert}; ssl_certificate_key ${rsa.key}; ssl_protocols TLSv1.2 TLSv1.3; ssl_prefer_server_ciphers on;
ssl_ciphers AES128-SHA:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256; ssl_conf_command Ciphersuites TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256; return 204; } }`,
  );
  await lab.start('nginx', ['-c', conf, '-e', 'stderr'], port);
  const seen = await profile(port);
  expect(seen?.versions).toMatchObject([
    {
      version: 'TLS 1.2',
      order: 'server',
      ciphers: [
        'TLS_RSA_WITH_AES_128_CBC_SHA',
        'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
        'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
      ],
    },
    { version: 'TLS 1.3', order: 'server', ciphers: ['TLS_CHACHA20_POLY1305_SHA256', 'TLS_AES_128_GCM_SHA256'] },
  ]);
});

test.skipIf(!has('openssl', 'nginx'))(
  'a client that asks for the handshake again: taken, refused, and not there in TLS 1.3',
  async () => {
    const [takes, refuses] = [await freePort(), await freePort()];
    const keys = ['-cert', rsa.cert, '-key', rsa.key, '-www', '-quiet', '-tls1_2'];
    await lab.start('openssl', ['s_server', '-accept', String(takes), '-client_renegotiation', ...keys], takes);
    await lab.start('openssl', ['s_server', '-accept', String(refuses), '-no_renegotiation', ...keys], refuses);
    expect((await profile(takes))?.clientRenegotiation).toBe(true);
    expect((await profile(refuses))?.clientRenegotiation).toBe(false);
    expect((await profile(await tls({ minVersion: 'TLSv1.3' })))?.clientRenegotiation).toBeNull();
    const view = await look(takes);
    expect(view.weaknesses.map(({ key }) => key)).toContain('client-renegotiation');
  },
);

test.skipIf(!openssl)('over IPv6 alone', async () => {
  const port = await tls({}, '::1');
  const view = await look(port, '::1');
  expect(view).toMatchObject({ service: 'http', tls: true });
  const views = await runScan({
    gate,
    scope,
    clock: systemClock,
    targets: [{ host: '::1', address: '::1' }],
    ports: [port],
    udp: false,
    from: 'inside',
  });
  expect(views[0]?.ports.map(({ service }) => service)).toEqual(['http']);
  expect(view.weaknesses.every(({ command }) => !command.includes('://::1'))).toBe(true);
});

test.skipIf(!openssl)(
  'names in a certificate that are made to be believed, run or rendered are only words',
  async () => {
    const evil = `<script>alert(1)</script>$(touch /tmp/x)\`id\``;
    const conf = lab.file(
      'evil.cnf',
      `[req]\ndistinguished_name=d\nx509_extensions=v\nprompt=no\n[d]\nCN="${evil.replaceAll('$', '\\$')}"\nO=a\\\\nb\n[v]\nsubjectAltName=@s\n[s]\nDNS.1=*.*.test\nDNS.2=one.test\\x00.evil\nDNS.3=${'a'.repeat(60)}.${'b'.repeat(60)}\n`,
    );
    const [cert, key] = [`${lab.dir}/evil.crt`, `${lab.dir}/evil.key`];
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-nodes',
        '-newkey',
        'rsa:2048',
        '-keyout',
        key,
        '-out',
        cert,
        '-config',
        conf,
        '-utf8',
        '-days',
        '30',
      ],
      { stdio: 'ignore' },
    );
    const port = await listen(createTls(material({ cert, key }), (socket) => socket.end()));
    const view = await look(port, 'one.test', '127.0.0.1');
    expect(view.profile?.chains[0]?.nameMatches).toBe(false);
    for (const { title, command } of view.weaknesses) {
      expect(title).not.toMatch(/\p{Cc}/u);
      expect(command).not.toContain('touch');
    }
  },
);

test('a page after five seconds, a greeting after six: each is known for what it is', async () => {
  const slow = createHttp((_, response) => setTimeout(() => response.end('<title>Slow</title>'), 5000));
  const view = await look(await listen(slow));
  expect(view).toMatchObject({ service: 'http', notSeen: [expect.stringContaining('slowly')] });
  const late = createServer((socket) => {
    setTimeout(() => socket.write('220 mail.hospital.example ESMTP Postfix\r\n'), 6000);
    socket.on('data', () => socket.write('250-mail\r\n250 STARTTLS\r\n'));
  });
  expect((await look(await listen(late))).service).toBe('smtp');
}, 90_000);

test('one that is half closed, and one that resets every time, come to an end', async () => {
  const half = createServer({ allowHalfOpen: true }, (socket) => {
    socket.write('220 half FTP\r\n');
    socket.end();
  });
  const reset = createServer((socket) => socket.resetAndDestroy());
  for (const server of [half, reset])
    expect((await look(await listen(server))).weaknesses.filter(({ severity }) => severity === 'critical')).toEqual([]);
}, 60_000);

test('bombs in every wrapping, endless chunks, headers without end, and a redirect to oneself over and over', async () => {
  const bomb = gzipSync(Buffer.alloc(32 * 1024 * 1024));
  let asked = 0;
  const server = createHttp((request, response) => {
    asked++;
    if (request.url === '/') return response.writeHead(302, { location: `/r${asked}` }).end();
    if (request.url?.startsWith('/r')) return response.writeHead(302, { location: `/r${asked}` }).end();
    if (request.url === '/robots.txt') {
      response.writeHead(200, { 'transfer-encoding': 'chunked' });
      const timer = setInterval(() => response.write('x'.repeat(60_000)), 1);
      return response.on('close', () => clearInterval(timer));
    }
    return response
      .writeHead(200, { 'content-encoding': 'gzip, gzip', 'content-type': 'text/html' })
      .end(gzipSync(bomb));
  });
  const before = process.memoryUsage().rss;
  const view = await look(await listen(server));
  expect(view.service).toBe('http');
  expect(process.memoryUsage().rss - before).toBeLessThan(300e6);
  expect(asked).toBeLessThan(250);
}, 60_000);

test('a tarpit among others does not keep a scan from the others', async () => {
  const tar = createServer((socket) => {
    const timer = setInterval(() => socket.write('.'), 500);
    socket.on('close', () => clearInterval(timer));
  });
  const [stuck, fine] = [
    await listen(tar),
    await listen(createHttp((_, response) => response.end('<title>Fine</title>'))),
  ];
  const events: ScanEvent[] = [];
  const targets = [{ host: '127.0.0.1', address: '127.0.0.1' }];
  const [view] = await runScan({
    gate,
    scope,
    clock: systemClock,
    targets,
    ports: [stuck, fine],
    udp: false,
    from: 'inside',
    onEvent: (event) => events.push(event),
  });
  expect(
    view?.ports.map(({ port, service }) => [port, service]).toSorted((a, b) => Number(a[0]) - Number(b[0])),
  ).toEqual(
    [
      [stuck, 'unknown'],
      [fine, 'http'],
    ].toSorted((a, b) => Number(a[0]) - Number(b[0])),
  );
}, 60_000);

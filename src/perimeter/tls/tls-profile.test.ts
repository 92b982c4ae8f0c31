import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../core/index.ts';
import { createGate, type Gate } from '../perimeter-gate.ts';
import { freePort, has, type Lab, openLab, P256, RSA } from '../testing/perimeter-lab.ts';
import { loopbackScope } from '../testing/perimeter-scopes.ts';
import { tlsProfile } from './tls-profile.ts';

let lab: Lab;
let gate: Gate;
let rsa: { cert: string; key: string };
let ec: { cert: string; key: string };
beforeAll(() => {
  lab = openLab();
  gate = createGate({ scope: loopbackScope(), clock: systemClock });
  rsa = lab.certificate('rsa', RSA, 'DNS:localhost,IP:127.0.0.1', ['-days', '30']);
  ec = lab.certificate('ec', P256, 'DNS:localhost,IP:127.0.0.1', ['-days', '30']);
});
afterAll(async () => {
  gate.stop('done');
  await lab.close();
});
const profile = (port: number) => tlsProfile(gate, { host: '127.0.0.1', port }, Date.now());
const openssl = has('openssl');

/** nmap's opinion: version → names, in its order. */
async function nmapCiphers(port: number): Promise<Map<string, string[]>> {
  const { stdout } = await promisify(execFile)('nmap', [
    '-Pn',
    '-n',
    '-p',
    String(port),
    '--script',
    '+ssl-enum-ciphers',
    '127.0.0.1',
  ]);
  const found = new Map<string, string[]>();
  let version = '';
  for (const line of stdout.split('\n')) {
    const head = /^\|\s+(SSLv3|TLSv1\.\d):/.exec(line)?.[1];
    if (head) version = head.replace('SSLv3', 'SSL 3.0').replace('TLSv', 'TLS ');
    const cipher = /^\|\s+(TLS_\S+|SSL_\S+)/.exec(line)?.[1];
    if (cipher && version) found.set(version, [...(found.get(version) ?? []), cipher.replace('TLS_AKE_WITH_', 'TLS_')]);
  }
  return found;
}

async function compare(port: number): Promise<void> {
  const ours = await profile(port);
  const theirs = await nmapCiphers(port);
  expect(theirs.size).toBeGreaterThan(0);
  const versions = ours?.versions.filter(({ version }) => version !== 'SSL 2.0') ?? [];
  expect(versions.map(({ version }) => version).toSorted((a, b) => (String(a) < String(b) ? -1 : 1))).toEqual(
    [...theirs.keys()].toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
  );
  for (const { version, ciphers, order } of versions) {
    const listed = theirs.get(version) ?? [];
    expect(
      [...ciphers].toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
      version,
    ).toEqual([...listed].toSorted((a, b) => (String(a) < String(b) ? -1 : 1)));
    if (order === 'server') expect(ciphers, `${version}: order`).toEqual(listed);
  }
}

test.skipIf(!has('openssl', 'nmap'))(
  'openssl s_server with everything on: suites equal to nmap’s',
  async () => {
    const port = await freePort();
    const keys = ['-cert', rsa.cert, '-key', rsa.key, '-dcert', ec.cert, '-dkey', ec.key];
    await lab.start(
      'openssl',
      ['s_server', '-accept', String(port), ...keys, '-cipher', 'ALL:COMPLEMENTOFALL:@SECLEVEL=0', '-www', '-quiet'],
      port,
    );
    await compare(port);
    const seen = await profile(port);
    expect(
      seen?.chains
        .map(({ certificates }) => certificates[0]?.keyType)
        .toSorted((a, b) => (String(a) < String(b) ? -1 : 1)),
    ).toEqual(['ec', 'rsa']);
    expect(seen?.dhBits).toBe(2048);
    expect(seen?.secureRenegotiation).toBe(true);
    expect(seen?.groups).toContain('x25519');
  },
  60_000,
);

test.skipIf(!has('openssl', 'nmap'))(
  'openssl s_server that prefers its own order',
  async () => {
    const port = await freePort();
    const suites = 'ECDHE-RSA-AES256-GCM-SHA384:ECDHE-RSA-AES128-GCM-SHA256:AES256-SHA:AES128-SHA';
    await lab.start(
      'openssl',
      [
        's_server',
        '-accept',
        String(port),
        '-cert',
        rsa.cert,
        '-key',
        rsa.key,
        '-cipher',
        `${suites}:@SECLEVEL=0`,
        '-serverpref',
        '-www',
        '-quiet',
      ],
      port,
    );
    await compare(port);
    const seen = await profile(port);
    expect(seen?.versions.find(({ version }) => version === 'TLS 1.2')).toMatchObject({
      order: 'server',
      ciphers: [
        'TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384',
        'TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256',
        'TLS_RSA_WITH_AES_256_CBC_SHA',
        'TLS_RSA_WITH_AES_128_CBC_SHA',
      ],
    });
  },
  60_000,
);

test.skipIf(!has('nginx', 'nmap', 'openssl'))(
  'nginx',
  async () => {
    const port = await freePort();
    const conf = lab.file(
      'nginx.conf',
      `daemon off; pid ${lab.dir}/nginx.pid; error_log stderr; events {}
http { access_log off; client_body_temp_path ${lab.dir}/b; proxy_temp_path ${lab.dir}/p; fastcgi_temp_path ${lab.dir}/f; uwsgi_temp_path ${lab.dir}/u; scgi_temp_path ${lab.dir}/s;
server { listen 127.0.0.1:${port} ssl http2; ssl_certificate ${rsa.cert}; ssl_certificate_key ${rsa.key};
ssl_protocols TLSv1 TLSv1.1 TLSv1.2 TLSv1.3; ssl_ciphers DEFAULT:@SECLEVEL=0; ssl_prefer_server_ciphers on; return 204; } }`,
    );
    await lab.start('nginx', ['-c', conf, '-e', 'stderr'], port);
    await compare(port);
    const seen = await profile(port);
    expect(seen?.alpn).toEqual(expect.arrayContaining(['h2', 'http/1.1']));
  },
  60_000,
);

test.skipIf(!has('gnutls-serv', 'nmap', 'openssl'))(
  'gnutls-serv with old versions on',
  async () => {
    const port = await freePort();
    const priority = 'NORMAL:+VERS-ALL:+CIPHER-ALL:+MAC-ALL:+KX-ALL:%COMPAT';
    await lab.start(
      'gnutls-serv',
      ['--http', '-p', String(port), '--x509certfile', rsa.cert, '--x509keyfile', rsa.key, '--priority', priority],
      port,
    );
    await compare(port);
  },
  60_000,
);

test.skipIf(!openssl)(
  'a server that speaks nothing but TLS 1.3 still shows its certificate, ALPN and groups',
  async () => {
    const server = createTlsServer({
      cert: readFileSync(ec.cert),
      key: readFileSync(ec.key),
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['h2'],
      ecdhCurve: 'X25519MLKEM768:P-384',
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    server.on('tlsClientError', () => {});
    const seen = await profile((server.address() as AddressInfo).port);
    server.close();
    expect(seen?.versions.map(({ version }) => version)).toEqual(['TLS 1.3']);
    expect(seen?.groups).toEqual(['X25519MLKEM768', 'secp384r1']);
    expect(seen?.chains[0]?.certificates[0]).toMatchObject({ keyType: 'ec', curve: 'prime256v1', selfSigned: true });
    expect(seen?.chains[0]?.nameMatches).toBe(true);
    expect(seen?.alpn).toEqual(['h2']);
  },
);

test('whatever a server answers, a profile ends soon and is none', async () => {
  const answersOf: ((socket: import('node:net').Socket) => void)[] = [
    (socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    (socket) => socket.write(Buffer.from([22, 3, 3, 0xff, 0xff])),
    (socket) => socket.write(Buffer.from([22, 3, 3, 0, 4, 2, 0xff, 0xff, 0xff])),
    (socket) => socket.write(Buffer.from([22, 3, 3, 0, 0, 22, 3, 3, 0, 0])),
    (socket) => socket.destroy(),
  ];
  for (const answer of answersOf) {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => answer(socket));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    expect(await profile((server.address() as AddressInfo).port)).toBeNull();
    server.close();
  }
});

test('a server that answers each hello with random bytes never breaks the prober', async () => {
  let answer = Buffer.alloc(0);
  const server = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.end(answer));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 120 }), fc.boolean(), async (body, framed) => {
      answer = framed
        ? Buffer.concat([Buffer.from([22, 3, 3, 0, body.length + 4, 2, 0, 0, body.length]), body])
        : Buffer.from(body);
      await profile(port);
    }),
    { numRuns: 30 },
  );
  server.close();
});

/** For tests: ways around a gateway that were public advisories elsewhere, each as the bytes that a client sends. */

import { connect } from 'node:net';

/** What each request is sent with: nobody's cookies, or those of a person in no privileged group. */
type As = 'nobody' | 'anna';

export interface Bypass {
  /** The class of public advisory that it replays. */
  readonly name: string;
  readonly as: As;
  /** Whole requests; `COOKIE` stands for the person's cookie line, `HOST` for the application's host. */
  readonly requests: readonly string[];
}

const get = (path: string, ...headers: string[]): string =>
  `GET ${path} HTTP/1.1\r\nHost: HOST\r\nCOOKIE${headers.map((line) => `${line}\r\n`).join('')}\r\n`;
const post = (path: string, body: string, ...headers: string[]): string =>
  `POST ${path} HTTP/1.1\r\nHost: HOST\r\nCOOKIE${headers.map((line) => `${line}\r\n`).join('')}\r\n${body}`;
const SMUGGLED = 'GET /admin/smuggled HTTP/1.1\r\nHost: HOST\r\nX-Asepsis-User: root\r\n\r\n';

/** Paths that mean `/admin/…` to one reader and something harmless to another. */
const PATHS = [
  '//admin/x',
  '/./admin/x',
  '/public/../admin/x',
  '/public/..;/admin/x',
  '/..;/admin/x',
  '/public/info/..;/..;/admin/x',
  '/public/info;/../../admin/x',
  '/admin;a=b/x',
  '/;/admin/x',
  '/%2e/admin/x',
  '/public/%2e%2e/admin/x',
  '/public/.%2e/admin/x',
  '/public/%2E%2E/admin/x',
  '/public%2f..%2fadmin/x',
  '/%2fadmin/x',
  '/admin%2fx',
  '/public/..%2fadmin/x',
  '/public/..%5cadmin/x',
  '/public\\..\\admin\\x',
  '/%5cadmin/x',
  '/%252e%252e/admin/x',
  '/public/%252e%252e%252fadmin/x',
  '/%61dmin/x',
  '/%41DMIN/x',
  '/ADMIN/x',
  '/Admin/x',
  '/admin./x',
  '/admin%20/x',
  '/admin%00/x',
  '/public/info%00/../../admin/x',
  '/admin%0a/x',
  '/admin%09/x',
  '/%ef%bc%8e%ef%bc%8e/admin/x',
  '/public%ef%bc%8fadmin/x',
  '/%c0%ae%c0%ae/admin/x',
  '/%c0%afadmin/x',
  '/public/info?/../../admin/x#/admin',
  '/public/info#/../../admin/x',
  '/admin/x?_method=PUT',
  '/%',
  '/%zz/admin',
  '/admin/x%',
  '/admin\t/x',
  '/adm\u0000in/x',
  '/public/info/../../admin/x',
  '/admin',
  '/admin/',
  '/admin//x',
  // Letters that fold to others: full width, dotless and dotted i, a soft hyphen, a zero-width space, invisible and a dot.
  '/%ef%bd%81%ef%bd%84%ef%bd%8d%ef%bd%89%ef%bd%8e/x',
  '/adm%c4%b1n/x',
  '/adm%c4%b0n/x',
  '/ad%c2%admin/x',
  '/admin%e2%80%8b/x',
  '/admin.%e2%80%8b/x',
  '/admin%c2%a0/x',
  '/%f0%9d%90%9adm%e2%85%b0n/x',
  // Streams of NTFS, short names, drive letters.
  '/admin::$INDEX_ALLOCATION/x',
  '/admin:$i30:$INDEX_ALLOCATION/x',
  '/admin%3a%3a%24DATA/x',
  '/public/info::$DATA/../../admin/x',
  // Matrix parameters and encodings of encodings once more, in the places where servers differ.
  '/admin%3bjsessionid=1/x',
  '/%u002e%u002e/admin/x',
  '/%61%64%6d%69%6e/x',
  '/public/info%2e%2e%2f%2e%2e%2fadmin/x',
  '/.%00./admin/x',
  '/admin/%2e/x',
];

const one = (name: string, as: As, ...requests: string[]): Bypass => ({ name, as, requests });

export const BYPASSES: readonly Bypass[] = [
  ...PATHS.map((path) => one(`path confusion: ${JSON.stringify(path)}`, 'anna', get(path))),
  ...PATHS.map((path) => one(`path confusion without a session: ${JSON.stringify(path)}`, 'nobody', get(path))),
  one(
    'absolute-form target with another host',
    'anna',
    'GET http://other.localhost/admin/x HTTP/1.1\r\nHost: HOST\r\nCOOKIE\r\n',
  ),
  one(
    'absolute-form target with the same host',
    'anna',
    'GET http://HOST/admin/x HTTP/1.1\r\nHost: HOST\r\nCOOKIE\r\n',
  ),
  one('absolute-form target without a session', 'nobody', 'GET http://HOST/secret HTTP/1.1\r\nHost: HOST\r\n\r\n'),
  one(
    'target without a slash',
    'nobody',
    'GET admin/x HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'OPTIONS * HTTP/1.1\r\nHost: HOST\r\n\r\n',
  ),
  one(
    'spoofed X-Forwarded-Uri',
    'anna',
    get('/admin/x', 'X-Forwarded-Uri: /public/info'),
    get('/admin/x', 'x-forwarded-uri: /public/info', 'X-Forwarded-Method: GET'),
  ),
  one('spoofed X-Forwarded-Uri without a session', 'nobody', get('/secret', 'X-Forwarded-Uri: /public/info')),
  one(
    'duplicated X-Forwarded-Uri',
    'anna',
    get('/admin/x', 'X-Forwarded-Uri: /public/info', 'X-Forwarded-Uri: /public/info'),
  ),
  one('X-Forwarded-Uri with underscores', 'anna', get('/admin/x', 'X_Forwarded_Uri: /public/info')),
  one(
    'spoofed X-Forwarded-Host and X-Host',
    'nobody',
    get('/secret', 'X-Forwarded-Host: login.localhost:8430', 'X-Host: login.localhost:8430'),
    get('/secret', 'Forwarded: for=127.0.0.1;host=login.localhost'),
  ),
  one(
    'spoofed X-Forwarded-For and relatives',
    'nobody',
    get('/office', 'X-Forwarded-For: 10.9.9.9'),
    get(
      '/office',
      'X-Real-IP: 10.9.9.9',
      'X-Client-IP: 10.9.9.9',
      'True-Client-IP: 10.9.9.9',
      'X_Forwarded_For: 10.9.9.9',
    ),
  ),
  one(
    'X-Forwarded-For that does not parse',
    'nobody',
    get('/office', 'X-Forwarded-For: 10.9.9.9, unknown, _hidden'),
    get('/office', 'X-Forwarded-For: 0x0a.9.9.9'),
  ),
  one(
    'duplicated X-Forwarded-For',
    'nobody',
    get('/office', 'X-Forwarded-For: 10.9.9.9', 'X-Forwarded-For: 127.0.0.1'),
  ),
  one(
    'X-Original-URL and X-Rewrite-URL',
    'anna',
    get('/public/info', 'X-Original-URL: /admin/x'),
    get('/public/info', 'X-Rewrite-URL: /admin/x'),
    get('/public/info', 'X_Original_URL: /admin/x'),
  ),
  one(
    'method override by header',
    'nobody',
    get('/public/info', 'X-HTTP-Method-Override: DELETE'),
    get('/public/info', 'X-HTTP-Method: PUT'),
    get('/public/info', 'X_HTTP_Method_Override: DELETE'),
  ),
  one(
    'method outside the rule',
    'nobody',
    'DELETE /public/info HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'GET2 /public/info HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'get /secret HTTP/1.1\r\nHost: HOST\r\n\r\n',
  ),
  one(
    'TRACE and CONNECT',
    'nobody',
    'TRACE /secret HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n',
  ),
  one(
    'CORS preflight',
    'nobody',
    'OPTIONS /secret HTTP/1.1\r\nHost: HOST\r\nOrigin: https://evil.example\r\nAccess-Control-Request-Method: POST\r\n\r\n',
  ),
  one(
    'host override: unknown host',
    'nobody',
    'GET /secret HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n',
    'GET /secret HTTP/1.1\r\nHost: evil.example\r\n\r\n',
  ),
  one(
    'host override: two hosts',
    'nobody',
    'GET /secret HTTP/1.1\r\nHost: HOST\r\nHost: login.localhost:8430\r\n\r\n',
    'GET /secret HTTP/1.1\r\nHost: HOST, login.localhost:8430\r\n\r\n',
  ),
  one(
    'host override: no host',
    'nobody',
    'GET /secret HTTP/1.1\r\n\r\n',
    'GET /secret HTTP/1.0\r\n\r\n',
    'GET /secret HTTP/1.1\r\nHost:\r\n\r\n',
  ),
  one(
    'host override: malformed host',
    'nobody',
    'GET /secret HTTP/1.1\r\nHost: HOST/public\r\n\r\n',
    'GET /secret HTTP/1.1\r\nHost: HOST@login.localhost\r\n\r\n',
    'GET /secret HTTP/1.1\r\nHost: notes.localhost:port\r\n\r\n',
  ),
  ...['kube-probe/1.29', 'GoogleHC/1.0', 'ELB-HealthChecker/2.0', 'Blackbox Exporter', 'Consul Health Check'].map(
    (agent) =>
      one(
        `health check by user agent: ${agent}`,
        'nobody',
        get('/', `User-Agent: ${agent}`),
        get('/ping', `User-Agent: ${agent}`),
        get('/healthz', `User-Agent: ${agent}`),
        get('/ready', `User-Agent: ${agent}`),
      ),
  ),
  one(
    'malformed cookie',
    'nobody',
    ...[
      '',
      '=',
      'x',
      '%00',
      '"',
      'A'.repeat(43),
      '../../etc/passwd',
      `${'A'.repeat(42)}=`,
      "' OR 1=1--",
      'A'.repeat(7000),
    ].map((value) => get('/secret', `Cookie: asepsis-access=${value}`)),
  ),
  one(
    'malformed cookie header',
    'nobody',
    get('/secret', 'Cookie: ;;;==;'),
    get('/secret', 'Cookie:'),
    get('/secret', 'Cookie: asepsis-access'),
    get('/secret', 'Cookie: __Host-asepsis-access=x; asepsis-access='),
  ),
  one(
    'cookie that is a token of algorithm none',
    'nobody',
    get(
      '/secret',
      `Cookie: asepsis-access=${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{"sub":"root"}').toString('base64url')}.`,
    ),
  ),
  one(
    'identity by header',
    'nobody',
    get('/secret', 'X-Asepsis-User: root', 'Remote-User: root', 'X-Forwarded-User: root'),
    get('/secret', 'Authorization: Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.'),
  ),
  one(
    'identity by header on a public path',
    'nobody',
    get(
      '/public/info',
      'X-Asepsis-User: root',
      'X-Asepsis-Groups: admins',
      'X-Asepsis-Jwt: a.b.c',
      'Remote-User: root',
    ),
  ),
  one(
    'identity by header with underscores on a public path',
    'nobody',
    get(
      '/public/info',
      'X_Asepsis_User: root',
      'X-Asepsis_User: root',
      'Remote_User: root',
      'x_asepsis_groups: admins',
    ),
  ),
  one(
    'identity by header beside a session',
    'anna',
    get(
      '/mine',
      'X-Asepsis-User: root',
      'X-Asepsis-Groups: admins',
      'X_Asepsis_User: root',
      'Remote-User: root',
      'REMOTE_USER: root',
    ),
  ),
  one(
    'identity stripped by Connection',
    'anna',
    get('/mine', 'Connection: close, X-Asepsis-User, X-Asepsis-Groups, X-Forwarded-For, Cookie'),
  ),
  one(
    'smuggling: Content-Length and Transfer-Encoding',
    'nobody',
    post(
      '/public/info',
      `0\r\n\r\n${SMUGGLED}`,
      `Content-Length: ${SMUGGLED.length + 5}`,
      'Transfer-Encoding: chunked',
    ),
  ),
  one(
    'smuggling: Transfer-Encoding spelled oddly',
    'nobody',
    ...[
      'Transfer-Encoding: xchunked',
      'Transfer-Encoding : chunked',
      'Transfer-Encoding:\tchunked',
      'Transfer-Encoding: identity, chunked',
      'X: y\nTransfer-Encoding: chunked',
      'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
      ' Transfer-Encoding: chunked',
      'Transfer_Encoding: chunked',
    ].map((line) => post('/public/info', `0\r\n\r\n${SMUGGLED}`, 'Content-Length: 5', line)),
  ),
  one(
    'smuggling: two lengths',
    'nobody',
    post('/public/info', SMUGGLED, 'Content-Length: 0', `Content-Length: ${SMUGGLED.length}`),
    post('/public/info', SMUGGLED, `Content-Length: 0, ${SMUGGLED.length}`),
  ),
  one(
    'smuggling: odd lengths',
    'nobody',
    ...['+0', '-1', '0x0', '0 0', '00000000000000000000000000000001', '\v0'].map((length) =>
      post('/public/info', SMUGGLED, `Content-Length: ${length}`),
    ),
  ),
  one(
    'smuggling: chunk sizes',
    'nobody',
    ...[
      '0x5\r\nhello\r\n0\r\n\r\n',
      '5;a=\nhello\r\n0\r\n\r\n',
      '5\nhello\n0\n\n',
      '-1\r\n\r\n',
      'FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n',
      '5 \r\nhello\r\n0\r\n\r\n',
    ].map((body) => post('/public/info', `${body}${SMUGGLED}`, 'Transfer-Encoding: chunked')),
  ),
  one(
    'hop-by-hop: Connection names what frames or protects the request',
    'nobody',
    post('/public/info', SMUGGLED, `Content-Length: ${SMUGGLED.length}`, 'Connection: close, Content-Length'),
    post('/public/info', `0\r\n\r\n${SMUGGLED}`, 'Transfer-Encoding: chunked', 'Connection: Transfer-Encoding'),
    get('/secret', 'Connection: Host, X-Forwarded-For, X-Forwarded-Proto'),
  ),
  one(
    'hop-by-hop: identity beside it',
    'anna',
    get('/mine', 'Connection: keep-alive, X-Asepsis-Jwt, X-Forwarded-Host', 'X-Asepsis-User: root'),
    get('/mine', 'Keep-Alive: X-Asepsis-User', 'Proxy-Connection: X-Asepsis-User'),
  ),
  one(
    'pipelining: a public request with others behind it',
    'nobody',
    get('/public/info') + get('/admin/x') + get('/secret', 'X-Asepsis-User: root'),
    get('/public/info') + post('/admin/x', 'a', 'Content-Length: 1') + get('/secret'),
    `${get('/public/info')}GET /secret HTTP/1.1\r\nHost: HOST\r\nX-Asepsis-User: root\r\nContent-Length: 0\r\n\r\n`,
  ),
  one(
    'pipelining beside a session',
    'anna',
    get('/mine') + get('/admin/x') + get('/mine'),
    get('/mine') + post('/admin/x', '', 'Content-Length: 0') + get('/admin'),
  ),
  one(
    'identity by header with other separators',
    'anna',
    ...['.', '!', '~', '+', '*', '|', "'", '^', '`'].map((mark) =>
      get('/mine', `X${mark}Asepsis${mark}User: root`, `X-Asepsis${mark}Groups: admins`, `Remote${mark}User: root`),
    ),
  ),
  one(
    'override by header with other separators',
    'nobody',
    get('/public/info', 'X.HTTP.Method.Override: DELETE'),
    get('/public/info', 'X.Original.URL: /admin/x'),
  ),
  one(
    'method override in the query',
    'nobody',
    ...['_method', '_%6dethod', '%5F%6D%65thod', '_METHOD', 'x-http-method-override', 'X-HTTP-Method'].map((name) =>
      get(`/public/info?a=1&${name}=DELETE`),
    ),
  ),
  one(
    'more headers than anybody counts',
    'nobody',
    get(
      '/public/info',
      ...Array.from({ length: 2100 }, (_, i) => `a${i}: 1`),
      'X-Original-URL: /admin/x',
      'X-Asepsis-User: root',
    ),
  ),
  one(
    'expectations',
    'nobody',
    get('/secret', 'Expect: 100-continue'),
    post('/public/info', SMUGGLED, 'Expect: 100-continue', 'Content-Length: 0'),
    get('/public/info', 'Expect: x') + SMUGGLED,
  ),
  one(
    'upgrades of other kinds',
    'nobody',
    get('/secret', 'Connection: Upgrade', 'Upgrade: websocket, h2c', 'Sec-WebSocket-Version: 13'),
    get('/secret', 'Connection: Upgrade', 'Upgrade: TLS/1.2'),
    `GET /live HTTP/1.0\r\nHost: HOST\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: http://HOST\r\n\r\n`,
  ),
  one(
    'host override: other spellings',
    'nobody',
    ...[
      'notes.localhost.:8430',
      'NOTES.localhost:08430',
      'notes.localhost:+8430',
      'notes.localhost:8430 ',
      '[::1]:8430',
      'notes.localhost:8430:8430',
      'notes%2elocalhost:8430',
    ].map((host) => `GET /secret HTTP/1.1\r\nHost: ${host}\r\n\r\n`),
  ),
  one(
    'request line with other blanks',
    'nobody',
    'GET\t/secret\tHTTP/1.1\r\nHost: HOST\r\n\r\n',
    'GET  /secret HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'GET\v/secret HTTP/1.1\r\nHost: HOST\r\n\r\n',
    '\r\n\r\nGET /secret HTTP/1.1\r\nHost: HOST\r\n\r\n',
    'GET /secret HTTP/1.1\0\r\nHost: HOST\r\n\r\n',
  ),
  one(
    'cookies in several headers',
    'nobody',
    get('/secret', 'Cookie: asepsis-access=AAAA', `Cookie: asepsis-access=${'B'.repeat(43)}`),
    get('/secret', `Cookie: $Version=1; asepsis-access="${'B'.repeat(43)}"`),
  ),
  one('smuggling: GET with a body', 'nobody', get('/public/info', `Content-Length: ${SMUGGLED.length}`) + SMUGGLED),
  one(
    'smuggling: bare line feeds and folded lines',
    'nobody',
    'GET /public/info HTTP/1.1\nHost: HOST\n\n',
    `GET /public/info HTTP/1.1\r\nHost: HOST\r\nX: a\r\n ${'b'}: c\r\n\r\n`,
    `GET /public/info HTTP/1.1\r\nHost: HOST\r\nX: a\rContent-Length: 5\r\n\r\n`,
  ),
  one(
    'smuggling: HTTP/0.9, HTTP/2 preface, odd versions',
    'nobody',
    'GET /secret\r\n\r\n',
    'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
    'GET /secret HTTP/9.9\r\nHost: HOST\r\n\r\n',
    'GET /secret HTTP/1.1 \r\nHost: HOST\r\n\r\n',
  ),
  one(
    'h2c upgrade',
    'nobody',
    get(
      '/public/info',
      'Connection: Upgrade, HTTP2-Settings',
      'Upgrade: h2c',
      'HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA',
    ) + SMUGGLED,
  ),
  one(
    'WebSocket without a session',
    'nobody',
    get(
      '/live',
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
      'Origin: http://HOST',
    ),
  ),
  one(
    'WebSocket that is refused and used as a tunnel',
    'nobody',
    get('/public/info', 'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 777') + SMUGGLED,
  ),
  one(
    'forward-auth asked from outside',
    'nobody',
    get(
      '/.asepsis/verify',
      'X-Forwarded-Uri: /public/info',
      'X-Forwarded-Host: HOST',
      'X-Forwarded-Method: GET',
      'X-Forwarded-For: 127.0.0.1',
    ),
    get('/.asepsis/envoy/secret'),
  ),
  one(
    'own paths as a way in',
    'nobody',
    get('/.asepsis/../secret'),
    get('/.asepsis/x/../../secret'),
    get('/.asepsis/callback?ticket=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'),
    get('/.asepsis%2f..%2fsecret'),
    get('/secret/.asepsis/verify'),
  ),
];

/** Sends bytes and answers everything that comes back until the peer closes or is silent. */
export function sendRaw(port: number, bytes: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes, 'latin1'));
    let text = '';
    const done = () => {
      socket.destroy();
      resolve(text);
    };
    let timer = setTimeout(done, 1500);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      clearTimeout(timer);
      timer = setTimeout(done, 80);
    });
    socket.on('close', done);
    socket.on('error', done);
  });
}

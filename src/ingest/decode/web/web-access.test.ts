/** Access and error logs of nginx, Apache and IIS; requests that pretend to be log lines. */

import { describe, expect, test } from 'vitest';
import { decodeAll, decodeOne } from '../decode-testing.ts';

const T = '[20/May/2026:09:14:03 +0200]';

test('combined', () => {
  const event = decodeOne(
    `203.0.113.9 - alice ${T} "GET /portal/login?u=%27a%27 HTTP/1.1" 401 512 "https://h.example/" "curl/8.5"`,
  );
  expect(event).toMatchObject({
    format: 'web/access',
    logsource: { category: 'webserver' },
    timeMs: Date.UTC(2026, 4, 20, 7, 14, 3),
    marks: [],
  });
  expect(event.fields).toEqual({
    'c-ip': '203.0.113.9',
    'cs-username': 'alice',
    'cs-method': 'GET',
    'cs-version': 'HTTP/1.1',
    'cs-uri': '/portal/login?u=%27a%27',
    'cs-uri-query': '/portal/login?u=%27a%27',
    'cs-uri-stem': '/portal/login',
    'sc-status': 401,
    'sc-bytes': 512,
    'cs-referer': 'https://h.example/',
    'cs-user-agent': 'curl/8.5',
  });
  expect(event.norm).toMatchObject({
    class_uid: 4002,
    user: 'alice',
    status: 401,
    method: 'GET',
    url: '/portal/login?u=%27a%27',
    bytes: 512,
  });
});

test.each([
  ['common', `203.0.113.9 - - ${T} "GET / HTTP/1.0" 200 5`, { status: 200 }],
  [
    'virtual host',
    `portal.example:443 203.0.113.9 - - ${T} "GET / HTTP/1.1" 200 5 "-" "-"`,
    { domain: 'portal.example' },
  ],
  ['no user', `203.0.113.9 - ${T} "GET / HTTP/1.1" 200 5 "-" "-"`, { status: 200 }],
  ['TLS hello', `203.0.113.9 - - ${T} "\\x16\\x03\\x01" 400 150 "-" "-"`, { status: 400, url: '\\x16\\x03\\x01' }],
  ['empty request', `203.0.113.9 - - ${T} "" 400 0 "-" "-"`, { status: 400 }],
  ['more behind', `203.0.113.9 - - ${T} "GET / HTTP/2.0" 200 5 "-" "x" "10.0.0.1" rt=0.1`, { user_agent: 'x' }],
])('%s', (_name, line, norm) => {
  const event = decodeOne(line);
  expect(event.norm).toMatchObject({ src_ip: '203.0.113.9', ...norm });
  expect(event.norm.user).toBeUndefined();
});

describe('forged', () => {
  test('a Basic user that looks like the rest of a line', () => {
    const event = decodeOne(
      `203.0.113.9 - 1.1.1.1 - - [19/May/2026:00:00:00 +0000] \\"GET /evil HTTP/1.1\\" 200 1 ${T} "GET /real HTTP/1.1" 401 5 "-" "-"`,
    );
    expect(event.norm).toMatchObject({ src_ip: '203.0.113.9', url: '/real', status: 401 });
  });
  test('a browser that looks like a request', () => {
    const event = decodeOne(`203.0.113.9 - - ${T} "GET /real HTTP/1.1" 404 5 "-" "x\\" 200 1 \\"-\\" \\"y"`);
    expect(event.norm).toMatchObject({ status: 404, url: '/real' });
    expect(event.fields['cs-user-agent']).toBe('x\\" 200 1 \\"-\\" \\"y');
  });
  test('an nginx error whose request names another client', () => {
    const event = decodeOne(
      '2026/05/20 09:14:03 [error] 31#31: *46 open() "/x, client: 9.9.9.9" failed, client: 203.0.113.9, server: h, request: "GET /x HTTP/1.1", host: "h"',
    );
    expect(event.norm).toMatchObject({ src_ip: '203.0.113.9', url: '/x', domain: 'h' });
  });
});

test('which server it is shows in the line, and is remembered for its source', () => {
  const [first, second] = decodeAll([
    `203.0.113.9 - - ${T} "GET / HTTP/1.1" 304 - "-" "x"`,
    `203.0.113.9 - - ${T} "GET / HTTP/1.1" 200 5 "-" "x"`,
  ]);
  expect(first?.format).toBe('web/apache');
  expect(second?.logsource).toEqual({ category: 'webserver', service: 'apache' });
  expect(decodeOne(`May 20 09:14:03 h nginx[7]: 203.0.113.9 - - ${T} "GET / HTTP/1.1" 200 5 "-" "x"`)).toMatchObject({
    format: 'web/nginx',
    norm: { host: 'h', url: '/' },
  });
});

test.each([
  [
    '[Wed May 20 09:14:03.2 2026] [auth_basic:error] [pid 7:tid 1] [client 203.0.113.9:51000] AH01617: user ada: authentication failure for "/x": Password Mismatch',
    'web/apache-error',
    { action: 'logon', outcome: 'failure', user: 'ada', src_ip: '203.0.113.9', src_port: 51000 },
  ],
  [
    '[Wed May 20 09:14:03 2026] [core:error] [pid 7] [client ::1:37752] AH00126: Invalid URI in request GET /../.. HTTP/1.1',
    'web/apache-error',
    { url: '/../..', src_ip: '::1', severity_id: 4 },
  ],
  [
    '2026/05/20 09:14:03 [error] 7#7: *4 user "ada": password mismatch, client: 203.0.113.9, server: h, request: "GET /x HTTP/1.1", host: "h"',
    'web/nginx-error',
    { action: 'logon', outcome: 'failure', user: 'ada', src_ip: '203.0.113.9' },
  ],
])('%s', (line, format, norm) => {
  const event = decodeOne(line);
  expect(event.format).toBe(format);
  expect(event.norm).toMatchObject(norm);
});

describe('W3C', () => {
  test('columns by the last #Fields line of the source', () => {
    const [directive, event] = decodeAll(
      [
        '#Fields: date time c-ip cs-method cs-uri-stem cs-uri-query sc-status cs(User-Agent)',
        '2026-05-20 09:14:03 203.0.113.9 POST /owa/auth.owa a=b 302 Mozilla/5.0+(X11)',
      ],
      'Asia/Tokyo',
    );
    expect(directive?.format).toBe('web/w3c-directive');
    expect(event).toMatchObject({
      format: 'web/iis',
      timeMs: Date.UTC(2026, 4, 20, 9, 14, 3),
      logsource: { category: 'webserver', service: 'iis' },
    });
    expect(event?.fields).toMatchObject({ 'cs-uri-query': 'a=b', 'cs-user-agent': 'Mozilla/5.0+(X11)' });
    expect(event?.norm).toMatchObject({ url: '/owa/auth.owa?a=b', status: 302, src_ip: '203.0.113.9' });
  });
  test('without one, the default of IIS', () => {
    expect(
      decodeOne('2026-05-20 09:14:03 10.0.0.5 GET / - 443 HOSP\\ada 203.0.113.9 UA - 200 0 0 15').norm,
    ).toMatchObject({ user: 'HOSP\\ada', status: 200, dst_port: 443 });
  });
  test('another number of columns is not guessed at', () => {
    expect(decodeOne('2026-05-20 09:14:03 10.0.0.5 GET / - 443').format).toBe('raw');
  });
});

/** JSON of every kind; a message inside is decoded as if it had come alone. */

import { describe, expect, test } from 'vitest';
import { LIMITS } from '../../../core/index.ts';
import { decodeOne } from '../decode-testing.ts';

const FAILED = 'Failed password for root from 203.0.113.9 port 4711 ssh2';
const TIME = Date.UTC(2026, 4, 20, 9, 14, 3, 500);
const SSH = { action: 'logon', outcome: 'failure', user: 'root', src_ip: '203.0.113.9', src_port: 4711 };

test.each([
  [
    'journal',
    {
      __REALTIME_TIMESTAMP: `${TIME}000`,
      _HOSTNAME: 'h',
      SYSLOG_IDENTIFIER: 'sshd',
      _PID: '7',
      PRIORITY: '6',
      MESSAGE: FAILED,
    },
  ],
  [
    'journal, message as bytes',
    {
      __REALTIME_TIMESTAMP: `${TIME}000`,
      _HOSTNAME: 'h',
      SYSLOG_IDENTIFIER: 'sshd',
      _PID: '7',
      MESSAGE: [...Buffer.from(FAILED)],
    },
  ],
  [
    'Filebeat, whole line',
    {
      '@timestamp': '2026-05-20T09:14:09Z',
      ecs: { version: '8.0' },
      host: { name: 'beat' },
      message: `2026-05-20T09:14:03.5Z h sshd[7]: ${FAILED}`,
    },
  ],
  [
    'Filebeat, system module',
    {
      '@timestamp': '2026-05-20T09:14:03.5Z',
      event: { dataset: 'system.auth' },
      host: { hostname: 'h' },
      process: { name: 'sshd', pid: 7 },
      message: FAILED,
    },
  ],
  [
    'dotted names',
    {
      '@timestamp': '2026-05-20T09:14:03.5Z',
      'event.dataset': 'system.auth',
      'host.hostname': 'h',
      'process.name': 'sshd',
      'process.pid': 7,
      message: FAILED,
    },
  ],
  [
    'OTLP, whole line',
    {
      time_unix_nano: `${TIME}000000`,
      severity_text: 'INFO',
      body: `<86>1 2026-05-20T09:14:03.5Z h sshd 7 - - ${FAILED}`,
      attributes: {},
      resource: { 'service.name': 'agent' },
    },
  ],
  [
    'OTLP, attributes',
    {
      time_unix_nano: `${TIME}000000`,
      body: FAILED,
      attributes: { 'syslog.appname': 'sshd', 'process.pid': 7 },
      resource: { 'host.name': 'h' },
    },
  ],
])('sshd in %s', (_name, object) => {
  const event = decodeOne(JSON.stringify(object));
  expect(event).toMatchObject({
    format: 'syslog/sshd',
    timeMs: TIME,
    norm: { ...SSH, host: 'h', process: 'sshd', pid: 7 },
  });
  expect(event.raw).toBe(JSON.stringify(object));
});

test('ECS without a line inside', () => {
  const event = decodeOne(
    JSON.stringify({
      '@timestamp': '2026-05-20T09:14:03.5Z',
      ecs: { version: '8' },
      event: { category: ['authentication'], type: ['start'], outcome: 'failure', module: 'vpn' },
      user: { name: 'ada' },
      source: { ip: '203.0.113.9', port: 7 },
      host: { name: 'h' },
    }),
  );
  expect(event).toMatchObject({
    format: 'json/ecs',
    norm: { class_uid: 3002, action: 'logon', outcome: 'failure', user: 'ada', src_ip: '203.0.113.9', host: 'h' },
  });
  expect(event.fields['user.name']).toBe('ada');
});

test('OCSF', () => {
  const event = decodeOne(
    JSON.stringify({
      class_uid: 3002,
      activity_name: 'Logon',
      status: 'Failure',
      time: TIME,
      user: { name: 'ada' },
      src_endpoint: { ip: '203.0.113.9' },
      metadata: { product: { name: 'IdP' } },
    }),
  );
  expect(event).toMatchObject({
    format: 'json/ocsf',
    timeMs: TIME,
    norm: { class_uid: 3002, action: 'logon', outcome: 'failure', user: 'ada', src_ip: '203.0.113.9' },
  });
});

test('Suricata', () => {
  const event = decodeOne(
    JSON.stringify({
      timestamp: '2026-05-20T09:14:03.500000+0000',
      flow_id: 1,
      event_type: 'alert',
      src_ip: '203.0.113.9',
      src_port: 5,
      dest_ip: '10.0.0.5',
      dest_port: 80,
      proto: 'TCP',
      alert: { signature_id: 7, signature: 'x', severity: 1 },
    }),
  );
  expect(event).toMatchObject({
    format: 'json/suricata',
    timeMs: TIME,
    norm: { class_uid: 2001, severity_id: 4, dst_ip: '10.0.0.5', dst_port: 80, event_code: '7' },
  });
});

describe('access logs in JSON', () => {
  const request = { class_uid: 4002, method: 'GET', url: '/a?b=../c', status: 404, src_ip: '203.0.113.9' };
  test('Caddy', () => {
    const event = decodeOne(
      JSON.stringify({
        level: 'info',
        ts: 1779268443.5,
        logger: 'http.log.access',
        msg: 'handled request',
        request: {
          client_ip: '203.0.113.9',
          method: 'GET',
          host: 'portal.example',
          uri: '/a?b=../c',
          headers: { 'User-Agent': ['zgrab/0.x'] },
        },
        status: 404,
      }),
    );
    expect(event).toMatchObject({
      format: 'json/web',
      timeMs: TIME,
      logsource: { category: 'webserver' },
      norm: { ...request, user_agent: 'zgrab/0.x', domain: 'portal.example' },
    });
    expect(event.fields).toMatchObject({ 'cs-uri-stem': '/a', 'cs-uri-query': '/a?b=../c', 'sc-status': 404 });
  });
  test('Envoy', () => {
    const event = decodeOne(
      JSON.stringify({
        start_time: '2026-05-20T09:14:03.500Z',
        method: 'GET',
        'x-envoy-origin-path': '/a?b=../c',
        response_code: 404,
        'user-agent': 'zgrab/0.x',
        downstream_remote_address: '203.0.113.9:4000',
        ':authority': 'portal.example',
      }),
    );
    expect(event).toMatchObject({ format: 'json/web', timeMs: TIME, norm: { ...request, src_port: 4000 } });
  });
  test('Traefik, and an address before the path', () => {
    const traefik = {
      ClientHost: '203.0.113.9',
      RequestMethod: 'GET',
      RequestPath: '/a?b=../c',
      DownstreamStatus: 404,
    };
    expect(decodeOne(JSON.stringify(traefik))).toMatchObject({ format: 'json/web', norm: request });
    const six = { method: 'GET', path: '/', response_code: 200, downstream_remote_address: '[2001:db8::9]:4000' };
    expect(decodeOne(JSON.stringify(six)).norm).toMatchObject({ src_ip: '2001:db8::9', src_port: 4000 });
    const whole = { ip: '203.0.113.9', method: 'GET', url: 'https://portal.example/a?b=../c', statusCode: '404' };
    expect(decodeOne(JSON.stringify(whole))).toMatchObject({ format: 'json/web', norm: request });
  });
  test('a file with a status is no request', () => {
    for (const record of [
      { path: '/var/lib/x', status: 200, message: 'written' },
      { method: 'sync', path: '/x', status: 200 },
      { method: 'GET', path: '/x', status: 0 },
    ])
      expect(decodeOne(JSON.stringify(record)).format).toBe('json/other');
  });
});

test('JSON that nobody knows keeps its fields and is not understood', () => {
  const event = decodeOne(
    '{"ts":1779268443.5,"msg":"hello","request":{"remote_ip":"203.0.113.9","headers":{"A":["b",{"c":1}]}}}',
  );
  expect(event).toMatchObject({
    format: 'json/other',
    timeMs: TIME,
    norm: { message: 'hello', src_ip: '203.0.113.9' },
  });
  expect(event.fields).toMatchObject({ 'request.remote_ip': '203.0.113.9', 'request.headers.A': ['b', '{"c":1}'] });
});

describe('limits', () => {
  test('records inside records are followed three deep and no deeper', () => {
    let record = `May 20 09:14:03 h sshd[7]: ${FAILED}`;
    for (let i = 0; i < 8; i++) record = JSON.stringify({ '@timestamp': '2026-05-20T09:14:03Z', message: record });
    expect(decodeOne(record).format).toBe('json/ecs');
  });
  test('fields beyond the limit are cut, and marked', () => {
    const many = Object.fromEntries(Array.from({ length: LIMITS.eventFieldsMax + 9 }, (_, i) => [`k${i}`, [i]]));
    const event = decodeOne(JSON.stringify(many));
    expect(Object.keys(event.fields).length).toBe(LIMITS.eventFieldsMax);
    expect(event.marks).toContain('cut');
  });
  test('a long value is cut, and marked', () => {
    const event = decodeOne(JSON.stringify({ a: { b: 'x'.repeat(LIMITS.fieldCharsMax + 1) } }));
    expect((event.fields['a.b'] as string).length).toBe(LIMITS.fieldCharsMax);
    expect(event.marks).toContain('cut');
  });
  test('a field called __proto__ changes nothing but itself', () => {
    const event = decodeOne('{"__proto__":{"polluted":1},"a":{"__proto__":5}}');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
    expect(Object.getPrototypeOf(event.fields)).toBe(Object.prototype);
  });
});

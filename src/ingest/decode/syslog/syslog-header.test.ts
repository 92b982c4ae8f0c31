/** Syslog framing in all its shapes. */

import { expect, test } from 'vitest';
import { decodeOne } from '../decode-testing.ts';

const MESSAGE = 'Invalid user x from 1.2.3.4 port 5';

test.each([
  [`<86>May 20 09:14:03 h sshd[12]: ${MESSAGE}`, 'h', 12],
  [`May 20 09:14:03 h sshd[12]: ${MESSAGE}`, 'h', 12],
  [`May 20 09:14:03 sshd[12]: ${MESSAGE}`, undefined, 12],
  [`May 20 09:14:03 h sshd: ${MESSAGE}`, 'h', undefined],
  [`<86>2026-05-20T09:14:03.1+00:00 h sshd[12]: ${MESSAGE}`, 'h', 12],
  [`2026-05-20T09:14:03Z h sshd[12]: ${MESSAGE}`, 'h', 12],
  [`<86>1 2026-05-20T09:14:03Z h sshd 12 - - ${MESSAGE}`, 'h', 12],
  [`<86>1 2026-05-20T09:14:03Z h sshd 12 ID1 - \ufeff${MESSAGE}`, 'h', 12],
  [`1 2026-05-20T09:14:03Z h sshd 12 - - ${MESSAGE}`, 'h', 12],
  [`<86>1 - - sshd - - - ${MESSAGE}`, undefined, undefined],
  [`<86>sshd[12]: ${MESSAGE}`, undefined, 12],
  [`May 20 09:14:03 2001:db8::7 sshd[12]: ${MESSAGE}`, '2001:db8::7', 12],
  [`May 20 09:14:03 h h sshd[12]: ${MESSAGE}`, 'h', 12],
  [`  <86>May 20 09:14:03 h sshd[12]: ${MESSAGE}\r\n\0`, 'h', 12],
])('%j', (line, host, pid) => {
  const { norm, format } = decodeOne(line);
  expect(format).toBe('syslog/sshd');
  expect(norm).toMatchObject({ user: 'x', src_ip: '1.2.3.4', process: 'sshd' });
  expect(norm.host).toBe(host);
  expect(norm.pid).toBe(pid);
});

test('structured data becomes fields, escapes undone', () => {
  const event = decodeOne(
    `<34>1 2026-05-20T09:14:03Z h sshd 12 ID47 [ex@32473 iut="3" note="a \\"b\\" \\] c\\d"][meta seq="9"] ${MESSAGE}`,
  );
  expect(event.fields).toEqual({
    'ex@32473.iut': '3',
    'ex@32473.note': 'a "b" ] c\\d',
    'meta.seq': '9',
    user_known: false,
  });
  expect(event.norm).toMatchObject({ severity_id: 5, user: 'x' });
});

test('an unknown program is not understood, and kept', () => {
  const event = decodeOne('<34>May 20 09:14:03 pump7 infusor[3]: rate 5 ml/h');
  expect(event).toMatchObject({
    format: 'syslog/other',
    logsource: { product: 'linux', service: 'auth' },
    norm: { host: 'pump7', process: 'infusor', pid: 3, message: 'rate 5 ml/h', severity_id: 5 },
  });
});

test('a wrong PRI is no PRI', () => {
  expect(decodeOne('<999>May 20 09:14:03 h sshd[12]: x').format).toBe('raw');
});

test.each([
  [
    '<166>May 20 2026 09:14:03 asa-1 : %ASA-4-106023: Deny tcp src outside:203.0.113.9/51000 dst inside:10.0.0.5/445 by access-group "in"',
    'syslog/cisco-asa',
    { action: 'deny', src_ip: '203.0.113.9', src_port: 51000, dst_ip: '10.0.0.5', dst_port: 445 },
  ],
  [
    '<166>May 20 2026 09:14:03: %ASA-6-302013: Built inbound TCP connection 5 for outside:203.0.113.9/51000 (203.0.113.9/51000) to inside:10.0.0.5/443 (192.0.2.1/443)',
    'syslog/cisco-asa',
    { action: 'allow', src_ip: '203.0.113.9', dst_ip: '10.0.0.5', dst_port: 443 },
  ],
  [
    '<189>29: R1: *May 20 09:14:03.123: %SEC_LOGIN-4-LOGIN_FAILED: Login failed [user: admin] [Source: 203.0.113.9] [localport: 22] [Reason: Login Authentication Failed]',
    'syslog/cisco-ios',
    { action: 'logon', outcome: 'failure', user: 'admin', src_ip: '203.0.113.9', host: 'R1' },
  ],
  [
    '<187>May 20 09:14:03 sw-3 123: %SYS-5-CONFIG_I: Configured from console by vty0',
    'syslog/cisco-ios',
    { event_code: 'CONFIG_I', severity_id: 2 },
  ],
])('Cisco: %s', (line, format, norm) => {
  const event = decodeOne(line);
  expect(event.format).toBe(format);
  expect(event.norm).toMatchObject(norm);
});

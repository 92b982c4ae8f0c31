/** sshd: each message, and names that try to be addresses. */

import { describe, expect, test } from 'vitest';
import { decodeOne } from '../decode-testing.ts';

const HEAD = 'May 20 09:14:03 pacs-gw sshd[2211]: ';
const of = (message: string) => decodeOne(HEAD + message);

describe('attempts', () => {
  test('a failed password of an unknown user', () => {
    const event = of('Failed password for invalid user ward7 from 45.9.1.1 port 4711 ssh2');
    expect(event).toMatchObject({
      format: 'syslog/sshd',
      timeMs: Date.UTC(2026, 4, 20, 9, 14, 3),
      logsource: { product: 'linux', service: 'sshd' },
      fields: { auth_method: 'password', user_known: false },
      marks: ['year-inferred'],
    });
    expect(event.norm).toEqual({
      class_uid: 3002,
      action: 'logon',
      outcome: 'failure',
      user: 'ward7',
      src_ip: '45.9.1.1',
      src_port: 4711,
      host: 'pacs-gw',
      process: 'sshd',
      pid: 2211,
      service: 'ssh',
      event_code: 'ssh-failed',
      message: 'Failed password for invalid user ward7 from 45.9.1.1 port 4711 ssh2',
    });
  });

  test('an accepted key over IPv6', () => {
    const event = of('Accepted publickey for backup from 2001:db8::15 port 50022 ssh2: ED25519 SHA256:5oX1mQhKpY2');
    expect(event.norm).toMatchObject({ outcome: 'success', user: 'backup', src_ip: '2001:db8::15', src_port: 50022 });
    expect(event.fields).toEqual({ auth_method: 'publickey', key: 'ED25519 SHA256:5oX1mQhKpY2' });
  });

  test.each([
    ['Invalid user oracle from 203.0.113.9 port 51000', 'ssh-invalid-user', 'oracle', '203.0.113.9'],
    ['Invalid user  from 203.0.113.9 port 51000', 'ssh-invalid-user', undefined, '203.0.113.9'],
    ['Invalid user test from 203.0.113.9', 'ssh-invalid-user', 'test', '203.0.113.9'],
    [
      'error: maximum authentication attempts exceeded for root from 203.0.113.9 port 51000 ssh2 [preauth]',
      'ssh-max-attempts',
      'root',
      '203.0.113.9',
    ],
    [
      'error: PAM: Authentication failure for illegal user ada from 203.0.113.9',
      'ssh-pam-failed',
      'ada',
      '203.0.113.9',
    ],
    [
      'User nobody from 203.0.113.9 not allowed because not listed in AllowUsers',
      'ssh-not-allowed',
      'nobody',
      '203.0.113.9',
    ],
    [
      'Disconnecting authenticating user root 203.0.113.9 port 51000: Too many authentication failures [preauth]',
      'ssh-max-attempts',
      'root',
      '203.0.113.9',
    ],
  ])('%s', (message, code, user, ip) => {
    const { norm } = of(message);
    expect(norm).toMatchObject({ action: 'logon', outcome: 'failure', event_code: code, src_ip: ip });
    expect(norm.user).toBe(user);
  });
});

test.each([
  ['Connection closed by authenticating user root 203.0.113.9 port 51000 [preauth]', 'ssh-closed', 'root'],
  ['Connection closed by 203.0.113.9 port 51000', 'ssh-closed', undefined],
  ['Connection reset by invalid user a b 203.0.113.9 port 51000 [preauth]', 'ssh-reset', 'a b'],
  ['Received disconnect from 203.0.113.9 port 51000:11: Bye Bye [preauth]', 'ssh-received-disconnect', undefined],
  ['Disconnected from user ada 203.0.113.9 port 51000', 'ssh-disconnected', 'ada'],
  ['Did not receive identification string from 203.0.113.9 port 51000', 'ssh-no-identification', undefined],
  ['banner exchange: Connection from 203.0.113.9 port 51000: invalid format', 'ssh-bad-banner', undefined],
  [
    'Unable to negotiate with 203.0.113.9 port 51000: no matching MAC found. Their offer: x from 1.1.1.1 port 1',
    'ssh-no-negotiation',
    undefined,
  ],
  [
    "Bad protocol version identification 'GET / from 1.1.1.1 port 1' from 203.0.113.9 port 51000",
    'ssh-bad-protocol',
    undefined,
  ],
  ['drop connection #11 from [203.0.113.9]:51000 on [10.0.0.1]:22 past MaxStartups', 'ssh-dropped', undefined],
  ['refused connect from 9.9.9.9.example.org (203.0.113.9)', 'ssh-refused', undefined],
  ['Timeout before authentication for connection from 203.0.113.9 to 10.0.0.1, pid = 77', 'ssh-timeout', undefined],
])('%s', (message, code, user) => {
  const { norm } = of(message);
  expect(norm).toMatchObject({ event_code: code, src_ip: '203.0.113.9' });
  expect(norm.user).toBe(user);
});

describe('forged names', () => {
  test.each([
    ['Failed password for invalid user x from 9.9.9.9 from 45.9.1.1 port 4711 ssh2', 'x from 9.9.9.9'],
    [
      'Failed password for invalid user x from 9.9.9.9 port 22 ssh2 from 45.9.1.1 port 4711 ssh2',
      'x from 9.9.9.9 port 22 ssh2',
    ],
    [
      'Failed none for invalid user root from 9.9.9.9 port 1 ssh2: RSA from 45.9.1.1 port 4711 ssh2',
      'root from 9.9.9.9 port 1 ssh2: RSA',
    ],
    ['Invalid user x from 9.9.9.9 port 1 from 45.9.1.1 port 4711', 'x from 9.9.9.9 port 1'],
    [
      'User x from 9.9.9.9 not allowed because y from 45.9.1.1 not allowed because not listed in AllowUsers',
      'x from 9.9.9.9 not allowed because y',
    ],
    [
      'Connection closed by invalid user x 9.9.9.9 port 1 [preauth] 45.9.1.1 port 4711 [preauth]',
      'x 9.9.9.9 port 1 [preauth]',
    ],
  ])('%s', (message, user) => {
    expect(of(message).norm).toMatchObject({ src_ip: '45.9.1.1', user });
  });
});

test('a message that repeats is decoded once, with the number', () => {
  const event = of('message repeated 3 times: [ Failed password for root from 45.9.1.1 port 4711 ssh2]');
  expect(event.norm).toMatchObject({ outcome: 'failure', user: 'root', src_ip: '45.9.1.1' });
  expect(event.fields).toEqual({ repeated: 3, auth_method: 'password' });
});

test('another message of sshd is still sshd', () => {
  expect(of('Server listening on 0.0.0.0 port 22.')).toMatchObject({ format: 'syslog/sshd', norm: { class_uid: 0 } });
});

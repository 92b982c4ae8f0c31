/** Log-ins in the words of programs that have no decoder of their own; what is no log-in stays not understood. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decodeOne } from '../decode-testing.ts';
import { logonOutcome, readLogon } from './program-logon.ts';

const FAILURES: readonly [line: string, user: string | undefined, ip: string | undefined][] = [
  [
    '2022-02-14 13:47:54 level=error msg="Unsuccessful 1FA authentication attempt by user \'ada\'" remote_ip=192.0.2.1',
    'ada',
    '192.0.2.1',
  ],
  [
    '2022/03/01 12:57:58 [I] Failed authentication attempt for ada from 192.0.2.1:39522: user does not exist',
    'ada',
    '192.0.2.1',
  ],
  [
    '[2023-06-30 15:17:36,332] [INFO] [paper.auth] Login failed for user `ada` from private IP `2001:db8::1`.',
    'ada',
    '2001:db8::1',
  ],
  [
    'Apr 23 21:59:01 mail imapd: LOGIN FAILED, user=ada@example.com, ip=[::ffff:192.0.2.1]',
    'ada@example.com',
    '192.0.2.1',
  ],
  [
    "2021-11-09  5:13:11 8 [Warning] Access denied for user 'ada'@'192.0.2.1' (using password: YES)",
    'ada',
    '192.0.2.1',
  ],
  [
    'Jun 29 16:04:19 s exim[12]: login authenticator failed for ([10.1.1.1]) [192.0.2.1]:553: 535 Incorrect authentication data (set_id=ada)',
    'ada',
    '192.0.2.1',
  ],
  ['Jan  7 14:19:31 f pure-ftpd: (?@192.0.2.1) [WARNING] Authentication failed for user [ada]', 'ada', '192.0.2.1'],
  [
    'Jan 4 21:51:05 h cyrus/imap[5]: badlogin: x.example [192.0.2.1] plaintext ada SASL(-13): authentication failure: checkpass failed',
    undefined,
    '192.0.2.1',
  ],
  [
    'Auth: [SMB2,(null)] user [WORK]\\[ada] at [x] status [NT_STATUS_WRONG_PASSWORD] remote host [ipv4:192.0.2.1:448] mapped to [W]\\[ada]. local host [ipv4:10.0.0.1:445]',
    'WORK',
    '192.0.2.1',
  ],
  [
    '@400000004c91b044077a9e94 imap-login: Info: Aborted login (auth failed, 1 attempts): user=<ada>, method=PLAIN, rip=192.0.2.1, lip=10.0.0.1',
    'ada',
    '192.0.2.1',
  ],
  ['srv sshd[31602]: Failed password for invalid user ada from 192.0.2.1 port 50273 ssh2', 'ada', '192.0.2.1'],
  [
    'Mar 29 05:20:09 d sshd[1]: [ID 800047 auth.info] Failed keyboard-interactive for ada from 192.0.2.1 port 5 ssh2',
    'ada',
    '192.0.2.1',
  ],
  ['Jan  5 01:31:41 www sshd[1643]: ROOT LOGIN REFUSED FROM 192.0.2.1 port 12345 [preauth]', 'root', '192.0.2.1'],
  [
    'Jan  5 01:31:41 www sshd[1]: error: PAM: Authentication failure for ada from 192.0.2.1 via 10.0.0.1',
    'ada',
    '192.0.2.1',
  ],
  [
    'Jan  5 01:31:41 www sshd[1]: Failed hostbased for ada from 192.0.2.1 port 4 ssh2: RSA 8c:e3, client user "x", client host "y"',
    'ada',
    '192.0.2.1',
  ],
  [
    'May 15 18:02:12 h proftpd: (pam_unix) authentication failure; logname= uid=0 euid=0 tty= ruser= rhost=192.0.2.1  user=ada',
    'ada',
    '192.0.2.1',
  ],
  [
    'Jul 19 18:11:50 h daemon: pam_unix(auth): authentication failure; logname= uid=0 euid=0 tty=x ruser=a rhost=9.9.9.9 rhost=192.0.2.1',
    'a rhost=9.9.9.9',
    '192.0.2.1',
  ],
  [
    'Jan 29 08:11:45 m postfix-incoming/smtpd[1]: warning: unknown[192.0.2.1]: SASL LOGIN authentication failed: x, sasl_username=ada',
    'ada',
    '192.0.2.1',
  ],
  ['{"level":"WARN","msg":"login failed","username":"ada","client_ip":"192.0.2.1"}', 'ada', '192.0.2.1'],
  [
    '{"event":"user.login","success":false,"user":"ada","addr.remote":"192.0.2.1","error":"invalid"}',
    'ada',
    '192.0.2.1',
  ],
  ['{"action":"login_failed","client_ip":"192.0.2.1","context":{"username":"ada"}}', 'ada', '192.0.2.1'],
];

test.each(FAILURES)('a failure: %s', (line, user, src_ip) => {
  const event = decodeOne(line);
  expect(event.norm).toMatchObject({ class_uid: 3002, action: 'logon', outcome: 'failure' });
  expect([event.norm.user, event.norm.src_ip]).toEqual([user, src_ip]);
});

test('a success says so, and a time of its own is read', () => {
  const event = decodeOne(
    "I, [2023-03-13T09:18:03.678079 #1]  INFO -- : Successful authentication for 'ada' from 192.0.2.1",
  );
  expect(event.norm).toMatchObject({ outcome: 'success', user: 'ada', src_ip: '192.0.2.1' });
  const timed = decodeOne('[2024-02-12 12:16:05] Authentication request for "ada" has been denied (IP: "192.0.2.1").');
  expect(timed.timeMs).toBe(Date.UTC(2024, 1, 12, 12, 16, 5));
});

describe('what is no log-in', () => {
  test.each([
    'Jan  1 00:00:00 h app[1]: opened the login page for 192.0.2.1',
    'Jan  1 00:00:00 h app[1]: backup of the authentication database finished',
    'Jan  1 00:00:00 h app[1]: disk failed on 192.0.2.1',
    'Jan  1 00:00:00 h app[1]: authentication failed',
  ])('%s', (line) => {
    expect(decodeOne(line).format).toBe('syslog/other');
  });
});

test('a name that the client chose does not become its address', () => {
  const event = decodeOne("Jan  1 00:00:00 h app[1]: Failed login for user 'x from 9.9.9.9' from 192.0.2.1");
  expect(event.norm.src_ip).toBe('192.0.2.1');
});

test('whatever a record holds, it takes no longer than its length', () => {
  const piece = fc.constantFrom(
    'failed login ',
    'auth',
    'user ',
    'for ',
    "'",
    '[',
    '(',
    ' from ',
    '1.2.3.4',
    ':',
    'a',
    ' ',
    '=',
    'ip ',
    '::',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 400 }), (pieces) => {
      const text = pieces.join('');
      const started = performance.now();
      logonOutcome(text);
      readLogon(text, {});
      expect(performance.now() - started).toBeLessThan(100);
    }),
    { numRuns: 200 },
  );
  for (const unit of ['auth from ', 'to login with account ', 'user for user ', '[[[[', '1.', '::', 'ip ip ip ']) {
    const text = unit.repeat(70_000 / unit.length);
    const started = performance.now();
    logonOutcome(text);
    readLogon(text, {});
    expect(performance.now() - started, unit).toBeLessThan(100);
  }
});

/** Audit trail, CEF and LEEF. */

import { describe, expect, test } from 'vitest';
import { decodeOne } from './decode-testing.ts';

describe('audit', () => {
  test('a log-in that failed', () => {
    const event = decodeOne(
      `type=USER_AUTH msg=audit(1779268443.500:421): pid=7 uid=0 auid=4294967295 ses=4294967295 msg='op=PAM:authentication grantors=? acct="root" exe="/usr/sbin/sshd" hostname=203.0.113.9 addr=203.0.113.9 terminal=ssh res=failed'`,
    );
    expect(event).toMatchObject({
      format: 'auditd/text',
      timeMs: 1779268443500,
      logsource: { product: 'linux', service: 'auditd' },
      norm: {
        class_uid: 3002,
        action: 'logon',
        outcome: 'failure',
        user: 'root',
        src_ip: '203.0.113.9',
        process: '/usr/sbin/sshd',
        pid: 7,
        event_code: 'USER_AUTH',
      },
      fields: { type: 'USER_AUTH', op: 'PAM:authentication', acct: 'root', audit_id: '1779268443.500:421' },
    });
  });
  test.each([
    [
      'type=EXECVE msg=audit(1779268443.500:1): argc=3 a0="sh" a1="-c" a2=6375726C2068747470',
      { command_line: 'sh -c curl http' },
    ],
    ['type=PROCTITLE msg=audit(1779268443.500:1): proctitle=726D002D7266002F', { command_line: 'rm -rf /' }],
    [
      'type=SYSCALL msg=audit(1779268443.500:1): arch=c000003e syscall=59 success=yes exit=0 a0=10 comm="rm" exe="/bin/rm" key=(null)\u001dAUID="ada"',
      { process: '/bin/rm', outcome: 'success', user: 'ada' },
    ],
    [
      'node=h2 type=ADD_USER msg=audit(1779268443.500:1): pid=9 msg=\'op=adding user acct="mallory" exe="/usr/sbin/useradd" hostname=? addr=? terminal=? res=success\'',
      { host: 'h2', action: 'account-create', target_user: 'mallory' },
    ],
    [
      'May 20 09:14:03 h audispd: type=USER_LOGIN msg=audit(1779268443.500:1): msg=\'acct="ada" addr=203.0.113.9 res=success\'',
      { host: 'h', outcome: 'success', user: 'ada' },
    ],
  ])('%j', (line, norm) => {
    expect(decodeOne(line).norm).toMatchObject(norm);
  });
  test('a name in hex cannot forge the rest', () => {
    const hex = Buffer.from('x" addr=9.9.9.9 res=success').toString('hex').toUpperCase();
    const event = decodeOne(
      `type=USER_LOGIN msg=audit(1779268443.500:1): msg='acct=${hex} addr=203.0.113.9 res=failed'`,
    );
    expect(event.norm).toMatchObject({
      user: 'x" addr=9.9.9.9 res=success',
      src_ip: '203.0.113.9',
      outcome: 'failure',
    });
  });
});

describe('CEF', () => {
  test('values with spaces, escapes, inside syslog', () => {
    const event = decodeOne(
      '<134>May 20 09:14:03 fw CEF:0|Acme|Wall\\|2|9.4|100|Login failed|8|src=203.0.113.9 spt=51000 dst=10.0.0.5 dpt=443 suser=ada msg=a \\= b c act=blocked cs1=x',
    );
    expect(event.format).toBe('cef');
    expect(event.logsource).toEqual({ product: 'acme', service: 'wall|2' });
    expect(event.norm).toMatchObject({
      src_ip: '203.0.113.9',
      src_port: 51000,
      dst_ip: '10.0.0.5',
      dst_port: 443,
      user: 'ada',
      message: 'a = b c',
      // Its name says what it is: a log-in that failed.
      action: 'logon',
      outcome: 'failure',
      event_code: '100',
      severity_id: 4,
      host: 'fw',
    });
  });
  test('a header that is torn is not CEF', () => {
    expect(decodeOne('CEF:0|a|b|c').format).toBe('raw');
  });
});

describe('LEEF', () => {
  test.each([
    ['LEEF:1.0|Acme|Wall|1|login|src=203.0.113.9\tusrName=ada\tmsg=a b', 'a b'],
    ['LEEF:2.0|Acme|Wall|1|login|^|src=203.0.113.9^usrName=ada^msg=a b', 'a b'],
    ['LEEF:2.0|Acme|Wall|1|login|x5E|src=203.0.113.9^usrName=ada^msg=a=b', 'a=b'],
  ])('%j', (line, message) => {
    expect(decodeOne(line)).toMatchObject({
      format: 'leef',
      norm: { src_ip: '203.0.113.9', user: 'ada', event_code: 'login', message },
    });
  });
});

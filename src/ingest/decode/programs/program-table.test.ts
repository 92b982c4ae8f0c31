/** One line of each kind for each program, and those in which a name pretends to be something else. */

import { describe, expect, test } from 'vitest';
import { createDecoder } from '../decode-block.ts';
import { blockOf, decodeOne } from '../decode-testing.ts';

const H = 'May 20 09:14:03 h ';

test.each([
  // sudo and su
  [
    `${H}sudo:    alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/bin/sh -c id ; whoami`,
    'syslog/sudo',
    {
      action: 'elevate',
      outcome: 'success',
      user: 'alice',
      target_user: 'root',
      command_line: '/bin/sh -c id ; whoami',
    },
  ],
  [
    `${H}sudo[7]: bob : user NOT in sudoers ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls`,
    'syslog/sudo',
    { outcome: 'failure', event_code: 'sudo-not-allowed', user: 'bob' },
  ],
  [
    `${H}sudo: bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls`,
    'syslog/sudo',
    { outcome: 'failure', event_code: 'sudo-bad-password' },
  ],
  [`${H}su[7]: (to root) alice on pts/1`, 'syslog/su', { outcome: 'success', user: 'alice', target_user: 'root' }],
  [`${H}su: FAILED SU (to root) alice on pts/1`, 'syslog/su', { outcome: 'failure', user: 'alice' }],
  [
    `${H}su[7]: Successful su for root by alice`,
    'syslog/su',
    { outcome: 'success', user: 'alice', target_user: 'root' },
  ],
  [`${H}su[7]: - /dev/pts/1 alice:root`, 'syslog/su', { outcome: 'failure', user: 'alice', target_user: 'root' }],
  // PAM
  [
    `${H}sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=root`,
    'syslog/pam',
    { action: 'logon', outcome: 'failure', user: 'root', src_ip: '203.0.113.9', service: 'sshd' },
  ],
  [
    `${H}sshd[7]: pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=203.0.113.9  user=x rhost=9.9.9.9`,
    'syslog/pam',
    { user: 'x rhost=9.9.9.9', src_ip: '203.0.113.9' },
  ],
  [
    `${H}login[7]: pam_unix(login:session): session opened for user ada(uid=1000) by LOGIN(uid=0)`,
    'syslog/pam',
    { action: 'session-open', user: 'ada' },
  ],
  [
    `${H}passwd[7]: pam_unix(passwd:chauthtok): password changed for ada`,
    'syslog/pam',
    { action: 'password-change', target_user: 'ada' },
  ],
  // cron, systemd
  [
    `${H}CRON[7]: (root) CMD (/usr/bin/backup --all)`,
    'syslog/cron',
    { action: 'exec', user: 'root', command_line: '/usr/bin/backup --all' },
  ],
  [
    `${H}systemd[1]: Started nginx.service - A high performance web server.`,
    'syslog/systemd',
    { action: 'service-start', service: 'nginx.service' },
  ],
  [`${H}systemd[1]: Failed to start pacs.service.`, 'syslog/systemd', { outcome: 'failure', service: 'pacs.service' }],
  [
    `${H}systemd-logind[7]: New session 5 of user ada.`,
    'syslog/systemd-logind',
    { action: 'session-open', user: 'ada' },
  ],
  // accounts
  [
    `${H}useradd[7]: new user: name=mallory, UID=0, GID=0, home=/home/m, shell=/bin/bash, from=/dev/pts/1`,
    'syslog/useradd',
    { action: 'account-create', target_user: 'mallory' },
  ],
  [`${H}usermod[7]: add 'mallory' to group 'sudo'`, 'syslog/usermod', { action: 'group-add', target_user: 'mallory' }],
  [
    `${H}gpasswd[7]: user mallory added by root to group wheel`,
    'syslog/gpasswd',
    { action: 'group-add', target_user: 'mallory', user: 'root' },
  ],
  [`${H}groupadd[7]: new group: name=x, GID=1001`, 'syslog/groupadd', { action: 'group-create' }],
  [`${H}userdel[7]: delete user 'mallory'`, 'syslog/userdel', { action: 'account-delete', target_user: 'mallory' }],
  // postfix
  [
    `${H}postfix/smtpd[7]: connect from mail.example[203.0.113.9]`,
    'syslog/postfix',
    { action: 'connect', src_ip: '203.0.113.9', src_host: 'mail.example' },
  ],
  [
    `${H}postfix/smtps/smtpd[7]: warning: unknown[203.0.113.9]: SASL LOGIN authentication failed: (reason unavailable), sasl_username=info@h.example`,
    'syslog/postfix',
    { action: 'logon', outcome: 'failure', user: 'info@h.example', src_ip: '203.0.113.9' },
  ],
  [
    `${H}postfix/smtpd[7]: NOQUEUE: reject: RCPT from x.y[203.0.113.9]: 554 5.7.1 <a@b>: Relay access denied; from=<a@b> to=<c@d> proto=ESMTP helo=<9.9.9.9>`,
    'syslog/postfix',
    { action: 'mail-reject', status: 554, src_ip: '203.0.113.9' },
  ],
  [
    `${H}postfix/smtpd[7]: 4F1A2B: client=x.y[203.0.113.9], sasl_method=LOGIN, sasl_username=ada`,
    'syslog/postfix',
    { action: 'logon', outcome: 'success', user: 'ada' },
  ],
  [
    `${H}postfix/qmgr[7]: 4F1A2B: from=<a@b>, size=123, nrcpt=1 (queue active)`,
    'syslog/postfix',
    { action: 'mail-queue' },
  ],
  // dovecot
  [
    `${H}dovecot: imap-login: Login: user=<ada>, method=PLAIN, rip=203.0.113.9, lip=10.0.0.1, mpid=1, TLS, session=<x>`,
    'syslog/dovecot',
    { outcome: 'success', user: 'ada', src_ip: '203.0.113.9', service: 'imap' },
  ],
  [
    `${H}dovecot: imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<a>, method=PLAIN, rip=9.9.9.9, lip=8.8.8.8, session=<x>, method=PLAIN, rip=203.0.113.9, lip=10.0.0.1, TLS`,
    'syslog/dovecot',
    { outcome: 'failure', src_ip: '203.0.113.9' },
  ],
  [
    `${H}dovecot: auth-worker(7): conn unix:auth-worker (pid=1,uid=2): auth-worker<6>: pam(a,9.9.9.9): unknown user,203.0.113.9): pam_authenticate() failed: x`,
    'syslog/dovecot',
    { outcome: 'failure', src_ip: '203.0.113.9' },
  ],
  // vsftpd
  [
    `Wed May 20 09:14:03 2026 [pid 3] [ada] OK LOGIN: Client "::ffff:203.0.113.9"`,
    'syslog/vsftpd',
    { outcome: 'success', user: 'ada', src_ip: '203.0.113.9', pid: 3 },
  ],
  [
    `${H}vsftpd[9]: [pid 3] [x] OK LOGIN: Client "9.9.9.9"] FAIL LOGIN: Client "203.0.113.9"`,
    'syslog/vsftpd',
    { outcome: 'failure', src_ip: '203.0.113.9' },
  ],
  // named
  [
    `${H}named[7]: client @0x7f 203.0.113.9#4711 (a.example): query: a.example IN A +E(0) (10.0.0.1)`,
    'syslog/named',
    { action: 'query', domain: 'a.example', src_ip: '203.0.113.9' },
  ],
  [
    `20-May-2026 09:14:03.425 security: error: client @0x7f 203.0.113.9#4711 (a.example): zone transfer 'a.example/AXFR/IN' denied`,
    'syslog/named',
    { action: 'zone-transfer', outcome: 'failure', domain: 'a.example' },
  ],
  // firewalls
  [
    `${H}kernel: [ 12.5] [UFW BLOCK] IN=eth0 OUT= MAC=aa SRC=203.0.113.9 DST=10.0.0.5 LEN=40 PROTO=TCP SPT=4711 DPT=445 SYN`,
    'syslog/netfilter',
    { action: 'deny', src_ip: '203.0.113.9', dst_ip: '10.0.0.5', dst_port: 445, protocol: 'tcp' },
  ],
  [
    `${H}kernel: ACCEPT-in: IN=eth0 OUT= SRC=2001:db8::9 DST=2001:db8::1 PROTO=UDP SPT=1 DPT=53`,
    'syslog/netfilter',
    { action: 'allow', src_ip: '2001:db8::9', dst_port: 53 },
  ],
  [
    `${H}filterlog[7]: 53,,,1000000301,em0,match,block,in,4,0x0,,64,420,0,none,6,tcp,460,203.0.113.9,10.0.0.5,53742,22,420,PA,1:2,3,65535`,
    'syslog/filterlog',
    { action: 'deny', src_ip: '203.0.113.9', src_port: 53742, dst_ip: '10.0.0.5', dst_port: 22, protocol: 'tcp' },
  ],
  [
    `${H}filterlog[7]: 7,,,1000000301,em0,match,pass,in,6,0x00,0x0,64,udp,17,80,2001:db8::9,2001:db8::1,546,547,80`,
    'syslog/filterlog',
    { action: 'allow', src_ip: '2001:db8::9', dst_port: 547 },
  ],
  // openvpn
  [
    `${H}openvpn[7]: ada/203.0.113.9:1194 AUTH: Received control message: AUTH_FAILED`,
    'syslog/openvpn',
    { outcome: 'failure', user: 'ada', src_ip: '203.0.113.9' },
  ],
  [
    `2026-05-20 09:14:03 203.0.113.9:1194 [ada] Peer Connection Initiated with [AF_INET]203.0.113.9:1194`,
    'syslog/openvpn',
    { outcome: 'success', user: 'ada', src_port: 1194 },
  ],
  // haproxy
  [
    `${H}haproxy[7]: 203.0.113.9:51000 [20/May/2026:09:14:02.885] fe~ be/s1 0/0/0/169/169 404 1541 - - ---- 5/6/7/8/0 0/0 "GET /a?b=1 HTTP/1.1"`,
    'web/haproxy',
    { status: 404, url: '/a?b=1', src_ip: '203.0.113.9', method: 'GET' },
  ],
  [
    `05/20/2026-09:14:03.5  [**] [1:2008578:4] SCAN x [**] [Classification: Leak] [Priority: 2] {UDP} 203.0.113.9:5116 -> 10.0.0.5:5060`,
    'ids/fast',
    { class_uid: 2001, src_ip: '203.0.113.9', dst_port: 5060, severity_id: 3 },
  ],
])('%s', (line, format, norm) => {
  const event = decodeOne(line);
  expect(event.format).toBe(format);
  expect(event.norm).toMatchObject(norm);
});

test('firewall fields and log source are what Sigma rules look for', () => {
  const event = decodeOne(
    `${H}kernel: [UFW BLOCK] IN=eth0 OUT= SRC=203.0.113.9 DST=10.0.0.5 PROTO=TCP SPT=4711 DPT=445`,
  );
  expect(event.logsource).toEqual({ product: 'linux', category: 'firewall' });
  expect(event.fields).toMatchObject({
    src_ip: '203.0.113.9',
    dst_ip: '10.0.0.5',
    dst_port: 445,
    action: 'deny',
    IN: 'eth0',
    DPT: '445',
  });
});

describe('slapd', () => {
  const lines = [
    `${H}slapd[7]: conn=1000 fd=12 ACCEPT from IP=203.0.113.9:51000 (IP=0.0.0.0:389)`,
    `${H}slapd[7]: conn=1000 op=0 BIND dn="uid=ada,ou=people,dc=h" method=128`,
    `${H}slapd[7]: conn=1000 op=0 RESULT tag=97 err=49 text=`,
  ];
  test('a refused bind names address and account of its connection, over blocks too', () => {
    const decoder = createDecoder({ zoneOf: () => 'UTC' });
    decoder.decode(blockOf(lines.slice(0, 2)));
    const [event] = decoder.decode(blockOf(lines.slice(2)));
    expect(event).toMatchObject({
      format: 'syslog/slapd',
      norm: { action: 'logon', outcome: 'failure', src_ip: '203.0.113.9', user: 'ada', status: 49 },
    });
  });
  test('connections of another source are not mixed in', () => {
    const decoder = createDecoder({ zoneOf: () => 'UTC' });
    decoder.decode(blockOf(lines.slice(0, 2), { source: 'src_other' }));
    expect(decoder.decode(blockOf(lines.slice(2)))[0]?.norm.src_ip).toBeUndefined();
  });
});

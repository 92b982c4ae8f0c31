/** Log-ins in clear as clients and servers send them: application, kind, what each side says. */

import { CANARY, type Sent, said } from './network-testing.ts';

const plain = (text: string) => Buffer.from(text).toString('base64');
const { secret, account } = CANARY;

export const LOGINS: readonly (readonly [string, string, readonly Sent[]])[] = [
  [
    'http',
    'Basic',
    [said('client', `GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic ${plain(`${account}:${secret}`)}\r\n\r\n`)],
  ],
  ['http', 'Bearer', [said('client', `GET / HTTP/1.1\r\nAuthorization: Bearer ${secret}\r\n\r\n`)]],
  [
    'http',
    'Digest',
    [said('client', `GET / HTTP/1.1\r\nAuthorization: Digest username="${account}", response="1"\r\n\r\n`)],
  ],
  [
    'http',
    'form',
    [
      said(
        'client',
        `POST /in HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${`user=a&password=${secret}`.length}\r\n\r\nuser=a&password=${secret}`,
      ),
    ],
  ],
  [
    'ftp',
    'PASS',
    [
      said('server', '220 files\r\n'),
      said('client', `USER ${account}\r\n`),
      said('server', '331 ok\r\n'),
      said('client', `PASS ${secret}\r\n`),
    ],
  ],
  [
    'pop3',
    'PASS',
    [
      said('server', '+OK here\r\n'),
      said('client', `USER ${account}\r\n`),
      said('server', '+OK\r\n'),
      said('client', `PASS ${secret}\r\n`),
    ],
  ],
  ['imap', 'LOGIN', [said('server', '* OK IMAP4\r\n'), said('client', `a1 LOGIN ${account} ${secret}\r\n`)]],
  [
    'smtp',
    'AUTH PLAIN',
    [
      said('server', '220 mail ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', '250-mail\r\n250-STARTTLS\r\n250 AUTH PLAIN\r\n'),
      said('client', `AUTH PLAIN ${plain(`\0${account}\0${secret}`)}\r\n`),
    ],
  ],
  [
    'smtp',
    'AUTH LOGIN',
    [
      said('server', '220 mail ESMTP\r\n'),
      said('client', 'EHLO x\r\n'),
      said('server', '250 AUTH LOGIN\r\n'),
      said('client', 'AUTH LOGIN\r\n'),
      said('server', '334 VXNlcm5hbWU6\r\n'),
      said('client', `${plain(account)}\r\n`),
      said('server', '334 UGFzc3dvcmQ6\r\n'),
      said('client', `${plain(secret)}\r\n`),
    ],
  ],
  [
    'telnet',
    'password',
    [
      said('server', '\xff\xfd\x18\r\nlogin: '),
      said('client', `${account}\r\n`),
      said('server', '\r\nPassword: '),
      said('client', `${secret}\r\n`),
    ],
  ],
  [
    'ldap',
    'simple bind',
    [
      {
        from: 'client',
        bytes: Buffer.concat([
          Buffer.from([0x30, 12 + 4 + secret.length, 2, 1, 1, 0x60, 7 + 4 + secret.length, 2, 1, 3, 4, 4]),
          Buffer.from('cn=a'),
          Buffer.from([0x80, secret.length]),
          Buffer.from(secret),
        ]),
      },
    ],
  ],
  [
    'postgresql',
    'clear password',
    [
      said('client', '\0\0\0\x16\0\x03\0\0user\0someone\0\0'),
      said('server', 'R\0\0\0\x08\0\0\0\x03'),
      said('client', `p\0\0\0${String.fromCharCode(secret.length + 5)}${secret}\0`),
    ],
  ],
  [
    'mysql',
    'mysql_clear_password',
    [
      said('server', '\x4a\0\0\0\x0a8.0.36\0'.padEnd(4 + 74, 'x')),
      said('client', '\x24\0\0\x01\x05\0\0\0'.padEnd(40, 'y')),
      said('server', '\x16\0\0\x02\xfemysql_clear_password\0'),
      said('client', `${String.fromCharCode(secret.length + 1)}\0\0\x03${secret}\0`),
    ],
  ],
  [
    'mqtt',
    'CONNECT',
    [
      said(
        'client',
        `\x10${String.fromCharCode(10 + 3 + 3 + 2 + secret.length)}\0\x04MQTT\x04\xc2\0\x3c\0\x01c\0\x01u\0${String.fromCharCode(secret.length)}${secret}`,
      ),
    ],
  ],
  [
    'vnc',
    'DES challenge',
    [
      said('server', 'RFB 003.008\n'),
      said('client', 'RFB 003.008\n'),
      said('server', '\x01\x02'),
      said('client', '\x02'),
    ],
  ],
];

/** The fast scanners against the plain versions, over generated lines. */

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { plainAccess, plainSshd } from './decode-plain.ts';
import { decodeOne, RECEIVED_MS } from './decode-testing.ts';

const two = (n: number): string => String(n).padStart(2, '0');
const ip = fc.oneof(fc.ipV4(), fc.constantFrom('2001:db8::1', 'fe80::1', '::1', '2001:db8:0:1:2:3:4:5'));
const port = fc.integer({ min: 0, max: 65535 });
/** Names as attackers choose them: words of our own grammar in any order. */
const name = fc
  .array(
    fc.constantFrom(
      'root',
      'a',
      'from',
      '9.9.9.9',
      'port',
      '22',
      'ssh2',
      'invalid',
      'user',
      'for',
      ':',
      '[preauth]',
      'é',
      '"',
      '\\',
    ),
    { maxLength: 8 },
  )
  .map((words) => words.join(' '));
const clock = fc
  .tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 59 }))
  .map((parts) => parts.map(two).join(':'));
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const month = fc.constantFrom(...MONTHS);
const day = fc.integer({ min: 1, max: 28 });
const bsdStamp = fc.tuple(month, day, clock).map(([m, d, c]) => `${m} ${String(d).padStart(2, ' ')} ${c}`);
const isoStamp = fc
  .tuple(
    fc.integer({ min: 1991, max: 2025 }),
    fc.integer({ min: 1, max: 12 }),
    day,
    clock,
    fc.constantFrom('', '.5', '.123456'),
    fc.constantFrom('Z', '+02:00', '-05:30'),
  )
  .map(([y, m, d, c, fraction, zone]) => `${y}-${two(m)}-${two(d)}T${c}${fraction}${zone}`);
const message = fc.oneof(
  fc
    .tuple(
      fc.constantFrom('Accepted', 'Failed'),
      fc.constantFrom('password', 'none', 'keyboard-interactive/pam'),
      fc.constantFrom('', 'invalid user '),
      name,
      ip,
      port,
    )
    .map(
      ([verb, method, invalid, user, address, number]) =>
        `${verb} ${method} for ${invalid}${user} from ${address} port ${number} ssh2`,
    ),
  fc.tuple(name, ip, port).map(([user, address, number]) => `Invalid user ${user} from ${address} port ${number}`),
);

test('sshd lines', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('', '<38>', '<86>'),
      fc.oneof(bsdStamp, isoStamp),
      fc.constantFrom('h', 'pacs-01.example'),
      fc.integer({ min: 1, max: 4_000_000 }),
      message,
      (pri, stamp, host, pid, text) => {
        const line = `${pri}${stamp} ${host} sshd[${pid}]: ${text}`;
        const event = decodeOne(line);
        const { timeMs, ...norm } = plainSshd(line, RECEIVED_MS) as NonNullable<ReturnType<typeof plainSshd>>;
        expect({ timeMs: event.timeMs, norm: event.norm }).toMatchObject({ timeMs, norm });
        expect(event.norm.user).toBe(norm.user);
      },
    ),
    { numRuns: 1000 },
  );
});

test('a name that says what sshd says of names', () => {
  const line = '1991-01-01T00:00:00Z h sshd[1]: Accepted password for invalid user from 192.0.2.7 port 9 ssh2';
  expect(decodeOne(line).norm).toMatchObject({ user: 'invalid user', src_ip: '192.0.2.7', outcome: 'success' });
});

test('access log lines', () => {
  const quoted = fc
    .array(
      fc.constantFrom(
        'GET',
        'POST',
        ' ',
        '/',
        'a',
        '?b=c',
        '%20',
        '\\x22',
        '\\"',
        '\\\\',
        ' HTTP/1.1',
        '[',
        ']',
        "'",
        '-',
        'é',
      ),
      { maxLength: 10 },
    )
    .map((parts) => parts.join(''));
  const stamp = fc
    .tuple(day, month, fc.integer({ min: 1995, max: 2025 }), clock, fc.constantFrom('+0000', '+0200', '-0730'))
    .map(([d, m, y, c, zone]) => `${two(d)}/${m}/${y}:${c} ${zone}`);
  fc.assert(
    fc.property(
      ip,
      fc.constantFrom('-', 'alice', 'al ice'),
      stamp,
      quoted,
      fc.integer({ min: 100, max: 599 }),
      fc.nat(1e9),
      quoted,
      quoted,
      (address, user, time, request, status, bytes, referrer, agent) => {
        const line = `${address} - ${user} [${time}] "${request}" ${status} ${bytes} "${referrer}" "${agent}"`;
        const event = decodeOne(line);
        const { timeMs, ...norm } = plainAccess(line) as NonNullable<ReturnType<typeof plainAccess>>;
        expect({ timeMs: event.timeMs, norm: event.norm }).toMatchObject({ timeMs, norm });
        expect(event.norm.user).toBe(norm.user);
        expect(event.norm.method).toBe(norm.method);
      },
    ),
    { numRuns: 1000 },
  );
});
